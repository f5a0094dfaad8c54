"""The engine that remembers nothing: for tests and development."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..cron import CronEntry, CronLoop
from ..engine import Cap, Filter, Fire, Handler
from ..errors import TaskStoreClosed, Unsupported
from ..ids import task_id
from ..registry import Registry, limits_of
from ..task import Claim, Enqueued, Outcome, TaskInfo, TaskSpec
from ._broker import Broker
from ._journal import NullJournal
from ._ledger import Ledger
from ._local import LocalLink
from ._slots import Slots


class MemoryEngine:
    """One process, no durability. `keep` ended tasks are remembered (default 10,000), longer than that are unknown."""

    caps = frozenset({Cap.STRICT_PRIORITY, Cap.LIMITS})

    def __init__(self, fire: Fire, keep: int = 10_000) -> None:
        self._fire = fire
        self._keep = keep
        self._broker: Broker | None = None
        self._link: LocalLink | None = None
        self._slots = Slots(self._report)
        self._cron: CronLoop | None = None
        self._cron_task: asyncio.Task[None] | None = None
        self._registry = Registry()

    async def open(self, registry: Registry) -> None:
        """See `TaskEngine`."""
        self._registry = registry
        self._broker = Broker(Ledger(self._keep), NullJournal())
        self._link = LocalLink(task_id(), self._broker, self._slots)
        self._link.limits(limits_of(registry))

    async def close(self, grace: float) -> None:
        """See `TaskEngine`."""
        if self._link is None or self._broker is None:
            return
        if self._cron_task is not None:
            self._cron_task.cancel()
        for category in self._slots.capacity:
            self._link.subscribe(category, 0)
        await self._slots.finish(grace)
        self._broker.stop()
        self._link.close()
        self._broker = self._link = None

    def _report(self, claim: Claim, outcome: Outcome) -> None:
        if self._link is not None:
            self._link.outcome(claim, outcome, lambda: None)

    def _open_link(self) -> LocalLink:
        if self._link is None:
            raise TaskStoreClosed("the task queue is not open; await queue.open() first")
        return self._link

    async def enqueue(self, specs: Sequence[TaskSpec], connection: Any = None) -> list[Enqueued]:
        """See `TaskEngine`."""
        if connection is not None:
            raise Unsupported("connection= needs a PostgreSQL queue; this one is memory://")
        return await self._open_link().enqueue(specs, [""] * len(specs), checked=False)

    async def run(self, category: str, concurrency: int, handler: Handler) -> None:
        """See `TaskEngine`."""
        link = self._open_link()
        link.limits(limits_of(self._registry))
        link.subscribe(category, self._slots.add(category, concurrency, handler))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            capacity = self._slots.remove(category, concurrency)
            if self._link is not None:
                link.subscribe(category, capacity)

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `TaskEngine`."""
        return await self._open_link().status(ids)

    async def wait(self, id: str, timeout: float | None) -> TaskInfo | None:  # noqa: A002, ASYNC109
        """See `TaskEngine`."""
        return await self._open_link().wait(id, timeout)

    async def cancel(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`."""
        return await self._open_link().cancel_tasks(ids)

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`."""
        return await self._open_link().requeue(ids)

    async def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """See `TaskEngine`."""
        self._open_link().progress(id, value, note)

    async def schedules(self, entries: Sequence[CronEntry]) -> None:
        """See `TaskEngine`."""
        self._open_link()
        if self._cron is None:
            self._cron = CronLoop(self._fire)
            self._cron_task = asyncio.create_task(self._cron.run())
        self._cron.replace(list(entries))

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `TaskEngine`."""
        return await self._open_link().query(filter, cursor)

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `TaskEngine`."""
        return await self._open_link().stats()

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine`."""
        return await self._open_link().sql(statement, parameters)
