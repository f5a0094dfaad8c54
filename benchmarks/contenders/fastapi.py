"""FastAPI, over ASGI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI(openapi_url=None)


@app.get("/plaintext", response_class=PlainTextResponse)
async def plaintext() -> str:
    """A constant text."""
    return "Hello, World!"


@app.get("/json")
async def small() -> dict[str, str]:
    """A small object."""
    return {"message": "Hello, World!"}


@app.get("/users/{user_id}", response_class=PlainTextResponse)
async def user(user_id: str) -> str:
    """A path parameter."""
    return user_id


@app.post("/echo")
async def echo(data: dict[str, Any]) -> dict[str, Any]:
    """What was sent."""
    return data
