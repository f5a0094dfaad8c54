"""The state of all tasks in memory: who is ready, who waits for what, who may start.

Pure: no I/O, no clock of its own. Live operation and the replay of a journal apply the same transitions.
"""

# ruff: noqa: A001, A002 - a task's id is called id
from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator

import msgspec

from ..task import TaskSpec, TaskStatus
from ._limits import Gate
from ._record import Record

Entry = tuple[int, int, Record]
Timer = tuple[float, int, float, Record]  # the last but one is the record's `due`: another there means a stale entry
_PENDING, _SCHEDULED, _RUNNING, _RETRYING = (
    TaskStatus.PENDING,
    TaskStatus.SCHEDULED,
    TaskStatus.RUNNING,
    TaskStatus.RETRYING,
)


class Ledger:
    """All live tasks, and the last `keep` that ended.

    `now` is wall-clock time, `tick` monotonic time; both in seconds.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self.keep = keep
        self.records: dict[str, Record] = {}
        self.recent: OrderedDict[str, Record] = OrderedDict()
        self.counts: Counter[tuple[str, TaskStatus]] = Counter()
        self.unique: dict[tuple[str, str], str] = {}
        self.idempotent: dict[str, str] = {}
        self._idempotent_age: deque[tuple[float, str]] = deque()
        self.dependents: dict[str, list[str]] = {}
        self.gates: dict[str, Gate] = {}
        self._ready: dict[str, list[Entry]] = {}
        self._parked: dict[str, list[Entry]] = {}
        self._wall: list[Timer] = []
        self._monotonic: list[Timer] = []
        self._order = 0
        self._untimely = 0  # tasks that ended although something in the timer heaps stands for them
        self.woken: set[str] = set()  # categories that gained something because a task in another one ended

    def find(self, id: str) -> Record | None:
        """A live or recently ended task."""
        return self.records.get(id) or self.recent.get(id)

    # -- reservations: made before an event is durable, so that two adds at once cannot both create

    def known(self, spec: TaskSpec) -> str | None:
        """The id of the task that stands for `spec` already, if any."""
        if spec.id in self.records or spec.id in self.recent:
            return spec.id
        if spec.idempotency_key is not None and (found := self.idempotent.get(spec.idempotency_key)):
            return found
        if spec.unique_key is not None:
            return self.unique.get((spec.name, spec.unique_key))
        return None

    def reserve(self, spec: TaskSpec) -> Record:
        """A record that no one sees yet, but that keeps its id and keys."""
        self._order += 1
        record = Record(spec, self._order, spec.due)
        self.records[spec.id] = record
        if spec.unique_key is not None:
            self.unique[spec.name, spec.unique_key] = spec.id
        if spec.idempotency_key is not None:
            self.remember_key(spec.idempotency_key, spec.id, spec.added_at)
        return record

    def remember_key(self, key: str, id: str, at: float) -> None:
        """Keep an idempotency key."""
        self.idempotent[key] = id
        self._idempotent_age.append((at, key))

    def release(self, record: Record) -> None:
        """Undo `reserve`: it could not be stored."""
        spec = record.spec
        self.records.pop(spec.id, None)
        self._free_unique(record)
        if spec.idempotency_key is not None and self.idempotent.get(spec.idempotency_key) == spec.id:
            del self.idempotent[spec.idempotency_key]

    def forget_keys(self, before: float) -> None:
        """Drop idempotency keys of tasks added before that time, unless the task is still to end: it keeps its key."""
        while self._idempotent_age and self._idempotent_age[0][0] < before:
            _, key = self._idempotent_age.popleft()
            if self.idempotent.get(key) in self.records:
                self._idempotent_age.append((before + 3600, key))  # to be looked at again in an hour
            else:
                self.idempotent.pop(key, None)

    # -- transitions

    def admit(self, record: Record, now: float, tick: float) -> None:
        """It is durable: let it wait for its time, for others, or for a worker."""
        spec = record.spec
        record.stored = True
        self.counts[spec.category, _PENDING] += 1
        if not spec.after and spec.due <= now:  # nearly all of them
            self._enter(record)
            return
        waiting = {id for id in spec.after if id in self.records and id != spec.id}
        if waiting:
            record.waiting = waiting
            for id in waiting:
                self.dependents.setdefault(id, []).append(record.spec.id)
            self._become(record, _SCHEDULED)
        else:
            # A delay is never longer than it was, although the clock may have been set back since it was written.
            due = min(spec.due, now + spec.due - spec.added_at) if spec.relative else spec.due
            self._time(record, due, spec.relative, now, tick, _SCHEDULED)

    def start(self, record: Record, number: int, session: str, now: float) -> None:
        """It was handed to `session`."""
        self._become(record, _RUNNING)
        record.claim = number
        record.attempt += 1
        record.session = session
        record.started_at = now
        for gate in self._gates_of(record):
            gate.enter()

    def finish(
        self, record: Record, status: TaskStatus, result: msgspec.Raw | None, error: str | None, now: float
    ) -> list[Record]:
        """It ended. Gives the tasks that came after it and can never run now."""
        if record.status in (_SCHEDULED, _RETRYING) and record.waiting is None:
            self._forget_time()
        self._leave(record)
        self._become(record, status)
        record.finished_at, record.result, record.error = now, result, error
        record.cancelling, record.waiting = False, None
        spec = record.spec
        self.records.pop(spec.id, None)
        self._free_unique(record)
        self.recent[spec.id] = record
        while len(self.recent) > self.keep:
            self.recent.popitem(last=False)
        return self._release_dependents(record)

    def _release_dependents(self, record: Record) -> list[Record]:
        hopeless: list[Record] = []
        for id in self.dependents.pop(record.spec.id, ()):
            follower = self.records.get(id)
            if follower is None or follower.waiting is None:
                continue
            if record.status is not TaskStatus.SUCCEEDED and not follower.spec.always:
                hopeless.append(follower)
                continue
            follower.waiting.discard(record.spec.id)
            if not follower.waiting:
                follower.waiting = None
                self._push(follower)
        return hopeless

    def retry(self, record: Record, delay: float, error: str | None, now: float, tick: float) -> None:
        """It failed and will be tried again."""
        self._leave(record)
        record.error = error
        self._time(record, now + delay, True, now, tick, _RETRYING)

    def give_back(self, record: Record, delay: float, crashed: bool, now: float, tick: float) -> None:
        """Its run did not end: no attempt is used up, but a crash is remembered."""
        self._leave(record)
        record.attempt -= 1
        record.crashes += crashed
        self._time(record, now + delay if delay else 0.0, True, now, tick, _RETRYING)

    def spare(self, record: Record) -> None:
        """It was about to be cancelled, but that could not be stored."""
        record.cancelling = False
        if record.status is _PENDING:
            self._push(record)

    def hopeless(self, record: Record) -> bool:
        """True if a task it comes after has ended badly."""
        if record.spec.always:
            return False
        ends = (self.recent.get(id) for id in record.spec.after)
        return any(end is not None and end.status is not TaskStatus.SUCCEEDED for end in ends)

    def due_now(self, record: Record) -> None:
        """Do not wait for its time."""
        record.due = 0.0
        self._push(record)

    def revive(self, spec: TaskSpec, now: float, tick: float) -> Record:
        """A dead letter becomes a new pending task under its old id."""
        old = self.recent.pop(spec.id, None)
        if old is not None:
            self.counts[old.spec.category, old.status] -= 1
        record = self.reserve(spec)
        record.claim = old.claim if old is not None else 1_000_000  # above every claim there was: those stay fenced
        self.admit(record, now, tick)
        return record

    def _time(self, record: Record, due: float, relative: bool, now: float, tick: float, waiting: TaskStatus) -> None:
        if due <= now:
            self._push(record)
            return
        record.due = due
        self._become(record, waiting)
        if relative:
            heapq.heappush(self._monotonic, (tick + due - now, record.order, due, record))
        else:
            heapq.heappush(self._wall, (due, record.order, due, record))

    def _become(self, record: Record, status: TaskStatus) -> None:
        category = record.spec.category
        self.counts[category, record.status] -= 1
        self.counts[category, status] += 1
        record.status = status

    def _free_unique(self, record: Record) -> None:
        key = (record.spec.name, record.spec.unique_key or "")
        if record.spec.unique_key is not None and self.unique.get(key) == record.spec.id:
            del self.unique[key]

    def _push(self, record: Record) -> None:
        self._become(record, _PENDING)
        self._enter(record)

    def _enter(self, record: Record) -> None:
        if not record.queued:
            record.queued = True
            entry = (-record.spec.priority, record.order, record)
            heapq.heappush(self._ready.setdefault(record.spec.category, []), entry)

    def _leave(self, record: Record) -> None:
        record.leaving = False
        if record.status is _RUNNING:
            for gate in self._gates_of(record):
                gate.leave()
            self._unpark(record.spec.name)

    # -- time and claims

    def fire_due(self, now: float, tick: float) -> set[str]:
        """Make ready what is due; the categories that gained something."""
        gained: set[str] = set()
        for heap, limit in ((self._wall, now), (self._monotonic, tick)):
            while heap and heap[0][0] <= limit:
                _, _, due, record = heapq.heappop(heap)
                if record.status in (_SCHEDULED, _RETRYING) and record.waiting is None and record.due == due:
                    self._push(record)
                    gained.add(record.spec.category)
        return gained

    def _forget_time(self) -> None:
        # Entries of what ended before its time are not looked for, but many of them are thrown out together.
        self._untimely += 1
        if self._untimely > 1000 and 2 * self._untimely > len(self._wall) + len(self._monotonic):
            self._untimely = 0
            for heap in (self._wall, self._monotonic):
                heap[:] = [entry for entry in heap if entry[3].status in (_SCHEDULED, _RETRYING)]
                heapq.heapify(heap)

    def next_due(self, now: float, tick: float) -> float | None:
        """Seconds until something is due; at most 1 for wall-clock times, because the clock may be set."""
        waits = [max(0.0, self._monotonic[0][0] - tick)] if self._monotonic else []
        if self._wall:
            waits.append(max(0.0, min(1.0, self._wall[0][0] - now)))
        return min(waits, default=None)

    def set_limits(self, limits: dict[str, tuple[int | None, int | None, float]]) -> None:
        """Set limits by scope; scopes that are not named keep theirs."""
        for scope, (concurrency, rate, per) in limits.items():
            old = self.gates.get(scope)
            if old is not None and (old.concurrency, old.rate, old.per) == (concurrency, rate, per):
                continue
            gate = Gate(concurrency, rate, per)
            kind, _, name = scope.partition(":")
            running = (r for r in self.records.values() if r.status is _RUNNING)
            gate.running = sum((r.spec.category if kind == "category" else r.spec.name) == name for r in running)
            self.gates[scope] = gate
            while kind == "task" and self._parked.get(name):
                self._unpark(name)

    def _gates_of(self, record: Record) -> Iterator[Gate]:
        if self.gates:
            for scope in (f"category:{record.spec.category}", f"task:{record.spec.name}"):
                if (gate := self.gates.get(scope)) is not None:
                    yield gate

    def take(self, category: str, tick: float) -> tuple[Record | None, float | None]:
        """The next task that may start, or None and the seconds after which it is worth asking again (None.

        On a change).
        """
        heap = self._ready.get(category)
        if not heap:
            return None, None
        gate = self.gates.get(f"category:{category}") if self.gates else None
        if gate is not None and (wait := gate.wait(tick)) != 0.0:
            return None, wait
        later: float | None = None
        while heap:
            entry = heapq.heappop(heap)
            record = entry[2]
            if record.status is not _PENDING or record.cancelling:
                record.queued = False
                self._unpark(record.spec.name)  # the room that was made for this one is for the next
                continue
            own = self.gates.get(f"task:{record.spec.name}") if self.gates else None
            if own is not None and (wait := own.wait(tick)) != 0.0:
                heapq.heappush(self._parked.setdefault(record.spec.name, []), entry)
                if wait is not None:
                    later = wait if later is None else min(wait, later)
                continue
            record.queued = False
            return record, None
        return None, later

    def _unpark(self, name: str) -> None:
        # One entry for one freed slot: what is put back costs as much as what ended.
        parked = self._parked.get(name)
        while parked:
            entry = heapq.heappop(parked)
            if entry[2].status is _PENDING:
                heapq.heappush(self._ready.setdefault(entry[2].spec.category, []), entry)
                self.woken.add(entry[2].spec.category)
                return
            entry[2].queued = False

    def unpark_rated(self) -> set[str]:
        """Put back what a rate limit parked; the categories that gained something."""
        gained: set[str] = set()
        for name, parked in self._parked.items():
            gate = self.gates.get(f"task:{name}")
            for _ in range(min(len(parked), max(1, int(gate.rate or 1)) if gate else len(parked))):
                entry = heapq.heappop(parked)
                heapq.heappush(self._ready.setdefault(entry[2].spec.category, []), entry)
                gained.add(entry[2].spec.category)
        return gained

    def waiting_categories(self) -> Iterable[str]:
        """Categories with something ready."""
        return [category for category, heap in self._ready.items() if heap]
