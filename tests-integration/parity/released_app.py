"""Requests and WebSockets that end in an error; `/left` tells how many of their handlers' frames are still alive."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from gobstopper_http import HTTPException, Request, WebSocket, WebSocketDisconnect, send

ALIVE: weakref.WeakSet[Marker] = weakref.WeakSet()


class Marker:
    """Lives as long as the frame that it is a local of."""


async def through(awaitable: Any) -> Any:
    return await awaitable


async def app(scope: Any, proto: Any) -> None:
    if scope.path == "/left":
        gc.collect()
        left = len(ALIVE)
        ALIVE.clear()
        proto.response_str(200, [], str(left))
        return
    marker = Marker()
    ALIVE.add(marker)
    if scope.proto == "ws":
        websocket = WebSocket(scope, proto, scope.method, scope.path)
        await websocket.accept()
        try:
            await websocket.receive()
        except WebSocketDisconnect:
            return
    elif scope.path == "/kept":
        try:
            await through(proto())
        except RuntimeError:
            proto.response_empty(204, [])
    else:
        request = Request.from_rsgi(scope, proto)
        try:
            if scope.path == "/body":
                await request.body()
            else:
                async for _ in request.stream():
                    pass
        except HTTPException as error:
            await send(request, ("", error.status))
