"""A task in memory."""

from __future__ import annotations

import msgspec

from ..task import FINAL, TaskInfo, TaskSpec, TaskStatus


class Record:
    """A live task, or one that ended a short while ago.

    `order` decides among equals; `claim` counts the times it was handed out and fences late outcomes; `attempt`
    counts the runs that use up a retry; `crashes` those that ended with their worker; `waiting` holds the tasks it
    comes after; `stored` is False until the journal has it; a `suspect` was there when a worker or an owner died.
    """

    __slots__ = (
        "attempt", "cancelling", "claim", "crashes", "due", "error", "finished_at", "note", "noted_at", "order",
        "progress",
        "queued", "result", "session", "spec", "started_at", "status", "stored", "suspect", "waiting",
    )  # fmt: skip

    def __init__(self, spec: TaskSpec, order: int) -> None:
        self.spec = spec
        self.order = order
        self.status = TaskStatus.PENDING
        self.claim = 0
        self.attempt = 0
        self.crashes = 0
        self.due = spec.due
        self.waiting: set[str] | None = None
        self.cancelling = False
        self.queued = False
        self.stored = False
        self.suspect = False
        self.session: str | None = None
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.result: msgspec.Raw | None = None
        self.error: str | None = None
        self.progress: float | None = None
        self.note: str | None = None
        self.noted_at = 0.0

    @property
    def final(self) -> bool:
        """True if it ended."""
        return self.status in FINAL

    def info(self, now: float) -> TaskInfo:
        """What callers are told; a result whose time is over is left out."""
        spec = self.spec
        fresh = self.result is not None and (self.finished_at or now) + spec.result_ttl > now
        return TaskInfo(
            id=spec.id,
            name=spec.name,
            category=spec.category,
            status=self.status,
            priority=spec.priority,
            attempt=self.attempt,
            max_retries=spec.max_retries,
            crashes=self.crashes,
            added_at=spec.added_at,
            run_at=self.due or None,
            started_at=self.started_at,
            finished_at=self.finished_at,
            result=msgspec.json.decode(self.result) if fresh and self.result is not None else None,
            error=self.error,
            progress=self.progress,
            note=self.note,
            worker=self.session,
            unique_key=spec.unique_key,
            args=msgspec.json.decode(spec.args),
        )
