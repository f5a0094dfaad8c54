"""A blueprint: its hook and its error handler are for its own routes alone."""

from __future__ import annotations

from typing import Any

from gobstopper import Blueprint, HTTPException, Request, abort

members = Blueprint("members", __name__)


@members.before_request
async def only_with_a_key(request: Request) -> None:
    """What a before_request hook returns would be the answer; this one refuses."""
    if request.query.get("key") != "sesame":
        abort(401, "Members only: add ?key=sesame", {"WWW-Authenticate": "Key"})
    request.state.member = "Ali"


@members.error_handler(401)
def refused(request: Request, error: HTTPException) -> tuple[dict[str, Any], int]:
    return {"members": "keep out", "because": error.detail, "path": request.path}, 401


@members.get("/")
async def lounge(request: Request) -> dict[str, str]:
    return {"welcome": request.state.member, "profile": request.app.url_for(".profile", name="ali")}


@members.get("/<name>")
async def profile(request: Request, name: str) -> dict[str, str]:
    return {"member": name, "greeted_by": request.state.member}
