"""gobstopper-middleware alone: a chain of it around a handler without a framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gobstopper_http import HTTPException, Request, Response, problem, send
from gobstopper_middleware import (
    CompressionMiddleware,
    CORSMiddleware,
    RateLimitMiddleware,
    RequestIDMiddleware,
    SecurityHeadersMiddleware,
    StaticMiddleware,
)

Handler = Callable[[Request], Awaitable[Response]]

headers = SecurityHeadersMiddleware()
chain: list[Callable[[Request, Handler], Awaitable[Response]]] = [  # the first is the outermost
    RequestIDMiddleware(),
    headers,
    CORSMiddleware(allow_origins=["https://friend.example"]),
    RateLimitMiddleware(limit=100, period=60),
    CompressionMiddleware(minimum_size=500),
    StaticMiddleware(directory=Path(__file__).parent / "static", url_prefix="/static"),
]


async def page(request: Request) -> Response:
    if request.path != "/":
        raise HTTPException(404, "The page is at /, the style sheet at /static/style.css.")
    return Response(f'<!doctype html><link rel="stylesheet" href="/static/style.css">{"<p>A sweet.</p>" * 100}')


def around(inner: Handler, middleware: Callable[[Request, Handler], Awaitable[Response]]) -> Handler:
    return lambda request: middleware(request, inner)


handler: Handler = page
for middleware in reversed(chain):
    handler = around(handler, middleware)


async def app(scope: Any, proto: Any) -> None:
    """What Granian calls: `granian --interface rsgi app:app`."""
    request = Request.from_rsgi(scope, proto)
    try:
        response = await handler(request)
    except HTTPException as error:  # refusals get the headers too
        response = problem(error.status, error.detail, headers=error.headers)
        headers.finalize(request, response)
    await send(request, response)
