"""Routes of the structured example."""

from __future__ import annotations

from gobstopper import Gobstopper, Request


def register_routes(app: Gobstopper) -> None:
    @app.get("/api", name="api")
    async def handler(request: Request) -> dict[str, str]:
        return {"part": "api", "url": app.url_for("api")}
