from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from gobstopper_sessions import PostgresSessionStorage, Session, SessionStoreUnavailable
from gobstopper_sessions._lifetimes import Lifetimes
from gobstopper_sessions._server_side import ServerSide
from gobstopper_sessions.conformance import SessionStorageConformance
from gobstopper_sessions.ids import new_id, storage_key
from gobstopper_sessions.postgres_storage import SCHEMA


def key() -> str:
    return storage_key(new_id())


@pytest.fixture
def table() -> str:
    return "sessions_" + re.sub(r"[^a-z]", "", new_id().lower())[:20]


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=5) as pool:
        yield pool


@pytest.fixture
async def storage(pool: Any, table: str) -> AsyncIterator[PostgresSessionStorage]:
    yield PostgresSessionStorage(pool=pool, create_table=True, table=table)
    await pool.execute(f"DROP TABLE IF EXISTS {table}")


class TestConformance(SessionStorageConformance):
    @pytest.fixture
    async def storage(self, pool: Any, table: str) -> AsyncIterator[PostgresSessionStorage]:
        yield PostgresSessionStorage(pool=pool, create_table=True, table=table)
        await pool.execute(f"DROP TABLE IF EXISTS {table}")


async def test_the_schema_is_the_documents(storage: PostgresSessionStorage, pool: Any, table: str) -> None:
    squeezed = re.sub(r"\s+", " ", SCHEMA).strip()
    assert squeezed == (
        "CREATE TABLE IF NOT EXISTS sessions ( session_id TEXT PRIMARY KEY, data JSONB NOT NULL, "
        "expires_at TIMESTAMPTZ NOT NULL ); "
        "CREATE INDEX IF NOT EXISTS idx_sessions_expires_at ON sessions (expires_at);"
    )
    await storage.read(key())
    columns = await pool.fetch(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = $1 "
        "ORDER BY ordinal_position",
        table,
    )
    assert [tuple(column) for column in columns] == [
        ("session_id", "text", "NO"),
        ("data", "jsonb", "NO"),
        ("expires_at", "timestamp with time zone", "NO"),
    ]
    indexes = {row[0] for row in await pool.fetch("SELECT indexname FROM pg_indexes WHERE tablename = $1", table)}
    assert indexes == {f"{table}_pkey", f"idx_{table}_expires_at"}


async def test_it_works_on_a_table_that_was_made_by_hand(postgres_url: str) -> None:
    schema = f"hand_{re.sub('[^a-z]', '', new_id().lower())[:16]}"
    pool = await asyncpg.create_pool(postgres_url, min_size=1, max_size=2, server_settings={"search_path": schema})
    try:
        await pool.execute(f"CREATE SCHEMA {schema}")
        await pool.execute(SCHEMA)
        storage = PostgresSessionStorage(pool=pool)
        name = key()
        await storage.create(name, b'{"created":1.0,"data":{"user":7}}', time.time() + 60)
        assert await pool.fetchval("SELECT data->'data'->>'user' FROM sessions WHERE session_id = $1", name) == "7"
    finally:
        await pool.execute(f"DROP SCHEMA {schema} CASCADE")
        await pool.close()


async def test_expiry_goes_by_the_index(storage: PostgresSessionStorage, pool: Any, table: str) -> None:
    await storage.read(key())
    await pool.execute(
        f"INSERT INTO {table} SELECT 'k' || n, '{{}}', now() + interval '1 day' FROM generate_series(1, 20000) n"
    )
    await pool.execute(
        f"INSERT INTO {table} SELECT 'old' || n, '{{}}', now() - interval '1 day' FROM generate_series(1, 2500) n"
    )
    await pool.execute(f"ANALYZE {table}")
    plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {storage._expire}"))
    assert f"idx_{table}_expires_at" in plan
    assert await storage.purge() == 2500
    assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 20000


async def test_a_missing_table_says_what_to_do(pool: Any, table: str) -> None:
    storage = PostgresSessionStorage(pool=pool, table=table)
    with pytest.raises(RuntimeError, match=f"(?s)create_table=True.*CREATE TABLE IF NOT EXISTS {table}"):
        await storage.read(key())


async def test_many_workers_create_the_table_at_once(postgres_url: str, table: str) -> None:
    storages = [PostgresSessionStorage(dsn=postgres_url, create_table=True, table=table) for _ in range(8)]
    name = key()
    try:
        await storages[0].read(name)
        await storages[0]._pool.execute(f"DROP TABLE {table}")
        await asyncio.gather(*(storage.read(name) for storage in storages[1:]))
    finally:
        await storages[1]._pool.execute(f"DROP TABLE IF EXISTS {table}")
        for storage in storages:
            await storage.close()
            assert storage._pool is None
            await storage.close()


async def test_a_given_pool_stays_open(storage: PostgresSessionStorage, pool: Any) -> None:
    await storage.read(key())
    await storage.close()
    assert await pool.fetchval("SELECT 1") == 1


def test_mistakes() -> None:
    for arguments in ({}, {"pool": object(), "dsn": "postgresql://x"}):
        with pytest.raises(TypeError, match="either pool="):
            PostgresSessionStorage(**arguments)  # type: ignore[arg-type]
    for name in ("a b", "sessions; DROP TABLE x", "1a", "", "x" * 60, 'a"b'):
        with pytest.raises(ValueError, match="a name of letters"):
            PostgresSessionStorage(dsn="postgresql://x", table=name)


async def test_hostile_keys_are_values(storage: PostgresSessionStorage, pool: Any, table: str) -> None:
    assert await storage.read(f"'; DROP TABLE {table}; --") is None
    assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0


# --- faults


async def refused(backend: ServerSide, session_id: str) -> None:
    start = time.monotonic()
    with pytest.raises(SessionStoreUnavailable):
        await backend.load(session_id)
    assert time.monotonic() - start < 10  # not as long as a connection lasts; 0.8 if the machine is idle


@pytest.mark.parametrize("own_pool", [True, False])
async def test_down_slow_and_restarted(postgres_server: Any, own_pool: bool) -> None:
    pool = None
    if own_pool:
        storage = PostgresSessionStorage(dsn=postgres_server.url, create_table=True)
    else:
        pool = await asyncpg.create_pool(postgres_server.url, min_size=1, max_size=3)
        storage = PostgresSessionStorage(pool=pool, create_table=True)
    backend = ServerSide(storage, Lifetimes(60, 600), 10_000)
    session_id = await backend.save(Session({"user": 7}))
    assert session_id
    with postgres_server.frozen():
        for _ in range(3):
            await refused(backend, session_id)
    await recovered(backend, session_id)

    postgres_server.kill()
    try:
        for _ in range(2):
            await refused(backend, session_id)
        with pytest.raises(SessionStoreUnavailable):
            await backend.save(Session({"x": 1}))
    finally:
        postgres_server.start()
    await recovered(backend, session_id)
    await storage.close()
    if pool is not None:
        await pool.close()


async def recovered(backend: ServerSide, session_id: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            assert dict(await backend.load(session_id)) == {"user": 7}
        except SessionStoreUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return


async def test_a_row_that_is_locked_is_slow_and_not_lost(
    storage: PostgresSessionStorage, pool: Any, table: str
) -> None:
    backend = ServerSide(storage, Lifetimes(60, 600), 10_000)
    session_id = await backend.save(Session({"user": 7}))
    assert session_id
    async with pool.acquire() as other, other.transaction():
        await other.execute(f"UPDATE {table} SET expires_at = expires_at")
        session = await backend.load(session_id)
        session["user"] = 8
        start = time.monotonic()
        with pytest.raises(SessionStoreUnavailable):
            await backend.save(session)
        assert time.monotonic() - start < 10
    assert dict(await backend.load(session_id)) == {"user": 7}


class Proxy:
    """Passes everything on to the server; when told to, it hangs up instead of passing on the next answer."""

    def __init__(self, url: str) -> None:
        self.cut = False
        self.connections = 0
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answers, requests = await asyncio.open_connection(self._host, self._port)

        async def ask() -> None:
            while data := await reader.read(1 << 16):
                requests.write(data)
            requests.write_eof()

        asking = asyncio.create_task(ask())
        while (data := await answers.read(1 << 16)) and not self.cut:
            writer.write(data)
        self.cut = False
        asking.cancel()
        await asyncio.wait([asking])
        for one in (writer, requests):
            one.close()
            with contextlib.suppress(OSError):
                await one.wait_closed()


@pytest.mark.parametrize("rotate", [False, True])
async def test_a_write_whose_answer_was_lost_is_neither_a_success_nor_a_conflict(
    postgres_url: str, storage: PostgresSessionStorage, table: str, rotate: bool
) -> None:
    """It is not sent again; the answer is 503."""
    direct = ServerSide(storage, Lifetimes(60, 600), 10_000)
    session_id = await direct.save(Session({"count": 1}))
    assert session_id
    proxy = Proxy(postgres_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = await asyncpg.create_pool(postgres_url, host="127.0.0.1", port=port, min_size=1, max_size=1)
    try:
        backend = ServerSide(PostgresSessionStorage(pool=pool, table=table), Lifetimes(60, 600), 10_000)
        warm = await backend.load(session_id)
        warm["count"] = 2
        await backend.save(warm)  # the connection is there, and the statement prepared
        session = await backend.load(session_id)
        session["count"] = 3
        if rotate:
            session.rotate()
        connections, proxy.cut = proxy.connections, True
        with pytest.raises(SessionStoreUnavailable):
            await backend.save(session)
        assert not proxy.cut
        assert proxy.connections == connections
        assert dict(await direct.load(session_id)) == ({} if rotate else {"count": 3})  # it was done
        assert (await backend.load(session_id)).get("count") == (None if rotate else 3)
    finally:
        await pool.close()
        server.close()
        await server.wait_closed()
