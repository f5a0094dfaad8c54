"""What a handler may return."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gobstopper_http.convert import UnsupportedReturnError, make_response
from gobstopper_http.datastructures import Headers
from gobstopper_http.response import HTMLResponse, Response
from gobstopper_http.streaming import StreamingResponse


def numbers() -> Iterator[str]:
    yield "1"


async def more() -> AsyncIterator[str]:
    yield "1"


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("x", 200, "text/html; charset=utf-8", b"x"),
        ("", 200, "text/html; charset=utf-8", b""),
        (b"x", 200, "application/octet-stream", b"x"),
        (bytearray(b"x"), 200, "application/octet-stream", b"x"),
        (memoryview(b"x"), 200, "application/octet-stream", b"x"),
        (None, 204, None, b""),
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([], 200, "application/json", b"[]"),
        (("x", 201), 201, "text/html; charset=utf-8", b"x"),
        ((None, 404), 404, None, b""),
        (({"a": 1}, 422), 422, "application/json", b'{"a":1}'),
        (("x", 201, {"Content-Type": "text/csv"}), 201, "text/csv", b"x"),
        (("x", 201, [("content-type", "text/csv")]), 201, "text/csv", b"x"),
        (("x", 201, Headers({"content-type": "text/csv"})), 201, "text/csv", b"x"),
        (("x", 201, None), 201, "text/html; charset=utf-8", b"x"),
        (("x", {"x-a": "b"}), 200, "text/html; charset=utf-8", b"x"),
        ((HTMLResponse("x"), 404), 404, "text/html; charset=utf-8", b"x"),
    ],
)
def test_table(value: Any, status: int, content_type: str | None, body: bytes) -> None:
    response = make_response(value)
    assert (response.status, response.content_type, response.body) == (status, content_type, body)


def test_a_response_is_itself() -> None:
    response = Response(b"x")
    assert make_response(response) is response
    assert make_response((response, {"x-a": "b"})) is response
    assert response.headers["x-a"] == "b"


def test_streams() -> None:
    for value in (numbers(), more(), iter([b"x"])):
        assert isinstance(make_response(value), StreamingResponse)
    response = make_response((numbers(), 201))
    assert isinstance(response, StreamingResponse)
    assert response.status == 201


Pair = namedtuple("Pair", "a b")  # noqa: PYI024


@pytest.mark.parametrize(
    "value",
    [1, True, 1.5, {1}, object(), int, (), ("x",), ("x", "200"), ("x", True), ("x", 200, {}, 1), ("x", 200, 1),
     (("x", 200), 200), range(3), Pair("a", 200), ValueError("x"), len],
)  # fmt: skip
def test_nonsense(value: Any) -> None:
    with pytest.raises(UnsupportedReturnError, match="is no answer"):
        make_response(value)


def test_headers_are_checked() -> None:
    with pytest.raises(ValueError, match="x-a"):
        make_response(("x", 200, {"x-a": "a\r\nb"}))


def test_shared_headers_stay_as_they_are() -> None:
    make_response(("x", {"x-a": "b"}))
    make_response((None, {"x-a": "b"}))
    assert make_response("x").headers.raw == [("content-type", "text/html; charset=utf-8")]
    assert make_response(None).headers.raw == []
