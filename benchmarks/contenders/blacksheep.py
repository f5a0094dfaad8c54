"""BlackSheep, over ASGI: it has no RSGI."""

from __future__ import annotations

from typing import Any

from blacksheep import Application, Request, Response, get, json, post, text

app = Application()


@get("/plaintext")
async def plaintext() -> Response:
    """A constant text."""
    return text("Hello, World!")


@get("/json")
async def small() -> Response:
    """A small object."""
    return json({"message": "Hello, World!"})


@get("/users/{user_id}")
async def user(user_id: str) -> Response:
    """A path parameter."""
    return text(user_id)


@post("/echo")
async def echo(request: Request) -> Response:
    """What was sent."""
    sent: Any = await request.json()
    return json(sent)
