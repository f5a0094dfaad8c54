"""Routes of the structured example."""

from __future__ import annotations

from gobstopper import Gobstopper, Request


def register_routes(app: Gobstopper) -> None:
    @app.get("/auth", name="auth")
    async def handler(request: Request) -> dict[str, str]:
        return {"part": "auth", "url": app.url_for("auth")}
