"""What every engine must do, as a test class.

Needs pytest and pytest-asyncio in auto mode. Subclass `EngineConformance` and give it a fixture `make_queue`: a
function that gives a new `TaskQueue` on one and the same empty store with each call, unopened, for keyword arguments
of `TaskQueue`. What an engine's `caps` lack is skipped; a test may skip nothing else.
"""

# ruff: noqa: D102 - the names of the tests say what they hold
from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from . import (
    AbandonTask,
    Cap,
    Hook,
    RetryTask,
    TaskContext,
    TaskFailed,
    TaskPriority,
    TaskQueue,
    TaskStatus,
    UnknownTask,
    Unsupported,
    current_task,
)

MakeQueue = Callable[..., TaskQueue]

PATIENCE = 15.0


def needs(queue: TaskQueue, cap: Cap) -> None:
    """Skip if the engine says that it cannot."""
    if cap not in queue.caps:
        pytest.skip(f"the engine does not claim: {cap.value}")


async def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


async def reaches(queue: TaskQueue, id: str, status: str, seconds: float = PATIENCE) -> None:  # noqa: A002 - the field's own name
    """Wait for a task to have a status."""
    deadline = time.monotonic() + seconds
    while (have := await queue.get_task_status(id)) != status:
        assert time.monotonic() < deadline, f"it is {have}, not {status}"
        await asyncio.sleep(0.01)


class Log(list[Any]):
    """What the test's tasks did, in order."""


def register(queue: TaskQueue, log: Log) -> TaskQueue:  # noqa: C901 - one small task after the other
    """The tasks that the suite runs."""

    @queue.task("add_up", backoff=0.05)
    async def add_up(a: int, b: int = 0) -> int:
        log.append(("add_up", a, b))
        return a + b

    @queue.task("total")
    def total(values: list[int | None]) -> int:
        return sum(value or 0 for value in values)

    @queue.task("twice")
    async def twice(value: int) -> int:
        log.append(("twice", value))
        return value * 2

    @queue.task("slow", backoff=0.05)
    async def slow(seconds: float = 30.0, tag: str = "") -> str:
        log.append(("begin", tag))
        try:
            await asyncio.sleep(seconds)
        finally:
            log.append(("end", tag))
        return tag

    @queue.task("blocking")
    def blocking(seconds: float = 30.0) -> str:
        task = current_task()
        log.append("begin")
        end = time.monotonic() + seconds
        while time.monotonic() < end and not task.cancelled:
            time.sleep(0.01)
        log.append("end")
        return "stopped" if task.cancelled else "done"

    @queue.task("fails", max_retries=2, backoff=0.05)
    async def fails() -> None:
        log.append(("fails", current_task().attempt))
        raise ValueError("it always fails")

    @queue.task("once", max_retries=3, backoff=0.05)
    async def once() -> int:
        attempt = current_task().attempt
        log.append(("once", attempt))
        if attempt == 1:
            raise RetryTask(0.05, "not yet")
        return attempt

    @queue.task("hopeless", max_retries=5)
    async def hopeless() -> None:
        log.append("hopeless")
        raise AbandonTask("no use")

    @queue.task("endless", timeout=0.2, max_retries=0)
    async def endless() -> None:
        await asyncio.sleep(3600)

    @queue.task("odd_names")
    async def odd_names(name: str, priority: str, delay: str) -> list[str]:
        return [name, priority, delay]

    @queue.task("strange")
    async def strange() -> object:
        return object()

    @queue.task("exits", max_retries=0)
    async def exits() -> None:
        raise SystemExit(3)

    @queue.task("reports")
    async def reports() -> str:
        current_task().progress(0.25, "a quarter")
        while ("go",) not in log:  # noqa: ASYNC110 - a list is all that the test and its tasks share
            await asyncio.sleep(0.01)
        return "reported"

    @queue.task("alone", concurrency=1)
    async def alone(tag: int) -> None:
        log.append(("in", tag))
        await asyncio.sleep(0.05)
        log.append(("out", tag))

    @queue.task("each", unique=True)
    async def each(key: str) -> str:
        return key

    @queue.task("tick")
    async def tick() -> None:
        log.append(("tick", time.time()))

    return queue


class EngineConformance:
    """The suite. See the module."""

    @pytest.fixture
    def make_queue(self) -> MakeQueue:
        """Override me."""
        raise NotImplementedError

    @pytest.fixture
    def log(self) -> Log:
        """What the tasks of the test did."""
        return Log()

    @pytest.fixture
    async def queue(self, make_queue: MakeQueue, log: Log) -> AsyncIterator[TaskQueue]:
        """One open queue without workers."""
        queue = register(make_queue(), log)
        await queue.open()
        yield queue
        await queue.close(0.5)

    # -- running

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

    # -- going wrong

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

    # -- exactly one

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

    # -- changing one's mind

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

    # -- together

    async def test_a_chain_hands_results_on(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 2)
        call = queue.call
        ids = await queue.chain(call("add_up", a=1, b=2), call("twice", into="value"), call("twice", into="value"))
        assert await queue.result(ids[-1], PATIENCE) == 12
        linked = call("add_up", a=1).then(call("twice", into="value")).then(call("twice", into="value"))
        assert await queue.result((await queue.add_many([linked]))[0], PATIENCE) == 4

    async def test_a_broken_chain_cancels_what_follows(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 2)
        call = queue.call
        ids = await queue.chain(call("hopeless"), call("add_up", a=1), call("add_up", a=2))
        assert [(await queue.wait(id_, PATIENCE)).status.value for id_ in ids] == ["failed", "cancelled", "cancelled"]  # type: ignore[union-attr]
        ids = await queue.chain(call("hopeless"), call("add_up", a=3, always=True))
        assert await queue.result(ids[-1], PATIENCE) == 3
        assert log == ["hopeless", "hopeless", ("add_up", 3, 0)]

    async def test_cancelling_the_head_of_a_chain(self, queue: TaskQueue) -> None:
        ids = await queue.chain(queue.call("add_up", a=1), queue.call("add_up", a=2))
        assert await queue.get_task_status(ids[1]) == "scheduled"
        await queue.cancel(ids[0])
        info = await queue.wait(ids[1], PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.CANCELLED

    async def test_a_group_is_gathered(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 4)
        call = queue.call
        group = await queue.gather(*(call("add_up", a=n) for n in range(5)), then=call("total", into="values"))
        assert len(group.members) == 5
        assert group.then is not None
        assert await queue.result(group.then, PATIENCE) == 10
        group = await queue.gather(
            call("add_up", a=7), call("hopeless"), then=call("total", into="values", always=True)
        )
        assert group.then is not None
        assert await queue.result(group.then, PATIENCE) == 7
        group = await queue.gather(call("add_up", a=7), call("hopeless"), then=call("total", into="values"))
        assert group.then is not None
        info = await queue.wait(group.then, PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.CANCELLED
        alone = await queue.gather(call("add_up", a=1), call("add_up", a=2))
        assert alone.then is None
        assert [await queue.result(id_, PATIENCE) for id_ in alone.members] == [1, 2]

    # -- limits

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
        ids = [await queue.add("slow", seconds=0.05, tag=str(n), category="narrow") for n in range(6)]
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

    # -- time

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

    # -- asking

    async def test_query_gives_pages(self, queue: TaskQueue) -> None:
        await queue.start_workers("other", 2)
        waiting = [await queue.add("add_up", a=n) for n in range(5)]
        ended = [await queue.add("twice", value=n, category="other") for n in range(3)]
        for id_ in ended:
            await queue.wait(id_, PATIENCE)
        found, cursor = await queue.query(limit=3)
        pages = [info.id for info in found]
        while cursor is not None:
            found, cursor = await queue.query(limit=3, cursor=cursor)
            pages += [info.id for info in found]
        assert pages == sorted(waiting + ended, reverse=True)
        assert {i.id for i in (await queue.query(status="pending"))[0]} == set(waiting)
        assert {i.id for i in (await queue.query(status="succeeded"))[0]} == set(ended)
        assert {i.id for i in (await queue.query(category="other"))[0]} == set(ended)
        assert {i.id for i in (await queue.query(name="twice"))[0]} == set(ended)
        stats = await queue.stats()
        assert stats["default"]["pending"] == 5
        assert stats["other"]["succeeded"] == 3

    async def test_history_answers_sql(self, queue: TaskQueue) -> None:
        needs(queue, Cap.SQL)
        await queue.start_workers("default", 2)
        ids = [await queue.add("add_up", a=n) for n in range(3)] + [await queue.add("hopeless")]
        for id_ in ids:
            await queue.wait(id_, PATIENCE)
        rows = await queue.sql("SELECT name, status, count(*) AS n FROM tasks GROUP BY name, status ORDER BY name")
        assert rows == [
            {"name": "add_up", "status": "succeeded", "n": 3},
            {"name": "hopeless", "status": "failed", "n": 1},
        ]
        for bad in ("DELETE FROM tasks", "SELECT 1; SELECT 2", "DROP VIEW tasks"):
            with pytest.raises(ValueError, match="SELECT"):
                await queue.sql(bad)
        with pytest.raises(ValueError, match="does not work"):
            await queue.sql("SELECT nothing FROM nowhere")

    async def test_what_it_cannot_do_it_says(self, queue: TaskQueue) -> None:
        if Cap.SQL not in queue.caps:
            with pytest.raises(Unsupported):
                await queue.sql("SELECT 1")
        if Cap.TRANSACTION not in queue.caps:
            with pytest.raises(Unsupported):
                await queue.add("add_up", a=1, connection=object())

    async def test_hooks_see_each_run(self, queue: TaskQueue) -> None:
        seen: list[Any] = []

        class Trace(Hook):
            def inject(self, headers: dict[str, str]) -> None:
                headers["traceparent"] = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

            def finished(self, task: TaskContext, outcome: Any, seconds: float) -> None:
                seen.append((task.name, task.headers["traceparent"][3:35], type(outcome).__name__))

        queue.add_hook(Trace())
        await queue.start_workers("default", 1)
        await queue.wait(await queue.add("add_up", a=1), PATIENCE)
        assert seen == [("add_up", "a" * 32, "Done")]
        assert queue.counters["default", "done"] == 1

    # -- the end, and others

    async def test_closing_finishes_or_gives_back(self, make_queue: MakeQueue, log: Log) -> None:
        first = register(make_queue(), log)
        await first.open()
        await first.start_workers("default", 2)
        short = await first.add("slow", seconds=0.3, tag="short")
        long = await first.add("slow", seconds=2.0, tag="long")
        await until(lambda: len(log) == 2)
        await first.close(1.0)
        assert ("end", "short") in log
        if Cap.DURABLE not in (caps := _caps(first)):
            return
        assert caps
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


def _caps(queue: TaskQueue) -> frozenset[Cap]:
    # A closed queue has no engine to ask; the class knows.
    from .targets import engine_for

    async def fire(*_: object) -> None: ...

    return engine_for(queue.target, fire, {}).caps
