"""Joins the task queue to the application."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from gobstopper_tasks import Hook, TaskContext, TaskQueue

from .context import current_connection, set_app

if TYPE_CHECKING:
    from .app import Gobstopper

__all__ = ["make_queue"]


def make_queue(app: Gobstopper, target: str | None) -> TaskQueue:
    """The queue of `app`: in `target`, else in the setting `TASKS`, else in DuckDB below the instance folder."""
    queue = TaskQueue(target or app.config.get("TASKS") or app.instance_path / "tasks.duckdb")
    queue.add_hook(_AppHook(app))
    return queue


class _AppHook(Hook):
    """Tasks know their application, and continue the trace of the request that added them."""

    def __init__(self, app: Gobstopper) -> None:
        self._app = app

    def inject(self, headers: dict[str, str]) -> None:
        connection = current_connection()
        if connection is not None:
            headers["traceparent"] = connection.trace.traceparent

    def running(self, task: TaskContext) -> AbstractContextManager[object]:
        set_app(self._app)  # within the task's own context, so nothing has to be set back
        return nullcontext()
