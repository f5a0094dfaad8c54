"""What a running task may ask and tell about itself."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping

from ._text import storable
from .errors import TaskError

_current: contextvars.ContextVar[TaskContext] = contextvars.ContextVar("gobstopper_task")


class TaskContext:
    """The running task.

    `id`, `name`, `category`, `attempt` (from 1), `headers` (trace context) and whether it was `cancelled`.
    """

    __slots__ = ("_cancelled", "_report", "attempt", "category", "headers", "id", "name")

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's own name
        name: str,
        category: str,
        attempt: int,
        headers: Mapping[str, str],
        report: Callable[[float | None, str | None], None],
    ) -> None:
        self.id = id
        self.name = name
        self.category = category
        self.attempt = attempt
        self.headers = headers
        self._report = report
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """True once someone asked it to stop: a sync task, which no one can interrupt, should look now and then."""
        return self._cancelled

    def progress(self, value: float | None = None, note: str | None = None) -> None:
        """Tell how far it is: `value` from 0 to 1, `note` for people.

        From any thread; never waits; the last one counts. Of a note the first 10,000 characters are kept.
        """
        self._report(value, None if note is None else storable(note[:10_000]))


def running_task() -> TaskContext | None:
    """The task this code runs in, if any."""
    return _current.get(None)


def current_task() -> TaskContext:
    """The task this code runs in; `TaskError` outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise TaskError("current_task() was called outside of a task") from None
