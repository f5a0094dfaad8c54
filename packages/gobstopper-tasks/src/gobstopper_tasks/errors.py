"""The errors a caller of the queue can meet."""

from __future__ import annotations

from math import inf


class TaskError(Exception):
    """Base of every error that this package raises."""


class UnknownTask(TaskError, LookupError):
    """No task, or no task function, has that id or name."""


class InvalidTask(TaskError, ValueError):
    """A registration or a call that cannot work; the message names the task, the cause and the fix."""


class Unsupported(TaskError):
    """The engine in use cannot do this; `TaskQueue.caps` says what it can."""


class TaskStoreUnavailable(TaskError):
    """The store cannot be reached or cannot be written now: nothing was acknowledged. Answer 503 and try again."""


class TaskStoreClosed(TaskStoreUnavailable):
    """The queue is not open in this process: never opened, closed already, or opened before a fork."""


class JournalDamaged(TaskError):
    """The journal's bytes are not what was written.

    Nothing was changed: both files are as they were found. `position` is the byte offset in `path` where the damage was
    seen, or None where DuckDB does not tell.
    """

    def __init__(self, path: str, position: int | None, cause: str) -> None:
        self.path = path
        self.position = position
        at = "at an unknown position" if position is None else f"at byte {position}"
        super().__init__(
            f"{path} is damaged {at}: {cause}. Nothing was changed; `gobstopper tasks recover` copies both files, "
            "cuts the damaged part and reports what was lost."
        )


class TaskFailed(TaskError):
    """Raised by `TaskQueue.result` for a task that failed or was cancelled."""


class RetryTask(Exception):  # a signal from a task function, not an error of ours
    """Raised by a task function: run me again, after `delay` seconds (None: the task's own back-off).

    Raises:
        TypeError, ValueError: for a delay that is no number of seconds. It counts as any failure of the task.
    """

    def __init__(self, delay: float | None = None, reason: str = "asked to be retried") -> None:
        if delay is not None:
            if isinstance(delay, bool) or not isinstance(delay, int | float):
                raise TypeError(f"RetryTask: the delay is seconds, not {delay!r}; for a reason write reason=…")
            if not 0 <= delay < inf:
                raise ValueError(f"RetryTask: the delay is seconds from 0 up, not {delay!r}")
        self.delay = delay
        super().__init__(reason)


class AbandonTask(Exception):  # a signal as well
    """Raised by a task function: do not retry, this is a dead letter now."""
