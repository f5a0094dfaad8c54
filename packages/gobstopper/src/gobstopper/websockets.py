"""The endpoint of a WebSocket route: origin check, hooks, middleware, handler, and a proper end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gobstopper_http.errors import HTTPException, WebSocketDisconnect
from gobstopper_http.response import Response
from gobstopper_http.websocket import WebSocket

from .context import set_connection

if TYPE_CHECKING:
    from gobstopper_http.rsgi import RawHeaderMap

    from .endpoint import Endpoint
    from .info import EndpointInfo
    from .runtime import Runtime

__all__ = ["compile_websocket", "is_same_origin"]

Handler = Callable[[WebSocket], Awaitable[Any]]

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_same_origin(origin: str, host: str, scheme: str = "http", allowed: Iterable[str] = ()) -> bool:
    """Whether `Origin` names the host that was asked for, or is one of `allowed` exactly (`"*"` allows every one).

    Over `https` the origin must be that, too. Where `scheme` is `http` it may be either: a proxy may have ended TLS.
    """
    if "*" in allowed or origin in allowed:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc or (scheme == "https" and parts.scheme != "https"):
        return False
    default = _DEFAULT_PORTS[parts.scheme]
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def compile_websocket(
    handler: Callable[..., Awaitable[Any]],
    call: Callable[..., Awaitable[Any]],
    info: EndpointInfo,
    before: tuple[Callable[..., Any], ...],
    middleware: tuple[Callable[..., Awaitable[Any]], ...],
    origins: tuple[str, ...],
    runtime: Runtime,
) -> Endpoint:
    """The endpoint of one WebSocket route.

    Args:
        handler: The user's function, for messages.
        call: Called with the WebSocket and the path values.
        info: What the WebSocket knows of its route.
        before: `before_websocket` hooks; a returned status, response or anything else but `None` refuses the handshake.
        middleware: The `websocket` methods of middleware, outermost first.
        origins: Further origins that may connect.
        runtime: The services of the running application.
    """

    async def inner(websocket: WebSocket) -> None:
        # Within the middleware, which may know better what was asked for (a proxy's fields), and whom to trust.
        if not _may_connect(websocket, origins):
            raise HTTPException(403, "The Origin may not open WebSockets here.")
        for hook in before:
            outcome = hook(websocket)
            if isawaitable(outcome):
                outcome = await outcome
            if outcome is not None:
                websocket.refuse(_status(outcome))
                return
        await call(websocket, websocket.values)

    chain: Handler = inner
    for link in reversed(middleware):
        chain = _linked(link, chain)

    async def endpoint(
        scope: Any, proto: Any, method: str, path: str, values: tuple[Any, ...], headers: RawHeaderMap
    ) -> None:
        websocket = WebSocket(scope, proto, "GET", path, values, info, header_map=headers)
        set_connection(websocket)
        task = asyncio.current_task()
        runtime.websockets.add(task)
        try:
            await chain(websocket)
            if websocket.phase == "open":
                await websocket.close(1000)
            websocket.refuse(403)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too: it must not end the worker
            await _fail(websocket, error, runtime)
        finally:
            websocket.drop()
            runtime.websockets.discard(task)

    return endpoint


def _linked(link: Callable[..., Awaitable[Any]], following: Handler) -> Handler:
    return lambda websocket: link(websocket, following)


def _may_connect(websocket: WebSocket, origins: tuple[str, ...]) -> bool:
    raw = websocket.raw_headers
    if "origin" not in raw:
        return True  # no browser: those always send it
    sent = raw.get_all("origin")
    trusted = websocket.__dict__.get("trusted_origins", ())
    return len(sent) == 1 and is_same_origin(sent[0], websocket.host, websocket.scheme, (*origins, *trusted))


def _status(outcome: Any) -> int:
    if isinstance(outcome, Response):
        return outcome.status
    if isinstance(outcome, tuple) and len(outcome) > 1 and isinstance(outcome[1], int):
        return outcome[1]
    return outcome if isinstance(outcome, int) and not isinstance(outcome, bool) else 403


async def _fail(websocket: WebSocket, error: BaseException, runtime: Runtime) -> None:
    if isinstance(error, asyncio.CancelledError) and runtime.stopping:
        error = WebSocketDisconnect(1001, "the server stops")
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    if isinstance(error, HTTPException) and websocket.phase == "connecting":
        websocket.refuse(error.status)
        return
    if not isinstance(error, WebSocketDisconnect):
        runtime.errors.log(websocket, error)
    websocket.refuse(500)
    if websocket.phase == "open":
        await websocket.close(1011)
