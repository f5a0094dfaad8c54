"""A broker's session in its own process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..engine import Filter
from ..errors import TaskStoreClosed
from ..task import Claim, Enqueued, Outcome, TaskInfo, TaskSpec
from ._broker import Added, Broker
from ._record import Record
from ._slots import Slots


class LocalLink:
    """Calls the broker directly."""

    def __init__(self, id: str, broker: Broker, slots: Slots, claims: Sequence[tuple[str, int]] = ()) -> None:  # noqa: A002
        self.id = id
        self.capacity: dict[str, int] = dict(slots.capacity)
        self.busy: dict[str, int] = {}
        self.running: dict[str, Record] = {}
        self.seen = float("inf")  # a process is never silent to itself
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._slots = slots
        self._waits: set[asyncio.Future[TaskInfo]] = set()
        broker.join(self, claims)
        self.seen = float("inf")

    # -- Session

    def start(self, claim: Claim) -> None:
        """See `Session`."""
        self._slots.start(claim)

    def cancel(self, id: str) -> None:  # noqa: A002
        """See `Session`."""
        self._slots.cancel(id)

    def drop(self) -> None:
        """See `Session`. A process is never silent to itself."""

    # -- Link

    def subscribe(self, category: str, capacity: int) -> None:
        """Take claims of a category."""
        self._broker.subscribe(self, category, capacity)

    def limits(self, limits: dict[str, tuple[int | None, int | None, float]]) -> None:
        """Set limits by scope."""
        self._broker.set_limits(limits)

    def outcome(self, claim: Claim, outcome: Outcome, ack: Callable[[], None]) -> None:
        """Report what came of a claim; `ack` is called once that is durable."""
        self._broker.outcome(self, claim.spec.id, claim.number, outcome, ack)

    def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """Report how far a task is."""
        self._broker.progress(id, value, note)

    def enqueue(self, specs: Sequence[TaskSpec], texts: Sequence[str], checked: bool) -> Awaitable[list[Enqueued]]:
        """Add tasks."""
        future: asyncio.Future[list[Enqueued]] = self._loop.create_future()

        def added(answer: list[Enqueued] | BaseException) -> None:
            if future.done():
                return
            if isinstance(answer, list):
                future.set_result(answer)
            else:
                future.set_exception(answer)

        if checked:
            return self._checked(specs, texts, added, future)
        self._broker.add(specs, texts, added)
        return future

    async def _checked(
        self, specs: Sequence[TaskSpec], texts: Sequence[str], added: Added, future: asyncio.Future[list[Enqueued]]
    ) -> list[Enqueued]:
        await self._broker.add_checked(specs, texts, added)
        return await future

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `TaskEngine.status`."""
        return await self._broker.status(ids)

    async def wait(self, id: str, timeout: float | None) -> TaskInfo | None:  # noqa: A002, ASYNC109
        """See `TaskEngine.wait`."""
        return await self._broker.wait(id, timeout, self._waits)

    async def cancel_tasks(self, ids: Sequence[str]) -> int:
        """See `TaskEngine.cancel`."""
        return await self._broker.cancel(ids)

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `TaskEngine.requeue`."""
        return await self._broker.requeue(ids)

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `TaskEngine.query`."""
        return await self._broker.query(filter, cursor)

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `TaskEngine.stats`."""
        return self._broker.stats()

    def close(self) -> None:
        """Tell whoever waits that nothing will come: the queue is closed in this process."""
        for waiting in list(self._waits):
            if not waiting.done():
                waiting.set_exception(TaskStoreClosed("the task queue is closed"))

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine.sql`."""
        return await self._broker.journal.sql(statement, parameters)
