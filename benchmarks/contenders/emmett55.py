"""Emmett55, over RSGI."""

from __future__ import annotations

from typing import Any

from emmett55 import App, request
from emmett55.tools import service

app = App(__name__)


@app.route("/plaintext", methods="get", output="str")
async def plaintext() -> str:
    """A constant text."""
    return "Hello, World!"


@app.route("/json", methods="get")
@service.json
async def small() -> dict[str, str]:
    """A small object."""
    return {"message": "Hello, World!"}


@app.route("/users/<str:user_id>", methods="get", output="str")
async def user(user_id: str) -> str:
    """A path parameter."""
    return user_id


@app.route("/echo", methods="post")
@service.json
async def echo() -> Any:
    """What was sent."""
    return await request.body_params
