"""Where logging, tracing and metrics join in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from .context import TaskContext
from .task import Outcome, TaskSpec


class Hook:
    """Base of the hooks of `TaskQueue.add_hook`; override what you need.

    Enough for OpenTelemetry: `inject` writes the caller's trace context into the task's headers, `running` opens a
    span from them around the run, `finished` counts. What a task adds has the trace context of that task, unless
    `inject` writes another. A hook that raises is logged, and changes nothing for the task.
    """

    def inject(self, headers: dict[str, str]) -> None:
        """A task is about to be added: write trace context into `headers`."""

    def added(self, spec: TaskSpec, created: bool) -> None:
        """A task was stored (`created`), or an existing one was found in its place."""

    def running(self, task: TaskContext) -> AbstractContextManager[object]:
        """Entered in the task's own context before the function is called, left after it."""
        return nullcontext()

    def finished(self, task: TaskContext, outcome: Outcome, seconds: float) -> None:
        """A run ended, whichever way, after `seconds`."""


def trace_of(task: TaskContext | None) -> dict[str, str]:
    """The W3C trace context that a task was added with: what it adds itself belongs to the same trace."""
    if task is None:
        return {}
    return {name: value for name in ("traceparent", "tracestate") if (value := task.headers.get(name)) is not None}


def traceparent_id(headers: Mapping[str, str]) -> str | None:
    """The trace id of a W3C `traceparent` header, or None."""
    parts = headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None
