"""What the engines on a server share: PgQueuer and streaq hand out ids, a store beside them knows everything else.

Their queues deliver a *ticket*, `<task id>/<number>`; the store decides whether that ticket still counts (the task
may be final, cancelled, or published anew meanwhile). So whatever the queue delivers twice or late, a task that
ended does not run again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from ..cron import CronEntry, CronLoop
from ..engine import Filter, Fire, Handler, Running
from ..errors import TaskStoreClosed, TaskStoreUnavailable
from ..ids import task_id
from ..registry import Registry, limits_of
from ..task import FINAL, Claim, Enqueued, Outcome, TaskInfo, TaskSpec
from ._coalescer import Coalescer
from ._store import Store

log = logging.getLogger("gobstopper.tasks")

_POLL = 1.0  # seconds after which a waiter looks for itself, in case a notification was lost
_SWEEP = 2.0  # seconds between looks for tasks that a limit held back and nobody published again
_ALONE = 100  # so many tasks of one call go into the store by themselves

S = TypeVar("S", bound=Store)


class RemoteEngine(ABC, Generic[S]):
    """The part of an engine that is the same on both servers.

    `away` are the errors of the server's drivers that mean that it cannot be reached; `server` is its name.
    """

    server: ClassVar[str]
    away: ClassVar[tuple[type[Exception], ...]]
    store: S

    def __init__(self, fire: Fire) -> None:
        self.session = task_id()
        self._fire = fire
        self._registry = Registry()
        self._running: dict[str, Running] = {}
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._runs: dict[asyncio.Future[Any], Callable[[], None]] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self._cron: CronLoop | None = None
        self._closing = False
        self._coalescer = Coalescer(lambda specs: self.store.add(specs, None))

    # -- life

    async def open(self, registry: Registry) -> None:
        """See `TaskEngine`."""
        self._registry = registry
        try:
            await self.store.open()
        except BaseException:
            await self.store.close()
            raise
        self._closing = False
        listening = asyncio.Event()
        work = (self._keep_clean(), self._keep_swept(), self._listen(listening))
        self._tasks += [asyncio.create_task(one) for one in work]
        await listening.wait()

    async def close(self, grace: float) -> None:
        """See `TaskEngine`."""
        for stop in self._runs.values():
            stop()
        await self._wind_down(grace)
        for waiting in [future for futures in self._waiters.values() for future in futures]:
            if not waiting.done():
                waiting.set_result(None)  # to look again, and be told
        if ending := {*self._runs, *self._settling}:
            await asyncio.wait(ending, timeout=3.0)
        await self._coalescer.close()
        await self._disconnect()
        await self.store.close()

    async def _disconnect(self) -> None:
        """Whatever there is besides the store."""

    async def _listen(self, listening: asyncio.Event) -> None:
        async def subscribed() -> None:
            listening.set()
            # What was told while nobody listened: a task that runs here may have been asked to stop.
            for id_ in await self.store.cancelling(list(self._running)):
                self._notified(f"cancel:{id_}")

        away: tuple[type[Exception], ...] = (TaskStoreUnavailable, *self.away)
        while True:
            try:
                await self._subscribe(subscribed)
            except away as error:
                log.debug("no notifications: %s", error)
            await asyncio.sleep(0.2)

    @abstractmethod
    async def _subscribe(self, subscribed: Callable[[], Awaitable[None]]) -> None:
        """Hand notifications to `_notified` until the connection is lost; `subscribed` is to be called at its start."""

    async def _keep_clean(self) -> None:
        while True:
            try:
                await self.store.clean()
            except TaskStoreUnavailable as error:
                log.debug("the task store was not cleaned: %s", error)
            await asyncio.sleep(60)

    async def _keep_swept(self) -> None:
        away: tuple[type[Exception], ...] = (TaskStoreUnavailable, *self.away)
        while True:
            try:
                await self.store.sweep(limits_of(self._registry))
            except away as error:
                log.debug("no look for tasks that a limit held back: %s", error)
            await asyncio.sleep(_SWEEP)

    def _check(self) -> None:
        if self._closing:
            raise TaskStoreClosed("the task queue is closed")

    # -- running

    async def _serve(self, work: asyncio.Future[Any], stop: Callable[[], None], mine: set[Running]) -> None:
        """Wait for the server's own loop over tickets; `stop` asks it to end, `mine` is what it runs."""
        self._runs[work] = stop
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            stop()
            for running in list(mine):  # the loop would wait for their end
                running.give_back()
            await asyncio.wait((work,), timeout=7.0)
            raise
        except self.away as error:
            raise TaskStoreUnavailable(f"{self.server} cannot be reached: {error}") from error
        finally:
            del self._runs[work]
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _deliver(self, ticket: str, handler: Handler, mine: set[Running]) -> None:
        """Run a ticket to its end. Cancelling this gives the task back. `mine` holds what runs."""
        id_, _, number = ticket.partition("/")
        begun = await self.store.begin(id_, int(number), self.session, limits_of(self._registry))
        claim = begun.claim
        if claim is None:
            return
        ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def finished(outcome: Outcome) -> None:
            self._running.pop(id_, None)
            if not ended.done():
                ended.set_result(outcome)

        running = handler.start(claim, finished)
        if not ended.done():
            self._running[id_] = running
            mine.add(running)
        if begun.cancelled:
            running.cancel()
        # Apart, for whoever cancels this cancels every await in it: the outcome has to reach the store all the same.
        settling = asyncio.create_task(self._settle(claim, ended))
        self._settling.add(settling)
        settling.add_done_callback(self._settling.discard)
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            running.give_back()
            raise
        finally:
            mine.discard(running)

    async def _settle(self, claim: Claim, ended: asyncio.Future[Outcome]) -> None:
        outcome = await ended
        # The outcome is all there is of the run: while the store is away it is kept, and told when it is back.
        pause = 0.05
        while True:
            try:
                await self.store.finish(claim, outcome)
                return await self._make_room(claim.spec)
            except TaskStoreUnavailable as error:
                log.warning("task %s: its outcome waits for the store: %s", claim.spec.id, error)
                if self._closing and pause > 1.0:
                    return None
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _make_room(self, spec: TaskSpec) -> None:
        away: tuple[type[Exception], ...] = (TaskStoreUnavailable, *self.away)
        limits = limits_of(self._registry)
        scopes = [scope for scope in (f"category:{spec.category}", f"task:{spec.name}") if scope in limits]
        if scopes:
            try:
                await self.store.unpark(scopes, limits)
            except away as error:
                log.debug("who waits for the end of %s is found by the sweep: %s", spec.id, error)

    async def _wind_down(self, grace: float) -> None:
        """Wait for what runs, then give it back."""
        self._closing = True
        deadline = time.monotonic() + grace
        while self._running and time.monotonic() < deadline:  # noqa: ASYNC110 - and a deadline
            await asyncio.sleep(0.01)
        for running in list(self._running.values()):
            running.give_back()
        deadline = time.monotonic() + 6.0
        while self._running and time.monotonic() < deadline:  # noqa: ASYNC110 - and a deadline
            await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._cron = None

    # -- notifications

    def _notified(self, text: str) -> None:
        kind, _, id_ = text.partition(":")
        if kind == "cancel" and (running := self._running.get(id_)) is not None:
            running.cancel()
        elif kind == "final":
            for future in self._waiters.pop(id_, ()):
                if not future.done():
                    future.set_result(None)

    # -- TaskEngine

    async def enqueue(self, specs: Sequence[TaskSpec], connection: Any = None) -> list[Enqueued]:
        """See `TaskEngine`. Calls that are made while one is under way go together in the next."""
        self._check()
        if connection is not None or len(specs) > _ALONE:
            return await self.store.add(specs, connection)
        return await self._coalescer.add(specs)

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `TaskEngine`."""
        self._check()
        return await self.store.status(ids)

    async def wait(self, id: str, timeout: float | None) -> TaskInfo | None:  # noqa: A002, ASYNC109
        """See `TaskEngine`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._check()
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(id, set()).add(future)
            try:
                info = (await self.store.status([id]))[0]
                left = _POLL if deadline is None else min(_POLL, deadline - time.monotonic())
                if info is None or info.status in FINAL or left <= 0:
                    return info
                async with asyncio.timeout(left):
                    await future
            except TimeoutError:
                continue
            finally:
                if (waiters := self._waiters.get(id)) is not None:
                    waiters.discard(future)
                    if not waiters:
                        del self._waiters[id]

    async def cancel(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`."""
        self._check()
        return await self.store.cancel(ids)

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`."""
        self._check()
        return await self.store.requeue(ids)

    async def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """See `TaskEngine`."""
        await self.store.progress(id, value, note)

    async def schedules(self, entries: Sequence[CronEntry]) -> None:
        """See `TaskEngine`."""
        if self._cron is None:
            self._cron = CronLoop(self._fire)
            self._tasks.append(asyncio.create_task(self._cron.run()))
        self._cron.replace(list(entries))

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `TaskEngine`."""
        self._check()
        return await self.store.query(filter, cursor)

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `TaskEngine`."""
        self._check()
        return await self.store.stats()
