"""An application that counts visits in the session, on the store that `EXAMPLE_STORE` names."""

from __future__ import annotations

import os
from typing import Any

from gobstopper import Gobstopper, Request
from gobstopper.middleware.security import SecurityMiddleware
from gobstopper.sessions.storage import (
    CookieSessionStorage,
    FileSessionStorage,
    MemorySessionStorage,
    PostgresSessionStorage,
)


def count_visits(app: Gobstopper) -> None:
    @app.get("/", name="count")
    async def count(request: Request) -> dict[str, Any]:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return {"visits": request.session["visits"], "token": request.csrf_token}

    @app.post("/login", name="login")
    async def login(request: Request) -> dict[str, Any]:
        request.session.rotate()
        request.session["user"] = {"name": "ada", "roles": []}
        request.session["user"]["roles"].append("admin")
        return dict(request.session)

    @app.post("/logout", name="logout")
    async def logout(request: Request) -> dict[str, Any]:
        request.session.invalidate()
        return {}


def storage() -> Any:
    kind, _, place = os.environ.get("EXAMPLE_STORE", "memory:").partition(":")
    if kind == "file":
        return FileSessionStorage(directory=place)
    if kind == "cookie":
        return CookieSessionStorage(place.split(","))
    if kind == "postgres":
        return PostgresSessionStorage(dsn=place)
    return MemorySessionStorage()


app = Gobstopper(__name__)
app.add_middleware(SecurityMiddleware, session_storage=storage())
count_visits(app)
