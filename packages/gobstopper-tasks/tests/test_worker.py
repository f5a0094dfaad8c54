from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from gobstopper_tasks import TaskQueue, TaskStoreUnavailable, current_task
from gobstopper_tasks import worker as worker_module
from gobstopper_tasks.engines._slots import Slots
from gobstopper_tasks.registry import Registry
from gobstopper_tasks.task import Claim, Dead, Done, Retry, TaskSpec
from gobstopper_tasks.worker import Runner


def runner(registry: Registry, results=None) -> Runner:
    async def lookup(ids):
        if isinstance(results, BaseException):
            raise results
        return results

    return Runner(registry, lookup, lambda *_: None, [])


async def outcome(run: Runner, name: str = "t", **options) -> object:
    future = asyncio.get_running_loop().create_future()
    run.start(Claim(spec=TaskSpec(id="i", name=name, **options), number=1, attempt=1), future.set_result)
    return await asyncio.wait_for(future, 5)


def registry(function, **options) -> Registry:
    queue = TaskQueue("memory://")
    queue.task("t", **options)(function)
    return queue.registry


async def test_results_that_cannot_be_looked_up_now_cost_no_attempt() -> None:
    run = runner(registry(lambda x: x), TaskStoreUnavailable("away"))
    assert await outcome(run, into="x", after=("a",)) == Retry(1.0, "away", counted=False)


async def test_results_of_unknown_tasks_are_none() -> None:
    run = runner(registry(lambda x: [x]), [None])
    found = await outcome(run, into="x", after=("a",))
    assert isinstance(found, Done)
    assert bytes(found.result) == b"[null]"


async def test_only_so_many_are_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_STUBBORN", 0.05)
    monkeypatch.setattr(worker_module, "_MAX_STUCK", 1)
    free = asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    run = runner(registry(stubborn, timeout=0.05, max_retries=0))
    waits = [asyncio.ensure_future(outcome(run)) for _ in range(3)]
    await asyncio.sleep(0.4)
    assert [wait.done() for wait in waits].count(True) == 1
    assert run.stuck == 1
    free.set()
    await asyncio.gather(*waits)
    await asyncio.sleep(0.02)
    assert run.stuck == 0


async def test_a_sync_task_that_returns_after_being_cancelled_is_done() -> None:
    def slow() -> str:
        time.sleep(0.2)
        return "all the same"

    run = runner(registry(slow))
    future = asyncio.get_running_loop().create_future()
    running = run.start(Claim(spec=TaskSpec(id="i", name="t"), number=1, attempt=1), future.set_result)
    await asyncio.sleep(0.05)
    running.cancel()
    running.give_back()  # the first reason counts
    found = await future
    assert isinstance(found, Done)
    assert bytes(found.result) == b'"all the same"'


async def test_a_task_that_fails_while_it_is_stopped_tells_the_reason() -> None:
    async def clumsy() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            raise OSError("in the way")

    run = runner(registry(clumsy))
    future = asyncio.get_running_loop().create_future()
    running = run.start(Claim(spec=TaskSpec(id="i", name="t"), number=1, attempt=1), future.set_result)
    await asyncio.sleep(0.02)
    running.give_back()
    assert await future == Retry(0.0, "given back: its worker stopped", counted=False)


async def test_an_error_of_ours_is_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(worker_module.Run, "_execute", broken)
    found = await outcome(runner(registry(lambda: None)))
    assert "the worker failed" in found.error


def test_a_thread_that_outlives_its_loop_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        run = runner(registry(lambda: time.sleep(0.3)))
        run.start(Claim(spec=TaskSpec(id="i", name="t"), number=1, attempt=1), lambda _: None)
        await asyncio.sleep(0.05)

    asyncio.run(main())
    time.sleep(0.4)
    assert "after its event loop was closed" in caplog.text


async def test_progress_from_threads_and_after_the_end() -> None:
    async with TaskQueue("memory://") as queue:
        contexts = []

        @queue.task("t")
        def t() -> None:
            contexts.append(current_task())
            for step in range(50):
                contexts[0].progress(step / 100)
            contexts[0].progress(note="noted")

        await queue.start_workers()
        id_ = await queue.add("t")
        await queue.wait(id_, 5)
        contexts[0].progress(1.0)
        await asyncio.sleep(0.02)
        info = await queue.get_task(id_)
        assert info.status == "succeeded"


async def test_slots_send_back_what_nobody_serves() -> None:
    reported = []
    slots = Slots(lambda claim, outcome: reported.append(outcome))
    slots.start(Claim(spec=TaskSpec(id="i", name="t", category="nobody"), number=1, attempt=1))
    slots.cancel("unknown")
    assert reported == [Retry(1.0, counted=False)]


async def test_a_result_bigger_than_arguments_may_be_is_not_stored() -> None:
    ended = await outcome(runner(registry(lambda: "x" * (16 << 20))))
    assert isinstance(ended, Dead)
    assert ended.error is not None
    assert "its result is 16,777,218 bytes of JSON, more than 16,777,216" in ended.error
    assert isinstance(await outcome(runner(registry(lambda: "x" * ((16 << 20) - 2)))), Done)
