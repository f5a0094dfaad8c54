"""Whatever goes wrong in a task, or with its call."""

from __future__ import annotations

from typing import Any

import pytest

from .. import Cap, TaskFailed, TaskQueue, TaskStatus, UnknownTask
from ._base import PATIENCE, MakeQueue, Suite, reaches
from ._tasks import Log


class Failing(Suite):
    """Retries, dead letters, time-outs, and calls that cannot be."""

    async def test_failing_tasks_are_retried_and_end_as_dead_letters(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        id_ = await queue.add("fails")
        info = await queue.wait(id_, PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.FAILED
        assert info.attempt == 3
        assert "it always fails" in str(info.error)
        assert log == [("fails", 1), ("fails", 2), ("fails", 3)]
        with pytest.raises(TaskFailed, match="it always fails"):
            await queue.result(id_, PATIENCE)

    async def test_max_retries_of_one_call(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        await queue.wait(await queue.add("fails", max_retries=0), PATIENCE)
        assert log == [("fails", 1)]

    async def test_a_task_may_ask_to_be_retried(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        assert await queue.result(await queue.add("once"), PATIENCE) == 2
        assert log == [("once", 1), ("once", 2)]

    async def test_a_task_may_give_up(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 1)
        info = await queue.wait(await queue.add("hopeless"), PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.FAILED
        assert log == ["hopeless"]

    async def test_a_retry_waits_and_can_be_hurried(self, queue: TaskQueue, log: Log) -> None:
        @queue.task("patient", backoff=3600, max_retries=1)
        async def patient() -> None:
            log.append("run")
            raise ValueError

        await queue.start_workers("default", 1)
        id_ = await queue.add("patient")
        await reaches(queue, id_, "retrying")
        assert await queue.retry(id_) == 1
        info = await queue.wait(id_, PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.FAILED
        assert log == ["run", "run"]

    async def test_a_task_that_never_ends_times_out(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 1)
        info = await queue.wait(await queue.add("endless"), PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.FAILED
        assert "timed out" in str(info.error)

    async def test_what_breaks_a_task_never_breaks_its_worker(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 1)
        ids = [
            await queue.add("strange"),  # a result that JSON cannot hold
            await queue.add("exits"),  # SystemExit
            await queue.add("nobody_registered_me", category="default"),
        ]
        infos = [await queue.wait(id_, PATIENCE) for id_ in ids]
        assert [info.status for info in infos if info] == [TaskStatus.FAILED] * 3
        assert "JSON" in str(infos[0] and infos[0].error)
        assert "SystemExit" in str(infos[1] and infos[1].error)
        assert "nobody_registered_me" in str(infos[2] and infos[2].error)
        assert await queue.result(await queue.add("add_up", a=1), PATIENCE) == 1

    async def test_arguments_that_do_not_fit_any_more(self, make_queue: MakeQueue, queue: TaskQueue) -> None:
        other = make_queue() if Cap.SHARED in queue.caps else queue
        call = queue.call("add_up", a=1)
        call.spec.args = type(call.spec.args)(b'{"other": 1}')
        id_ = (await other.add_many([call]))[0]
        await queue.start_workers("default", 1)
        info = await queue.wait(id_, PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.FAILED
        assert "missing a" in str(info.error)
        if other is not queue:
            await other.close()

    async def test_calls_are_checked_when_they_are_made(self, queue: TaskQueue) -> None:
        with pytest.raises(UnknownTask, match="did you mean 'add_up'"):
            await queue.add("add_upp", a=1)
        bads: list[dict[str, Any]] = [
            {"b": 1},
            {"a": 1, "c": 2},
            {"a": object()},
            {"a": 1, "priority": 9},
            {"a": 1, "delay": float("nan")},
        ]
        for bad in bads:
            with pytest.raises(ValueError, match="add_up"):
                await queue.add("add_up", **bad)
