"""Hands out tasks to sessions, and lets nothing happen before the journal has it."""

# ruff: noqa: A001, A002 - a task's id is called id
from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from ..task import JSON, Cancelled, Claim, Dead, Done, Enqueued, Outcome, Retry, TaskInfo, TaskStatus
from ._journal import Finished, Journal, Kind, Returned
from ._ledger import Ledger
from ._outbox import Entry, Outbox
from ._record import Record

log = logging.getLogger("gobstopper.tasks")

Added = Callable[[list[Enqueued] | BaseException], None]
Acknowledge = Callable[[], None]

_REJOIN = 0.5  # seconds in which a session whose connection broke may come back for what it runs


class Session(Protocol):
    """One process that adds and runs tasks."""

    id: str
    capacity: dict[str, int]
    busy: dict[str, int]
    running: dict[str, Record]
    seen: float

    def start(self, claim: Claim) -> None:
        """Run it."""
        ...

    def cancel(self, id: str) -> None:
        """Ask it to stop."""
        ...

    def drop(self) -> None:
        """Its lease is over: if it is alive after all, it must join again."""
        ...


class Dispatcher(Outbox):
    """The owner of all tasks.

    Lives on one event loop; `lease` is how long, in seconds, a silent session keeps its tasks.
    """

    def __init__(self, ledger: Ledger, journal: Journal, lease: float = 30.0, history: float = 604_800.0) -> None:
        super().__init__(journal)
        self.ledger = ledger
        self.lease = lease
        self.history = history
        self.sessions: dict[str, Session] = {}
        self.waiters: dict[str, list[Callable[[TaskInfo], None]]] = {}
        self._unwritten_starts: dict[str, Entry] = {}
        self._dirty: set[str] = set()
        self._pumping = False
        self._paused_until = 0.0
        self._orphans: dict[str, tuple[float, list[Record]]] = {}
        self._retakes: dict[str, asyncio.TimerHandle] = {}  # one for each category, however often it is asked
        self._reviving: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._housekeeping = self._loop.call_later(min(lease / 4, 1.0), self._keep_house)

    # -- around a write

    def _leaving(self) -> None:
        self._unwritten_starts.clear()

    def _written_all(self) -> None:
        self._pump()

    def _works_again(self) -> None:
        self._dirty.update(self.ledger.waiting_categories())

    # -- handing out

    def join(self, session: Session, claims: Sequence[tuple[str, int]] = ()) -> None:
        """A session is there, and says what it runs already."""
        session.seen = self._loop.time()
        self.sessions[session.id] = session
        self._orphans.pop(session.id, None)
        for id, number in claims:
            record = self.ledger.records.get(id)
            if record is None or record.claim > number:
                continue
            if record.status is TaskStatus.RUNNING and (record.claim != number or record.session != session.id):
                continue
            if record.status is not TaskStatus.RUNNING:  # its start was not in the journal yet
                self.ledger.start(record, number, session.id, time.time())
                self._emit(Kind.STARTED, id, f'[{number},"{session.id}"]', optional=True)
            session.running[id] = record
            category = record.spec.category
            session.busy[category] = session.busy.get(category, 0) + 1
        held = [r for r in self.ledger.records.values() if r.session == session.id and r.status is TaskStatus.RUNNING]
        for record in held:
            if record.spec.id not in session.running:
                self._return(record, crashed=False)

    def subscribe(self, session: Session, category: str, capacity: int) -> None:
        """It can run `capacity` tasks of the category at once."""
        session.capacity[category] = capacity
        self._dirty.add(category)
        self._pump_soon()

    def set_limits(self, limits: dict[str, tuple[int | None, int | None, float]]) -> None:
        """See `Ledger`; what they held back may start now."""
        self.ledger.set_limits(limits)
        self._dirty.update(self.ledger.waiting_categories())
        self._pump_soon()

    def leave(self, session: Session) -> None:
        """Its connection is gone: it may come back soon, else what it runs has crashed."""
        if self.sessions.get(session.id) is session:
            del self.sessions[session.id]
            if session.running:
                self._orphans[session.id] = (self._loop.time() + _REJOIN, list(session.running.values()))
                self._loop.call_later(_REJOIN, self._collect_orphans)

    def adopt_replayed(self, dead: set[str], settle: float, patience: float) -> None:
        """After a replay.

        Give back what dead sessions ran, wait `patience` seconds for the others, hand out nothing for `settle`.
        """
        for record in list(self.ledger.records.values()):
            record.suspect = bool(dead)
            if record.waiting is not None and any(id not in self.ledger.records for id in record.waiting):
                self._cancel_waiting(record, "a task it comes after did not succeed", spare=False)
            if record.status is TaskStatus.RUNNING:
                if record.session in dead:
                    self._return(record, crashed=True)
                elif record.session is not None and record.session not in self.sessions:
                    _, records = self._orphans.setdefault(record.session, (self._loop.time() + patience, []))
                    records.append(record)
        self._paused_until = self._loop.time() + settle
        self._loop.call_later(settle, self._pump_all)
        self._loop.call_later(patience, self._collect_orphans)
        self._arm()

    def _pump_all(self) -> None:
        self._dirty.update(self.ledger.waiting_categories())
        self._pump()

    def _pump_soon(self) -> None:
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if self._failed_at is not None or self._closed or self._loop.time() < self._paused_until:
            return
        dirty, woken = self._dirty, self.ledger.woken
        while dirty or woken:
            dirty |= woken
            woken.clear()
            self._hand_out(dirty.pop())

    def _hand_out(self, category: str) -> None:
        while True:
            best, most = None, 0
            for session in self.sessions.values():
                free = session.capacity.get(category, 0) - session.busy.get(category, 0)
                if free > most:
                    best, most = session, free
            if best is None:
                return
            record, wait = self.ledger.take(category, self._loop.time())
            if record is None:
                if wait is not None:
                    self._retake_in(wait, category)
                return
            self._assign(record, best)

    def _retake_in(self, wait: float, category: str) -> None:
        if (set_already := self._retakes.get(category)) is not None:
            if set_already.when() <= self._loop.time() + wait + 0.001:
                return
            set_already.cancel()
        self._retakes[category] = self._loop.call_later(wait, self._retake, category)

    def _retake(self, category: str) -> None:
        self._retakes.pop(category, None)
        self._dirty |= self.ledger.unpark_rated()
        self._dirty.add(category)
        self._pump()

    def _assign(self, record: Record, session: Session) -> None:
        spec = record.spec
        number = record.claim + 1
        text = f'[{number},"{session.id}"]'
        session.busy[spec.category] = session.busy.get(spec.category, 0) + 1
        session.running[spec.id] = record
        self.ledger.start(record, number, session.id, time.time())
        claim = Claim(spec=spec, number=number, attempt=record.attempt, crashes=record.crashes)
        if record.suspect:
            # It may be what kills: its start must be in the journal before it runs, or its kills would never be
            # counted.
            self._emit(Kind.STARTED, spec.id, text, lambda: self._start_stored(record, session, claim))
            return
        # Else the run does not wait for the journal.
        self._unwritten_starts[spec.id] = self._emit(Kind.STARTED, spec.id, text, optional=True)
        session.start(claim)

    def _start_stored(self, record: Record, session: Session, claim: Claim) -> None:
        if session.running.get(claim.spec.id) is record and record.claim == claim.number:
            if record.cancelling:
                self.outcome(session, claim.spec.id, claim.number, Cancelled("cancelled before it ran"), lambda: None)
            else:
                session.start(claim)

    # -- what came of it

    def outcome(self, session: Session, id: str, number: int, outcome: Outcome, ack: Acknowledge) -> None:
        """A run ended; `ack` is called once that is durable (or if the claim was not valid any more)."""
        if (mine := session.running.pop(id, None)) is not None:
            session.busy[mine.spec.category] -= 1
            self._dirty.add(mine.spec.category)
            self._pump_soon()
        record = self.ledger.records.get(id)
        if record is None or record.status is not TaskStatus.RUNNING or record.claim != number:
            ack()
            return
        record.claim = number + 1  # a second outcome of this claim, or a lease that ends now, is too late
        record.leaving = True
        if isinstance(outcome, Retry) and record.cancelling:
            outcome = Cancelled(outcome.error)
        if isinstance(outcome, Retry):
            self._retry(record, outcome, number, ack)
        else:
            self._finish(record, outcome, number, ack)

    def _finish(self, record: Record, outcome: Done | Dead | Cancelled, number: int, ack: Acknowledge) -> None:
        result: msgspec.Raw | None = None
        error: str | None = None
        if isinstance(outcome, Done):
            status, result = TaskStatus.SUCCEEDED, outcome.result
        else:
            status = TaskStatus.FAILED if isinstance(outcome, Dead) else TaskStatus.CANCELLED
            error = outcome.error
        text = None if result is None else bytes(result).decode()
        data = Finished(
            status, text, error, record.attempt, record.started_at, record.session, number, record.progress, record.note
        )
        if (start := self._unwritten_starts.pop(record.spec.id, None)) is not None:
            start.events = ()  # said by this event too: one row instead of two

        def done() -> None:
            self._finished(record, status, result, error)
            ack()

        self._emit(Kind.FINISHED, record.spec.id, JSON.encode(data).decode(), done)

    def _finished(self, record: Record, status: TaskStatus, result: msgspec.Raw | None, error: str | None) -> None:
        followers = self.ledger.dependents.get(record.spec.id, ())
        self._dirty.update(f.spec.category for id in followers if (f := self.ledger.records.get(id)) is not None)
        now = time.time()
        self._dirty.add(record.spec.category)
        for hopeless in self.ledger.finish(record, status, result, error, now):
            self._cancel_waiting(hopeless, f"a task it comes after did not succeed: {record.spec.id}", spare=False)
        if waiters := self.waiters.pop(record.spec.id, None):
            info = record.info(now)
            for tell in waiters:
                tell(info)

    def _retry(self, record: Record, outcome: Retry, number: int, ack: Acknowledge) -> None:
        data = JSON.encode(Returned(outcome.delay, outcome.error, number=number)).decode()

        def done() -> None:
            now, tick = time.time(), self._loop.time()
            if outcome.counted:
                self.ledger.retry(record, outcome.delay, outcome.error, now, tick)
            else:
                self.ledger.give_back(record, outcome.delay, False, now, tick)
            if record.cancelling:  # asked for while this was on its way
                self._cancel_waiting(record, "cancelled before it ran again", spare=False)
            self._dirty.add(record.spec.category)
            self._arm()
            ack()

        self._emit(Kind.RETRYING if outcome.counted else Kind.RETURNED, record.spec.id, data, done)

    def _return(self, record: Record, crashed: bool) -> None:
        if record.status is not TaskStatus.RUNNING or record.leaving:
            return  # it ended meanwhile, or is given back already
        record.leaving = True
        number, record.claim = record.claim, record.claim + 1
        # Tasks that died together are parted, so that one that kills does not take the same others with it each time.
        delay = random.random() * 0.5 if crashed else 0.0  # noqa: S311 - guards nothing
        record.suspect = record.suspect or crashed
        data = JSON.encode(Returned(delay, crashed=crashed, number=number)).decode()

        def done() -> None:
            self.ledger.give_back(record, delay, crashed, time.time(), self._loop.time())
            if record.cancelling:
                self._cancel_waiting(record, "cancelled; its worker ended", spare=False)
                return
            self._dirty.add(record.spec.category)
            self._arm()

        self._emit(Kind.RETURNED, record.spec.id, data, done)

    def _collect_orphans(self) -> None:
        now = self._loop.time()
        for id in [id for id, (deadline, _) in self._orphans.items() if deadline <= now]:
            for record in self._orphans.pop(id)[1]:
                if record.status is TaskStatus.RUNNING and record.session == id:
                    log.warning("task %s: its worker %s is gone", record.spec.id, id)
                    self._return(record, crashed=True)

    def _keep_house(self) -> None:
        now = self._loop.time()
        for session in list(self.sessions.values()):
            if now - session.seen > self.lease:
                log.warning(
                    "worker %s was silent for %.0f s: what it ran is given to others", session.id, now - session.seen
                )
                del self.sessions[session.id]
                for record in session.running.values():
                    self._return(record, crashed=True)
                session.running.clear()
                session.busy.clear()
                session.drop()
        self._collect_orphans()
        self.ledger.forget_keys(time.time() - self.history)
        self._housekeeping = self._loop.call_later(min(self.lease / 4, 1.0), self._keep_house)

    def _cancel_waiting(self, record: Record, error: str, spare: bool = True) -> None:
        # Without `spare` it is tried until it is stored: the task can never run.
        record.cancelling = True
        data = JSON.encode(Finished(TaskStatus.CANCELLED, error=error, attempt=record.attempt)).decode()
        self._emit(
            Kind.FINISHED,
            record.spec.id,
            data,
            lambda: self._finished(record, TaskStatus.CANCELLED, None, error),
            failed=(lambda _: self.ledger.spare(record)) if spare else None,
        )

    # -- time

    def _arm(self) -> None:
        wait = self.ledger.next_due(time.time(), self._loop.time())
        if wait is None or self._closed:
            return
        at = self._loop.time() + wait
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        self._dirty |= self.ledger.fire_due(time.time(), self._loop.time())
        self._pump()
        self._arm()

    def stop(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        self._housekeeping.cancel()
        if self._timer is not None:
            self._timer.cancel()
