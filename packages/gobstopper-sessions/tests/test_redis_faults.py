"""A Redis that stands still, and connections that break between a command and its answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Connection, Redis

from gobstopper_sessions import AsyncRedisSessionStorage, Session, SessionConflict, SessionStoreUnavailable
from gobstopper_sessions._lifetimes import Lifetimes
from gobstopper_sessions._redis_scripts import Attempts
from gobstopper_sessions._server_side import ServerSide
from gobstopper_sessions.ids import new_id, storage_key


def patient(storage: AsyncRedisSessionStorage) -> ServerSide:
    """For what comes before and after the fault: a busy machine is not what is tested."""
    backend = ServerSide(storage, Lifetimes(60, 600), 10_000)
    backend._timeout = 30.0
    return backend


def hasty(storage: AsyncRedisSessionStorage) -> ServerSide:
    return ServerSide(storage, Lifetimes(60, 600), 10_000)


@pytest.fixture
async def client(redis_server: Any) -> AsyncIterator[Redis]:
    redis_server.start()
    client = Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


async def test_a_crowd_while_redis_is_frozen_leaves_nothing_behind(redis_server: Any, client: Redis) -> None:
    storage = AsyncRedisSessionStorage(client=client)
    before, during = patient(storage), hasty(storage)
    ids = [str(await before.save(Session({"number": number}))) for number in range(150)]
    sessions = await asyncio.gather(*map(before.load, ids))
    for session in sessions:
        session["number"] += 1000
    took = []

    async def timed(call: Awaitable[Any]) -> Any:
        start = time.monotonic()
        try:
            return await call
        except SessionStoreUnavailable as error:
            return error
        finally:
            took.append(time.monotonic() - start)

    with redis_server.frozen():
        calls = [*map(during.save, sessions), *map(during.load, ids)]
        outcomes = await asyncio.gather(*map(timed, calls))
        assert {type(outcome) for outcome in outcomes} == {SessionStoreUnavailable}
        # Nothing stays at work that could be answered later, or hold a connection that is being closed.
        async with asyncio.timeout(5):
            while len(client.connection_pool._in_use_connections) or any(
                queue.tasks for queue in (storage._reads._queue, storage._writes._queue) if queue
            ):
                await asyncio.sleep(0.01)
    assert max(took) < 4  # the last of 300 on a busy machine; a command that went on would take five
    # Whole sessions, each as before or as after, and no connection that still owes somebody else's answer.
    found = await asyncio.gather(*map(before.load, ids))
    for number, session in enumerate(found):
        assert dict(session) in ({"number": number}, {"number": number + 1000})
        session["number"] = -number
    assert await asyncio.gather(*map(before.save, found)) == [None] * 150
    assert [dict(one) for one in await asyncio.gather(*map(before.load, ids))] == [{"number": -n} for n in range(150)]


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("turns", range(12))
async def test_a_caller_that_gives_up_at_any_moment_ends_its_command(
    redis_server: Any, client: Redis, connected: bool, turns: int
) -> None:
    """Before Python 3.12 redis-py loses a cancellation that comes while it sends."""
    storage = AsyncRedisSessionStorage(client=client)
    key, other, end = storage_key(new_id()), storage_key(new_id()), time.time() + 60
    await storage.create(key, b"{}", end)
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: storage.read(key),
        lambda: storage.replace(key, b"[]", end, expected=b"{}"),
        lambda: storage.replace(key, b"[]", end, expected=b"{}", new_key=other),
        lambda: storage.create(other, b"{}", end),
        lambda: storage.touch(key, end),
        lambda: storage.delete(other),
    ]
    for call in calls:
        if connected:
            await client.ping()
        else:
            await client.connection_pool.disconnect()
        with redis_server.frozen():
            task = asyncio.ensure_future(call())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=2)  # redis-py by itself waits for five seconds
            assert done
            assert not len(client.connection_pool._in_use_connections)
    assert await client.echo("mine") == b"mine"


class Proxy:
    """Passes everything on to Redis; but of `cuts` answers to `command` it lets nothing through, and hangs up."""

    def __init__(self, port: int) -> None:
        self.cuts = 0
        self.command = b"EVALSHA"
        self.on_cut: Callable[[], Awaitable[Any]] | None = None
        self._port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_redis: asyncio.StreamWriter | None = None
        asked = False
        try:
            from_redis, to_redis = await asyncio.open_connection("127.0.0.1", self._port)

            async def requests() -> None:
                nonlocal asked
                while data := await reader.read(1 << 20):
                    asked = b"\r\n" + self.command + b"\r\n" in data
                    to_redis.write(data)
                to_redis.write_eof()

            asking = asyncio.create_task(requests())
            try:
                while data := await from_redis.read(1 << 20):
                    if asked and self.cuts and not data.startswith(b"-NOSCRIPT"):
                        self.cuts -= 1
                        if self.on_cut is not None:
                            await self.on_cut()
                        break
                    writer.write(data)
            finally:
                asking.cancel()
                await asyncio.wait([asking])
        finally:
            for one in (writer, to_redis):
                if one is not None:
                    one.close()
                    with contextlib.suppress(OSError):
                        await one.wait_closed()


class Cut:
    """A storage behind a `Proxy`, and sessions on it."""

    def __init__(self, proxy: Proxy, storage: AsyncRedisSessionStorage, direct: AsyncRedisSessionStorage) -> None:
        self.proxy = proxy
        self.client: Redis = storage._client
        self.storage = storage
        self.backend = patient(storage)
        self.direct = patient(direct)

    async def session(self) -> tuple[str, Session]:
        session_id = await self.backend.save(Session({"count": 1}))
        assert session_id
        warm = await self.backend.load(session_id)
        warm["warm"] = True
        await self.backend.save(warm)  # the connection is there, and the script
        return session_id, await self.backend.load(session_id)


@pytest.fixture
async def cut(redis_server: Any, client: Redis) -> AsyncIterator[Cut]:
    proxy = Proxy(redis_server.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    mine = Redis(port=server.sockets[0].getsockname()[1], host="127.0.0.1")
    yield Cut(proxy, AsyncRedisSessionStorage(client=mine), AsyncRedisSessionStorage(client=client))
    await mine.aclose()
    server.close()
    await server.wait_closed()
    for _ in range(100):  # its connections end by themselves, now that nobody is at the other end
        if not [task for task in asyncio.all_tasks() if "Proxy.serve" in repr(task)]:
            break
        await asyncio.sleep(0.01)


async def test_a_write_whose_answer_was_lost_is_sent_again_and_no_conflict(cut: Cut) -> None:
    session_id, session = await cut.session()
    session["count"] += 1
    cut.proxy.cuts = 1
    assert await cut.backend.save(session) is None
    assert cut.proxy.cuts == 0
    assert dict(await cut.direct.load(session_id)) == {"count": 2, "warm": True}


async def test_so_are_writes_that_went_together(cut: Cut) -> None:
    ids = [(await cut.session())[0] for _ in range(20)]
    sessions = await asyncio.gather(*map(cut.backend.load, ids))
    for session in sessions:
        session["count"] += 1
    cut.proxy.cuts = 2  # the one that goes alone, and the others
    assert await asyncio.gather(*map(cut.backend.save, sessions)) == [None] * 20
    assert cut.proxy.cuts == 0
    assert {(await cut.direct.load(one))["count"] for one in ids} == {2}


async def test_a_session_that_was_renewed_in_between_is_recognised(cut: Cut) -> None:
    session_id, session = await cut.session()
    session["count"] += 1
    cut.proxy.cuts = 1
    cut.proxy.on_cut = lambda: cut.direct.storage.touch(storage_key(session_id), time.time() + 99)
    assert await cut.backend.save(session) is None
    assert (await cut.direct.load(session_id))["count"] == 2


async def test_rotating_survives_a_lost_answer(cut: Cut) -> None:
    session_id, session = await cut.session()
    session.rotate()
    session["count"] += 1
    cut.proxy.cuts = 1
    rotated = await cut.backend.save(session)
    assert cut.proxy.cuts == 0
    assert rotated
    assert rotated != session_id
    assert (await cut.direct.load(rotated))["count"] == 2
    assert dict(await cut.direct.load(session_id)) == {}


async def test_a_session_that_has_moved_away_is_no_session(cut: Cut) -> None:
    session_id, session = await cut.session()
    key, storage, end = storage_key(session_id), cut.storage, time.time() + 60
    session.rotate()
    await cut.backend.save(session)
    assert 0 < await cut.client.pttl("session:" + key) <= 60_000  # what Redis remembers it by goes soon
    assert not await storage.replace(key, b"{}", end, expected=b"{}")
    assert not await storage.touch(key, end)
    assert not await storage.delete(key)


@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize("meanwhile", ["changed", "ended"])
async def test_what_cannot_be_known_is_neither_a_success_nor_a_conflict(cut: Cut, rotate: bool, meanwhile: str) -> None:
    session_id, session = await cut.session()

    async def change() -> None:
        if meanwhile == "ended" or rotate:
            await cut.direct.storage.delete(storage_key(session_id))
        else:
            theirs = await cut.direct.load(session_id)
            theirs["count"] += 1
            await cut.direct.save(theirs)

    if rotate:
        session.rotate()
    session["count"] += 1
    cut.proxy.cuts = 1
    cut.proxy.on_cut = change
    with pytest.raises(SessionStoreUnavailable):
        await cut.backend.save(session)
    assert cut.proxy.cuts == 0


@pytest.mark.parametrize("rotate", [False, True])
async def test_answers_that_never_come_are_503(cut: Cut, rotate: bool) -> None:
    pairs = [await cut.session() for _ in range(3)]
    backend = hasty(cut.storage)
    cut.proxy.cuts = 10_000
    start = time.monotonic()
    for _, session in pairs:
        if rotate:
            session.rotate()
        session["count"] += 1
    outcomes = await asyncio.gather(*(backend.save(session) for _, session in pairs), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {SessionStoreUnavailable}
    assert time.monotonic() - start < 4
    cut.proxy.cuts = 0
    for session_id, _ in pairs:  # it was done, or not: never by half
        assert (await cut.direct.load(session_id)).get("count") in ({None, 1} if rotate else {1, 2})


async def test_a_new_session_survives_a_lost_answer(cut: Cut) -> None:
    await cut.session()
    cut.proxy.command = b"SET"
    cut.proxy.cuts = 1
    session_id = await cut.backend.save(Session({"count": 7}))
    assert session_id
    assert cut.proxy.cuts == 0
    assert dict(await cut.direct.load(session_id)) == {"count": 7}


async def test_a_conflict_stays_one_when_redis_has_forgotten_the_script(cut: Cut) -> None:
    session_id, session = await cut.session()
    theirs = await cut.direct.load(session_id)
    theirs["count"] = 50
    await cut.direct.save(theirs)
    await cut.client.script_flush()
    session["count"] += 1
    with pytest.raises(SessionConflict):
        await cut.backend.save(session)


def test_only_what_is_sent_counts_as_an_attempt() -> None:
    attempts = Attempts()
    assert [f"{attempts}", str(attempts), "%s" % attempts] == ["0"] * 3  # noqa: UP031 - as tracers do
    pack = Connection().pack_command
    assert [b"".join(pack("X", attempts)).split()[-1] for _ in range(2)] == [b"1", b"2"]
    assert str(attempts) == "2"
