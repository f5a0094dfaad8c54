from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

import pytest
import redis

from gobstopper_tasks import TaskQueue, TaskStoreUnavailable
from gobstopper_tasks.conformance import EngineConformance, MakeQueue

counter = itertools.count()


def forget(url: str, prefix: str) -> None:
    with redis.Redis.from_url(url) as client:
        keys = [key for key in client.scan_iter(count=1000) if prefix.encode() in key]
        if keys:
            client.delete(*keys)


class TestRedis(EngineConformance):
    @pytest.fixture
    def make_queue(self, redis_url: str) -> Iterator[MakeQueue]:
        prefix = f"gobstopper-test-{next(counter)}:"
        forget(redis_url, prefix)
        yield lambda **options: TaskQueue(redis_url, prefix=prefix, **options)
        forget(redis_url, prefix)

    async def test_a_result_is_dropped_when_its_time_is_over(self, make_queue: MakeQueue) -> None:
        async with make_queue() as queue:

            @queue.task("short", result_ttl=1.0)
            async def short() -> str:
                return "secret"

            @queue.task("long", result_ttl=60.0)
            async def long() -> str:
                return "kept"

            await queue.start_workers("default", 1)
            brief, kept = await queue.add("short"), await queue.add("long")
            assert [await queue.result(id_, 10) for id_ in (brief, kept)] == ["secret", "kept"]
            await asyncio.sleep(1.1)
            store = queue._engine.store
            await store.clean()
            stored = [await store.client.hget(f"{store.prefix}task:{id_}", "result") for id_ in (brief, kept)]
            assert stored == [None, '"kept"']
            assert await store.client.zrange(f"{store.prefix}results", 0, -1) == [kept]
            info = await queue.get_task(brief)
            assert info is not None
            assert (info.status, info.result) == ("succeeded", None), "the task is kept longer than its result"
            assert await queue.result(kept, 1) == "kept"

    async def test_what_is_old_is_dropped(self, make_queue: MakeQueue) -> None:
        async with make_queue(retention=1.0) as queue:

            @queue.task("t")
            async def t() -> None: ...

            await queue.start_workers("default", 1)
            id_ = await queue.add("t", idempotency_key="k")
            await queue.wait(id_, 10)
            await asyncio.sleep(1.1)
            await queue._engine.store.clean()
            assert await queue.get_task(id_) is None
            assert await queue.stats() == {}
            assert (await queue.query())[0] == []

    async def test_what_a_process_left_unpublished_is_published(self, make_queue: MakeQueue, monkeypatch) -> None:
        async with make_queue() as queue:

            @queue.task("t")
            async def t() -> str:
                return "done"

            store = queue._engine.store
            publish = store._publish

            async def lost(tickets: object) -> None:
                raise TaskStoreUnavailable("the process ended here")

            monkeypatch.setattr(store, "_publish", lost)
            id_ = await queue.add("t")  # it is stored: that is what add promises
            monkeypatch.setattr(store, "_publish", publish)
            await queue.start_workers("default", 1)
            await asyncio.sleep(0.2)
            assert await queue.get_task_status(id_) == "pending"
            now = time.time
            monkeypatch.setattr(time, "time", lambda: now() + 10)
            await store.republish()
            assert await queue.result(id_, 10) == "done"

    async def test_many_at_once_into_a_new_category(
        self, make_queue: MakeQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with make_queue() as queue:
            batches = ([queue.call("t", category="new") for _ in range(150)] for _ in range(4))
            await asyncio.gather(*(queue.add_many(batch) for batch in batches))
        assert "published only when" not in caplog.text

    async def test_idempotency_keys_live_as_long_as_their_tasks(self, make_queue: MakeQueue) -> None:
        async with make_queue(retention=1.0) as queue:
            waiting = await queue.add("t", category="c", idempotency_key="waits", delay=60)
            gone = await queue.add("t", category="c", idempotency_key="gone")
            await queue.cancel(gone)
            await asyncio.sleep(1.2)
            await queue._engine.store.clean()
            assert await queue.add("t", category="c", idempotency_key="waits") == waiting
            assert await queue.add("t", category="c", idempotency_key="gone") != gone


async def test_no_server_is_an_error_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(TaskStoreUnavailable, match="cannot be"):
        await TaskQueue("redis://127.0.0.1:1/0").open()
    assert time.monotonic() - begun < 10
