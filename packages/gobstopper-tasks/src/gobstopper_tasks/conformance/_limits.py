"""Concurrency and rates."""

from __future__ import annotations

import asyncio
import time

from .. import Cap, TaskQueue
from ._base import PATIENCE, MakeQueue, Suite, needs
from ._tasks import Log, register


class Limits(Suite):
    """How many at once, and how many in a time."""

    async def test_one_worker_runs_one_at_a_time(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        ids = [await queue.add("slow", seconds=0.05, tag=str(n)) for n in range(4)]
        for id_ in ids:
            await queue.wait(id_, PATIENCE)
        assert [entry[0] for entry in log] == ["begin", "end"] * 4

    async def test_concurrency_of_a_task_and_of_a_category(self, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.LIMITS)
        queue.limit("narrow", concurrency=2)
        await queue.start_workers("default", 8)
        await queue.start_workers("narrow", 8)
        ids = [await queue.add("alone", tag=n) for n in range(5)]
        free = await queue.add("add_up", a=1)
        assert await queue.result(free, PATIENCE) == 1
        for id_ in ids:
            await queue.wait(id_, PATIENCE)
        assert [entry[0] for entry in log if entry[0] != "add_up"] == ["in", "out"] * 5
        log.clear()
        ids = [await queue.add("slow", seconds=0.25, tag=str(n), category="narrow") for n in range(6)]
        for id_ in ids:
            await queue.wait(id_, PATIENCE)
        running = peak = 0
        for what, _ in log:
            running += 1 if what == "begin" else -1
            peak = max(peak, running)
        assert peak == 2

    async def test_rate_of_a_category(self, queue: TaskQueue) -> None:
        needs(queue, Cap.LIMITS)
        queue.limit("rated", rate=5, per=0.5)
        await queue.start_workers("rated", 8)
        ids = await queue.add_many(queue.call("add_up", a=n, category="rated") for n in range(12))
        infos = [await queue.wait(id_, PATIENCE) for id_ in ids]
        starts = sorted(info.started_at for info in infos if info and info.started_at)
        assert len(starts) == 12
        assert starts[-1] - starts[0] >= 0.6

    async def test_retries_count_for_the_rate(self, queue: TaskQueue) -> None:
        needs(queue, Cap.LIMITS)
        queue.limit("rated", rate=2, per=0.5)
        times: list[float] = []

        @queue.task("hurries", category="rated", max_retries=4, backoff=0.0)
        async def hurries() -> None:
            times.append(time.monotonic())
            raise ValueError

        await queue.start_workers("rated", 4)
        await queue.wait(await queue.add("hurries"), PATIENCE)
        assert len(times) == 5
        # A bucket of two that fills up in half a second lets the fifth start after three quarters of a second.
        assert times[-1] - times[0] >= 0.6

    async def test_limits_hold_over_the_whole_fleet(self, make_queue: MakeQueue, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.LIMITS)
        needs(queue, Cap.SHARED)
        other = register(make_queue(), log)
        await other.open()
        for member in (queue, other):
            member.limit("narrow", concurrency=2)
            member.limit("rated", rate=3, per=0.5)
            await member.start_workers("narrow", 4)
            await member.start_workers("rated", 4)
        ids = [await queue.add("slow", seconds=0.1, tag=str(n), category="narrow") for n in range(8)]
        for id_ in ids:
            await queue.wait(id_, PATIENCE)
        running = [0]
        for what, _ in log:
            running.append(running[-1] + (1 if what == "begin" else -1))
        assert max(running) == 2
        ids = [await other.add("add_up", a=n, category="rated") for n in range(9)]
        infos = [await queue.wait(id_, PATIENCE) for id_ in ids]
        starts = sorted(info.started_at for info in infos if info and info.started_at)
        # Three at once, the other six at three in half a second.
        assert starts[-1] - starts[0] >= 0.8
        await other.close(1.0)

    async def test_what_a_limit_holds_back_takes_no_slot(self, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.LIMITS)
        stop = asyncio.Event()

        @queue.task("long", concurrency=1)
        async def long(tag: int) -> int:
            log.append(("long", tag))
            await stop.wait()
            return tag

        await queue.start_workers("default", 2)
        ids = [await queue.add("long", tag=n) for n in range(10)]
        other = await queue.add("add_up", a=1)
        assert await queue.result(other, PATIENCE) == 1
        assert [what for what, *_ in log] in (["long", "add_up"], ["add_up", "long"])
        assert [info and info.attempt for info in await queue.get_tasks(ids)].count(1) == 1, "waiting is no attempt"
        await queue.cancel(ids[5:7])
        stop.set()
        infos = [await queue.wait(id_, PATIENCE) for id_ in ids]
        assert [info and info.status for info in infos] == ["succeeded"] * 5 + ["cancelled"] * 2 + ["succeeded"] * 3
        assert [info.attempt for info in infos if info] == [1] * 5 + [0] * 2 + [1] * 3

    async def test_what_a_rate_holds_back_takes_no_slot(self, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.LIMITS)

        @queue.task("seldom", rate=2, per=1.5)
        async def seldom(tag: int) -> int:
            log.append(("seldom", tag))
            return tag

        await queue.start_workers("default", 2)
        ids = await queue.add_many(queue.call("seldom", tag=n) for n in range(6))
        begun = time.monotonic()
        assert await queue.result(await queue.add("add_up", a=1), PATIENCE) == 1
        assert time.monotonic() - begun < 1.0
        assert [await queue.result(id_, PATIENCE) for id_ in ids] == list(range(6))

    async def test_both_limits_of_a_task_hold_and_nothing_is_left(self, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.LIMITS)
        queue.limit("default", concurrency=2)
        await queue.start_workers("default", 4)
        await queue.start_workers("second", 4)
        ids = []
        for n in range(4):
            ids.append(await queue.add("alone", tag=n))
            ids.append(await queue.add("alone", tag=n + 10, category="second"))
            ids.append(await queue.add("slow", seconds=0.05, tag=str(n)))
        infos = [await queue.wait(id_, PATIENCE) for id_ in ids]
        assert [info and (info.status, info.attempt) for info in infos] == [("succeeded", 1)] * 12
        assert [what for what, _ in log if what in ("in", "out")] == ["in", "out"] * 8
