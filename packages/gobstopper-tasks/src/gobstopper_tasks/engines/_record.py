"""A task in memory."""

from __future__ import annotations

import msgspec

from ..task import FINAL, TaskInfo, TaskSpec, TaskStatus


class Record(msgspec.Struct, gc=False, eq=False):
    """A live task, or one that ended a short while ago.

    `order` decides among equals; `claim` counts the times it was handed out and fences late outcomes; `attempt`
    counts the runs that use up a retry; `crashes` those that ended with their worker; `waiting` holds the tasks it
    comes after; `stored` is False until the journal has it; a `suspect` was there when a worker or an owner died;
    `leaving`: what came of its run is on its way into the journal.
    Not for the garbage collector: it is part of no circle, and there may be hundreds of thousands to look through.
    """

    spec: TaskSpec
    order: int
    due: float = 0.0
    status: TaskStatus = TaskStatus.PENDING
    claim: int = 0
    attempt: int = 0
    crashes: int = 0
    waiting: set[str] | None = None
    cancelling: bool = False
    queued: bool = False
    stored: bool = False
    suspect: bool = False
    leaving: bool = False
    session: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    result: msgspec.Raw | None = None
    error: str | None = None
    progress: float | None = None
    note: str | None = None
    noted_at: float = 0.0

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
