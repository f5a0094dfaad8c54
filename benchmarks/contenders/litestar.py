"""Litestar, over ASGI."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, MediaType, get, post


@get("/plaintext", media_type=MediaType.TEXT)
async def plaintext() -> str:
    """A constant text."""
    return "Hello, World!"


@get("/json")
async def small() -> dict[str, str]:
    """A small object."""
    return {"message": "Hello, World!"}


@get("/users/{user_id:str}", media_type=MediaType.TEXT)
async def user(user_id: str) -> str:
    """A path parameter."""
    return user_id


@post("/echo", status_code=200)
async def echo(data: dict[str, Any]) -> dict[str, Any]:
    """What was sent."""
    return data


app = Litestar([plaintext, small, user, echo], openapi_config=None)
