"""gobstopper-sessions alone: a basket that the server remembers, around a handler without a framework."""

from __future__ import annotations

import os
from typing import Any

from gobstopper_http import HTTPException, JSONResponse, Request, Response, problem, send
from gobstopper_sessions import FileSessionStorage, SessionMiddleware, get_flashed_messages

sessions = SessionMiddleware(FileSessionStorage(directory=os.environ.get("SESSIONS", "instance/sessions")))


async def handler(request: Request) -> Response:
    session = request.session
    if request.method == "POST":
        match request.path.split("/")[1:]:
            case ["login", name]:
                session.rotate()  # whenever rights change: a new id, the old one is dead
                session["user"] = name
                session.flash(f"Welcome, {name}")
            case ["logout"]:
                session.invalidate()
            case ["basket", sweet]:
                session.setdefault("basket", []).append(sweet)
            case _:
                raise HTTPException(404, "POST /login/NAME, /logout or /basket/SWEET")
    return JSONResponse(
        {"user": session.get("user"), "basket": session.get("basket", []), "messages": get_flashed_messages(session)}
    )


async def app(scope: Any, proto: Any) -> None:
    """What Granian calls: `granian --interface rsgi app:app`."""
    request = Request.from_rsgi(scope, proto)
    try:
        response = await sessions(request, handler)
    except HTTPException as error:
        response = problem(error.status, error.detail, headers=error.headers)
    await send(request, response)
