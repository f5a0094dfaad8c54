"""A browser's cookie jar, small: RFC 6265bis without public suffixes and SameSite."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from urllib.parse import SplitResult, urlsplit

__all__ = ["Cookie", "CookieJar"]

_LARGEST = 4096


@dataclass(frozen=True)
class Cookie:
    """One cookie as a browser keeps it.

    Attributes:
        name: its name; `""` is possible.
        value: as sent, quotes and percent-encoding included.
        domain: the host, or the domain it was set for.
        path: the path prefix it is sent to.
        expires: seconds since the epoch, `None` for the session.
        host_only: whether subdomains do not get it.
        secure: whether it is only sent over https, and to this machine.
        http_only: whether scripts cannot read it.
        same_site: the attribute as sent, `""` without one. All requests of a test client count as same-site.
    """

    name: str
    value: str
    domain: str
    path: str = "/"
    expires: float | None = None
    host_only: bool = True
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    attributes: dict[str, str] = field(default_factory=dict, compare=False)

    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= time.time()


class CookieJar:
    """Keeps cookies between requests.

    `jar["name"]` is the value of the first cookie of that name, whatever its host and path; `jar["name"] = "value"`
    sets one for every path of the client's own host; `len`, `in` and iteration (over `Cookie`s) leave out expired ones.
    As in browsers, `Secure` cookies are kept on, and sent to, `localhost` and loopback addresses without https as well.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host.lower()
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def set(self, name: str, value: str, *, domain: str | None = None, path: str = "/") -> None:
        """Put a cookie in, for the client's own host unless a domain is given."""
        host = domain or self._host
        self._keep(Cookie(name, value, host.lstrip(".").lower(), path, host_only=domain is None))

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the first cookie of that name."""
        return next((cookie.value for cookie in self if cookie.name == name), default)

    def cookie(self, name: str) -> Cookie:
        """The first cookie of that name, with its attributes; `KeyError` if there is none."""
        for cookie in self:
            if cookie.name == name:
                return cookie
        raise KeyError(name)

    def delete(self, name: str) -> None:
        """Remove every cookie of that name."""
        self._cookies = {key: cookie for key, cookie in self._cookies.items() if cookie.name != name}

    def clear(self) -> None:
        """Remove all."""
        self._cookies.clear()

    def store(self, url: str, headers: list[str]) -> None:
        """Take the `Set-Cookie` values of an answer from `url`; what a browser would refuse is dropped."""
        parts = urlsplit(url)
        for header in headers:
            cookie = parse_set_cookie(header, parts)
            if cookie is not None:
                self._keep(cookie)

    def header(self, url: str) -> str | None:
        """The `Cookie` header for a request to `url`, longer paths first, then older cookies; `None` without one."""
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path or "/"
        sent = [
            cookie
            for cookie in self
            if (host == cookie.domain if cookie.host_only else _domain_match(host, cookie.domain))
            and _path_match(path, cookie.path)
            and (not cookie.secure or _trustworthy(parts))
        ]
        sent.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" if cookie.name else cookie.value for cookie in sent) or None

    def _keep(self, cookie: Cookie) -> None:
        key = (cookie.domain, cookie.path, cookie.name)
        if cookie.expired():
            self._cookies.pop(key, None)
        else:
            self._cookies[key] = cookie

    def __getitem__(self, name: str) -> str:
        return self.cookie(name).value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        self.cookie(name)
        self.delete(name)

    def __contains__(self, name: object) -> bool:
        return any(cookie.name == name for cookie in self)

    def __iter__(self) -> Iterator[Cookie]:
        return iter([cookie for cookie in self._cookies.values() if not cookie.expired()])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"CookieJar({[cookie.name for cookie in self]})"  # names only: values hold secrets


def parse_set_cookie(header: str, url: SplitResult) -> Cookie | None:
    """Read a `Set-Cookie` value as RFC 6265bis section 5.6 and 5.7 say; `None` for one that a browser drops."""
    pair, *rest = header.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    name, value = name.strip(), value.strip()
    attributes = {key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in rest)}
    host = (url.hostname or "").lower()
    domain = attributes.get("domain", "").removeprefix(".").lower()
    path = attributes.get("path", "")
    cookie = Cookie(
        name,
        value,
        domain or host,
        path if path.startswith("/") else _default_path(url.path),
        _expires(attributes),
        host_only=not domain or (domain == host and _is_address(host)),
        secure="secure" in attributes,
        http_only="httponly" in attributes,
        same_site=attributes.get("samesite", ""),
        attributes=attributes,
    )
    return cookie if _acceptable(cookie, host, url) else None


def _acceptable(cookie: Cookie, host: str, url: SplitResult) -> bool:
    if len(cookie.name) + len(cookie.value) > _LARGEST or not (cookie.name or cookie.value):
        return False
    if not _domain_match(host, cookie.domain):
        return False
    if cookie.secure and not _trustworthy(url):
        return False
    prefix = cookie.name.lower()
    if prefix.startswith("__secure-"):
        return cookie.secure
    if prefix.startswith("__host-"):
        return cookie.secure and not cookie.attributes.get("domain") and cookie.attributes.get("path") == "/"
    return True


def _expires(attributes: dict[str, str]) -> float | None:
    age = attributes.get("max-age", "")
    if age.removeprefix("-").isdecimal() and age.isascii():
        return time.time() + int(age) if int(age) > 0 else 0.0
    moment = parsedate_tz(attributes.get("expires", "").replace("-", " "))
    return None if moment is None else float(mktime_tz(moment))


def _default_path(path: str) -> str:
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _path_match(path: str, prefix: str) -> bool:
    return path == prefix or (path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/"))


def _domain_match(host: str, domain: str) -> bool:
    return host == domain or (host.endswith("." + domain) and not _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _trustworthy(url: SplitResult) -> bool:
    host = url.hostname or ""
    if url.scheme in {"https", "wss"} or host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback
