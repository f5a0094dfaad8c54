"""A small application for the tests: a chain of middleware around handlers by path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

from gobstopper_http import HTTPException, Request, Response, WebSocket, problem, send

Handler = Callable[[Request], Awaitable[Response]]


async def hello(request: Request) -> Response:
    return Response("hello")


class Site:
    """Calls `finalize` on every answer, as an application does, if `dressed` is true (and `setup` was called)."""

    def __init__(
        self, *middleware: Any, handlers: Mapping[str, Handler] | None = None, dressed: bool = True, **context: Any
    ) -> None:
        self.middleware = middleware
        self.handlers: dict[str, Handler] = {"/": hello, **(handlers or {})}
        self.dressed = dressed
        self.requests: list[Request] = []
        self.route = SimpleNamespace(name=None)
        self.socket: Callable[[WebSocket], Awaitable[None]] = echo
        if dressed:
            for one in middleware:
                if (setup := getattr(one, "setup", None)) is not None:
                    setup(make_context(**context))

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto == "ws":
            await self._websocket(WebSocket(scope, proto, "GET", scope.path))
            return
        request = Request.from_rsgi(scope, proto)
        self.requests.append(request)
        call = self._endpoint
        for one in reversed(self.middleware):
            call = self._linked(one, call)
        try:
            response = await call(request)
        except HTTPException as error:
            response = problem(error.status, error.detail, headers=error.headers)
        if self.dressed:
            for one in reversed(self.middleware):
                if (finalize := getattr(one, "finalize", None)) is not None:
                    finalize(request, response)
        await send(request, response)

    async def _endpoint(self, request: Request) -> Response:
        handler = self.handlers.get(request.path)
        if handler is None:
            return problem(404)
        return await handler(request)

    async def _websocket(self, websocket: WebSocket) -> None:
        call = self.socket
        for one in reversed(self.middleware):
            if (link := getattr(one, "websocket", None)) is not None:
                call = self._linked(link, call)
        try:
            await call(websocket)
        except HTTPException as error:
            websocket.refuse(error.status)

    @staticmethod
    def _linked(link: Any, following: Any) -> Any:
        return lambda connection: link(connection, following)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def make_context(**values: Any) -> Any:
    base: dict[str, Any] = {
        "app": SimpleNamespace(),
        "debug": False,
        "secret_keys": [],
        "config": {},
        "root_path": "",
        "logger": SimpleNamespace(warning=lambda *_, **__: None),
    }
    return SimpleNamespace(**base | values)
