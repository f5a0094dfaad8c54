"""Pages from templates, and a session around them: safe headers, CSRF protection, messages that are shown once."""

from __future__ import annotations

from typing import Any

from gobstopper import Blueprint, Request, Response, abort, redirect, render_template
from gobstopper.middleware import SecurityMiddleware
from gobstopper.sessions import MemorySessionStorage

SWEETS = ("fudge", "liquorice", "sherbet")

basket = Blueprint("basket", __name__)
# In memory, for a demonstration; without a word they are in files, and Redis and PostgreSQL are a word away.
basket.add_middleware(SecurityMiddleware(session_storage=MemorySessionStorage()))


@basket.get("/")
async def show(request: Request) -> Any:
    return await render_template("basket.html", sweets=SWEETS, chosen=request.session.get("basket", []))


@basket.post("/")
async def choose(request: Request) -> Response:
    sweet = (await request.form()).get("sweet", "")
    if sweet not in SWEETS:
        abort(400, f"There is {', '.join(SWEETS)}.")
    if len(chosen := request.session.setdefault("basket", [])) >= 20:
        abort(409, "The basket is full.")
    chosen.append(sweet)
    request.session.flash(f"One more {sweet}.")
    return redirect(request.app.url_for(".show"), status=303)
