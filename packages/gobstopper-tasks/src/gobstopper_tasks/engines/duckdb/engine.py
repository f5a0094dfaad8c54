"""The embedded engine: owner or peer, whichever this process turns out to be."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ...cron import CronEntry, CronLoop
from ...engine import Cap, Filter, Fire, Handler
from ...errors import TaskStoreClosed, TaskStoreUnavailable, Unsupported
from ...ids import task_id
from ...registry import Registry, limits_of
from ...task import JSON, Claim, Enqueued, Outcome, TaskInfo, TaskSpec
from .._local import LocalLink
from .._slots import Slots
from .election import OwnerLock, socket_path
from .owner import Owner, OwnerOptions
from .peer import LinkLost, PeerLink

log = logging.getLogger("gobstopper.tasks")

T = TypeVar("T")
Link = LocalLink | PeerLink

_OPENING = 10.0  # seconds for an owner that is just starting
_POLL = 0.02  # seconds between looks for an owner while there is none


class DuckDBEngine:
    """Durable on one machine, for any number of processes.

    `patience`: seconds that a call waits for an owner before `TaskStoreUnavailable`. `lease`: seconds after which a
    silent process loses what it runs. `retention` (seconds) and `max_history` (tasks) bound the history. `keep`:
    ended tasks in memory. `memory_limit`: DuckDB's.
    """

    caps = frozenset({Cap.STRICT_PRIORITY, Cap.LIMITS, Cap.DURABLE, Cap.SHARED, Cap.SQL})

    def __init__(self, path: str, fire: Fire, patience: float = 1.0, **options: Any) -> None:
        self.path = Path(os.path.realpath(path))
        self.session = task_id()
        self._options = OwnerOptions(**options)
        self._patience = patience
        self._fire = fire
        self._registry = Registry()
        self._slots = Slots(self._report)
        self._owed: dict[tuple[str, int], tuple[Claim, Outcome]] = {}
        self._lock = OwnerLock(self.path.with_name(self.path.name + ".lock"))
        self._owner: Owner | None = None
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._cron: CronLoop | None = None
        self._cron_task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def is_owner(self) -> bool:
        """True if this process has the file open."""
        return self._owner is not None

    # -- joining and changing sides

    async def open(self, registry: Registry) -> None:
        """See `TaskEngine`. Waits up to 10 seconds for an owner that is starting."""
        self._registry = registry
        try:
            # The last folder alone: a missing one above it is more likely a mistake in the path.
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise TaskStoreUnavailable(
                f"{self.path.parent} cannot be made ({error.strerror}): make it, or put the task file elsewhere"
            ) from error
        deadline = time.monotonic() + _OPENING
        while not await self._try_link():
            if time.monotonic() > deadline:
                raise TaskStoreUnavailable(f"another process has the lock of {self.path} but does not answer")
            await asyncio.sleep(_POLL)
        self._keeper = asyncio.create_task(self._keep_link(), name="gobstopper-tasks-link")

    async def _keep_link(self) -> None:
        while True:
            await self._lost.wait()
            self._lost.clear()
            begun = time.monotonic()
            while not self._closed:
                try:
                    if await self._try_link():
                        break
                except Exception as error:  # noqa: BLE001 - a damaged file, a full disk: adds fail, serving goes on
                    log.error("the task queue cannot be taken over: %s", error)
                    await asyncio.sleep(0.5)
                await asyncio.sleep(_POLL)
            role = "owner" if self.is_owner else "peer"
            log.warning(
                "the task queue has an owner again after %.3f s (this process is %s)", time.monotonic() - begun, role
            )

    async def _try_link(self) -> bool:
        claims = [(claim.spec.id, claim.number) for claim, _ in (*self._slots.runs.values(), *self._owed.values())]
        if self._lock.acquire():
            try:
                owner = Owner(self.path, self.session, self._options)
                await owner.open()
            except BaseException:
                self._lock.release()
                raise
            link: Link = LocalLink(self.session, owner.broker, self._slots, claims)
            try:
                await owner.listen(socket_path(self.path))
            except BaseException:
                await owner.close(self._lock.release)
                raise
            self._owner = owner
        else:
            link = PeerLink(self.session, self._slots, self._link_lost)
            try:
                await link.connect(socket_path(self.path), claims, limits_of(self._registry))
            except (OSError, LinkLost):
                self._lost.clear()
                return False
        self._link = link
        self._linked.set()
        link.limits(limits_of(self._registry))
        for claim, outcome in list(self._owed.values()):
            self._send(link, claim, outcome)
        for category, capacity in self._slots.capacity.items():
            link.subscribe(category, capacity)
        return True

    def _link_lost(self) -> None:
        if self._link is not None:
            self._link = None
            self._linked.clear()
            self._lost.set()

    async def close(self, grace: float) -> None:
        """See `TaskEngine`."""
        for task in (self._cron_task,):
            if task is not None:
                task.cancel()
        if self._link is not None:
            for category in self._slots.capacity:
                self._link.subscribe(category, 0)
        await self._slots.finish(grace)
        deadline = time.monotonic() + 2.0
        while self._owed and time.monotonic() < deadline:  # noqa: ASYNC110 - and a deadline
            await asyncio.sleep(0.002)
        self._closed = True
        if self._keeper is not None:  # it may be about to own the file, and must give that up first
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        link, self._link = self._link, None
        self._linked.clear()
        if link is not None:
            link.close()
        if self._owner is not None:
            await self._owner.close(self._lock.release)
            self._owner = None
        self._lock.release()

    # -- calls

    async def _now(self, deadline: float) -> Link:
        while self._link is None:
            if self._closed:
                raise TaskStoreClosed("the task queue is closed")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TaskStoreUnavailable("no process owns the task file now; try again")
            try:
                async with asyncio.timeout(left):
                    await self._linked.wait()
            except TimeoutError:
                continue
        return self._link

    async def _call(self, work: Callable[[Link, bool], Awaitable[T]]) -> T:
        """Do it, again if the owner was lost meanwhile: every call is idempotent. The second argument says so."""
        again = False
        deadline = time.monotonic() + self._patience
        while True:
            link = self._link or await self._now(deadline)
            try:
                return await work(link, again)
            except LinkLost:
                again = True
                deadline = time.monotonic() + self._patience

    async def enqueue(self, specs: Sequence[TaskSpec], connection: Any = None) -> list[Enqueued]:
        """See `TaskEngine`."""
        if connection is not None:
            raise Unsupported("connection= needs a PostgreSQL queue; this one is DuckDB")
        if not specs:
            return []
        texts = [JSON.encode(spec) for spec in specs]
        cron = "cron" in specs[0].headers
        if isinstance(self._link, LocalLink) and not cron:  # which is never lost
            return await self._link.enqueue(specs, [text.decode() for text in texts], checked=False)

        def work(link: Link, again: bool) -> Awaitable[list[Enqueued]]:
            if isinstance(link, LocalLink):
                return link.enqueue(specs, [text.decode() for text in texts], again or cron)
            return link.enqueue(specs, texts, again or cron)

        return await self._call(work)

    async def run(self, category: str, concurrency: int, handler: Handler) -> None:
        """See `TaskEngine`."""
        capacity = self._slots.add(category, concurrency, handler)
        if self._link is not None:
            self._link.limits(limits_of(self._registry))
            self._link.subscribe(category, capacity)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            capacity = self._slots.remove(category, concurrency)
            if self._link is not None:
                self._link.subscribe(category, capacity)

    def _report(self, claim: Claim, outcome: Outcome) -> None:
        self._owed[claim.spec.id, claim.number] = (claim, outcome)
        if self._link is not None:
            self._send(self._link, claim, outcome)

    def _send(self, link: Link, claim: Claim, outcome: Outcome) -> None:
        key = (claim.spec.id, claim.number)

        def ack() -> None:
            self._owed.pop(key, None)

        link.outcome(claim, outcome, ack)

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `TaskEngine`."""
        return await self._call(lambda link, _: link.status(ids))

    async def wait(self, id: str, timeout: float | None) -> TaskInfo | None:  # noqa: A002, ASYNC109
        """See `TaskEngine`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        return await self._call(
            lambda link, _: link.wait(id, None if deadline is None else max(0.0, deadline - time.monotonic()))
        )

    async def cancel(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`."""
        return await self._call(lambda link, _: link.cancel_tasks(ids))

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`."""
        return await self._call(lambda link, _: link.requeue(ids))

    async def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """See `TaskEngine`."""
        if self._link is not None:
            self._link.progress(id, value, note)

    async def schedules(self, entries: Sequence[CronEntry]) -> None:
        """See `TaskEngine`."""
        if self._cron is None:
            self._cron = CronLoop(self._fire)
            self._cron_task = asyncio.create_task(self._cron.run(), name="gobstopper-tasks-cron")
        self._cron.replace(list(entries))

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `TaskEngine`."""
        return await self._call(lambda link, _: link.query(filter, cursor))

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `TaskEngine`."""
        return await self._call(lambda link, _: link.stats())

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine`. Values that JSON has no type for are strings, in the owner too."""
        names, rows = await self._call(lambda link, _: link.sql(statement, parameters))
        plain = msgspec.to_builtins(rows, enc_hook=str)
        return names, [tuple(row) for row in plain]
