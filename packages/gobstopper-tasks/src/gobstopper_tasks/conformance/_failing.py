"""Whatever goes wrong in a task, or with its call."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from .. import Backoff, Cap, TaskFailed, TaskQueue, TaskStatus, UnknownTask, current_task
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

    async def test_retries_wait_longer_each_time_up_to_the_cap(self, queue: TaskQueue) -> None:
        times: list[float] = []

        @queue.task("waits", max_retries=3, backoff=Backoff(initial=0.2, factor=1000, maximum=0.6, jitter=0.5))
        async def waits() -> None:
            times.append(time.monotonic())
            raise ValueError

        await queue.start_workers("default", 1)
        info = await queue.wait(await queue.add("waits"), PATIENCE)
        assert info is not None
        assert info.attempt == 4
        waited = [after - before for before, after in pairwise(times)]
        # At least the share that is not random of 0.2, then of the cap; without the cap the second would be minutes.
        assert [wait >= least for wait, least in zip(waited, (0.09, 0.29, 0.29), strict=True)] == [True] * 3

    async def test_errors_and_notes_may_hold_any_text(self, queue: TaskQueue) -> None:
        @queue.task("odd_text", max_retries=1, backoff=0.05)
        async def odd_text() -> None:
            current_task().progress(0.5, "nul \0 and half a pair \ud800")
            await asyncio.sleep(0.05)
            raise ValueError("nul \0 and half a pair \ud800")

        await queue.start_workers("default", 1)
        info = await queue.wait(await queue.add("odd_text"), PATIENCE)
        assert info is not None
        assert (info.status, info.attempt) == (TaskStatus.FAILED, 2)
        assert "and half a pair" in str(info.error)
        await queue.progress(info.id, 0.5, "nul \0 and half a pair \ud800")

    async def test_a_payload_that_is_no_object_is_a_dead_letter(self, queue: TaskQueue) -> None:
        call = queue.call("add_up", a=1)
        call.spec.args = type(call.spec.args)(b"[1, 2]")
        id_ = (await queue.add_many([call]))[0]
        await queue.start_workers("default", 1)
        assert await queue.result(await queue.add("add_up", a=2), PATIENCE) == 2
        await reaches(queue, id_, "failed")

    async def test_names_and_keys_that_no_store_could_hold(self, queue: TaskQueue) -> None:
        bads: list[dict[str, Any]] = [
            {"category": "c\0"},
            {"category": "c" * 201},
            {"unique_key": "\ud800"},
            {"idempotency_key": "k" * 1000},
            {"idempotency_key": ""},
        ]
        for bad in bads:
            with pytest.raises(ValueError, match="add_up"):
                await queue.add("add_up", a=1, **bad)
        id_ = await queue.add("add_up", a="\0")
        info = await queue.get_task(id_)
        assert info is not None
        assert info.args == {"a": "\0"}
