"""The adapter: statuses, the word for a peer that has gone, bodies that end early."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest

from gobstopper_http.rsgi import RSGIApplication, check_status, is_closed, iter_chunks
from gobstopper_http.testing import RSGIProtocolClosed, RSGIProtocolError


@pytest.mark.parametrize("status", [200, 404, 599, HTTPStatus.OK])
def test_final_statuses(status: int) -> None:
    check_status(status)


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 101, 199, 600, 999, 1000, 10**30, True])
def test_statuses_that_are_not(status: int) -> None:
    with pytest.raises(ValueError, match="not a final status"):
        check_status(status)


@pytest.mark.parametrize("status", ["200", None, 200.0, b"200"])
def test_what_is_no_status(status: Any) -> None:
    with pytest.raises(TypeError, match="is an int"):
        check_status(status)


def test_closed_is_told_by_its_name() -> None:
    assert is_closed(RSGIProtocolClosed("x"))
    assert not is_closed(RSGIProtocolError("x"))
    assert not is_closed(RuntimeError("RSGIProtocolClosed"))


def test_applications() -> None:
    class App:
        async def __rsgi__(self, scope: Any, proto: Any) -> None: ...

    assert isinstance(App(), RSGIApplication)
    assert not isinstance(object(), RSGIApplication)


class Body:
    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


async def at_ease(chunk: Any) -> Any:
    """Waits for as long as it takes."""
    return await chunk


@pytest.mark.parametrize(
    ("chunks", "length", "strict", "complete"),
    [
        ((b"a", b"b", b""), None, True, True),
        ((b"",), None, True, True),
        ((), None, True, True),
        ((b"a", b"", b""), None, True, False),
        ((b"", b""), None, True, False),
        ((b"a", b"", b"b", b""), None, True, True),  # an empty chunk in between is no end
        ((b"a", b"", b""), None, False, True),
        ((b"a", b"b", b""), 2, True, True),
        ((b"a", b"", b""), 2, True, False),
        ((b"a", b""), 2, False, False),
        ((b"a", b"b", b"", b""), 2, True, True),
        ((b"abc", b""), 2, True, False),
    ],
)
async def test_chunks(chunks: tuple[bytes, ...], length: int | None, strict: bool, complete: bool) -> None:
    received = []
    try:
        async for chunk in iter_chunks(Body(*chunks), length=length, strict=strict, wait=at_ease):
            received.append(chunk)  # noqa: PERF401 - what came before the error counts
    except EOFError:
        assert not complete
    else:
        assert complete
    assert received == [chunk for chunk in chunks if chunk]
