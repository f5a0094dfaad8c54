"""A server process that is killed while it writes; `test_file_storage.py` has the same for files."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest

from gobstopper_sessions import AsyncRedisSessionStorage, PostgresSessionStorage, Session, SessionStorage
from gobstopper_sessions._codec import decode
from gobstopper_sessions._lifetimes import Lifetimes
from gobstopper_sessions._server_side import ServerSide
from gobstopper_sessions.ids import new_id
from gobstopper_sessions.storage import MAX_RECORD

SESSIONS = 12
TABLE = "killed_writers"

WRITE_FOR_EVER = """
import asyncio, sys, time
from hashlib import sha256
from gobstopper_sessions import AsyncRedisSessionStorage, PostgresSessionStorage
from gobstopper_sessions._lifetimes import Lifetimes
from gobstopper_sessions._server_side import ServerSide

async def change(backend, session_id):
    while True:
        session = await backend.load(session_id)
        number = session["number"] + 1
        session["number"] = number
        session["filling"] = [number] * 2000
        session["again"] = number
        await backend.save(session)

async def move(storage, seed):
    number = 0
    while True:
        old, new = (sha256(f"{seed}{n}".encode()).hexdigest() for n in (number, number + 1))
        record = await storage.read(old)
        data = b'{"created":1.0,"data":{"number":%d}}' % (number + 1)
        if record is not None:
            await storage.replace(old, data, time.time() + 600, expected=record.data, new_key=new)
        number += 1

async def run(kind, url, table, seed, *ids):
    storage = AsyncRedisSessionStorage(url=url) if kind == "redis" else PostgresSessionStorage(dsn=url, table=table)
    storage.timeout = 30.0
    backend = ServerSide(storage, Lifetimes(600, 600), 10**6)
    await asyncio.gather(move(storage, seed), *(change(backend, one) for one in ids))

asyncio.run(run(*sys.argv[1:]))
"""


@pytest.fixture(params=["redis", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{kind}_url"))


@asynccontextmanager
async def opened(kind: str, url: str) -> AsyncIterator[SessionStorage]:
    storage: AsyncRedisSessionStorage | PostgresSessionStorage
    if kind == "redis":
        storage = AsyncRedisSessionStorage(url=url)
    else:
        storage = PostgresSessionStorage(dsn=url, table=TABLE, create_table=True)
    storage.timeout = 30.0  # type: ignore[misc]  # a slow machine is not what is tested here
    try:
        yield storage
    finally:
        await storage.close()


async def test_every_session_is_as_before_or_as_after(kind: str, url: str) -> None:
    async with opened(kind, url) as storage:
        backend = ServerSide(storage, Lifetimes(600, 600), MAX_RECORD)
        ids = [
            str(await backend.save(Session({"number": 0, "filling": [0] * 2000, "again": 0}))) for _ in range(SESSIONS)
        ]
        seed, position = new_id(), 0
        await storage.create(moved(seed, 0), b'{"created":1.0,"data":{"number":0}}', time.time() + 600)
        for _ in range(3):
            writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, kind, url, TABLE, seed, *ids])
            try:
                before = await numbers(backend, ids)
                deadline = time.monotonic() + 60
                while await storage.read(moved(seed, 0)) is not None or any(
                    now <= then for now, then in zip(await numbers(backend, ids), before, strict=True)
                ):
                    assert writer.poll() is None
                    assert time.monotonic() < deadline
            finally:
                writer.kill()
                assert writer.wait() == -signal.SIGKILL
            after = await numbers(backend, ids)
            assert all(now > then for now, then in zip(after, before, strict=True))
            position = await last_of(storage, seed, position)
        assert position > 0
        # Nothing of the dead is in the way: each session can be written, at once.
        sessions = [await backend.load(one) for one in ids]
        for session in sessions:
            session["number"] = session["again"] = -1
        assert await asyncio.wait_for(asyncio.gather(*map(backend.save, sessions)), 30) == [None] * SESSIONS
        assert {(await backend.load(one))["number"] for one in ids} == {-1}
        for one in ids:
            assert await storage.delete(sha256(one.encode()).hexdigest())
        assert await storage.delete(moved(seed, position))
        if isinstance(storage, PostgresSessionStorage):
            await storage._pool.execute(f"DROP TABLE {TABLE}")


async def numbers(backend: ServerSide, ids: list[str]) -> list[int]:
    """What each session counted to; every one is whole."""
    sessions = await asyncio.gather(*map(backend.load, ids))
    for session in sessions:
        number = session["number"]
        assert session["again"] == number
        assert session["filling"] == [number] * 2000
    return [session["number"] for session in sessions]


def moved(seed: str, number: int) -> str:
    return sha256(f"{seed}{number}".encode()).hexdigest()


async def last_of(storage: SessionStorage, seed: str, position: int) -> int:
    """Where the record that moves is now. It is at one place; a copy that nobody could know yet may be at the next."""
    while (record := await storage.read(moved(seed, position))) is None:
        position += 1
        assert position < 1_000_000
    envelope = decode(record.data)
    assert envelope is not None
    assert envelope.data == {"number": position}
    await storage.delete(moved(seed, position + 1))
    assert await storage.read(moved(seed, position + 2)) is None
    return position
