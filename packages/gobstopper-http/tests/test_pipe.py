"""The pipe that bounds a stream."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from gobstopper_http import pipe
from gobstopper_http.errors import ClientDisconnected, HTTPException
from gobstopper_http.pipe import PipeSink

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/fd is Linux's")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Reader(threading.Thread):
    """Opens the pipe by its path and reads it to its end, as the server does."""

    def __init__(self, path: str, *, delay: float = 0.0, limit: int | None = None) -> None:
        super().__init__()
        self.path, self.delay, self.limit = path, threading.Event(), limit
        self.wait = delay
        self.data = b""
        self.start()

    def run(self) -> None:
        self.delay.wait(self.wait)
        with Path(self.path).open("rb", buffering=0) as file:
            while chunk := file.read(65536):
                self.data += chunk
                if self.limit is not None and len(self.data) >= self.limit:
                    return


async def test_more_than_it_holds() -> None:
    before = descriptors()
    async with PipeSink(5) as sink:
        reader = Reader(sink.path)
        for number in range(20):
            await sink.write(bytes([number]) * 100_000)
        await sink.drain()
    await asyncio.to_thread(reader.join)
    assert reader.data == b"".join(bytes([number]) * 100_000 for number in range(20))
    assert descriptors() == before


async def test_a_reader_that_opens_late_gets_all() -> None:
    async with PipeSink(5) as sink:
        reader = Reader(sink.path, delay=0.1)
        await sink.write(b"abc")
        await sink.drain()
    await asyncio.to_thread(reader.join)
    assert reader.data == b"abc"


async def test_a_stream_that_fails_at_once_waits_for_its_reader() -> None:
    """The number of a closed descriptor may belong to another file by the time it is opened."""
    before = descriptors()
    with pytest.raises(ValueError):
        async with PipeSink(5) as sink:
            reader = Reader(sink.path, delay=0.1)
            await sink.write(b"abc")
            raise ValueError
    assert Path(sink.path).exists()
    await asyncio.to_thread(reader.join)
    assert reader.data == b"abc"
    while descriptors() > before:
        await asyncio.sleep(0.01)


async def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "_LINGER", 0.05)
    before = descriptors()
    async with PipeSink(5) as sink:
        await sink.write(b"abc")
    assert descriptors() == before + 2
    async with asyncio.timeout(5):
        while descriptors() > before:
            await asyncio.sleep(0.01)


async def test_a_reader_that_leaves() -> None:
    async with PipeSink(5) as sink:
        reader = Reader(sink.path, limit=1)
        with pytest.raises(ClientDisconnected, match="has gone"):
            for _ in range(1000):
                await sink.write(b"x" * 10_000)
        await asyncio.to_thread(reader.join)


async def test_a_reader_that_leaves_a_slow_stream() -> None:
    """What it has read between two writes tells that it has opened the pipe."""
    async with PipeSink(5) as sink:
        reader = Reader(sink.path, limit=1)
        await sink.write(b"x")
        await asyncio.to_thread(reader.join)
        with pytest.raises(ClientDisconnected, match="has gone"):
            await sink.write(b"x")


async def test_a_reader_that_stalls() -> None:
    """Noticed up to one tick of the clock after the idle time."""
    before = descriptors()
    async with PipeSink(0.2) as sink:
        opened = os.open(sink.path, os.O_RDONLY)
        os.set_blocking(opened, False)
        await sink.write(b"x" * 10)
        os.read(opened, 10)
        with pytest.raises(ClientDisconnected, match=r"took nothing for 0\.2 seconds"):
            await sink.write(b"x" * 1_000_000)
        os.close(opened)
    assert descriptors() == before


async def test_nobody_reads() -> None:
    async with PipeSink(0.1) as sink:
        await sink.write(b"x")
        with pytest.raises(ClientDisconnected, match="nobody read"):
            await sink.drain()


async def test_nothing_written() -> None:
    before = descriptors()
    async with PipeSink(1) as sink:
        await sink.drain()
    assert descriptors() == before


async def test_a_cancellation_goes_through() -> None:
    async with PipeSink(5) as sink:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await sink.write(b"x" * 1_000_000)
        reader = Reader(sink.path)
    await asyncio.to_thread(reader.join)
    assert len(reader.data) < 1_000_000


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two more, and two who wait."""
    monkeypatch.setattr(PipeSink, "_open", 0)  # the loop of an earlier test may have ended before the last look
    monkeypatch.setattr(pipe, "_MOST", 2)


async def hold(seconds: float = 0.0) -> float:
    async with PipeSink(5):
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        return began


@pytest.mark.usefixtures("few")
async def test_others_wait_for_their_turn() -> None:
    began = await asyncio.gather(*(hold(0.1) for _ in range(4)))
    assert began == sorted(began)
    assert began[2] - began[0] > 0.08
    assert PipeSink._open == 0


@pytest.mark.usefixtures("few")
async def test_who_waits_too_long_or_behind_too_many_is_answered() -> None:
    async def impatient(idle: float) -> None:
        async with PipeSink(idle):
            raise AssertionError

    async with PipeSink(5), PipeSink(5):
        waiting = [asyncio.create_task(impatient(0.2)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as at_once:
            await impatient(60)
        assert not any(task.done() for task in waiting)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    for error in (at_once.value, *outcomes):
        assert isinstance(error, HTTPException)
        assert (error.status, error.headers) == (503, {"Retry-After": "1"})
    assert (PipeSink._open, len(PipeSink._waiting)) == (0, 0)


@pytest.mark.usefixtures("few")
async def test_who_leaves_while_waiting_hands_on() -> None:
    async with PipeSink(5):
        async with PipeSink(5):
            before = asyncio.create_task(hold())
            await asyncio.sleep(0)
            after = asyncio.create_task(hold())
            await asyncio.sleep(0)
            before.cancel()  # while it waits
        assert await asyncio.wait_for(after, 5) > 0
        async with PipeSink(5):
            given = asyncio.create_task(hold())
            await asyncio.sleep(0)
            after = asyncio.create_task(hold())
            await asyncio.sleep(0)
        given.cancel()  # it is its turn, and it has not heard of it yet
        assert await asyncio.wait_for(after, 5) > 0
    assert (PipeSink._open, len(PipeSink._waiting)) == (0, 0)


@pytest.mark.usefixtures("few")
async def test_no_descriptor_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as context:
        context.setattr("gobstopper_http.pipe.os.pipe", pipe)
        for _ in range(3):
            with pytest.raises(OSError, match="Too many"):
                await hold()
    await hold()
