"""The middleware of the structured example."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gobstopper import Gobstopper, Request, Response


async def mark(request: Request, next_handler: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await next_handler(request)
    response.headers["X-Marked"] = "yes"
    return response


def setup_middleware(app: Gobstopper) -> None:
    app.add_middleware(mark)
