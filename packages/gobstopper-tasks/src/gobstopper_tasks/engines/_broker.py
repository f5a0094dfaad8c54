"""The owner of all tasks: what sessions and callers ask of it."""

# ruff: noqa: A001, A002 - a task's id is called id
from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from ..engine import Filter
from ..errors import TaskStoreUnavailable
from ..task import JSON, Enqueued, TaskInfo, TaskSpec, TaskStatus
from ._dispatcher import Dispatcher
from ._journal import Event, Kind, Progress
from ._outbox import AFTER_FAILURE, NO_ROW
from ._record import Record

Added = Callable[[list[Enqueued] | BaseException], None]


_ADDED = int(Kind.ADDED)
_tuple = tuple.__new__  # what `Event(…)` comes down to, without a call in between: this one is made for each add


def _nothing() -> None:
    pass


class Addition:
    """The `Entry` of added tasks. Most of all entries are of this kind, and closures for each would cost more."""

    __slots__ = ("_added", "_answers", "_broker", "_records", "events")

    optional = False

    def __init__(
        self, broker: Broker, events: list[Event], records: list[Record], answers: list[Enqueued], added: Added
    ) -> None:
        self._broker = broker
        self.events: Sequence[Event] = events
        self._records = records
        self._answers = answers
        self._added = added

    def done(self) -> None:
        """See `Entry`."""
        self._broker.admitted(self._records)
        self._added(self._answers)

    def failed(self, error: BaseException) -> None:
        """See `Entry`."""
        for record in self._records:
            self._broker.ledger.release(record)
        refusal = TaskStoreUnavailable(f"the task journal cannot be written: {error}")
        refusal.__cause__ = error
        self._added(refusal)


class Broker(Dispatcher):
    """Adds, cancels, requeues and tells; see `Dispatcher` for the rest."""

    # -- adding

    def add(self, specs: Sequence[TaskSpec], texts: Sequence[str], added: Added) -> None:
        """Store all of them; `texts` are the same as JSON. `added` is told the answers once all are durable."""
        if self._failed_at is not None and self._loop.time() < self._failed_at + AFTER_FAILURE:
            added(TaskStoreUnavailable(f"the task journal cannot be written: {self._failure}"))
            return
        ledger, now = self.ledger, time.time()
        answers: list[Enqueued] = []
        records: list[Record] = []
        events: list[Event] = []
        for spec, text in zip(specs, texts, strict=True):
            if (known := ledger.known(spec)) is None:
                records.append(ledger.reserve(spec))
                events.append(_tuple(Event, (_ADDED, now, spec.id, text)))
                answers.append(Enqueued(spec.id))
            else:
                answers.append(Enqueued(known, created=False))
        # Without any event it waits all the same: the one that stands for it may still be on its way into the journal.
        self._queue.append(Addition(self, events, records, answers, added))
        if not self._kicked and not self._writing:
            self._kick_soon()

    def admitted(self, records: list[Record]) -> None:
        """They are durable."""
        now, tick = self.now, self.tick
        ledger, dirty = self.ledger, self._dirty
        for record in records:
            spec = record.spec
            ledger.admit(record, now, tick)
            dirty.add(spec.category)
            if spec.due:
                self._arm()
            if spec.after and ledger.hopeless(record):
                self._cancel_waiting(record, "a task it comes after did not succeed", spare=False)

    async def add_checked(self, specs: Sequence[TaskSpec], texts: Sequence[str], added: Added) -> None:
        """As `add`, for specs that may have been stored before, and ended since: looks into the history first."""
        unknown = [spec.id for spec in specs if self.ledger.known(spec) is None]
        try:
            old = await self.journal.lookup(unknown) if unknown else {}
        except Exception as error:  # noqa: BLE001 - whoever waits must be told
            added(error if isinstance(error, TaskStoreUnavailable) else TaskStoreUnavailable(str(error)))
            return
        fresh = [(spec, text) for spec, text in zip(specs, texts, strict=True) if spec.id not in old]

        def merge(answer: list[Enqueued] | BaseException) -> None:
            if isinstance(answer, BaseException):
                added(answer)
                return
            rest = iter(answer)
            added([Enqueued(spec.id, created=False) if spec.id in old else next(rest) for spec in specs])

        self.add([spec for spec, _ in fresh], [text for _, text in fresh], merge)

    # -- what callers ask for

    async def cancel(self, ids: Sequence[str]) -> int:
        """See `TaskEngine.cancel`."""
        reached = 0
        waits = False
        for id in ids:
            record = self.ledger.records.get(id)
            if record is None or record.cancelling or not record.stored:
                continue
            reached += 1
            if record.status is not TaskStatus.RUNNING:
                self._cancel_waiting(record, "cancelled before it ran")
                waits = True
                continue
            record.cancelling = True
            self._emit(Kind.CANCELLING, id, None, optional=True)
            if record.session is not None and (session := self.sessions.get(record.session)):
                session.cancel(id)
        if waits:
            await self._durable(NO_ROW, "", None, _nothing)
        return reached

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `TaskEngine.requeue`."""
        specs: dict[str, TaskSpec] = {}
        missing: list[str] = []
        waits: list[asyncio.Future[None]] = []
        for id in dict.fromkeys(ids):
            live, ended = self.ledger.records.get(id), self.ledger.recent.get(id)
            if live is not None:
                if live.status in (TaskStatus.RETRYING, TaskStatus.SCHEDULED) and live.waiting is None:
                    waits.append(self._durable(Kind.DUE, id, None, partial(self._due_now, live)))
            elif ended is None:
                missing.append(id)
            elif ended.status is not TaskStatus.SUCCEEDED:
                specs[id] = ended.spec
        if missing:
            specs |= await self.journal.specs(missing)
        for id, spec in specs.items():
            if id not in self._reviving and id not in self.ledger.records and self._take_key(spec):
                self._reviving.add(id)
                spec = msgspec.structs.replace(spec, due=0.0, after=() if spec.into is None else spec.after)  # noqa: PLW2901
                text = JSON.encode(spec).decode()
                waits.append(
                    self._durable(
                        Kind.REVIVED, id, text, partial(self._revived, spec), partial(self._not_revived, spec)
                    )
                )
        for wait in waits:
            await wait
        return len(waits)

    def _take_key(self, spec: TaskSpec) -> bool:
        """False if another task that is not final has its unique key; else it is this one's from now on."""
        if spec.unique_key is None:
            return True
        return self.ledger.unique.setdefault((spec.name, spec.unique_key), spec.id) == spec.id

    def _leave_key(self, spec: TaskSpec) -> None:
        key = (spec.name, spec.unique_key or "")
        if spec.unique_key is not None and self.ledger.unique.get(key) == spec.id:
            del self.ledger.unique[key]

    def _durable(
        self, kind: int, id: str, data: str | None, apply: Callable[[], None], undo: Callable[[], None] = _nothing
    ) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()

        def done() -> None:
            apply()
            if not future.done():
                future.set_result(None)

        def failed(error: BaseException) -> None:
            undo()
            if not future.done():
                future.set_exception(TaskStoreUnavailable(f"the task journal cannot be written: {error}"))

        self._emit(kind, id, data, done, failed=failed)
        return future

    def _due_now(self, record: Record) -> None:
        if record.status in (TaskStatus.RETRYING, TaskStatus.SCHEDULED) and record.waiting is None:
            self.ledger.due_now(record)
            self._dirty.add(record.spec.category)

    def _revived(self, spec: TaskSpec) -> None:
        self._reviving.discard(spec.id)
        self.ledger.revive(spec, time.time(), self._loop.time())
        self._dirty.add(spec.category)

    def _not_revived(self, spec: TaskSpec) -> None:
        self._reviving.discard(spec.id)
        self._leave_key(spec)

    def progress(self, id: str, value: float | None, note: str | None) -> None:
        """See `TaskEngine.progress`. Journaled at most once a second for each task, and not waited for."""
        record = self.ledger.records.get(id)
        if record is None:
            return
        record.progress = value if value is not None else record.progress
        record.note = note if note is not None else record.note
        if self._loop.time() - record.noted_at >= 1.0:
            record.noted_at = self._loop.time()
            data = JSON.encode(Progress(record.progress, record.note)).decode()
            self._emit(Kind.PROGRESS, id, data, optional=True)

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `TaskEngine.status`."""
        now = time.time()
        found: dict[str, TaskInfo] = {}
        for id in ids:
            if (record := self.ledger.find(id)) is not None and record.stored:
                found[id] = record.info(now)
        if len(found) < len(ids) and (
            missing := [id for id in ids if id not in found and id not in self.ledger.records]
        ):
            found |= await self.journal.lookup(missing)
        return [found.get(id) for id in ids]

    async def wait(
        self,
        id: str,
        timeout: float | None,  # noqa: ASYNC109
        group: set[asyncio.Future[TaskInfo]] | None = None,
    ) -> TaskInfo | None:
        """See `TaskEngine.wait`. What is waited for is in `group` meanwhile."""
        if id not in self.ledger.records:
            return (await self.status([id]))[0]
        future: asyncio.Future[TaskInfo] = self._loop.create_future()

        def tell(info: TaskInfo) -> None:
            if not future.done():
                future.set_result(info)

        self.waiters.setdefault(id, []).append(tell)
        if group is not None:
            group.add(future)
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            return (await self.status([id]))[0]
        finally:
            if group is not None:
                group.discard(future)
            if (waiters := self.waiters.get(id)) is not None and tell in waiters:
                waiters.remove(tell)
                if not waiters:
                    del self.waiters[id]

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:
        """See `TaskEngine.query`: what is live from memory, what ended from the journal, if it keeps any."""
        now = time.time()
        live = filter.status is None or not filter.status.final
        stored = None if live and filter.status is not None else await self.journal.query(filter, cursor)
        wanted = (
            id
            for id, record in (*self.ledger.records.items(), *(self.ledger.recent.items() if stored is None else ()))
            if record.stored
            and (cursor is None or id < cursor)
            and (filter.status is None or record.status is filter.status)
            and (filter.category is None or record.spec.category == filter.category)
            and (filter.name is None or record.spec.name == filter.name)
        )
        newest = heapq.nlargest(filter.limit + 1, wanted)
        found = {id: record.info(now) for id in newest if (record := self.ledger.find(id)) is not None}
        for info in stored or ():
            found.setdefault(info.id, info)
        page = sorted(found.values(), key=lambda info: info.id, reverse=True)
        more = len(page) > filter.limit or (stored is not None and len(stored) == filter.limit)
        page = page[: filter.limit]
        return page, page[-1].id if more and page else None

    def stats(self) -> dict[str, dict[str, int]]:
        """See `TaskEngine.stats`."""
        table: dict[str, dict[str, int]] = {}
        for (category, status), count in sorted(self.ledger.counts.items()):
            if count:
                table.setdefault(category, {})[str(status)] = count
        return table
