"""The session's cookie: which name, which attributes, and finding it in a request."""

from __future__ import annotations

import re
from typing import Literal

from gobstopper_http import Request, WebSocket
from gobstopper_http.cookies import dump_cookie

from ._options import check_text

__all__ = ["SessionCookie", "is_loopback_host"]

_LOOPBACK = re.compile(r"(?:localhost|[a-z0-9-]+\.localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?")

SameSite = Literal["Lax", "Strict", "None"]


def is_loopback_host(host: str) -> bool:
    """Whether a `Host` field names this machine: `localhost` and its subdomains, 127.0.0.0/8, `[::1]`."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


class SessionCookie:
    """Reads and writes the cookie.

    Its name has the prefix that makes browsers refuse it from anywhere else: `__Host-`, or `__Secure-` with a domain
    (RFC 6265bis section 4.1.3). Without TLS there is none of that.

    Args:
        name: Without the prefix.
        secure: `"auto"`: always, except in debug for a loopback `Host`. `True`: always. `False`: never.
        samesite: As in `dump_cookie`.
        domain: Send it to the subdomains of this name too.
        max_age: Seconds that the browser keeps it; `None`: as long as it runs.

    Raises:
        TypeError: for a name or domain that is no text.
        ValueError: for a name or domain that browsers refuse, or `SameSite=None` without `Secure`.
    """

    def __init__(
        self,
        name: str,
        *,
        secure: bool | Literal["auto"] = "auto",
        samesite: SameSite = "Lax",
        domain: str | None = None,
        max_age: int | None = None,
    ) -> None:
        check_text("cookie_name", name)
        if not (isinstance(secure, bool) or secure == "auto"):
            raise ValueError(f'cookie_secure={secure!r}: use True, False or "auto"')
        if samesite not in {"Lax", "Strict", "None"}:
            raise ValueError(f"cookie_samesite={samesite!r}: use 'Lax', 'Strict' or 'None'")
        if domain is not None and not check_text("cookie_domain", domain):
            raise ValueError("cookie_domain='': give a host name, or None for this host alone")
        self.plain_name = re.sub(r"^__(?:host|secure)-", "", name, flags=re.IGNORECASE)
        self.secure_name = f"{'__Secure-' if domain else '__Host-'}{self.plain_name}"
        # What a header with this cookie alone begins with, where there is but one name for it.
        self._only = f"{self._name(secure is not False)}="
        self._secure = secure
        self._auto = False
        self._attributes: dict[bool, str] = {}
        for is_secure in (True, False):
            if secure is (not is_secure):
                continue
            # In development a cookie for other sites too is not to be had without TLS.
            same: SameSite = "Lax" if samesite == "None" and not is_secure and secure == "auto" else samesite
            self._attributes[is_secure] = _attributes(self._name(is_secure), is_secure, same, domain, max_age)
        self._removal = {
            is_secure: f"; Max-Age=0{re.sub('; Max-Age=[0-9]+', '', text)}"
            for is_secure, text in self._attributes.items()
        }

    def allow_plain(self) -> None:
        """The application is in debug: `"auto"` may leave `Secure` out on loopback hosts."""
        self._auto = self._secure == "auto"
        if self._auto:
            self._only = "\n"  # what no field begins with

    def _name(self, is_secure: bool) -> str:
        return self.secure_name if is_secure else self.plain_name

    def is_secure_for(self, connection: Request | WebSocket) -> bool:
        """Whether this request's cookie is the secure one."""
        if not self._auto:
            return self._secure is not False
        host = connection.scope.authority or connection.raw_headers.get("host") or ""
        return not is_loopback_host(host)

    def name_for(self, host: str) -> str:
        """The cookie's name in requests for `host`."""
        return self._name(self._secure is not False and not (self._auto and is_loopback_host(host)))

    def find(self, connection: Request | WebSocket) -> str | None:
        """The cookie's value in a request; `None` without one. Of two with one name the first counts."""
        raw = connection.raw_headers
        header: str | None = raw.get("cookie")
        if header is None:
            if "cookie" not in raw:
                return None
            # The first of several fields may be one that the server does not hand over, as it is not visible ASCII.
        elif header.startswith(self._only) and ";" not in header and '"' not in header:
            return header[len(self._only) :].strip(" \t")  # the most frequent case, without reading all cookies
        return connection.cookies.get(self._name(self.is_secure_for(connection)))

    def dump(self, value: str, connection: Request | WebSocket) -> str:
        """The `Set-Cookie` field for a value; `""` removes the cookie."""
        is_secure = self.is_secure_for(connection)
        attributes = self._attributes[is_secure] if value else self._removal[is_secure]
        return f"{self._name(is_secure)}={value}{attributes}"


def _attributes(name: str, is_secure: bool, samesite: SameSite, domain: str | None, max_age: int | None) -> str:
    field = dump_cookie(name, "x", secure=is_secure, httponly=True, samesite=samesite, domain=domain, max_age=max_age)
    return field.removeprefix(f"{name}=x")
