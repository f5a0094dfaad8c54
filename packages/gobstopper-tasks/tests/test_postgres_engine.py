from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from gobstopper_tasks import InvalidTask, TaskQueue, TaskStoreUnavailable
from gobstopper_tasks.conformance import EngineConformance, MakeQueue

WIPE = "DROP SCHEMA IF EXISTS gobstopper CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"


async def on(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="module")
def database(postgres_url: str) -> str:
    """A database of this module's own: the server may be in use."""
    asyncio.run(on(postgres_url, "DROP DATABASE IF EXISTS gobstopper_tasks_test WITH (FORCE)"))
    asyncio.run(on(postgres_url, "CREATE DATABASE gobstopper_tasks_test"))
    return urlsplit(postgres_url)._replace(path="/gobstopper_tasks_test").geturl()


class TestPostgres(EngineConformance):
    @pytest.fixture
    def make_queue(self, database: str) -> MakeQueue:
        asyncio.run(on(database, WIPE))
        return lambda **options: TaskQueue(database, **options)

    async def test_a_task_belongs_to_the_callers_transaction(self, make_queue: MakeQueue, database: str) -> None:
        connection = await asyncpg.connect(database)
        await connection.execute("CREATE TABLE orders (id int)")
        async with make_queue() as queue:

            @queue.task("ship")
            async def ship(order: int) -> int:
                return order

            await queue.start_workers("default", 1)
            async with connection.transaction():
                await connection.execute("INSERT INTO orders VALUES (1)")
                kept = await queue.add("ship", order=1, connection=connection)
                assert await queue.get_task_status(kept) is None, "not before the commit"
            assert await queue.result(kept, 10) == 1
            with pytest.raises(ZeroDivisionError):
                async with connection.transaction():
                    dropped = await queue.enqueue("ship", order=2, connection=connection)
                    group = await queue.gather(
                        queue.call("ship", order=3), then=queue.call("ship", into="order"), connection=connection
                    )
                    raise ZeroDivisionError
            for id_ in (dropped, *group.members, group.then):
                assert await queue.get_task_status(id_) is None
        await connection.close()

    async def test_tables_of_a_newer_version_are_refused(self, make_queue: MakeQueue, database: str) -> None:
        async with make_queue():
            pass
        await on(database, "INSERT INTO gobstopper.version VALUES (99)")
        with pytest.raises(InvalidTask, match="newer"):
            await make_queue().open()

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
            stored = await queue.sql("SELECT id, result FROM gobstopper.task ORDER BY id")
            assert {row["id"]: row["result"] for row in stored} == {brief: None, kept: '"kept"'}
            info = await queue.get_task(brief)
            assert info is not None
            assert (info.status, info.result) == ("succeeded", None), "the task is kept longer than its result"
            assert await queue.result(kept, 1) == "kept"

    async def test_tables_of_the_version_before_are_brought_up_to_date(
        self, make_queue: MakeQueue, database: str
    ) -> None:
        async with make_queue():
            pass
        await on(
            database,
            "ALTER TABLE gobstopper.task DROP COLUMN result_until; UPDATE gobstopper.version SET version = 1;"
            "DROP TABLE gobstopper.parked",
        )
        async with make_queue() as queue:
            assert await queue.sql("SELECT max(version) AS n FROM gobstopper.version") == [{"n": 2}]

            @queue.task("t")
            async def t() -> str:
                return "done"

            await queue.start_workers("default", 1)
            assert await queue.result(await queue.add("t"), 10) == "done"

    async def test_what_is_old_is_dropped(self, make_queue: MakeQueue) -> None:
        async with make_queue(retention=0.0) as queue:

            @queue.task("t")
            async def t() -> None: ...

            await queue.start_workers("default", 1)
            id_ = await queue.add("t")
            await queue.wait(id_, 10)
            await queue._engine.store.clean()
            assert await queue.get_task(id_) is None
            assert await queue.stats() == {}

    async def test_sql_takes_parameters(self, make_queue: MakeQueue) -> None:
        async with make_queue() as queue:
            id_ = await queue.add("t", category="c")
            assert await queue.sql("SELECT id FROM tasks WHERE category = $1", ["c"]) == [{"id": id_}]

    async def test_a_key_that_gets_free_between_looking_and_writing(
        self, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with make_queue() as queue:
            await queue.add("t", category="c", unique_key="k")
            store = queue._engine.store
            known, ended = store._known, []

            async def late(session: Any, specs: Any) -> dict[str, str]:
                if specs and not ended:
                    ended.append(await queue.cancel([info.id for info in (await queue.query())[0]]))
                return await known(session, specs)

            monkeypatch.setattr(store, "_known", late)
            second = await queue.add("t", category="c", unique_key="k")
            assert ended == [1]
            assert await queue.get_task_status(second) == "pending", "what was acknowledged is there"

    async def test_keys_that_never_hold_still_are_an_error(
        self, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with make_queue() as queue:
            await queue.add("t", category="c", unique_key="k")

            async def never(session: Any, specs: Any) -> dict[str, str]:
                return {}

            monkeypatch.setattr(queue._engine.store, "_known", never)
            with pytest.raises(TaskStoreUnavailable, match="change hands"):
                await queue.add_many([queue.call("t", category="c"), queue.call("t", category="c", unique_key="k")])
            assert (await queue.stats())["c"] == {"pending": 1}, "all or none"

    async def test_a_server_that_is_full_or_in_the_way_is_unavailable(self, make_queue: MakeQueue) -> None:
        async with make_queue(pool_size=1, timeout=0.3) as queue:
            store = queue._engine.store
            async with store._connection():  # the only connection is taken
                with pytest.raises(TaskStoreUnavailable):
                    await queue.add("t", category="c")
            assert await queue.add("t", category="c")

    async def test_the_transaction_is_the_callers_also_for_keys(self, make_queue: MakeQueue, database: str) -> None:
        connection = await asyncpg.connect(database)
        async with make_queue() as queue:
            transaction = connection.transaction()
            await transaction.start()
            first = await queue.enqueue("t", category="c", idempotency_key="i", connection=connection)
            assert await queue.enqueue("t", category="c", idempotency_key="i", connection=connection) == first
            many = await queue.add_many([queue.call("t", category="c") for _ in range(3)], connection=connection)
            await transaction.rollback()
            assert await queue.get_tasks([first, *many]) == [None] * 4
            second = await queue.add("t", category="c", idempotency_key="i")
            assert second != first, "the key went with the transaction"
        await connection.close()


async def test_no_server_is_an_error_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(TaskStoreUnavailable, match="cannot be reached"):
        await TaskQueue("postgresql://nobody@127.0.0.1:1/x").open()
    assert time.monotonic() - begun < 10


async def test_a_database_or_user_that_is_not_there(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    nowhere = parts._replace(path="/no_such_database").geturl()
    nobody = parts._replace(netloc=f"no_such_user@{parts.hostname}:{parts.port}").geturl()
    for url, text in ((nowhere, "no_such_database"), (nobody, "no_such_user")):
        with pytest.raises(TaskStoreUnavailable, match=f"refuses.*{text}"):
            await TaskQueue(url).open()
