"""The queue: what an application, or any asyncio program, uses."""

from __future__ import annotations

from ._adding import Adding
from ._asking import Asking
from ._registering import Registering
from .task import TaskPriority

__all__ = ["TaskPriority", "TaskQueue"]


class TaskQueue(Registering, Adding, Asking):
    """A durable queue of background tasks.

    `target` is a file (DuckDB), `duckdb:///path`, `postgresql://…`, `redis://…` or `memory://`. Nothing is opened,
    and no driver imported, before `open` (or the first use): a queue can be made at import time and before a fork.
    `grace` is how many seconds `close` lets running tasks finish. `mode` is for tests, with `memory://`: `"eager"`
    runs each task before `add` returns, `"manual"` when `drain` is called. `engine` takes the place of the one that
    `target` names: a `TaskEngine`, or what makes one when it is given the function that an engine calls with each
    cron entry and tick. Other options go to the engine.
    """
