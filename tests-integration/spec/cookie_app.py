"""An application whose sessions are in the cookie, sealed with the keys of `EXAMPLE_KEYS`."""

from __future__ import annotations

import os
from typing import Any

from gobstopper import Gobstopper, Request
from gobstopper.middleware.security import SecurityMiddleware
from gobstopper.sessions import get_flashed_messages
from gobstopper.sessions.storage import CookieSessionStorage

app = Gobstopper(__name__)
app.add_middleware(SecurityMiddleware, session_storage=CookieSessionStorage(os.environ["EXAMPLE_KEYS"].split(",")))


@app.get("/session")
async def session(request: Request) -> dict[str, Any]:
    return dict(request.session)


@app.get("/token")
async def token(request: Request) -> str:
    return str(request.csrf_token)


@app.post("/login")
async def login(request: Request) -> dict[str, Any]:
    request.session.rotate()
    request.session["user"] = (await request.form())["user"]
    return {}


@app.post("/logout")
async def logout(request: Request) -> dict[str, Any]:
    request.session.invalidate()
    return {}


@app.post("/cart/<int:number>")
async def cart(request: Request, number: int) -> Any:
    request.session.setdefault("cart", {"items": []})["items"].append(number)
    return request.session["cart"]


@app.post("/flash/<text>")
async def flash(request: Request, text: str) -> dict[str, Any]:
    request.session.flash(text, "info")
    return {}


@app.get("/messages")
async def messages(request: Request) -> Any:
    return get_flashed_messages(request.session, with_categories=True)


@app.post("/fill/<int:size>")
async def fill(request: Request, size: int) -> dict[str, Any]:
    request.session["filling"] = "x" * size
    return {}
