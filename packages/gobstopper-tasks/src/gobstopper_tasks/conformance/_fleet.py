"""Closing, opening again, several processes, cron."""

from __future__ import annotations

import asyncio

from .. import Cap, TaskQueue, TaskStatus
from ._base import PATIENCE, MakeQueue, Suite, needs, until
from ._tasks import Log, register


class Fleet(Suite):
    """Queues that share a store, at the same time or one after the other."""

    async def test_cron_fires_once_for_the_whole_fleet(self, make_queue: MakeQueue, queue: TaskQueue, log: Log) -> None:
        fleet = [queue]
        if Cap.SHARED in queue.caps:
            fleet.append(register(make_queue(), log))
        for member in fleet:
            await member.open()
            await member.start_workers("default", 1)
            member.schedule("tick", "* * * * * *", timezone="Europe/Vienna")
        await until(lambda: len(log) >= 3)
        for member in fleet[1:]:
            await member.close(0.5)
        seconds = [int(at) for _, at in log]
        assert len(seconds) == len(set(seconds))

    async def test_closing_finishes_or_gives_back(self, make_queue: MakeQueue, log: Log) -> None:
        first = register(make_queue(), log)
        await first.open()
        await first.start_workers("default", 2)
        short = await first.add("slow", seconds=0.3, tag="short")
        long = await first.add("slow", seconds=2.0, tag="long")
        await until(lambda: len(log) == 2)
        durable = Cap.DURABLE in first.caps
        await first.close(1.0)
        assert ("end", "short") in log
        if not durable:
            return
        second = register(make_queue(), log)
        await second.open()
        assert await second.get_task_status(short) == "succeeded"
        await second.start_workers("default", 2)
        info = await second.wait(long, PATIENCE * 2)
        assert info is not None
        assert (info.status, info.attempt) == (TaskStatus.SUCCEEDED, 1)
        await second.close(1.0)

    async def test_tasks_outlive_the_queue(self, make_queue: MakeQueue, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.DURABLE)
        ids = [
            await queue.add("add_up", a=1),
            await queue.add("add_up", a=2, delay=0.3),
            *await queue.chain(queue.call("add_up", a=3), queue.call("twice", into="value")),
        ]
        key = await queue.add("add_up", a=4, unique_key="k", idempotency_key="i")
        await queue.start_workers("other", 1)
        ended = await queue.add("twice", value=4, category="other", idempotency_key="e")
        assert await queue.result(ended, PATIENCE) == 8
        await queue.close(0)
        second = register(make_queue(), log)
        await second.open()
        assert await second.get_task_status(ids[0]) == "pending"
        assert await second.add("add_up", a=4, unique_key="k") == key
        assert await second.add("add_up", a=4, idempotency_key="i") == key
        assert await second.result(ended, 1) == 8
        assert await second.add("twice", value=4, idempotency_key="e") == ended
        await second.start_workers("default", 2)
        assert [await second.result(id_, PATIENCE) for id_ in ids] == [1, 2, 3, 6]
        await second.close(1.0)

    async def test_several_share_one_store(self, make_queue: MakeQueue, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.SHARED)
        other = register(make_queue(), log)
        await other.open()
        await other.start_workers("default", 2)
        assert await queue.result(await queue.add("add_up", a=5), PATIENCE) == 5
        running = await queue.add("slow", tag="far")
        await until(lambda: ("begin", "far") in log)
        assert await queue.cancel(running) == 1
        info = await queue.wait(running, PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.CANCELLED
        await queue.start_workers("default", 2)
        ids = await asyncio.gather(*(member.add("add_up", a=n) for n in range(40) for member in (queue, other)))
        for id_ in ids:
            await other.wait(id_, PATIENCE)
        assert len(log) == 1 + 2 + 80
        await other.close(1.0)

    async def test_closing_gives_back_a_thread_that_looks_up(self, make_queue: MakeQueue, log: Log) -> None:
        first = register(make_queue(), log)
        await first.open()
        durable = Cap.DURABLE in first.caps
        await first.start_workers("default", 1)
        id_ = await first.add("blocking")
        await until(lambda: log)
        await first.close(0.1)
        assert log == ["begin", "end"]
        if not durable:
            return
        second = register(make_queue(), log)
        await second.open()
        info = await second.get_task(id_)
        assert info is not None
        assert info.status in {TaskStatus.PENDING, TaskStatus.RETRYING}
        assert (info.attempt, info.crashes) == (0, 0)
        await second.close(1.0)
