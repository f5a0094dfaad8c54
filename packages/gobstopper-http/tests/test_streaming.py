"""Streams: what may be streamed, errors before and after the first chunk, clients that leave, HEAD, draining."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import io
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from gobstopper_http.connection import RouteInfo
from gobstopper_http.errors import AlreadyAnsweredError, ClientDisconnected
from gobstopper_http.interrupt import drain_of
from gobstopper_http.limits import Limits
from gobstopper_http.request import Request
from gobstopper_http.response import Response
from gobstopper_http.sse import EventStream
from gobstopper_http.streaming import StreamingResponse
from gobstopper_http.testing import RSGIProtocolClosed, TestClient

# How a stream goes out: beside the connection, through a pipe (HTTP/2), or unbounded.
WAYS = {"paced": ("1.1", True), "piped": ("2", True), "plain": ("1.1", False)}


class Served:
    """Sends what `make` makes, and keeps what that raised."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.errors: list[BaseException] = []
        self.requests: list[Request] = []

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        request.route = RouteInfo(Limits(stream_idle=0.5))
        self.requests.append(request)
        response = self.make()
        if isinstance(response, Awaitable):
            response = await response
        try:
            await response.send(request)
        except BaseException as error:
            self.errors.append(error)
            if not request.answered:
                Response(b"error", 500).send_now(request)


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> tuple[str, bool]:
    return WAYS[request.param]


async def letters(*chunks: Any, closed: list[str] | None = None, pause: float = 0.0) -> AsyncIterator[Any]:
    try:
        for chunk in chunks:
            await asyncio.sleep(pause)
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        if closed is not None:
            closed.append("closed")


def plain_letters(*chunks: Any, closed: list[str] | None = None) -> Iterator[Any]:
    try:
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        if closed is not None:
            closed.append("closed")


class Source:
    """Counts how often it is asked for a chunk, and tells that it was closed even if it never was."""

    def __init__(self, chunks: list[str], closed: list[str]) -> None:
        self.chunks = chunks
        self.closed = closed
        self.asked = 0

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        self.asked += 1
        if not self.chunks:
            raise StopAsyncIteration
        return self.chunks.pop(0)

    async def aclose(self) -> None:
        self.closed.append("closed")


@pytest.mark.parametrize("source", [letters, plain_letters, lambda *chunks: list(chunks), lambda *chunks: iter(chunks)])
@pytest.mark.parametrize(
    ("chunks", "content_type", "body"),
    [
        (("a", "é"), "text/html; charset=utf-8", "aé".encode()),
        ((b"a", "b"), "application/octet-stream", b"ab"),
        ((bytearray(b"a"), memoryview(b"b")), "application/octet-stream", b"ab"),
        ((b"", "", b"a", b""), "application/octet-stream", b"a"),
        ((), None, b""),
        ((b"", b""), None, b""),
        ((b"x" * 300_000,) * 4, "application/octet-stream", b"x" * 1_200_000),
    ],
)
def test_complete(way: tuple[str, bool], source: Any, chunks: Any, content_type: str | None, body: bytes) -> None:
    served = Served(lambda: StreamingResponse(source(*chunks), bounded=way[1]))
    with TestClient(served, http_version=way[0]) as client:
        answer = client.get("/")
    assert (answer.status, answer.content, answer.headers.get("content-type")) == (200, body, content_type)
    assert served.errors == []


def test_status_headers_and_type() -> None:
    served = Served(lambda: StreamingResponse([b"a"], 201, {"x-a": "b"}, "text/csv"))
    with TestClient(served) as client:
        answer = client.get("/")
    assert (answer.status, answer.headers["x-a"], answer.headers["content-type"]) == (201, "b", "text/csv")


@pytest.mark.parametrize("content", ["text", b"bytes", 5, None, object()])
def test_what_is_no_stream(content: Any) -> None:
    with pytest.raises(TypeError, match="a stream needs an iterable"):
        StreamingResponse(content)


def test_send_now_is_for_others() -> None:
    with pytest.raises(RuntimeError, match="await response"):
        StreamingResponse([]).send_now(None)


@pytest.mark.parametrize("source", [letters, plain_letters])
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), asyncio.CancelledError()])
def test_an_error_before_the_first_chunk(way: tuple[str, bool], source: Any, error: BaseException) -> None:
    closed: list[str] = []
    served = Served(lambda: StreamingResponse(source(b"", error, closed=closed), bounded=way[1]))
    with TestClient(served, http_version=way[0]) as client:
        assert client.get("/").status == 500
    assert [type(one) for one in served.errors] == [type(error)]
    assert closed == ["closed"]


@pytest.mark.parametrize("source", [letters, plain_letters])
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), RuntimeError("x")])
def test_an_error_after_the_first_chunk(way: tuple[str, bool], source: Any, error: BaseException) -> None:
    """Through a pipe the server has to have opened it before it is closed: it would answer 404 otherwise."""
    closed: list[str] = []
    served = Served(lambda: StreamingResponse(source(b"a", error, closed=closed), bounded=way[1]))
    with TestClient(served, http_version=way[0]) as client:
        answer = client.get("/")
        assert (answer.status, answer.content) == (200, b"a")
        client.settle()
    assert [type(one) for one in served.errors] == [type(error)]
    assert closed == ["closed"]


@pytest.mark.parametrize("chunk", [7, None, ["a"], object()])
def test_chunks_that_are_none(chunk: Any) -> None:
    served = Served(lambda: StreamingResponse(letters(b"a", chunk, b"b")))
    with TestClient(served) as client:
        answer = client.get("/")
    if chunk is None:  # empty
        assert answer.content == b"ab"
    else:
        assert answer.content == b"a"
        assert "a stream yields bytes or str" in str(served.errors[0])


def test_a_bad_status_is_found_before_the_answer() -> None:
    served = Served(lambda: StreamingResponse([b"a"], 99))
    with TestClient(served) as client:
        assert client.get("/").status == 500


def test_twice() -> None:
    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        Response(b"first").send_now(request)
        with pytest.raises(AlreadyAnsweredError):
            await StreamingResponse([b"second"]).send(request)

    with TestClient(app) as client:
        assert client.get("/").text == "first"


@pytest.mark.parametrize("content", ["generator", "asynchronous", "file", "list"])
def test_head_closes_the_source_and_runs_nothing(content: str) -> None:
    ran: list[str] = []
    file = io.BytesIO(b"abc")

    async def more() -> AsyncIterator[bytes]:
        ran.append("ran")
        yield b"x"

    def some() -> Iterator[bytes]:
        ran.append("ran")
        yield b"x"

    sources: dict[str, Any] = {"generator": some(), "asynchronous": more(), "file": file, "list": [b"x"]}
    served = Served(lambda: StreamingResponse(sources[content], 201, {"x-a": "b"}))
    with TestClient(served) as client:
        answer = client.head("/")
    assert (answer.status, answer.headers["x-a"], answer.content) == (201, "b", b"")
    assert ran == []
    assert file.closed is (content == "file")


@pytest.mark.parametrize("source", ["asynchronous", "plain"])
def test_a_client_that_leaves_closes_the_source(way: tuple[str, bool], source: str) -> None:
    closed = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.02)
        finally:
            closed.set()

    def plain() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
                time.sleep(0.02)
        finally:
            closed.set()

    served = Served(lambda: StreamingResponse(endless() if source == "asynchronous" else plain(), bounded=way[1]))
    with TestClient(served, http_version=way[0]) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes())
        client.settle()
        assert closed.wait(5)
    assert served.errors == []


def test_a_client_that_leaves_a_silent_stream() -> None:
    closed: list[str] = []

    async def silent() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            closed.append("closed")

    with TestClient(Served(lambda: StreamingResponse(silent()))) as client:
        with client.stream("GET", "/") as stream:
            assert next(stream.iter_bytes()) == b"x"
        client.settle()
    assert closed == ["closed"]


def test_the_servers_word_for_a_closed_stream_ends_it_quietly() -> None:
    class Transport:
        async def send_bytes(self, data: bytes) -> None:
            raise RSGIProtocolClosed("RSGI transport is closed")

    class Proto:
        def client_disconnect(self) -> Awaitable[None]:
            return asyncio.Event().wait()  # type: ignore[return-value]

        def response_stream(self, status: int, headers: Any) -> Transport:
            return Transport()

    class Scope:
        http_version, client, server = "1.1", "unix:", "unix:"

    class NoPipe(StreamingResponse):
        may_pipe = False

    async def main() -> None:
        closed: list[str] = []
        for bounded in (True, False):
            response = NoPipe(letters(b"a", b"b", closed=closed), bounded=bounded)
            await response.send(Request(Scope(), Proto(), "GET", "/"))
        assert closed == ["closed", "closed"]

    asyncio.run(main())


def test_every_chunk_counts_for_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one too: it may be all there is, and large."""
    sizes: list[int] = []

    async def keep_pace(_: object, size: int) -> None:
        sizes.append(size)

    monkeypatch.setattr("gobstopper_http.peer.Peer.keep_pace", keep_pace)
    with TestClient(Served(lambda: StreamingResponse(letters(b"a" * 7, b"", "é")))) as client:
        assert len(client.get("/").content) == 9
    assert sizes == [7, 2]


def test_without_a_descriptor_left_there_is_an_error_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    closed: list[str] = []
    app = Served(lambda: StreamingResponse(letters(b"a", closed=closed)))
    with TestClient(app, http_version="2") as client:
        with monkeypatch.context() as context:
            context.setattr("gobstopper_http.pipe.os.pipe", pipe)
            response = client.get("/")
        assert (response.status, response.content) == (500, b"error")
        assert closed == ["closed"]
        assert client.get("/").content == b"a"


def test_no_cycle_keeps_the_transport() -> None:
    """The server ends a stream when its transport is dropped."""
    dropped: list[str] = []

    class Transport:
        async def send_bytes(self, data: bytes) -> None: ...

        def __del__(self) -> None:
            dropped.append("dropped")

    class Proto:
        def client_disconnect(self) -> Awaitable[None]:
            return asyncio.Event().wait()  # type: ignore[return-value]

        def response_stream(self, status: int, headers: Any) -> Transport:
            return Transport()

    class Scope:
        http_version, client, server = "1.1", "127.0.0.1:1", "127.0.0.1:2"

    async def main() -> None:
        for bounded in (True, False):
            for error in (None, ValueError("x")):
                chunks = letters(b"a") if error is None else letters(b"a", error)
                response = StreamingResponse(chunks, bounded=bounded)
                try:
                    await response.send(Request(Scope(), Proto(), "GET", "/"))
                except ValueError as raised:
                    assert raised is error
                    kept.append(raised)  # as a log does, with its traceback
                assert dropped.pop() == "dropped"

    kept: list[BaseException] = []
    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_a_disconnect_that_the_source_raises_is_quiet() -> None:
    served = Served(lambda: StreamingResponse(letters(b"a", ClientDisconnected("upstream"))))
    with TestClient(served) as client:
        assert client.get("/").content == b"a"
    assert served.errors == []


def test_context_variables_reach_both_kinds() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def plain() -> Iterator[str]:
        yield variable.get()
        variable.set("kept")
        yield variable.get()

    async def asynchronous() -> AsyncIterator[str]:
        yield variable.get()

    def make(source: Any) -> Callable[[], Any]:
        def made() -> Any:
            variable.set("set")
            return StreamingResponse(source())

        return made

    with TestClient(Served(make(plain))) as client:
        assert client.get("/").text == "setkept"
    with TestClient(Served(make(asynchronous))) as client:
        assert client.get("/").text == "set"


def test_draining_ends_event_streams_and_not_downloads() -> None:
    async def ticks() -> AsyncIterator[str]:
        while True:
            yield "tick"
            await asyncio.sleep(0.01)

    async def begin_drain() -> None:
        drain_of(asyncio.get_running_loop()).begin()

    with TestClient(Served(lambda: EventStream(ticks()))) as client:
        with client.sse("/") as events:
            assert next(events).data == "tick"
            client.server.submit(begin_drain()).result(5)
            assert all(event.data == "tick" for event in events)
        answer = client.get("/")  # one that begins while the server stops
        assert (answer.status, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
    with TestClient(Served(lambda: StreamingResponse(letters(b"a", b"b", pause=0.1)))) as client:
        with client.stream("GET", "/") as stream:
            client.server.submit(begin_drain()).result(5)
            assert stream.read().content == b"ab"


def test_draining_before_the_first_event_ends_the_stream_too() -> None:
    async def silent() -> AsyncIterator[str]:
        drain_of(asyncio.get_running_loop()).begin()
        await asyncio.Event().wait()
        yield "never"

    served = Served(lambda: EventStream(silent(), keep_alive=5))
    with TestClient(served) as client:
        answer = client.get("/")
    assert (answer.status, answer.content) == (200, b"")
    assert served.errors == []


async def test_closing_a_stream_that_is_not_sent() -> None:
    closed: list[str] = []
    started = letters(b"a", b"b", closed=closed)
    await anext(started)
    await StreamingResponse(started).close()
    plain = plain_letters(b"a", b"b", closed=closed)
    next(plain)
    await StreamingResponse(plain).close()
    await StreamingResponse([b"a"]).close()
    assert closed == ["closed", "closed"]


LENGTHS = [["x"], ["-1"], ["+3"], ["3.0"], ["0x3"], ["3, 3"], [""], [str(1 << 64)], ["3", "3"], ["3", "4"]]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("kind", [StreamingResponse, lambda source, **options: EventStream(source, **options)])
def test_a_length_that_is_none_is_the_developer_s_error(kind: Any, lengths: list[str], method: str) -> None:
    """The server would close the connection without a word, or send two lengths, of which a proxy takes the other."""
    closed: list[str] = []
    source = Source(["abc"], closed)
    served = Served(lambda: kind(source, headers=[("content-length", length) for length in lengths]))
    with TestClient(served) as client:
        answer = client.request(method, "/")
    assert answer.status == 500
    (error,) = served.errors
    assert isinstance(error, ValueError)
    assert "Content-Length" in str(error)
    assert all(repr(length) in str(error) for length in lengths)
    assert closed == ["closed"]


@pytest.mark.parametrize("length", ["3", "03", str((1 << 64) - 1)])
def test_a_length_that_is_one_is_sent(length: str) -> None:
    served = Served(lambda: StreamingResponse(["abc"], headers={"Content-Length": length}))
    with TestClient(served) as client:
        assert client.head("/").headers["content-length"] == length
    assert served.errors == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, {"Content-Length": "3"}, {"Content-Length": "x"}])
def test_a_reset_has_no_content(way: tuple[str, bool], method: str, headers: dict[str, str]) -> None:
    """RFC 9110 15.3.6; the source is closed, and was never asked."""
    closed: list[str] = []
    source = Source(["abc"], closed)
    served = Served(lambda: StreamingResponse(source, 205, headers, bounded=way[1]))
    with TestClient(served, http_version=way[0]) as client:
        answer = client.request(method, "/")
    assert (answer.status, answer.content, answer.headers.get("content-length", "0")) == (205, b"", "0")
    assert served.errors == []
    assert (closed, source.asked) == (["closed"], 0)
