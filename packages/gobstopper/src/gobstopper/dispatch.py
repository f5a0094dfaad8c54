"""From the server's call to an endpoint: the one function that every request passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from gobstopper_http.authority import authority_of
from gobstopper_http.errors import HTTPException
from gobstopper_http.response import RedirectResponse, Response
from gobstopper_http.rsgi import RawHeaderMap
from gobstopper_routing import Router, SlashPolicy, relative_location

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["Dispatcher", "refuse"]

WEBSOCKET = "WEBSOCKET"

_KNOWN_HOSTS = 256
"""How many are remembered: an attacker can send a new one with each request."""

Dispatch = Callable[[Any, Any], Awaitable[None]]


class Dispatcher:
    """Finds the endpoint of a path: a dict of static routes, a dict of unambiguous prefixes, then the router.

    Made before the application is complete, since the server takes `dispatch` before start-up; `load` fills it.

    Attributes:
        dispatch: The function that the server calls with `(scope, proto)`; it returns the endpoint's coroutine.
    """

    def __init__(self) -> None:
        self._static: dict[str, dict[str, Endpoint]] = {}
        self._tails: dict[str, dict[str, Endpoint]] = {}
        self._router: Router[Endpoint] = Router()
        self._unmatched: Endpoint = _not_started
        self._unmatched_websocket: Endpoint = _not_started
        self._mounts: list[tuple[str, Endpoint, Endpoint]] = []
        self._slash_policy: SlashPolicy = None
        self._hosts: set[str] = set()
        self.dispatch: Dispatch = self._make()

    def load(
        self,
        router: Router[Endpoint],
        unmatched: Endpoint,
        unmatched_websocket: Endpoint,
        mounts: Iterable[tuple[str, Endpoint, Endpoint]],
        slash_policy: SlashPolicy,
    ) -> None:
        """Take the compiled application.

        Args:
            router: Compiled; its targets are endpoints.
            unmatched: Passes a refusal or redirection through the application's middleware.
            unmatched_websocket: The same for handshakes.
            mounts: Prefixes, each with its endpoint for requests and for handshakes.
            slash_policy: See the application's attribute.
        """
        # In place: `dispatch` holds these very dicts.
        self._static.clear()
        self._static.update(router.static)
        self._tails.clear()
        self._tails.update(router.tails)
        self._router = router
        self._unmatched = unmatched
        self._unmatched_websocket = unmatched_websocket
        self._mounts = sorted(mounts, key=lambda mount: -len(mount[0]))
        self._slash_policy = slash_policy

    def _make(self) -> Dispatch:
        static = self._static.get
        tails = self._tails.get
        nothing: dict[str, Endpoint] = {}
        find = self.find
        known = self._hosts
        is_host = self._is_host

        def dispatch(scope: Any, proto: Any) -> Awaitable[None]:
            path = scope.path
            method = scope.method if scope.proto == "http" else WEBSOCKET
            headers = scope.headers
            hosts = headers.get_all("host")
            if (len(hosts) != 1 or hosts[0] not in known or scope.authority) and not is_host(scope, hosts):
                return self._refuse(scope, proto, method, path, headers, "The Host is missing, doubled or malformed.")
            endpoint = static(path, nothing).get(method)
            if endpoint is not None:
                return endpoint(scope, proto, method, path, (), headers)
            head, _, tail = path.rpartition("/")
            if tail:
                endpoint = tails(head, nothing).get(method)
                if endpoint is not None and "\ufffd" not in path and "\0" not in path:
                    return endpoint(scope, proto, method, path, (tail,), headers)
            return find(scope, proto, method, path, headers)

        return dispatch

    def find(self, scope: Any, proto: Any, method: str, path: str, headers: RawHeaderMap) -> Awaitable[None]:
        """Everything but the two short cuts: converters, refusals, redirections, mounts."""
        if "\ufffd" in path or "\0" in path:
            # The path arrives decoded; what was no UTF-8 is lost, and a NUL has no business in it.
            return self._refuse(scope, proto, method, path, headers, "The path is not valid UTF-8 text.")
        found = self._router.match(method, path)
        if not isinstance(found, frozenset):
            return found[0](scope, proto, method, path, found[1], headers)
        if not found:
            for prefix, http, websocket in self._mounts:
                if path == prefix or path.startswith(prefix + "/"):
                    return (websocket if method == WEBSOCKET else http)(scope, proto, method, path, (), headers)
        unmatched = self._unmatched_websocket if method == WEBSOCKET else self._unmatched
        return unmatched(scope, proto, method, path, (self.outcome(scope, method, path, found),), headers)

    def _refuse(
        self, scope: Any, proto: Any, method: str, path: str, headers: RawHeaderMap, reason: str
    ) -> Awaitable[None]:
        unmatched = self._unmatched_websocket if method == WEBSOCKET else self._unmatched
        return unmatched(scope, proto, method, path, (HTTPException(400, reason),), headers)

    def _is_host(self, scope: Any, hosts: list[str]) -> bool:
        """Whether the request says properly whom it is for; a good `Host` is remembered and not looked at again."""
        if authority_of(scope, hosts) is None:
            return False
        if hosts:
            if len(self._hosts) >= _KNOWN_HOSTS:
                self._hosts.clear()
            self._hosts.add(hosts[0])
        return True

    def outcome(self, scope: Any, method: str, path: str, allowed: frozenset[str]) -> Response | HTTPException:
        """What a path that no route takes is answered with: 308, 405, 204 for OPTIONS, or 404."""
        if method == WEBSOCKET:
            return HTTPException(404)
        if not allowed and self._slash_policy is not None:
            other = self._router.alternative(path, self._slash_policy, method)
            if other is not None:
                return RedirectResponse(relative_location(other, scope.query_string), 308)
        if method == "OPTIONS" and path == "*":
            return Response(b"", 204)
        if not allowed:
            return HTTPException(404)
        allow = {"Allow": ", ".join(sorted(allowed | {"OPTIONS"}))}
        if method == "OPTIONS":
            return Response(b"", 204, allow)
        return HTTPException(405, f"{path} does not take {method}.", allow)


async def _not_started(*_: object) -> None:
    raise RuntimeError("the application was not started: the server must call __rsgi_init__(loop) first")


async def refuse(outcome: Response | HTTPException) -> Response:
    """The handler of what matched no route: passes the outcome on."""
    if isinstance(outcome, HTTPException):
        raise outcome
    return outcome
