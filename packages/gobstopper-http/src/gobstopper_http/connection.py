"""What a request and a WebSocket handshake have in common: the read-only side of a scope, nothing read until asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload
from urllib.parse import quote

import msgspec

from ._impl import parse_query
from ._lazy import lazy
from .authority import authority_of
from .cookies import parse_cookie
from .datastructures import URL, Address, QueryParams, State, parse_address
from .deadlines import Deadlines
from .errors import HTTPException
from .limits import DEFAULT_LIMITS, Limits
from .rsgi import RawHeaderMap, Scope
from .tracing import TraceContext, request_id

__all__ = ["Connection", "RequestHeaders", "RouteInfo"]

_D = TypeVar("_D")


class RequestHeaders(Mapping[str, str]):
    """The header fields of a request: case-insensitive, read-only, over the server's own map.

    `[name]` and `get` give the first value, `getlist` all of them, `multi_items` every field. A value not visible
    ASCII is not handed over by the server: it reads as the default, while `in` says that the field is there.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: RawHeaderMap) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        value = self._raw.get(name.lower())
        if value is None:
            raise KeyError(name)
        return cast("str", value)

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str) -> str: ...
    @overload
    def get(self, name: str, /, default: _D) -> str | _D: ...
    def get(self, name: str, /, default: Any = None) -> Any:
        """The first value of the field `name`, or `default`."""
        return self._raw.get(name.lower(), default)

    def getlist(self, name: str) -> list[str]:
        """Every value of the field `name`, in order."""
        return self._raw.get_all(name.lower())

    def multi_items(self) -> list[tuple[str, str]]:
        """Every field with its lower-case name, repeated ones as often as they came."""
        return self._raw.items()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._raw.items()))

    def __len__(self) -> int:
        return len(dict(self._raw.items()))

    def __repr__(self) -> str:
        return f"RequestHeaders({sorted(self)})"  # names only: values hold secrets


class RouteInfo:
    """What a request knows of the route that it matched; the application class has a richer one.

    Attributes:
        limits: The route's limits.
        parameters: Names of the path parameters, in the order of the pattern.
        app: The application, `None` when there is none.
        clock: The deadlines that an application watches its requests with, `None` when nobody does.
    """

    __slots__ = ("app", "clock", "limits", "parameters")

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        parameters: tuple[str, ...] = (),
        app: Any = None,
        clock: Deadlines | None = None,
    ) -> None:
        self.limits = limits
        self.parameters = parameters
        self.app = app
        self.clock = clock

    def gave_up(self, connection: Any) -> None:
        """Called once when a handler swallowed its time-out and its request is answered without it."""


_NO_ROUTE = RouteInfo()


class Connection(msgspec.Struct, dict=True, eq=False):
    """The base of `Request` and `WebSocket`.

    A msgspec Struct with a `__dict__`: cheaper to make than a plain class, and any attribute can be set on it.
    """

    scope: Scope
    proto: Any
    method: str
    path: str
    values: tuple[Any, ...] = ()
    route: RouteInfo = _NO_ROUTE
    deadline: float = inf
    header_map: RawHeaderMap | None = None

    if TYPE_CHECKING:
        # Arbitrary attributes (`request.user = …`) are part of the contract; `state` is the typed way.
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @property
    def raw_headers(self) -> RawHeaderMap:
        """The server's own header map, read from the scope once (each reading copies it)."""
        found = self.header_map
        if found is None:
            found = self.header_map = self.scope.headers
        return found

    @lazy
    def headers(self) -> RequestHeaders:
        """The header fields, case-insensitive and read-only."""
        return RequestHeaders(self.raw_headers)

    @property
    def limits(self) -> Limits:
        """The limits of the route."""
        return self.route.limits

    @property
    def app(self) -> Any:
        """The application that serves this request, `None` without one."""
        return self.route.app

    @lazy
    def path_params(self) -> dict[str, Any]:
        """The converted path parameters by name."""
        return dict(zip(self.route.parameters, self.values, strict=False))

    @lazy
    def query_string(self) -> str:
        """The query as it came, without the `?`."""
        return self.scope.query_string

    @lazy
    def query(self) -> QueryParams:
        """The fields of the query string, a multi-dict.

        Raises:
            HTTPException: 400 for more than `limits.fields` of them.
        """
        try:
            return QueryParams(parse_query(self.query_string, self.limits.fields))
        except ValueError as error:
            raise HTTPException(400, f"The query string has {error}.") from None

    @property
    def args(self) -> QueryParams:
        """`query` under Flask's name."""
        return self.query

    @lazy
    def cookies(self) -> dict[str, str]:
        """Cookies by name; of two with one name the first counts (the more specific path, RFC 6265 section 5.4)."""
        return parse_cookie("; ".join(self.raw_headers.get_all("cookie")))

    @lazy
    def client(self) -> Address | None:
        """The peer's address, parsed from the server's `"ip:port"`; `None` on a Unix socket."""
        return parse_address(self.scope.client)

    @lazy
    def server(self) -> Address | None:
        """The address that the connection came in on."""
        return parse_address(self.scope.server)

    @lazy
    def scheme(self) -> str:
        """`"http"` or `"https"`, as the server sees the connection."""
        return self.scope.scheme

    @lazy
    def http_version(self) -> str:
        """`"1"` (for HTTP/1.0), `"1.1"` or `"2"`."""
        return self.scope.http_version

    @lazy
    def host(self) -> str:
        """The authority that was asked for, port included: `:authority` on HTTP/2, else `Host`.

        Raises:
            HTTPException: 400 if it is missing, doubled or malformed (RFC 9112 section 3.2).
        """
        if not (host := authority_of(self.scope, self.raw_headers.get_all("host"))):
            raise HTTPException(400, "The Host is missing, doubled or malformed.")
        return host

    @lazy
    def url(self) -> URL:
        """The absolute URL that was asked for; trust its host only if `ALLOWED_HOSTS` is set."""
        query = self.query_string
        path = quote(self.path, safe="/:@!$&'()*+,;=~")
        return URL(f"{self.scheme}://{self.host}{path}{'?' + query if query else ''}")

    @lazy
    def id(self) -> str:
        """The request id: `X-Request-ID` if the client sent a harmless one, else 32 random hexadecimal digits."""
        return request_id(self.raw_headers.get("x-request-id"))

    @lazy
    def trace(self) -> TraceContext:
        """The W3C trace context: the one of `traceparent` if there is a single, valid one, else a new one."""
        sent = self.raw_headers.get_all("traceparent")
        return TraceContext.parse(sent[0] if len(sent) == 1 else None)

    @lazy
    def state(self) -> State:
        """A bag of attributes of this request; subclass `State` to have it typed."""
        return State()
