"""Gobstopper, written as its README writes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gobstopper import Gobstopper, Request, Response

Next = Callable[[Request], Awaitable[Any]]

app = Gobstopper(__name__)


@app.get("/plaintext")
async def plaintext(request: Request) -> str:
    """A constant text."""
    return "Hello, World!"


@app.get("/json")
async def json(request: Request) -> dict[str, str]:
    """A small object."""
    return {"message": "Hello, World!"}


@app.get("/users/<user_id>")
async def user(request: Request, user_id: str) -> str:
    """A path parameter."""
    return user_id


@app.post("/echo")
async def echo(request: Request) -> Any:
    """What was sent."""
    return await request.json()


stack = Gobstopper(__name__)


async def first(request: Request, next_handler: Next) -> Any:
    """Passes on."""
    return await next_handler(request)


async def second(request: Request, next_handler: Next) -> Any:
    """Passes on."""
    return await next_handler(request)


async def third(request: Request, next_handler: Next) -> Any:
    """Passes on."""
    return await next_handler(request)


for priority, middleware in enumerate((first, second, third)):
    stack.add_middleware(middleware, priority=priority)


@stack.before_request
async def before(request: Request) -> None:
    """Looks, and lets it go on."""


@stack.after_request
async def after(request: Request, response: Response) -> Response:
    """Looks, and lets it go on."""
    return response


@stack.get("/plaintext")
async def stacked(request: Request) -> str:
    """A constant text, behind all of it."""
    return "Hello, World!"


def with_routes(count: int) -> Gobstopper:
    """An application with that many parametrised routes."""
    many = Gobstopper(__name__)
    for number in range(count):
        many.get(f"/area{number}/users/<user_id>", name=f"user{number}")(user)
    return many


routes_10 = with_routes(10)
routes_1000 = with_routes(1000)
