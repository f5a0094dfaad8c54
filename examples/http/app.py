"""gobstopper-http alone: requests and responses for a bare RSGI callable, without routes or an application class."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gobstopper_http import EventStream, HTTPException, Request, WebSocket, problem, send


async def answer(request: Request) -> Any:
    """Whatever `make_response` knows: a dict, text, a response, a status with it."""
    if request.path == "/":
        return {"method": request.method, "query": request.query.to_dict(flat=False)}
    if request.path == "/echo" and request.method == "POST":
        return await request.body(), {"content-type": request.content_type or "application/octet-stream"}
    if request.path == "/upload" and request.method == "POST":
        files = await request.files()
        return {name: file.size for name, file in files.items(multi=True)}
    if request.path == "/events":
        return EventStream(count(3))
    raise HTTPException(404, f"There is nothing at {request.path}.")


async def count(to: int) -> AsyncIterator[int]:
    for number in range(1, to + 1):
        yield number


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket:
        if isinstance(message, str):
            await websocket.send_text(message)
        else:
            await websocket.send_bytes(message)
    await websocket.close()


async def app(scope: Any, proto: Any) -> None:
    """What Granian calls: `granian --interface rsgi app:app`."""
    if scope.proto == "ws":
        await echo(WebSocket(scope, proto, "GET", scope.path))
        return
    request = Request.from_rsgi(scope, proto)
    try:
        await send(request, await answer(request))
    except HTTPException as error:
        await send(request, problem(error.status, error.detail, headers=error.headers))
