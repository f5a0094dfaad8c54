"""Starlette, over ASGI."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


async def plaintext(request: Request) -> Response:
    """A constant text."""
    return PlainTextResponse("Hello, World!")


async def small(request: Request) -> Response:
    """A small object."""
    return JSONResponse({"message": "Hello, World!"})


async def user(request: Request) -> Response:
    """A path parameter."""
    return PlainTextResponse(request.path_params["user_id"])


async def echo(request: Request) -> Response:
    """What was sent."""
    return JSONResponse(await request.json())


app = Starlette(
    routes=[
        Route("/plaintext", plaintext),
        Route("/json", small),
        Route("/users/{user_id}", user),
        Route("/echo", echo, methods=["POST"]),
    ]
)
