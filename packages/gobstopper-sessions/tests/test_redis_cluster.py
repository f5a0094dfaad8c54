"""Sessions on a cluster: of one server, which has all slots."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis import Redis as SyncRedis
from redis.asyncio.cluster import RedisCluster

from gobstopper_sessions import AsyncRedisSessionStorage, Session, SessionConflict, SessionStoreUnavailable
from gobstopper_sessions._lifetimes import Lifetimes
from gobstopper_sessions._server_side import ServerSide
from gobstopper_sessions.conformance import SessionStorageConformance
from gobstopper_testsupport.redis import RedisServer


class ClusterServer(RedisServer):
    """A cluster of one."""

    def command(self) -> list[str]:
        return [*super().command(), "--cluster-enabled", "yes"]


@pytest.fixture(scope="module")
def cluster(redis_server: Any) -> Iterator[ClusterServer]:  # which skips where there is no Redis
    server = ClusterServer("no")
    try:
        server.start()
        with SyncRedis(port=server.port) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16384))
            deadline = time.monotonic() + 30
            while "ok" not in str(client.execute_command("CLUSTER INFO")["cluster_state"]):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield server
    finally:
        server.remove()


@pytest.fixture
async def client(cluster: ClusterServer) -> AsyncIterator[RedisCluster]:
    client = RedisCluster(host="127.0.0.1", port=cluster.port)
    yield client
    await client.aclose()


class TestConformanceOfACluster(SessionStorageConformance):
    @pytest.fixture
    async def storage(self, client: RedisCluster) -> AsyncRedisSessionStorage:
        return AsyncRedisSessionStorage(client=client)


async def test_sessions_of_many_slots_at_one_moment(client: RedisCluster) -> None:
    backend = ServerSide(AsyncRedisSessionStorage(client=client), Lifetimes(60, 600), 10_000)
    backend._timeout = 30.0
    ids = [str(one) for one in await asyncio.gather(*(backend.save(Session({"n": n})) for n in range(200)))]
    for times in range(3):
        sessions = await asyncio.gather(*map(backend.load, ids))
        assert [dict(session) for session in sessions] == [{"n": n + times * 1000} for n in range(200)]
        for session in sessions:
            session["n"] += 1000
        assert await asyncio.gather(*map(backend.save, sessions)) == [None] * 200
    one, other = await backend.load(ids[0]), await backend.load(ids[0])
    one["n"], other["n"] = -1, -2
    await backend.save(one)
    with pytest.raises(SessionConflict):
        await backend.save(other)


async def test_a_cluster_that_stands_still_is_503_and_comes_back(cluster: ClusterServer, client: RedisCluster) -> None:
    storage = AsyncRedisSessionStorage(client=client)
    before, during = (ServerSide(storage, Lifetimes(60, 600), 10_000) for _ in range(2))
    before._timeout = 30.0
    ids = [str(await before.save(Session({"n": n}))) for n in range(20)]
    sessions = [await before.load(one) for one in ids]
    for session in sessions:
        session["n"] += 1000
    process = cluster._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        calls = [*map(during.save, sessions), *map(during.load, ids)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {SessionStoreUnavailable}
        assert time.monotonic() - start < 4  # a command that went on would take five
    finally:
        os.kill(process.pid, signal.SIGCONT)
    for number, session in enumerate(await asyncio.gather(*map(before.load, ids))):
        assert dict(session) in ({"n": number}, {"n": number + 1000})
