"""The pipe that bounds a stream."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from gobstopper_http import pipe
from gobstopper_http.errors import ClientDisconnected
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
    with PipeSink(5) as sink:
        reader = Reader(sink.path)
        for number in range(20):
            await sink.write(bytes([number]) * 100_000)
        await sink.drain()
    await asyncio.to_thread(reader.join)
    assert reader.data == b"".join(bytes([number]) * 100_000 for number in range(20))
    assert descriptors() == before


async def test_a_reader_that_opens_late_gets_all() -> None:
    with PipeSink(5) as sink:
        reader = Reader(sink.path, delay=0.1)
        await sink.write(b"abc")
        await sink.drain()
    await asyncio.to_thread(reader.join)
    assert reader.data == b"abc"


async def test_a_stream_that_fails_at_once_waits_for_its_reader() -> None:
    """The number of a closed descriptor may belong to another file by the time it is opened."""
    before = descriptors()
    with pytest.raises(ValueError), PipeSink(5) as sink:
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
    with PipeSink(5) as sink:
        await sink.write(b"abc")
    assert descriptors() == before + 2
    async with asyncio.timeout(5):
        while descriptors() > before:
            await asyncio.sleep(0.01)


async def test_a_reader_that_leaves() -> None:
    with PipeSink(5) as sink:
        reader = Reader(sink.path, limit=1)
        with pytest.raises(ClientDisconnected, match="has gone"):
            for _ in range(1000):
                await sink.write(b"x" * 10_000)
        await asyncio.to_thread(reader.join)


async def test_a_reader_that_leaves_a_slow_stream() -> None:
    """What it has read between two writes tells that it has opened the pipe."""
    with PipeSink(5) as sink:
        reader = Reader(sink.path, limit=1)
        await sink.write(b"x")
        await asyncio.to_thread(reader.join)
        with pytest.raises(ClientDisconnected, match="has gone"):
            await sink.write(b"x")


async def test_a_reader_that_stalls() -> None:
    """Noticed up to one tick of the clock after the idle time."""
    before = descriptors()
    with PipeSink(0.2) as sink:
        opened = os.open(sink.path, os.O_RDONLY)
        os.set_blocking(opened, False)
        await sink.write(b"x" * 10)
        os.read(opened, 10)
        with pytest.raises(ClientDisconnected, match=r"took nothing for 0\.2 seconds"):
            await sink.write(b"x" * 1_000_000)
        os.close(opened)
    assert descriptors() == before


async def test_nobody_reads() -> None:
    with PipeSink(0.1) as sink:
        await sink.write(b"x")
        with pytest.raises(ClientDisconnected, match="nobody read"):
            await sink.drain()


async def test_nothing_written() -> None:
    before = descriptors()
    with PipeSink(1) as sink:
        await sink.drain()
    assert descriptors() == before


async def test_a_cancellation_goes_through() -> None:
    with PipeSink(5) as sink:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await sink.write(b"x" * 1_000_000)
        reader = Reader(sink.path)
    await asyncio.to_thread(reader.join)
    assert len(reader.data) < 1_000_000


async def test_their_number_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "_MOST", PipeSink._open + 1)
    assert PipeSink.is_free()
    with PipeSink(1):
        assert not PipeSink.is_free()
    assert PipeSink.is_free()
