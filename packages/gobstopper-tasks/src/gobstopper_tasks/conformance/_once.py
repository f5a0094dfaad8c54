"""Ids, idempotency keys and uniqueness keys."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from .. import Cap, TaskQueue
from ._base import PATIENCE, MakeQueue, Suite, needs
from ._tasks import Log, register


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

    async def test_the_same_twice_in_one_call(self, queue: TaskQueue) -> None:
        call = queue.call
        one = call("add_up", a=1)
        ids = await queue.add_many([one, one, call("add_up", a=2, unique_key="u"), call("add_up", a=3, unique_key="u")])
        assert ids[0] == ids[1] == one.id
        assert ids[2] == ids[3]
        ids = await queue.add_many([call("add_up", a=n, idempotency_key="i") for n in range(3)])
        assert len(set(ids)) == 1
        assert (await queue.stats())["default"] == {"pending": 3}

    async def test_keys_hold_between_members_of_the_fleet(
        self, make_queue: MakeQueue, queue: TaskQueue, log: Log
    ) -> None:
        needs(queue, Cap.SHARED)
        other = register(make_queue(), log)
        await other.open()
        keys: list[dict[str, Any]] = [{"unique_key": "u"}, {"idempotency_key": "i"}]
        for options in keys:
            adds = (member.add("add_up", a=n, **options) for n in range(10) for member in (queue, other))
            assert len(set(await asyncio.gather(*adds))) == 1
        await other.close()

    async def test_all_arguments_may_be_the_key_however_long(self, queue: TaskQueue) -> None:
        # Not compressible, so that no index hides how long it is.
        long = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(100))
        first = await queue.add("each", key=long)
        assert await queue.add("each", key=long) == first
        assert await queue.add("each", key=long[:-1]) != first

    async def test_a_dead_letter_comes_back_only_if_its_key_is_free(self, queue: TaskQueue) -> None:
        await queue.start_workers("other", 1)
        dead = [await queue.add("fails", max_retries=0, category="other", unique_key="k")]
        await queue.wait(dead[0], PATIENCE)
        dead.append(await queue.add("fails", max_retries=0, category="other", unique_key="k"))
        await queue.wait(dead[1], PATIENCE)
        taken = await queue.add("fails", delay=60, unique_key="k")
        assert await queue.requeue(dead) == 0
        assert await queue.get_task_status(dead[0]) == "failed"
        await queue.cancel(taken)
        assert await queue.requeue(dead) == 1
