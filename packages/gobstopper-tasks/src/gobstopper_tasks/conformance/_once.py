"""Ids, idempotency keys and uniqueness keys."""

from __future__ import annotations

import asyncio

from .. import TaskQueue
from ._base import PATIENCE, Suite
from ._tasks import Log


class Once(Suite):
    """One task where there may be only one."""

    async def test_adding_is_idempotent_by_id(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        call = queue.call("add_up", a=1)
        assert await queue.add_many([call]) == await queue.add_many([call]) == [call.id]
        await queue.wait(call.id, PATIENCE)
        assert await queue.add_many([call]) == [call.id]
        await asyncio.sleep(0.1)
        assert len(log) == 1

    async def test_an_idempotency_key_gives_the_same_task(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        first = await queue.add("add_up", a=1, idempotency_key="order-1")
        assert await queue.add("add_up", a=1, idempotency_key="order-1") == first
        await queue.wait(first, PATIENCE)
        assert await queue.add("add_up", a=1, idempotency_key="order-1") == first
        assert await queue.add("add_up", a=1, idempotency_key="order-2") != first
        ids = await asyncio.gather(*(queue.add("add_up", a=9, idempotency_key="o") for _ in range(20)))
        assert len(set(ids)) == 1

    async def test_a_unique_key_allows_one_at_a_time(self, queue: TaskQueue) -> None:
        first = await queue.add("add_up", a=1, unique_key="k")
        assert await queue.add("add_up", a=2, unique_key="k") == first
        assert await queue.add("twice", value=2, unique_key="k") != first
        await queue.start_workers("default", 1)
        await queue.wait(first, PATIENCE)
        assert await queue.add("add_up", a=3, unique_key="k") != first
        one, same, other = [await queue.add("each", key=key, delay=60) for key in ("x", "x", "y")]
        assert one == same != other
