from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from gobstopper_sessions import AsyncRedisSessionStorage, Session, SessionStoreUnavailable
from gobstopper_sessions._lifetimes import Lifetimes
from gobstopper_sessions._server_side import ServerSide
from gobstopper_sessions.conformance import SessionStorageConformance
from gobstopper_sessions.ids import new_id, storage_key
from gobstopper_testsupport.redis import RedisServer


def key() -> str:
    return storage_key(new_id())


@pytest.fixture
def prefix() -> str:
    return f"test {new_id()}:"


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


class TestConformance(SessionStorageConformance):
    @pytest.fixture(params=[False, True], ids=["bytes", "text"])
    async def storage(
        self, redis_url: str, request: pytest.FixtureRequest, prefix: str
    ) -> AsyncIterator[AsyncRedisSessionStorage]:
        client = Redis.from_url(redis_url, decode_responses=request.param)
        yield AsyncRedisSessionStorage(client=client, prefix=prefix)
        await client.aclose()


async def test_redis_itself_expires(client: Redis, prefix: str) -> None:
    storage = AsyncRedisSessionStorage(client=client, prefix=prefix)
    name = key()
    await storage.create(name, b"{}", time.time() + 60)
    assert 59_000 < await client.pttl(prefix + name) <= 60_000
    await storage.touch(name, time.time() + 120)
    assert 119_000 < await client.pttl(prefix + name) <= 120_000
    await storage.replace(name, b"[]", time.time() + 30, expected=b"{}")
    assert 29_000 < await client.pttl(prefix + name) <= 30_000
    await storage.create(name, b"{}", time.time() - 5)
    await asyncio.sleep(0.01)
    assert await client.exists(prefix + name) == 0


async def test_one_command_a_read(client: Redis, prefix: str) -> None:
    storage = AsyncRedisSessionStorage(client=client, prefix=prefix)
    name = key()
    await storage.create(name, b"{}", time.time() + 60)
    before = (await client.info("commandstats"))["cmdstat_get"]["calls"]
    total = (await client.info("stats"))["total_commands_processed"]
    await storage.read(name)
    assert (await client.info("commandstats"))["cmdstat_get"]["calls"] == before + 1
    assert (await client.info("stats"))["total_commands_processed"] - total <= 4  # those two and a half are ours


@pytest.mark.parametrize("planted", [b"", b"{}", b"x" * 20, b"12345", "ü" * 10])
async def test_what_somebody_else_wrote_is_ignored(client: Redis, prefix: str, planted: Any) -> None:
    storage = AsyncRedisSessionStorage(client=client, prefix=prefix)
    name = key()
    await client.set(prefix + name, planted)
    assert await storage.read(name) is None


async def test_scripts_are_loaded_again_when_redis_forgot_them(client: Redis, prefix: str) -> None:
    storage = AsyncRedisSessionStorage(client=client, prefix=prefix)
    name = key()
    await storage.create(name, b"{}", time.time() + 60)
    await client.script_flush()
    assert await storage.replace(name, b"[]", time.time() + 60, expected=b"{}")


async def test_a_url_opens_and_closes_its_own_client(redis_url: str, prefix: str) -> None:
    storage = AsyncRedisSessionStorage(url=redis_url, prefix=prefix)
    name = key()
    await storage.create(name, b"{}", time.time() + 60)
    assert await storage.delete(name)
    await storage.close()
    connections = storage._client.connection_pool._available_connections
    assert not any(connection.is_connected for connection in connections)


async def test_a_given_client_stays_open(client: Redis) -> None:
    await AsyncRedisSessionStorage(client=client).close()
    assert await client.ping()


async def test_requests_of_one_moment_share_commands_and_nothing_else(client: Redis, prefix: str) -> None:
    storage = AsyncRedisSessionStorage(client=client, prefix=prefix)
    names = [key() for _ in range(100)]
    end = time.time() + 60
    for number, name in enumerate(names):
        await storage.create(name, b"%d" % number, end)
    await storage.replace(names[0], b"0", end, expected=b"0")  # now the script is there
    await client.delete(prefix + names[1])
    await client.delete(prefix + names[2])
    await client.lpush(prefix + names[2], "another type")
    before = (await client.info("stats"))["total_commands_processed"]
    records = await asyncio.gather(*map(storage.read, names))
    assert (await client.info("stats"))["total_commands_processed"] - before < 10
    assert [None if record is None else record.data for record in records] == [
        b"0", None, None, *(b"%d" % number for number in range(3, 100)),
    ]  # fmt: skip

    calls = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
    results = await asyncio.gather(
        *(
            # Every third expects something else.
            storage.replace(name, b"new %d" % number, end, expected=b"%d" % (number if number % 3 else -1))
            for number, name in enumerate(names)
        ),
        return_exceptions=True,
    )
    assert (await client.info("commandstats"))["cmdstat_evalsha"]["calls"] - calls <= 5
    assert isinstance(results[2], ResponseError)
    assert [*results[:2], *results[3:]] == [number != 1 and number % 3 != 0 for number in range(100) if number != 2]
    for number, record in enumerate(await asyncio.gather(*map(storage.read, names))):
        if number not in {1, 2}:
            assert record is not None
            assert record.data == (b"new %d" % number if number % 3 else b"%d" % number)


async def test_a_moment_in_which_redis_forgot_the_scripts(client: Redis, prefix: str) -> None:
    storage = AsyncRedisSessionStorage(client=client, prefix=prefix)
    names = [key() for _ in range(20)]
    for name in names:
        await storage.create(name, b"{}", time.time() + 60)
    await client.script_flush()
    assert all(
        await asyncio.gather(*(storage.replace(name, b"[]", time.time() + 60, expected=b"{}") for name in names))
    )


async def test_a_full_redis_refuses_writes_and_keeps_what_it_has(redis_server: Any) -> None:
    server = RedisServer("no")
    server.start()
    client = Redis.from_url(server.url)
    try:
        storage = AsyncRedisSessionStorage(client=client)
        backend = ServerSide(storage, Lifetimes(60, 600), 10_000)
        ids = [await backend.save(Session({"number": number})) for number in range(10)]
        sessions = [await backend.load(str(one)) for one in ids]
        await client.config_set("maxmemory", 1)
        for number, session in enumerate(sessions):
            session["number"] = number + 100
        sessions[9].rotate()
        failed = await asyncio.gather(*map(backend.save, sessions), return_exceptions=True)
        assert [type(found) for found in failed] == [SessionStoreUnavailable] * 10
        assert [dict(await backend.load(str(one))) for one in ids] == [{"number": number} for number in range(10)]
        await client.config_set("maxmemory", 0)
        *none, ids[9] = await asyncio.gather(*map(backend.save, sessions))
        assert none == [None] * 9
        assert [(await backend.load(str(one)))["number"] for one in ids] == [*range(100, 110)]
    finally:
        await client.aclose()
        server.remove()


def test_mistakes() -> None:
    for arguments in ({}, {"client": object(), "url": "redis://x"}):
        with pytest.raises(TypeError, match="either client="):
            AsyncRedisSessionStorage(**arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"use redis.asyncio.Redis"):
        AsyncRedisSessionStorage(client=SyncRedis())


# --- faults


async def test_down_slow_and_restarted(redis_server: Any) -> None:
    client = Redis.from_url(redis_server.url)
    backend = ServerSide(AsyncRedisSessionStorage(client=client), Lifetimes(60, 600), 10_000)
    session = Session({"user": 7})
    session_id = await backend.save(session)
    assert session_id
    with redis_server.frozen():
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(SessionStoreUnavailable):
                await backend.load(session_id)
            assert time.monotonic() - start < 10  # not for ever; 0.8 if the machine is idle
    assert dict(await backend.load(session_id)) == {"user": 7}

    redis_server.kill()
    try:
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(SessionStoreUnavailable):
                await backend.load(session_id)
            assert time.monotonic() - start < 10  # not for ever; 0.8 if the machine is idle
        changed = Session({"x": 1})
        with pytest.raises(SessionStoreUnavailable):
            await backend.save(changed)
    finally:
        redis_server.start()
    assert dict(await backend.load(session_id)) == {"user": 7}  # appendonly: nothing was lost
    await client.aclose()


async def test_frozen_in_the_middle_of_a_write_never_mixes_answers_up(redis_server: Any) -> None:
    client = Redis.from_url(redis_server.url, max_connections=2)
    storage = AsyncRedisSessionStorage(client=client)
    backend = ServerSide(storage, Lifetimes(60, 600), 10_000)
    ids = []
    for number in range(4):
        session_id = await backend.save(Session({"number": number}))
        assert session_id
        ids.append(session_id)
    with redis_server.frozen():
        results = await asyncio.gather(*(backend.load(one) for one in ids), return_exceptions=True)
        assert all(isinstance(result, SessionStoreUnavailable) for result in results)
    for number, one in enumerate(ids):
        assert dict(await backend.load(one)) == {"number": number}
    await client.aclose()
