"""What is the same on PostgreSQL and Redis: the part of the engines that both have."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gobstopper_tasks import TaskQueue, TaskStoreClosed, TaskStoreUnavailable
from gobstopper_tasks.conformance import Log, register, until
from gobstopper_tasks.engines._coalescer import Coalescer
from gobstopper_tasks.task import Enqueued, TaskSpec
from gobstopper_testsupport import PostgresServer, RedisServer

numbers = itertools.count()


@pytest.fixture(params=["postgres", "redis"])
async def queue(request: pytest.FixtureRequest, log: Log) -> AsyncIterator[TaskQueue]:
    queue = register(TaskQueue(request.getfixturevalue(f"{request.param}_url")), log)
    async with queue:
        yield queue
        await queue.cancel([info.id for info in (await queue.query(limit=1000))[0]])


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def category() -> str:
    """One of the test's own: the server may be in use."""
    return f"category-{next(numbers)}-{time.time_ns()}"


async def test_a_cancel_that_nobody_heard_is_caught_up_with(queue: TaskQueue, log: Log, category: str) -> None:
    engine: Any = queue._engine
    await queue.start_workers(category, 1)
    id_ = await queue.add("slow", category=category)
    await until(lambda: log)
    heard, deaf = engine._notified, []
    engine._notified = deaf.append  # what is told while the connection is away
    assert await queue.cancel(id_) == 1
    await until(lambda: f"cancel:{id_}" in deaf)
    assert await queue.get_task_status(id_) == "running"
    engine._notified = heard
    if hasattr(engine.store, "client"):
        await engine.store.client.client_kill_filter(_type="pubsub")
    else:
        listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %gobstopper%'"
        async with engine.store._connection() as session:
            await session.execute(listening)
    info = await queue.wait(id_, 10)
    assert info is not None
    assert info.status == "cancelled"


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_clock_that_jumps_an_hour(
    queue: TaskQueue, category: str, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    await queue.start_workers(category, 2)
    before = await queue.add("add_up", a=1, category=category)
    assert await queue.result(before, 10) == 1
    waiting = await queue.add("add_up", a=2, category=category, delay=1.0)
    truth = time.time
    monkeypatch.setattr(time, "time", lambda: truth() + jump)
    ids = [await queue.add("add_up", a=n, category=category) for n in range(3)]
    assert [await queue.result(id_, 10) for id_ in ids] == [0, 1, 2]
    assert await queue.result(await queue.add("once", category=category), 10) == 2
    monkeypatch.setattr(time, "time", truth)
    assert await queue.result(waiting, 10) == 2
    assert sorted(ids) == ids, "ids go on rising"


async def test_a_lost_outcome_is_told_when_the_store_is_back(
    queue: TaskQueue, log: Log, category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = queue._engine.store
    finish, failures = store.finish, [1, 2]

    async def away(*args: Any) -> None:
        if failures:
            failures.pop()
            raise TaskStoreUnavailable("away")
        await finish(*args)

    monkeypatch.setattr(store, "finish", away)
    await queue.start_workers(category, 1)
    assert await queue.result(await queue.add("add_up", a=1, category=category), 10) == 1
    assert log == [("add_up", 1, 0)], "it ran once: what came of it was kept"
    assert not failures


async def test_what_a_limit_holds_back_is_given_back_at_the_end(queue: TaskQueue, log: Log, category: str) -> None:
    queue.limit(category, concurrency=1)
    await queue.start_workers(category, 2)
    first = await queue.add("slow", tag="first", category=category)
    await until(lambda: log)
    second = await queue.add("slow", tag="second", category=category)
    await asyncio.sleep(0.3)
    assert await queue.get_task_status(second) == "pending"
    await queue.close(0.1)
    await queue.open()
    infos = await queue.get_tasks([first, second])
    assert [info and (info.status, info.attempt) for info in infos] == [("pending", 0), ("pending", 0)]
    assert log == [("begin", "first"), ("end", "first")]


async def test_tasks_that_are_held_back_start_when_a_limit_is_lifted(queue: TaskQueue, log: Log, category: str) -> None:
    queue.limit(category, rate=1, per=3600.0)
    await queue.start_workers(category, 2)
    ids = [await queue.add("add_up", a=n, category=category) for n in range(5)]
    await until(lambda: log)
    await asyncio.sleep(0.5)
    assert len(log) == 1
    del queue.registry.category_limits[category]  # as a new release of the application does
    assert [await queue.result(id_, 10) for id_ in ids] == list(range(5))


async def test_an_end_that_made_room_for_nobody_is_made_up_for(
    queue: TaskQueue, log: Log, category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = queue._engine.store

    async def lost(*args: Any) -> None:
        raise TaskStoreUnavailable("the process ended here")

    monkeypatch.setattr(store, "unpark", lost)
    monkeypatch.setattr(store, "sweep", lost)
    queue.limit(category, concurrency=1)
    await queue.start_workers(category, 2)
    first = await queue.add("slow", seconds=0.3, tag="first", category=category)
    await until(lambda: log)
    second = await queue.add("slow", seconds=0.0, tag="second", category=category)
    assert await queue.result(first, 10) == "first"
    await asyncio.sleep(0.2)
    assert await queue.get_task_status(second) == "pending"
    monkeypatch.undo()
    assert await queue.result(second, 10) == "second"


async def test_a_ticket_that_could_not_begin_is_delivered_again(
    queue: TaskQueue, log: Log, category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = queue._engine.store
    begin, failures = store.begin, [TaskStoreUnavailable("away"), RuntimeError("a bug")]

    async def away(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return await begin(*args)

    monkeypatch.setattr(store, "begin", away)
    await queue.start_workers(category, 1)
    assert await queue.result(await queue.add("add_up", a=1, category=category), 20) == 1
    assert not failures
    assert log == [("add_up", 1, 0)]


async def test_cancelling_the_claim_loop_gives_back_what_it_runs(queue: TaskQueue, log: Log, category: str) -> None:
    engine: Any = queue._engine
    serving = asyncio.create_task(engine.run(category, 1, queue._runner))
    id_ = await queue.add("slow", tag="x", category=category)
    await until(lambda: log)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    await until(lambda: len(log) == 2)
    for _ in range(200):
        info = await queue.get_task(id_)
        assert info is not None
        if info.status == "pending":
            break
        await asyncio.sleep(0.02)
    assert (info.status, info.attempt, info.crashes) == ("pending", 0, 0)


@pytest.mark.parametrize("make", [PostgresServer, RedisServer])
async def test_closing_without_a_server_comes_to_an_end(make: type[PostgresServer | RedisServer], log: Log) -> None:
    server = make()
    try:
        await asyncio.to_thread(server.start)
        queue = register(TaskQueue(server.url, lease=3.0), log)
        await queue.open()
        await queue.start_workers("default", 1)
        await queue.add("slow")
        await until(lambda: log)
        await asyncio.to_thread(server.kill)
        begun = time.monotonic()
        await queue.close(0.1)
        assert time.monotonic() - begun < 40
        assert [what for what, _ in log] == ["begin", "end"]
    finally:
        await asyncio.to_thread(server.remove)


# -- the coalescer alone


def specs(*ids: str) -> list[TaskSpec]:
    return [TaskSpec(id=id_, name="t") for id_ in ids]


async def test_what_one_caller_does_wrong_is_told_to_that_one() -> None:
    calls: list[list[str]] = []

    async def add(batch: Any) -> list[Enqueued]:
        calls.append([spec.id for spec in batch])
        await asyncio.sleep(0)
        if any(spec.id == "bad" for spec in batch):
            raise ValueError("bad")
        return [Enqueued(spec.id) for spec in batch]

    coalescer = Coalescer(add)
    adds = [coalescer.add(specs(*ids)) for ids in (("a", "b"), ("bad",), ("c",))]
    answers = await asyncio.gather(*adds, return_exceptions=True)
    assert answers[0] == [Enqueued("a"), Enqueued("b")]
    assert isinstance(answers[1], ValueError)
    assert answers[2] == [Enqueued("c")]
    assert calls[0] == ["a", "b", "bad", "c"], "they went together at first"


async def test_a_store_that_is_away_is_not_asked_for_each() -> None:
    calls: list[int] = []

    async def add(batch: Any) -> list[Enqueued]:
        calls.append(len(batch))
        raise TaskStoreUnavailable("away")

    coalescer = Coalescer(add)
    answers = await asyncio.gather(*(coalescer.add(specs(str(n))) for n in range(50)), return_exceptions=True)
    assert all(isinstance(answer, TaskStoreUnavailable) for answer in answers)
    assert calls == [50]


async def test_a_caller_who_left_takes_nobody_along() -> None:
    gate = asyncio.Event()

    async def add(batch: Any) -> list[Enqueued]:
        await gate.wait()
        return [Enqueued(spec.id) for spec in batch]

    coalescer = Coalescer(add)
    left, stays = asyncio.ensure_future(coalescer.add(specs("a"))), asyncio.ensure_future(coalescer.add(specs("b")))
    await asyncio.sleep(0.01)
    left.cancel()
    gate.set()
    assert await stays == [Enqueued("b")]
    assert left.cancelled()


async def test_closing_leaves_nobody_waiting() -> None:
    async def never(batch: Any) -> list[Enqueued]:
        return await asyncio.Future()

    coalescer = Coalescer(never)
    make: Callable[[str], asyncio.Task[list[Enqueued]]] = lambda id_: asyncio.create_task(coalescer.add(specs(id_)))  # noqa: E731
    waits = []
    for id_ in "abcd":
        waits.append(make(id_))
        await asyncio.sleep(0.01)
    await coalescer.close()
    answers = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(answer, TaskStoreClosed) for answer in answers)
