"""The tasks of the structured example."""

from __future__ import annotations

from gobstopper import Gobstopper


def register_tasks(app: Gobstopper) -> None:
    app.config["TASKS"] = "memory://"

    @app.task("tidy")
    async def tidy() -> None:
        """Nothing to do."""
