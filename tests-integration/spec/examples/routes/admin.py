"""Routes of the structured example."""

from __future__ import annotations

from gobstopper import Gobstopper, Request


def register_routes(app: Gobstopper) -> None:
    @app.get("/admin", name="admin")
    async def handler(request: Request) -> dict[str, str]:
        return {"part": "admin", "task": await app.add_background_task("tidy")}
