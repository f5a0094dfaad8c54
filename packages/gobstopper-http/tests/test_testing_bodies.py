"""A body on its way to the client of the fake server: its declared length, and who waits for whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gobstopper_http.testing import ConnectionLost
from gobstopper_http.testing.bodies import ResponseBody


async def test_a_declared_length_counts_for_what_was_sent_before_it_was_known() -> None:
    body = ResponseBody()
    body.put(b"abc")
    body.put(b"def")
    assert body.queued == 6
    body.limit(4)
    assert (body.queued, body.open) == (4, False)
    assert [await body.get() for _ in range(3)] == [b"abc", b"d", b""]
    assert body.queued == 0


async def test_a_declared_length_of_nothing_ends_at_once() -> None:
    body = ResponseBody()
    body.limit(0)
    assert not body.open
    assert await body.get() == b""


async def test_a_body_that_is_short_of_its_length_is_a_lost_connection_after_what_came() -> None:
    body = ResponseBody()
    body.limit(4)
    body.put(b"ab")
    assert (body.queued, body.open) == (2, True)
    body.close()
    assert await body.get() == b"ab"
    with pytest.raises(ConnectionLost, match="2 bytes before its Content-Length"):
        await body.get()


@pytest.mark.parametrize(
    ("act", "got"),
    [
        (lambda body: body.put(b"x"), b"x"),
        (lambda body: body.close(), b""),
        (lambda body: body.discard(), b""),
        (lambda body: body.abandon(), b""),
        (lambda body: body.limit(0), b""),
    ],
)
async def test_who_waits_for_the_next_bytes_is_woken(act: Any, got: bytes) -> None:
    body = ResponseBody()
    waiting = asyncio.ensure_future(body.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    act(body)
    assert await asyncio.wait_for(waiting, 5) == got


async def test_who_waits_for_the_reader_is_woken_when_something_is_taken() -> None:
    body = ResponseBody()
    body.put(b"x")
    waiting = asyncio.ensure_future(body.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await body.get() == b"x"
    await asyncio.wait_for(waiting, 5)


async def test_who_waits_for_the_reader_is_woken_when_nobody_reads_any_more() -> None:
    body = ResponseBody()
    body.put(b"x")
    waiting = asyncio.ensure_future(body.drained())
    await asyncio.sleep(0)
    body.abandon()
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(body.drained(), 5)
    assert not body.open


async def test_a_body_ends_with_the_last_byte_of_its_length() -> None:
    body = ResponseBody()
    body.limit(4)
    body.put(b"abc")
    assert body.open
    body.put(b"def")
    assert not body.open
    assert [await body.get() for _ in range(3)] == [b"abc", b"d", b""]
