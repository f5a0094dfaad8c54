"""Addresses of peers, and URLs taken apart."""

import socket
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit


class Address(NamedTuple):
    """A peer: `host` is an IP address without brackets (or ``"unix:..."``), `port` is `None` for a Unix socket."""

    host: str
    port: int | None


def parse_address(text: str) -> Address | None:
    """Read an address as the server writes it: ``"ip:port"``, ``"[v6]:port"``, ``"v6:port"`` or ``"unix:..."``.

    Returns `None` for anything else; it never raises.
    """
    if text.startswith("unix:"):
        return Address(text, None)
    host, _, digits = text.rpartition(":")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5) or int(digits) > 65535:
        return None
    bracketed = host[:1] == "["
    if bracketed:
        if host[-1] != "]":
            return None
        host = host[1:-1]
    family = socket.AF_INET6 if bracketed or ":" in host else socket.AF_INET
    try:
        # inet_pton knows no zone ("fe80::1%eth0"), which a link-local peer has.
        socket.inet_pton(family, host.partition("%")[0] if family is socket.AF_INET6 else host)
    except (OSError, ValueError):
        return None
    return Address(host, int(digits))


class URL:
    """A URL, taken apart when it is made; it cannot be changed, and equals its text.

    Args:
        url: the URL as text.

    Raises:
        ValueError: the host or the port is malformed.
    """

    __slots__ = ("_parts", "_port")

    _parts: SplitResult
    _port: int | None

    def __init__(self, url: "str | URL" = "") -> None:
        if isinstance(url, URL):
            self._parts, self._port = url._parts, url._port
        else:
            self._parts = urlsplit(url)
            self._port = self._parts.port

    @property
    def scheme(self) -> str:
        """Lower-case scheme without the colon, or ``""``."""
        return self._parts.scheme

    @property
    def netloc(self) -> str:
        """User, host and port as written, or ``""``."""
        return self._parts.netloc

    @property
    def host(self) -> str | None:
        """Lower-case host without port or brackets, or `None`."""
        return self._parts.hostname

    @property
    def port(self) -> int | None:
        """The port if it is written, else `None`."""
        return self._port

    @property
    def path(self) -> str:
        """The path, percent-encoded as written."""
        return self._parts.path

    @property
    def query(self) -> str:
        """The query without its question mark, as written."""
        return self._parts.query

    @property
    def fragment(self) -> str:
        """The fragment without its hash mark."""
        return self._parts.fragment

    def replace(self, **parts: Any) -> "URL":
        """Return a URL with some parts exchanged.

        Args:
            parts: any of `scheme`, `netloc`, `host`, `port` (`None` removes it), `path`, `query`, `fragment`.

        Raises:
            TypeError: there is no such part, or both `netloc` and `host` or `port` are given.
        """
        if unknown := parts.keys() - {"scheme", "netloc", "host", "port", "path", "query", "fragment"}:
            raise TypeError(f"a URL has no part {', '.join(sorted(unknown))}")
        if "host" in parts or "port" in parts:
            if "netloc" in parts:
                raise TypeError("give either netloc, or host and port")
            parts["netloc"] = self._netloc(parts.pop("host", self.host), parts.pop("port", self.port))
        return URL(self._parts._replace(**parts).geturl())

    def _netloc(self, host: str | None, port: int | None) -> str:
        user = self.netloc.rpartition("@")[0]
        name = host or ""
        if ":" in name and not name.startswith("["):
            name = f"[{name}]"
        return f"{user}{'@' if user else ''}{name}{'' if port is None else f':{port}'}"

    def include_query_params(self, **params: Any) -> "URL":
        """Return a URL whose query has these parameters: each replaces all of its name; a list gives several."""
        pairs = [pair for pair in parse_qsl(self.query, keep_blank_values=True) if pair[0] not in params]
        return self.replace(query=urlencode([*pairs, *params.items()], doseq=True))

    def remove_query_params(self, *names: str) -> "URL":
        """Return a URL whose query lacks the named parameters."""
        pairs = [pair for pair in parse_qsl(self.query, keep_blank_values=True) if pair[0] not in names]
        return self.replace(query=urlencode(pairs))

    def __str__(self) -> str:
        return self._parts.geturl()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, URL | str):
            return str(self) == str(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"
