"""What is said of tasks, on its way into the journal: in batches, one at a time, and told to whom it concerns."""

# ruff: noqa: A002 - a task's id is called id
from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ._journal import Event, Journal, Kind

log = logging.getLogger("gobstopper.tasks")

AFTER_FAILURE = 0.25  # seconds before the journal is tried again
NO_ROW = -1  # the kind of an entry that only marks a place in the queue


class Waiting(Protocol):
    """Events on their way; see `Entry`."""

    events: Sequence[Event]

    @property
    def done(self) -> Callable[[], None] | None:
        """Runs once it is durable."""
        ...

    @property
    def failed(self) -> Callable[[BaseException], None] | None:
        """Runs if it cannot be; without, it is tried again."""
        ...

    @property
    def optional(self) -> bool:
        """True if it need not be tried again either."""
        ...


class Entry:
    """Events on their way; without any it marks a place in the queue.

    `done` runs once it is durable, `failed` if it cannot be; without `failed` it is tried again.
    """

    __slots__ = ("done", "events", "failed", "optional")

    def __init__(
        self,
        events: Sequence[Event],
        done: Callable[[], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
        optional: bool = False,
    ) -> None:
        self.events = events
        self.done = done
        self.failed = failed
        self.optional = optional


class Outbox:
    """Gathers entries for one loop tick, writes them in one go, and gathers again meanwhile.

    Whoever builds on it fills in what happens around a write: `_leaving`, `_written_all`, `_works_again`.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.now = self.tick = 0.0  # wall-clock and monotonic time at the end of the last write
        self._loop = asyncio.get_running_loop()
        self._queue: list[Waiting] = []
        self._writing = False
        self._kicked = False
        self._failed_at: float | None = None
        self._failure: BaseException | None = None
        self._closed = False

    def _leaving(self) -> None:
        """A batch goes out: what it says can no longer be taken back."""

    def _written_all(self) -> None:
        """A batch is durable, and everybody in it was told."""

    def _works_again(self) -> None:
        """The journal can be written, after it could not."""

    def _emit(
        self, kind: int, id: str, data: str | None, done: Callable[[], None] | None = None, **options: Any
    ) -> Entry:
        entry = Entry(() if kind == NO_ROW else (Event(kind, time.time(), id, data),), done, **options)
        self._queue.append(entry)
        self._kick_soon()
        return entry

    def _kick_soon(self) -> None:
        # One loop tick gathers: whoever was woken by the last batch is in the next one.
        if not self._kicked and not self._writing:
            self._kicked = True
            self._loop.call_soon(self._kick)

    def _kick(self) -> None:
        self._kicked = False
        if self._writing or (not self._queue and (self._closed or self._failed_at is None)):
            return
        if self._failed_at is not None and (wait := self._failed_at + AFTER_FAILURE - self._loop.time()) > 0:
            self._reject(self._failure or OSError("the journal failed"), self._queue)
            self._loop.call_later(wait, self._kick)
            return
        if not self._queue:  # nobody writes, but tasks wait: try whether the journal works again
            self._queue.append(Entry((Event(Kind.PROGRESS, time.time(), "", None),), optional=True))
        batch, self._queue = self._queue, []
        self._leaving()
        self._writing = True
        events = [event for entry in batch for event in entry.events]
        self.journal.write(events, lambda error: self._written(batch, error))

    def _written(self, batch: list[Waiting], error: BaseException | None) -> None:
        self._writing = False
        if error is not None:
            if self._failed_at is None:
                log.error("the task journal cannot be written: %s; adding fails until it can", error)
            self._failed_at, self._failure = self._loop.time(), error
            batch.extend(self._queue)
            self._reject(error, batch)
            self._loop.call_later(AFTER_FAILURE, self._kick)
            return
        if self._failed_at is not None:
            log.warning("the task journal can be written again")
            self._failed_at = self._failure = None
            self._works_again()
        self.now, self.tick = time.time(), self._loop.time()
        for entry in batch:
            if (done := entry.done) is not None:
                done()
        self._written_all()
        if self._queue:
            self._kick_soon()

    def _reject(self, error: BaseException, batch: list[Waiting]) -> None:
        # Nobody is told yes: adds fail. What workers did is kept and written when the journal can be written again.
        owed: list[Waiting] = []
        self._queue = []
        for entry in batch:
            if entry.failed is not None:
                entry.failed(error)
            elif not entry.optional and entry.events:
                owed.append(entry)
        self._queue = owed + self._queue

    async def drain(self) -> None:
        """Wait until the journal has everything that was said so far, or has failed."""
        while (self._queue or self._writing) and self._failed_at is None:  # noqa: ASYNC110 - at the end only
            await asyncio.sleep(0.001)
