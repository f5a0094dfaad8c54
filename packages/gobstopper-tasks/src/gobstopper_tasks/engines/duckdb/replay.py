"""Builds the state in memory from a journal's events."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ...task import TaskStatus
from .._journal import Event, Finished, Kind, Progress, Returned, Started
from .._ledger import Ledger
from .._record import Record
from .schema import spec_of

_STARTED = msgspec.json.Decoder(Started)
_FINISHED = msgspec.json.Decoder(Finished)
_RETURNED = msgspec.json.Decoder(Returned)
_PROGRESS = msgspec.json.Decoder(Progress)


class Replay:
    """Applies events to a ledger. `owner` is the last owner's session if it did not close, else None."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.owner: str | None = None
        self.events = 0

    def run(self, events: Iterable[Event], now: float, tick: float) -> None:
        """Apply all of them, as of `now` (wall clock) and `tick` (monotonic)."""
        for kind, at, id_, data in events:
            self.events += 1
            if kind == Kind.OPENED:
                self.owner = data
            elif kind == Kind.CLOSED:
                self.owner = None
            elif kind in (Kind.ADDED, Kind.REVIVED) and data is not None:
                spec = spec_of(data)
                if kind == Kind.REVIVED:
                    self.ledger.revive(spec, now, tick)
                elif spec.id not in self.ledger.records:
                    self.ledger.admit(self.ledger.reserve(spec), now, tick)
            elif (record := self.ledger.records.get(id_)) is not None:
                self._apply(Kind(kind), at, record, data or "null", now, tick)

    def _apply(self, kind: Kind, at: float, record: Record, data: str, now: float, tick: float) -> None:
        ledger = self.ledger
        if kind == Kind.STARTED:
            started = _STARTED.decode(data)
            ledger.start(record, started.number, started.session, at)
        elif kind == Kind.FINISHED:
            finished = _FINISHED.decode(data)
            record.attempt = finished.attempt or record.attempt
            record.claim = max(record.claim, finished.number)
            record.started_at = finished.started_at or record.started_at
            record.session = finished.session or record.session
            record.progress, record.note = finished.progress, finished.note
            result = None if finished.result is None else msgspec.Raw(finished.result.encode())
            ledger.finish(record, TaskStatus(finished.status), result, finished.error, at)
        elif kind in (Kind.RETRYING, Kind.RETURNED):
            returned = _RETURNED.decode(data)
            record.claim = max(record.claim, returned.number)
            # Never longer than it was: the clock may have been set back.
            delay = min(returned.delay, max(0.0, at + returned.delay - now))
            if kind == Kind.RETRYING:
                ledger.retry(record, delay, returned.error, now, tick)
            else:
                ledger.give_back(record, delay, returned.crashed, now, tick)
        elif kind == Kind.DUE:
            ledger.due_now(record)
        elif kind == Kind.CANCELLING:
            record.cancelling = record.status is TaskStatus.RUNNING
        elif kind == Kind.PROGRESS:
            progress = _PROGRESS.decode(data)
            record.progress, record.note = progress.value, progress.note
