"""The request as Granian shows it: scope and headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

__all__ = ["BadTarget", "FakeHeaders", "FakeScope", "RequestHead", "Target", "parse_target"]

RSGI_VERSION = "1.6"

# What Granian's parser answers with 400. Bytes from 0x80 on must be UTF-8, which a `str` always gives.
_BAD_PATH = re.compile(r"[\x00-\x20\x7f<>`]")
_BAD_QUERY = re.compile(r"[\x00-\x20\x7f<>\"]")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?]*)(.*)", re.DOTALL)
# "Visible" means what can be read as a string: ASCII without controls, but with the tab.
_HIDDEN = re.compile(rb"[^\t\x20-\x7e]")

_D = TypeVar("_D")


class BadTarget(ValueError):
    """A request target that the server refuses by itself: 400, the application is not called."""


class Target(NamedTuple):
    """A request target (RFC 9112 section 3.2) as the scope has it: the path decoded, the query as sent."""

    path: str
    query: str
    authority: str | None


def parse_target(target: str) -> Target:
    """Take a request target apart, in any of its four forms.

    Raises:
        BadTarget: it is empty, or holds a space or another character that may not be there.
    """
    written, _, _ = target.partition("#")
    path, _, query = written.partition("?")
    if not path or _BAD_PATH.search(path) or _BAD_QUERY.search(query):
        raise BadTarget(f"{target!r} is no request target: percent-encode what is not a URL character")
    authority = None
    if absolute := _ABSOLUTE.fullmatch(written):
        authority = absolute[1]
        path = absolute[2].partition("?")[0] or "/"
    elif path != "*" and not path.startswith("/"):
        path, query, authority = "", "", written
    return Target(unquote_to_bytes(path).decode("utf-8", "replace"), query, authority)


@dataclass(frozen=True)
class RequestHead:
    """Everything of a request but its body.

    Args:
        method: as sent; Granian changes no case.
        target: the raw request target, such as `/a%20b?x=1`.
        headers: name and value, in order; values are bytes, since a header may hold what is not a string.
        http_version: `"1.1"`, `"1"` (which is 1.0) or `"2"`.
        scheme: `"http"` or `"https"`.
        client: the peer's address, `"ip:port"`.
        server: the listening address, `"ip:port"`.
    """

    method: str
    target: str
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    http_version: str = "1.1"
    scheme: str = "http"
    client: str = "127.0.0.1:50000"
    server: str = "127.0.0.1:8000"

    def header(self, name: str) -> bytes:
        """All values of a header, joined with commas; `b""` if there is none."""
        return b", ".join(value for key, value in self.headers if key.lower() == name)

    def has_token(self, name: str, token: bytes) -> bool:
        """Whether a comma-separated header holds the token, whatever its case."""
        return token in (part.strip() for part in self.header(name).lower().split(b","))


class FakeHeaders:
    """Granian's header map. Values that are not visible ASCII are there and yet not to be had; see the methods."""

    __slots__ = ("_fields",)

    def __init__(self, pairs: Iterable[tuple[str, bytes]]) -> None:
        self._fields: dict[str, list[bytes]] = {}
        for name, value in pairs:
            self._fields.setdefault(name.lower(), []).append(value)

    def keys(self) -> list[str]:
        """The distinct names, in lower case."""
        return list(self._fields)

    def values(self) -> list[str]:
        """All values that are visible ASCII, grouped by name."""
        return [value for _, value in self.items()]

    def items(self) -> list[tuple[str, str]]:
        """All pairs whose value is visible ASCII, grouped by name."""
        return [(name, value.decode()) for name, values in self._fields.items() for value in values if _visible(value)]

    def get(self, key: str, default: _D | None = None) -> str | _D | None:
        """The first value; the default if there is none, or if the first is not visible ASCII."""
        values = self._fields.get(_key(key))
        return values[0].decode() if values and _visible(values[0]) else default

    def get_all(self, key: str) -> list[str]:
        """The values of one name that are visible ASCII."""
        return [value.decode() for value in self._fields.get(_key(key), ()) if _visible(value)]

    def __getitem__(self, key: str) -> str:
        values = self._fields.get(_key(key))
        if values is None:
            raise KeyError(key)
        return values[0].decode() if _visible(values[0]) else ""

    def __contains__(self, key: str) -> bool:
        return _key(key) in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._fields)


class FakeScope:
    """The scope of one request. Attributes cannot be set, and each read of `headers` is a new object."""

    __slots__ = ("_head", "_proto", "_target")

    def __init__(self, head: RequestHead, proto: str = "http") -> None:
        object.__setattr__(self, "_head", head)
        object.__setattr__(self, "_target", parse_target(head.target))
        object.__setattr__(self, "_proto", proto)

    _head: RequestHead
    _target: Target
    _proto: str

    @property
    def proto(self) -> str:
        """`"http"`, or `"ws"` for a WebSocket handshake."""
        return self._proto

    @property
    def rsgi_version(self) -> str:
        """The version of the protocol that Granian 2.8 speaks."""
        return RSGI_VERSION

    @property
    def http_version(self) -> str:
        """`"1"` (for 1.0), `"1.1"` or `"2"`."""
        return self._head.http_version

    @property
    def server(self) -> str:
        """`"ip:port"` that was connected to."""
        return self._head.server

    @property
    def client(self) -> str:
        """`"ip:port"` of the peer."""
        return self._head.client

    @property
    def scheme(self) -> str:
        """`"http"` or `"https"`, also for a WebSocket."""
        return self._head.scheme

    @property
    def method(self) -> str:
        """As sent."""
        return self._head.method

    @property
    def path(self) -> str:
        """Percent-decoded, broken UTF-8 replaced by U+FFFD; the raw path cannot be had."""
        return self._target.path

    @property
    def query_string(self) -> str:
        """As sent, without the question mark."""
        return self._target.query

    @property
    def authority(self) -> str | None:
        """The host of an absolute target or of `CONNECT`; `None` for an ordinary HTTP/1 request."""
        return self._target.authority

    @property
    def headers(self) -> FakeHeaders:
        """A copy of the header map."""
        return FakeHeaders(self._head.headers)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"attribute '{name}' of '{type(self).__name__}' objects is not writable")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"'{type(key).__name__}' object is not an instance of 'str'")
    return key.lower()


def _visible(value: bytes) -> bool:
    return _HIDDEN.search(value) is None
