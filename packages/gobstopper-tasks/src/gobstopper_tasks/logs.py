"""Puts the running task's ids on the log lines that its own code writes, with the standard library or structlog.

    handler.addFilter(TaskLogFilter())                       # logging: %(task_id)s in a format, or a JSON formatter
    structlog.configure(processors=[add_task, ...])          # structlog

Neither needs the other; an application of gobstopper has it on every line of `app.logger`.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .context import running_task
from .hooks import traceparent_id

__all__ = ["TaskLogFilter", "add_task", "task_fields"]

_NAMES = ("task_id", "task", "category", "attempt", "trace_id")


def task_fields() -> dict[str, Any]:
    """`task_id`, `task` (its name), `category`, `attempt` and, if it has one, `trace_id`; empty outside of a task."""
    task = running_task()
    if task is None:
        return {}
    fields: dict[str, Any] = {
        "task_id": task.id,
        "task": task.name,
        "category": task.category,
        "attempt": task.attempt,
    }
    trace = traceparent_id(task.headers)
    return fields if trace is None else {**fields, "trace_id": trace}


class TaskLogFilter(logging.Filter):
    """Gives each record the attributes of `task_fields`, None outside of a task, so that a format may name them.

    Add it to a handler rather than to a logger: a logger's filters do not see what its children write. What a record
    has already is kept.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`; lets every record through."""
        fields = task_fields()
        for name in _NAMES:
            if not hasattr(record, name):
                setattr(record, name, fields.get(name))
        return True


def add_task(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that adds `task_fields`; what the line names itself is kept."""
    for name, value in task_fields().items():
        event.setdefault(name, value)
    return event
