"""Adding, and running."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from .. import Cap, TaskFailed, TaskPriority, TaskQueue, TaskStatus
from ._base import PATIENCE, Suite, needs, until
from ._tasks import Log


class Running(Suite):
    """Tasks run, in order, in time."""

    async def test_a_task_runs_and_its_result_is_kept(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 2)
        id_ = await queue.add("add_up", a=1, b=2)
        assert await queue.result(id_, PATIENCE) == 3
        assert await queue.get_task_status(id_) == "succeeded"
        info = await queue.get_task(id_)
        assert info is not None
        assert (info.id, info.name, info.category, info.attempt, info.args) == (
            id_, "add_up", "default", 1, {"a": 1, "b": 2},
        )  # fmt: skip
        assert info.started_at is not None
        assert info.finished_at is not None
        assert info.added_at <= info.started_at <= info.finished_at

    async def test_a_sync_task_runs_in_a_thread(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 2)
        assert await queue.result(await queue.add("total", values=[1, 2, 3]), PATIENCE) == 6

    async def test_an_unknown_id_has_no_status(self, queue: TaskQueue) -> None:
        missing = "01900000-0000-7000-8000-000000000000"
        assert await queue.get_task_status(missing) is None
        assert await queue.wait(missing, 1) is None
        with pytest.raises(TaskFailed, match="unknown"):
            await queue.result(missing, 1)

    async def test_without_workers_it_waits(self, queue: TaskQueue) -> None:
        id_ = await queue.add("add_up", a=1)
        assert await queue.get_task_status(id_) == "pending"
        with pytest.raises(TimeoutError):
            await queue.wait(id_, 0.1)

    async def test_categories_are_apart(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("other", 1)
        mine = await queue.add("add_up", a=1)
        theirs = await queue.add("add_up", a=2, category="other")
        assert await queue.result(theirs, PATIENCE) == 2
        assert await queue.get_task_status(mine) == "pending"
        assert log == [("add_up", 2, 0)]

    async def test_parameters_named_like_options(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 1)
        id_ = await queue.add("odd_names", args={"name": "n", "priority": "p", "delay": "d"})
        assert await queue.result(id_, PATIENCE) == ["n", "p", "d"]

    async def test_many_tasks_all_run_once(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 4)
        ids = await queue.add_many(queue.call("add_up", a=n) for n in range(200))
        assert len(set(ids)) == 200
        await until(lambda: len(log) >= 200)
        for id_ in ids:
            assert (await queue.wait(id_, PATIENCE)).status is TaskStatus.SUCCEEDED  # type: ignore[union-attr]
        assert sorted(entry[1] for entry in log) == list(range(200))

    async def test_adds_at_once_from_many_callers(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 4)
        ids = await asyncio.gather(*(queue.add("add_up", a=n) for n in range(100)))
        await asyncio.gather(*(queue.wait(id_, PATIENCE) for id_ in ids))
        assert sorted(entry[1] for entry in log) == list(range(100))

    async def test_higher_priorities_start_first(self, queue: TaskQueue, log: Log) -> None:
        needs(queue, Cap.STRICT_PRIORITY)
        for priority in (TaskPriority.LOW, TaskPriority.NORMAL, TaskPriority.CRITICAL, TaskPriority.HIGH) * 2:
            await queue.add("add_up", a=int(priority), priority=priority)
        await queue.start_workers("default", 1)
        await until(lambda: len(log) == 8)
        assert [entry[1] for entry in log] == [3, 3, 2, 2, 1, 1, 0, 0]

    async def test_a_delay_is_kept(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 1)
        begun = time.time()
        ids = [
            await queue.add("add_up", a=1, delay=0.6),
            await queue.add("add_up", a=2, delay=timedelta(seconds=0.6)),
            await queue.add("add_up", a=3, run_at=begun + 0.6),
            await queue.add("add_up", a=4, run_at=datetime.fromtimestamp(begun + 0.6, UTC)),
        ]
        assert [await queue.get_task_status(id_) for id_ in ids] == ["scheduled"] * 4
        for id_ in ids:
            info = await queue.wait(id_, PATIENCE)
            assert info is not None
            assert info.started_at is not None
            assert info.started_at >= begun + 0.55

    async def test_sync_tasks_run_side_by_side_and_hold_nobody_up(self, queue: TaskQueue, log: Log) -> None:
        meeting = threading.Barrier(2, timeout=PATIENCE)

        @queue.task("meets")
        def meets() -> bool:
            meeting.wait()  # only two at once get past it, and only if neither has the event loop's thread
            return threading.current_thread() is threading.main_thread()

        await queue.start_workers("default", 2)
        ids = [await queue.add("meets") for _ in range(2)]
        assert [await queue.result(id_, PATIENCE) for id_ in ids] == [False, False]
