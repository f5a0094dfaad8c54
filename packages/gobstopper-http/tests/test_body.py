"""Reading a body: limits in bytes and in time, cut-off told from complete, JSON that is none or too deep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import deadlines
from gobstopper_http.body import decode_json
from gobstopper_http.connection import RouteInfo
from gobstopper_http.deadlines import Deadlines, deadlines_of
from gobstopper_http.errors import BodyConsumedError, BodyTimeout, HTTPException, IncompleteBody
from gobstopper_http.limits import Limits
from gobstopper_http.request import Request
from gobstopper_http.testing import Disconnect, TestClient

LIMITS = Limits(body=100_000, body_idle=0.2)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "TICK", 0.02)


class Served:
    """Runs `handler` for each request, and keeps what it returned or raised."""

    def __init__(self, handler: Callable[[Request], Awaitable[Any]], limits: Limits = LIMITS, *, watched: bool = False):
        self.handler = handler
        self.limits = limits
        self.watched = watched
        self.outcome: Any = None

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        clock: Deadlines | None = None
        task = asyncio.current_task()
        assert task is not None
        if self.watched:  # as an application does
            clock = deadlines_of(asyncio.get_running_loop())
            clock.start()
            clock.entries[task] = request
        request.route = RouteInfo(self.limits, clock=clock)
        try:
            self.outcome = await self.handler(request)
        except Exception as error:
            self.outcome = error
        finally:
            if clock is not None:
                del clock.entries[task]
        proto.response_empty(204, [])


async def read(request: Request) -> bytes:
    return await request.body()


async def stream(request: Request) -> list[bytes]:
    return [chunk async for chunk in request.stream()]


def ask(served: Served, content: Any, **options: Any) -> Any:
    with TestClient(served) as client:
        try:
            client.post("/", content=content, **options)
        except Exception:  # a client that broke off gets no answer
            client.settle()
    return served.outcome


def pieces(*chunks: bytes, cut: bool = False, pause: float = 0.0) -> Iterator[bytes]:
    for chunk in chunks:
        time.sleep(pause)
        yield chunk
    if cut:
        raise Disconnect


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 65_536, b"x" * 65_537, b"x" * 100_000])
@pytest.mark.parametrize("reader", [read, stream])
@pytest.mark.parametrize("watched", [False, True])
def test_complete(body: bytes, reader: Any, watched: bool) -> None:
    for content in (body, pieces(body), pieces(body[:1], body[1:])):
        outcome = ask(Served(reader, watched=watched), content)
        assert (outcome if isinstance(outcome, bytes) else b"".join(outcome)) == body


def test_it_is_kept() -> None:
    async def twice(request: Request) -> list[bytes]:
        return [await request.body(), await request.body(), (await request.text()).encode()]

    assert ask(Served(twice), b"x") == [b"x"] * 3


@pytest.mark.parametrize("content", [b"x" * 100_001, lambda: pieces(b"x" * 60_000, b"x" * 60_000)])
def test_too_large(content: Any) -> None:
    outcome = ask(Served(read), content() if callable(content) else content)
    assert isinstance(outcome, HTTPException)
    assert (outcome.status, outcome.extensions) == (413, {"limit": 100_000})


def test_a_claim_is_enough_to_refuse_and_not_enough_to_trust() -> None:
    assert ask(Served(read), b"x", headers={"content-length": "100001"}).status == 413


def test_a_stream_is_as_long_as_it_is() -> None:
    assert sum(map(len, ask(Served(stream), b"x" * 500_000))) == 500_000


@pytest.mark.parametrize("reader", [read, stream])
@pytest.mark.parametrize("length", [None, 50, 70_000])
def test_cut_off(reader: Any, length: int | None) -> None:
    headers = {} if length is None else {"content-length": str(length)}
    outcome = ask(Served(reader), pieces(b"x" * 10, cut=True), headers=headers)
    assert isinstance(outcome, IncompleteBody)


def test_a_short_body_that_claims_to_be_longer() -> None:
    """The server hands a cut-off body over as an error; one that is merely short is found by counting."""

    class Proto:
        def __call__(self) -> Awaitable[bytes]:
            return asyncio.sleep(0, b"xx")

    class Scope:
        headers = {"content-length": "3"}  # noqa: RUF012

    async def main() -> None:
        with pytest.raises(IncompleteBody):
            await Request(Scope(), Proto(), "POST", "/").body()

    asyncio.run(main())


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "", "٣", "1" * 20])
def test_a_length_that_is_none(value: str) -> None:
    class Scope:
        headers = {"content-length": value}  # noqa: RUF012

    with pytest.raises(HTTPException, match="not a number"):
        _ = Request(Scope(), None, "POST", "/").content_length


@pytest.mark.parametrize("reader", [read, stream])
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("length", [None, 50, 70_000])
def test_late(reader: Any, watched: bool, length: int | None) -> None:
    headers = {} if length is None else {"content-length": str(length)}
    outcome = ask(Served(reader, watched=watched), pieces(b"x", b"x", pause=0.6), headers=headers)
    assert isinstance(outcome, BodyTimeout)
    assert (outcome.status, outcome.headers) == (408, {"Connection": "close"})


def test_late_in_a_child_task() -> None:
    """The handler's own task is not cancelled for what a child of it waits for."""

    async def handler(request: Request) -> Any:
        return await asyncio.gather(request.body(), return_exceptions=True)

    (outcome,) = ask(Served(handler, watched=True), pieces(b"x", pause=0.6))
    assert isinstance(outcome, BodyTimeout)


def test_the_handlers_own_deadline_comes_first() -> None:
    async def handler(request: Request) -> Any:
        request.deadline = asyncio.get_running_loop().time() + 0.1
        try:
            await request.body()
        except asyncio.CancelledError:
            return "cancelled"

    assert ask(Served(handler, Limits(body_idle=60), watched=True), pieces(b"x", pause=0.6)) == "cancelled"


def test_a_cancellation_from_elsewhere_goes_through() -> None:
    async def handler(request: Request) -> Any:
        try:
            async with asyncio.timeout(0.05):
                await request.body()
        except TimeoutError as error:
            return error

    for watched in (False, True):
        outcome = ask(Served(handler, Limits(body_idle=60), watched=watched), pieces(b"x", pause=0.5))
        assert type(outcome) is TimeoutError


def test_taken_twice() -> None:
    async def handler(request: Request) -> Any:
        await stream(request)
        with pytest.raises(BodyConsumedError):
            await request.body()
        with pytest.raises(BodyConsumedError):
            await stream(request)
        return "fine"

    assert ask(Served(handler), b"x") == "fine"


def test_another_error_of_the_server_goes_through() -> None:
    class Proto:
        def __call__(self) -> Awaitable[bytes]:
            async def fail() -> bytes:
                raise RuntimeError("something else")

            return fail()

    class Scope:
        headers = {"content-length": "3"}  # noqa: RUF012

    async def main() -> None:
        with pytest.raises(RuntimeError, match="something else"):
            await Request(Scope(), Proto(), "POST", "/").body()

    asyncio.run(main())


def test_a_stream_that_is_left_early_is_closed() -> None:
    async def handler(request: Request) -> Any:
        chunks = request.stream()
        assert isinstance(chunks, AsyncIterator)
        first = await anext(chunks)
        await chunks.aclose()
        return first

    assert ask(Served(handler), pieces(b"one", b"two")) == b"one"


# JSON


def test_json() -> None:
    assert decode_json(b'{"a": [1, 2.5, null, "\\u00e9"]}', None, 64) == {"a": [1, 2.5, None, "é"]}
    assert decode_json(b"[1, 2]", list[int], 64) == [1, 2]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"nul", b"\xff", b'"\xff"', b"[1,]", b"NaN", b"{}x", b'"\\ud800"', b"[}", b'["a]', b"\\[]"]
)
def test_json_that_is_none(data: bytes) -> None:
    with pytest.raises(HTTPException, match="not valid JSON") as raised:
        decode_json(data, None, 64)
    assert raised.value.status == 400


def test_json_of_another_shape() -> None:
    with pytest.raises(HTTPException) as raised:
        decode_json(b'[1, "x"]', list[int], 64)
    assert raised.value.status == 422
    assert "$[1]" in raised.value.detail


@pytest.mark.parametrize(
    "data",
    [b"[" * 9, b'{"a":' * 5, b"[" * 5 + b"]" * 5, b'[{"a":[{"b":[1]}]}]', b"[]," * 9 + b"[[[[[", b"[[]],[[[[[]]]]]"],
)
def test_too_deep(data: bytes) -> None:
    with pytest.raises(HTTPException, match="deeper than 4 levels") as raised:
        decode_json(data, None, 4)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "data", [b'"[[[[[["', b'["[[", "\\"[[[", "\\\\", "[["]', b"[" + b"[]," * 100 + b"1]", b"[[[[1]]]]"]
)
def test_not_too_deep(data: bytes) -> None:
    assert decode_json(data, None, 4) is not None


NESTED = st.recursive(
    st.none() | st.text(alphabet='[]{}"\\a', max_size=5) | st.integers(0, 9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[]{}"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(NESTED, st.integers(0, 8))
def test_depth_is_counted_exactly(value: Any, limit: int) -> None:
    data = msgspec.json.encode(value)
    if depth_of(value) > limit:
        with pytest.raises(HTTPException, match="deeper"):
            decode_json(data, None, limit)
    else:
        assert decode_json(data, None, limit) == value


@given(st.binary(max_size=60) | st.text(alphabet='[]{}"\\,:1 a', max_size=60).map(str.encode))
def test_any_bytes_are_json_or_a_client_error(data: bytes) -> None:
    try:
        decode_json(data, None, 3)
    except HTTPException as error:
        assert error.status in {400, 422}


@pytest.mark.parametrize("pattern", [b"[", b"[{", b"[]", b'"', b'["\\\\', b"[" * 63 + b"]" * 63 + b","])
def test_the_cost_of_a_depth_check_is_linear(pattern: bytes) -> None:
    def cost(size: int) -> float:
        data = pattern * (size // len(pattern))
        began = time.process_time()
        with pytest.raises(HTTPException):
            decode_json(data, None, 64)
        return time.process_time() - began

    small = min(cost(100_000) for _ in range(3))
    assert min(cost(800_000) for _ in range(3)) < max(small, 0.001) * 32
