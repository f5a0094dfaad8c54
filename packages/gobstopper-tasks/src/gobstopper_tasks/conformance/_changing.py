"""Cancelling, progress, requeueing, and results that expire."""

from __future__ import annotations

import asyncio

from .. import TaskQueue, TaskStatus
from ._base import PATIENCE, Suite, reaches, until
from ._tasks import Log


class Changing(Suite):
    """What is asked of tasks that are there."""

    async def test_results_expire(self, queue: TaskQueue) -> None:
        @queue.task("fleeting", result_ttl=0.5)
        async def fleeting() -> str:
            return "gone soon"

        await queue.start_workers("default", 1)
        id_ = await queue.add("fleeting")
        assert await queue.result(id_, PATIENCE) == "gone soon"
        await asyncio.sleep(0.7)
        info = await queue.get_task(id_)
        assert info is None or info.result is None

    async def test_cancel_what_waits(self, queue: TaskQueue, log: Log) -> None:
        ids = [await queue.add("add_up", a=1), await queue.add("add_up", a=2, delay=60)]
        assert await queue.cancel(ids) == 2
        assert [await queue.get_task_status(id_) for id_ in ids] == ["cancelled"] * 2
        await queue.start_workers("default", 1)
        await queue.result(await queue.add("add_up", a=3), PATIENCE)
        assert log == [("add_up", 3, 0)]
        assert await queue.cancel(ids) == 0
        assert await queue.cancel("01900000-0000-7000-8000-000000000000") == 0

    async def test_cancel_what_runs(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 2)
        soft, hard = await queue.add("slow", tag="x"), await queue.add("blocking")
        await until(lambda: len(log) == 2)
        assert await queue.cancel([soft, hard]) == 2
        info = await queue.wait(soft, PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.CANCELLED
        await queue.wait(hard, PATIENCE)
        assert ("end", "x") in log
        assert "end" in log

    async def test_progress_is_seen_while_it_runs(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        id_ = await queue.add("reports")
        info = None
        for _ in range(500):
            info = await queue.get_task(id_)
            if info is not None and info.progress is not None:
                break
            await asyncio.sleep(0.01)
        assert info is not None
        assert (info.status, info.progress, info.note) == (TaskStatus.RUNNING, 0.25, "a quarter")
        await queue.progress(id_, 0.5)
        info = await queue.get_task(id_)
        assert info is not None
        assert (info.progress, info.note) == (0.5, "a quarter")
        log.append(("go",))
        assert await queue.result(id_, PATIENCE) == "reported"

    async def test_dead_letters_can_be_requeued(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        ids = [await queue.add("fails", max_retries=0) for _ in range(2)]
        for id_ in ids:
            await queue.wait(id_, PATIENCE)
        assert await queue.requeue(ids[0]) == 1
        await until(lambda: len(log) == 3)
        info = await queue.wait(ids[0], PATIENCE)
        assert info is not None
        assert (info.status, info.attempt) == (TaskStatus.FAILED, 1)
        assert await queue.requeue(category="default") == 2
        await until(lambda: len(log) == 5)
        done = await queue.add("add_up", a=1)
        await queue.wait(done, PATIENCE)
        assert await queue.requeue(done) == 0

    async def test_cancel_what_waits_for_its_retry(self, queue: TaskQueue) -> None:
        @queue.task("far_off", backoff=3600)
        async def far_off() -> None:
            raise ValueError

        await queue.start_workers("default", 1)
        id_ = await queue.add("far_off")
        await reaches(queue, id_, "retrying")
        assert await queue.cancel(id_) == 1
        assert await queue.get_task_status(id_) == "cancelled"
        assert await queue.result(await queue.add("add_up", a=1), PATIENCE) == 1

    async def test_progress_of_what_is_not_there_harms_nothing(self, queue: TaskQueue) -> None:
        missing = "01900000-0000-7000-8000-000000000000"
        await queue.progress(missing, 0.5, "nobody")
        assert await queue.get_task(missing) is None
        assert (await queue.query())[0] == []
