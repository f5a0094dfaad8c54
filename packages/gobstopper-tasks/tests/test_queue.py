from __future__ import annotations

import asyncio
import contextvars
import logging
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gobstopper_tasks import (
    Cap,
    Hook,
    InvalidTask,
    TaskError,
    TaskPriority,
    TaskQueue,
    TaskStatus,
    TaskStoreClosed,
    TaskStoreUnavailable,
    UnknownTask,
    Unsupported,
    current_task,
)
from gobstopper_tasks import _adding as adding_module


def sums(queue: TaskQueue) -> list[int]:
    seen: list[int] = []

    @queue.task("add_up", max_retries=1, backoff=0.01)
    async def add_up(a: int, b: int = 0) -> int:
        seen.append(a)
        return a + b

    return seen


def test_importing_and_making_a_queue_opens_and_imports_nothing(tmp_path: Path) -> None:
    code = f"""
import sys
from gobstopper_tasks import TaskQueue
from gobstopper_tasks.queue import TaskPriority, TaskQueue
for target in ("{tmp_path}/tasks.duckdb", "postgresql://x/y", "redis://x", "memory://"):
    queue = TaskQueue(target)
    @queue.task("t", cron="* * * * *")
    async def t(): ...
print(sorted({{"duckdb", "asyncpg", "redis", "coredis", "streaq", "pgqueuer", "pytest", "click"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


async def test_a_peer_never_imports_duckdb(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from gobstopper_tasks import TaskQueue
async def main():
    queue = TaskQueue(sys.argv[1])
    @queue.task("t")
    async def t(): return 7
    async with queue:
        await queue.start_workers()
        assert await queue.result(await queue.add("t"), 10) == 7
        assert await queue.sql("SELECT count(*) AS n FROM tasks") == [{"n": 1}]
    assert "duckdb" not in sys.modules
asyncio.run(main())
"""
    async with TaskQueue(tmp_path / "tasks.duckdb"):
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code, str(tmp_path / "tasks.duckdb")], check=True
        )


async def test_eager_mode_runs_before_add_returns() -> None:
    async with TaskQueue("memory://", mode="eager") as queue:
        seen = sums(queue)
        id_ = await queue.add("add_up", a=1, b=2)
        assert seen == [1]
        assert await queue.result(id_, 0.1) == 3
        ids = await queue.chain(queue.call("add_up", a=5), queue.call("add_up", a=1, into="b"))
        assert await queue.result(ids[-1], 0.1) == 6


async def test_manual_mode_runs_on_demand() -> None:
    async with TaskQueue("memory://", mode="manual") as queue:
        seen = sums(queue)
        await queue.start_workers("default", 4)
        ids = [await queue.add("add_up", a=n, category=c) for n, c in ((1, "default"), (2, "other"))]
        later = await queue.add("add_up", a=3, delay=60)
        assert seen == []
        assert await queue.drain() == 2
        assert [await queue.get_task_status(id_) for id_ in (*ids, later)] == ["succeeded", "succeeded", "scheduled"]
        assert await queue.drain() == 0


def test_modes_are_for_memory(tmp_path: Path) -> None:
    with pytest.raises(InvalidTask, match="memory://"):
        TaskQueue(tmp_path / "tasks.duckdb", mode="eager")


async def test_it_opens_itself_and_closes_for_good() -> None:
    queue = TaskQueue("memory://")
    sums(queue)
    assert not queue.is_open
    assert queue.caps == frozenset()
    await asyncio.gather(*(queue.add("add_up", a=n) for n in range(3)))
    assert queue.is_open
    assert Cap.STRICT_PRIORITY in queue.caps
    await queue.close()
    await queue.close()
    with pytest.raises(TaskStoreClosed, match="closed"):
        await queue.add("add_up", a=1)
    await queue.open()
    await queue.close()


@pytest.mark.parametrize(
    "target",
    [
        "ftp://x", "duckdb://", "duckdb:///folder/", "postgresql://me:secret@127.0.0.1:port/x",
        "redis://:secret@127.0.0.1:port/0", "redis://127.0.0.1:1/tasks",
    ],
)  # fmt: skip
async def test_targets_that_mean_nothing(target: str) -> None:
    with pytest.raises(InvalidTask, match="tasks=") as caught:
        await TaskQueue(target).open()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("target", ["/proc/nowhere.duckdb", "duckdb:///proc/1/nowhere/tasks.duckdb"])
async def test_files_that_cannot_be(target: str) -> None:
    with pytest.raises(TaskStoreUnavailable, match="/proc"):
        await TaskQueue(target).open()


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("gobstopper_tasks.engines.postgres")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(InvalidTask, match=r"pip install 'gobstopper-tasks\[postgres\]'") as caught:
        await TaskQueue("postgresql://user:secret@host/db").open()
    assert "secret" not in str(caught.value)


async def test_calls_that_cannot_be() -> None:
    async with TaskQueue("memory://") as queue:
        sums(queue)
        call = queue.call
        for bad, text in (
            (lambda: call("add_up", a=1, delay=1, run_at=1), "not both"),
            (lambda: call("add_up", a=1, run_at=datetime(2030, 1, 1)), "time zone"),  # noqa: DTZ001
            (lambda: call("add_up", a=1, run_at=float("inf")), "no point in time"),
            (lambda: call("add_up", args={"a": 1}, a=2), "given twice"),
            (lambda: call("add_up", a=1, max_retries=-1), "max_retries"),
            (lambda: call("add_up", into="not a name"), "name of a parameter"),
            (lambda: call("add_up", a=1, unique_key="k").then(call("add_up", into="a")).specs(), "unique_key"),
        ):
            with pytest.raises(InvalidTask, match=text):
                bad()
        with pytest.raises(InvalidTask, match="at least 1"):
            await queue.start_workers("default", 0)
        with pytest.raises(InvalidTask, match="1 to 1000"):
            await queue.query(limit=0)
        with pytest.raises(UnknownTask):
            await queue.add("unknown")
        assert await queue.add_many([]) == []
        assert await queue.chain() == []
        assert call("add_up", a=1, delay=timedelta(seconds=-5)).spec.due == 0
        assert call("add_up", a=1, priority=TaskPriority.HIGH).spec.priority == 2


async def test_unique_by_a_function() -> None:
    async with TaskQueue("memory://") as queue:

        @queue.task("mail", unique=lambda to, **_: to)
        async def mail(to: str, text: str) -> None: ...

        first = await queue.add("mail", to="a", text="1")
        assert await queue.add("mail", to="a", text="2") == first
        assert await queue.add("mail", to="b", text="1") != first


async def test_logs_are_structured_and_carry_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "gobstopper.tasks")
    async with TaskQueue("memory://") as queue:
        sums(queue)

        class Trace(Hook):
            def inject(self, headers: dict[str, str]) -> None:
                headers["traceparent"] = f"00-{'c' * 32}-{'d' * 16}-01"

        queue.add_hook(Trace())
        await queue.start_workers()
        id_ = await queue.add("add_up", a=1)
        await queue.wait(id_, 5)
    record = next(record for record in caplog.records if getattr(record, "task_id", None) == id_)
    assert (record.task, record.category, record.attempt, record.outcome, record.trace_id) == (
        "add_up", "default", 1, "done", "c" * 32,
    )  # fmt: skip
    assert record.seconds < 5


async def test_hooks_surround_runs_and_may_fail() -> None:
    events: list[str] = []

    class Spans(Hook):
        @contextmanager
        def running(self, task):
            events.append("enter")
            yield
            events.append("leave")

    class Broken(Hook):
        def inject(self, headers) -> None:
            raise RuntimeError

        def added(self, spec, created) -> None:
            raise RuntimeError

        def finished(self, task, outcome, seconds) -> None:
            raise RuntimeError

    async with TaskQueue("memory://") as queue:
        seen = sums(queue)
        queue.add_hook(Broken())
        queue.add_hook(Spans())
        await queue.start_workers()
        assert await queue.result(await queue.add("add_up", a=1), 5) == 1
        assert seen == [1]
    assert events == ["enter", "leave"]


def test_current_task_is_for_tasks() -> None:
    with pytest.raises(TaskError, match="outside of a task"):
        current_task()


async def test_context_variables_of_one_task_do_not_reach_the_next() -> None:
    variable = contextvars.ContextVar("variable", default="fresh")
    async with TaskQueue("memory://") as queue:

        @queue.task("t")
        async def t() -> str:
            seen = variable.get()
            variable.set("used")
            return seen

        @queue.task("s")
        def s() -> str:
            return current_task().name

        await queue.start_workers()
        for _ in range(2):
            assert await queue.result(await queue.add("t"), 5) == "fresh"
        assert await queue.result(await queue.add("s"), 5) == "s"


async def test_odd_ends_of_tasks() -> None:
    async with TaskQueue("memory://") as queue:

        @queue.task("cancels_itself")
        async def cancels_itself() -> None:
            raise asyncio.CancelledError

        @queue.task("stops", max_retries=0)
        def stops() -> None:
            raise StopIteration(7)

        @queue.task("returns_coroutine")
        def returns_coroutine() -> object:
            return asyncio.sleep(0, "awaited")

        await queue.start_workers()
        info = await queue.wait(await queue.add("cancels_itself"), 5)
        assert info.status is TaskStatus.CANCELLED
        info = await queue.wait(await queue.add("stops"), 5)
        assert info.status is TaskStatus.FAILED
        assert "StopIteration" in info.error
        assert await queue.result(await queue.add("returns_coroutine"), 5) == "awaited"


async def test_workers_start_again_when_the_engine_fails(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    async with TaskQueue("memory://") as queue:
        sums(queue)
        engine = await queue._ready()
        real, failures = engine.run, [RuntimeError("bug"), TaskStoreUnavailable("away")]

        async def run(*args) -> None:
            if failures:
                raise failures.pop()
            await real(*args)

        monkeypatch.setattr(engine, "run", run)
        await queue.start_workers()
        assert await queue.result(await queue.add("add_up", a=1), 5) == 1
        assert "wait for the store" in caplog.text
        assert "start again" in caplog.text


async def test_a_schedule_may_come_after_opening_and_an_unknown_task_is_only_logged(caplog) -> None:
    async with TaskQueue("memory://") as queue:
        seen = sums(queue)
        queue.schedule("add_up", "* * * * * *", args={"a": 1})
        queue.schedule("no such task", "* * * * * *", key="x", args={"bad": object()})
        await queue.start_workers()
        for _ in range(300):
            if seen and "could not be added" in caplog.text:
                break
            await asyncio.sleep(0.01)
        assert seen
        assert "could not be added" in caplog.text


async def test_memory_has_its_limits() -> None:
    queue = TaskQueue("memory://", keep=5)
    sums(queue)
    async with queue:
        await queue.start_workers("default", 2)
        ids = [await queue.add("add_up", a=n) for n in range(20)]
        await queue.wait(ids[-1], 5)
        await asyncio.sleep(0.05)
        assert await queue.get_task_status(ids[0]) is None
        with pytest.raises(Unsupported):
            await queue.sql("SELECT 1")
        with pytest.raises(ValueError, match="TaskStatus"):
            await queue.query(status="odd")


async def test_a_tick_is_not_lost_because_the_store_is_away_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(adding_module, "_TICK_PAUSES", (0.01, 0.01, 0.01))
    async with TaskQueue("memory://", mode="manual") as queue:
        sums(queue)
        engine = await queue._ready()
        real, failures = engine.enqueue, [TaskStoreUnavailable("away")] * 2

        async def enqueue(*args):
            if failures:
                raise failures.pop()
            return await real(*args)

        monkeypatch.setattr(engine, "enqueue", enqueue)
        entry = queue.schedule("add_up", "0 0 1 1 *", args={"a": 1})
        await queue._fire(entry, 60.0)
        await queue._fire(entry, 60.0)  # another process of the fleet, for the same tick
        while not (await queue.stats()):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert await queue.stats() == {"default": {"pending": 1}}
        failures += [TaskStoreUnavailable("away")] * 10
        await queue._fire(entry, 120.0)
        while not any(record.levelno == logging.ERROR for record in caplog.records):
            await asyncio.sleep(0.005)
        monkeypatch.setattr(engine, "enqueue", real)
        monkeypatch.setattr(engine, "enqueue", None)  # a bug
        await queue._fire(entry, 180.0)
        assert "TypeError" in caplog.text, "it is logged, and the schedule goes on"


async def test_what_a_hook_sets_around_a_run_is_seen_in_the_task() -> None:
    span = contextvars.ContextVar("span", default="none")

    class Spans(Hook):
        @contextmanager
        def running(self, task):
            token = span.set(f"span of {task.name}")
            yield
            span.reset(token)

    async with TaskQueue("memory://") as queue:
        queue.add_hook(Spans())

        @queue.task("coroutine")
        async def coroutine() -> str:
            return span.get()

        @queue.task("thread")
        def thread() -> str:
            return span.get()

        await queue.start_workers("default", 2)
        for name in ("coroutine", "thread"):
            assert await queue.result(await queue.add(name), 5) == f"span of {name}"
    assert span.get() == "none"


def test_states_and_priorities_are_found_by_their_values() -> None:
    assert {TaskStatus.PENDING: 1}["pending"] == {"pending": 1}[TaskStatus.PENDING] == 1
    assert {TaskPriority.HIGH: 1}[2] == {2: 1}[TaskPriority.HIGH] == 1
