"""Server-sent events: their form, and streams that stay alive and end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http._pump import END, SILENCE, Pump
from gobstopper_http.errors import HTTPException, abort
from gobstopper_http.interrupt import drain_of
from gobstopper_http.request import Request
from gobstopper_http.response import Response
from gobstopper_http.send import send
from gobstopper_http.sse import EventSourceResponse, EventStream, ServerSentEvent, encode_event
from gobstopper_http.testing import TestClient


def interpret(stream: str) -> list[dict[str, str]]:
    """The algorithm of WHATWG HTML 9.2.6, on a whole stream."""
    events: list[dict[str, str]] = []
    data: list[str] = []
    event = last_id = ""
    for line in stream.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            if data:
                events.append({"data": "\n".join(data), "event": event or "message", "id": last_id})
            data, event = [], ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id":
            last_id = value
    return events


class Point(msgspec.Struct):
    x: int


class TestEncode:
    @pytest.mark.parametrize(
        ("event", "text"),
        [
            (ServerSentEvent("hi"), "data: hi\n\n"),
            (ServerSentEvent("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n"),
            (ServerSentEvent(""), "data: \n\n"),
            (ServerSentEvent("a\u2028b\x0bc"), "data: a\u2028b\x0bc\n\n"),
            (ServerSentEvent({"a": [1]}), 'data: {"a":[1]}\n\n'),
            (ServerSentEvent(Point(1)), 'data: {"x":1}\n\n'),
            (ServerSentEvent("x", event="e", id="7", retry=500), "event: e\nid: 7\nretry: 500\ndata: x\n\n"),
            (ServerSentEvent(comment="a\nb"), ": a\n: b\n\n"),
            (ServerSentEvent(id=""), "id: \n\n"),
            (ServerSentEvent(retry=0), "retry: 0\n\n"),
            ("text", "data: text\n\n"),
            ({"a": 1}, 'data: {"a":1}\n\n'),
            ([1, 2], "data: [1,2]\n\n"),
            (5, "data: 5\n\n"),
            (None, "data: null\n\n"),
            (b"event: raw\n\n", "event: raw\n\n"),
        ],
    )
    def test_cases(self, event: Any, text: str) -> None:
        assert encode_event(event) == text.encode()

    @pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
    def test_one_line_fields(self, bad: str) -> None:
        with pytest.raises(ValueError, match="the event of a server-sent event is one line"):
            ServerSentEvent("x", event=bad).encode()
        with pytest.raises(ValueError, match="the id of"):
            ServerSentEvent("x", id=bad).encode()

    def test_other_errors(self) -> None:
        with pytest.raises(ValueError, match="milliseconds"):
            ServerSentEvent("x", retry=-1).encode()
        with pytest.raises(TypeError, match="no JSON form"):
            encode_event(object())

    one_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)

    @given(st.text(st.characters(exclude_categories=["Cs"])), one_line, one_line, st.none() | one_line)
    def test_a_browser_reads_what_was_sent(self, data: str, event: str, event_id: str, comment: str | None) -> None:
        sent = ServerSentEvent(data, event=event, id=event_id, comment=comment).encode().decode()
        normal = data.replace("\r\n", "\n").replace("\r", "\n")
        assert interpret(sent) == [{"data": normal, "event": event or "message", "id": event_id}]


class App:
    """Answers with the stream that `make` gives for the request."""

    def __init__(self, make: Callable[[Request], Response]) -> None:
        self.make = make
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        self.loop = asyncio.get_running_loop()
        request = Request.from_rsgi(scope, proto)
        try:
            await send(request, self.make(request))
        except HTTPException as error:
            await send(request, Response(error.detail, error.status))


def wait_for(condition: Callable[[], object], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


class TestEventStream:
    def test_events_and_headers(self) -> None:
        async def source() -> AsyncIterator[Any]:
            yield ServerSentEvent("one", id="1")
            yield "two"
            yield {"three": 3}
            yield b"data: four\n\n"

        with TestClient(App(lambda _: EventStream(source(), headers={"X-A": "b"}))) as client:
            response = client.get("/")
        assert response.status == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-a"] == "b"
        assert response.content.decode() == 'id: 1\ndata: one\n\ndata: two\n\ndata: {"three":3}\n\ndata: four\n\n'

    def test_own_headers_win(self) -> None:
        stream = EventStream([], headers={"Cache-Control": "no-cache"}, status=201)
        assert stream.headers["cache-control"] == "no-cache"
        assert stream.status == 201
        assert EventSourceResponse is EventStream

    def test_a_plain_iterable_runs_in_threads(self) -> None:
        closed = []

        def source() -> Iterator[str]:
            try:
                yield "a"
                time.sleep(0.01)
                yield "b"
            finally:
                closed.append(True)

        with TestClient(App(lambda _: EventStream(source()))) as client:
            assert client.get("/").content == b"data: a\n\ndata: b\n\n"
        assert closed
        with TestClient(App(lambda _: EventStream(["x", "y"]))) as client:
            assert client.get("/").content == b"data: x\n\ndata: y\n\n"

    def test_silence_is_broken_by_comments(self) -> None:
        async def source() -> AsyncIterator[str]:
            await asyncio.sleep(0.3)
            yield "late"

        with TestClient(App(lambda _: EventStream(source(), keep_alive=0.05))) as client:
            text = client.get("/").content.decode()
        assert text.count(": keep-alive\n\n") >= 3
        assert text.endswith(": keep-alive\n\ndata: late\n\n")

    def test_the_headers_do_not_wait_for_the_first_event(self) -> None:
        async def source() -> AsyncIterator[str]:
            await asyncio.sleep(30)
            yield "never read"

        for keep_alive in (15.0, None):
            app = App(lambda _: EventStream(source(), keep_alive=keep_alive))  # noqa: B023
            with TestClient(app) as client, client.stream("GET", "/", timeout=3) as response:
                assert response.status == 200
                assert next(iter(response.iter_bytes())).startswith(b":")

    def test_an_early_error_is_a_real_answer(self) -> None:
        async def source(allowed: bool) -> AsyncIterator[str]:
            if not allowed:
                abort(403, "not for you")
            yield ""

        with TestClient(App(lambda _: EventStream(source(False)))) as client:
            response = client.get("/")
        assert (response.status, response.text) == (403, "not for you")

    def test_last_event_id(self) -> None:
        async def source(last: str | None) -> AsyncIterator[str]:
            yield f"after {last}"

        app = App(lambda request: EventStream(source(request.last_event_id)))
        with TestClient(app) as client, client.sse("/", last_event_id="41") as events:
            assert next(events).data == "after 41"

    def test_a_client_that_leaves_closes_the_source(self) -> None:
        closed = []

        async def source() -> AsyncIterator[int]:
            try:
                for number in range(1000):
                    yield number
                    await asyncio.sleep(0.02)
            finally:
                await asyncio.sleep(0)
                closed.append("source")

        with TestClient(App(lambda _: EventStream(source()))) as client:
            with client.sse("/") as events:
                assert next(events).data == "0"
            wait_for(lambda: closed)

    def test_a_client_that_leaves_a_silent_stream_closes_it_too(self) -> None:
        closed = []

        async def source() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                closed.append("source")

        with TestClient(App(lambda _: EventStream(source(), keep_alive=None))) as client:
            with client.sse("/") as events:
                next(events)
            wait_for(lambda: closed)

    def test_a_stopping_server_ends_it(self) -> None:
        closed = []

        async def source() -> AsyncIterator[int]:
            try:
                while True:
                    yield 1
                    await asyncio.sleep(0.01)
            finally:
                closed.append("source")

        app = App(lambda _: EventStream(source()))
        with TestClient(app) as client, client.sse("/") as events:
            next(events)
            assert app.loop is not None
            app.loop.call_soon_threadsafe(drain_of(app.loop).begin)
            list(events)
            wait_for(lambda: closed)

    def test_head_does_not_start_the_source(self) -> None:
        started = []

        async def source() -> AsyncIterator[int]:
            started.append(True)
            yield 1

        with TestClient(App(lambda _: EventStream(source()))) as client:
            response = client.head("/")
        assert (response.status, response.content, started) == (200, b"", [])
        assert response.headers["content-type"].startswith("text/event-stream")

    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    def test_a_source_that_holds_something_is_closed(self, method: str) -> None:
        closed = []

        class Feed:
            def __aiter__(self) -> AsyncIterator[int]:
                return self

            async def __anext__(self) -> int:
                raise StopAsyncIteration

            async def aclose(self) -> None:
                closed.append(True)

        with TestClient(App(lambda _: EventStream(Feed()))) as client:
            assert client.request(method, "/").status == 200
        assert closed == [True]

    @pytest.mark.parametrize("keep_alive", [0, -1])
    def test_bad_arguments(self, keep_alive: float) -> None:
        with pytest.raises(ValueError, match="keep_alive"):
            EventStream([], keep_alive=keep_alive)
        with pytest.raises(TypeError, match="iterable"):
            EventStream(5)


async def collect(pump: Pump, silence: float | None = None) -> list[Any]:
    items = []
    while (item := await pump.get(silence)) is not END:
        items.append(item)
    return items


class TestPump:
    async def test_items_in_order_and_end_again_and_again(self) -> None:
        async def source() -> AsyncIterator[int]:
            for number in range(5):
                yield number

        pump = Pump(source())
        assert await collect(pump) == [0, 1, 2, 3, 4]
        assert await pump.get() is END
        await pump.close()

    async def test_silence_does_not_lose_the_item(self) -> None:
        async def source() -> AsyncIterator[str]:
            yield "a"
            await asyncio.sleep(0.1)
            yield "b"

        pump = Pump(source())
        items = await collect(pump, 0.02)
        assert [item for item in items if item is not SILENCE] == ["a", "b"]
        assert items.count(SILENCE) >= 2

    async def test_an_item_that_comes_between_two_calls_waits(self) -> None:
        async def source() -> AsyncIterator[str]:
            await asyncio.sleep(0.02)
            yield "a"
            yield "b"

        pump = Pump(source())
        assert await pump.get(0.001) is SILENCE
        await asyncio.sleep(0.05)
        assert await collect(pump, 0.001) == ["a", "b"]

    async def test_the_source_goes_on_only_when_asked(self) -> None:
        steps = []

        async def source() -> AsyncIterator[int]:
            for number in range(3):
                steps.append(number)
                yield number

        pump = Pump(source())
        await pump.get()
        await asyncio.sleep(0.02)
        assert steps == [0]
        await pump.close()

    async def test_the_whole_source_runs_in_one_task_and_context(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")
        variable.set("caller")
        tasks = []

        async def source() -> AsyncIterator[str]:
            seen = variable.get()
            variable.set("source")
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
                for _ in range(3):
                    tasks.append(asyncio.current_task())
                    yield seen + variable.get()

        pump = Pump(source())
        assert await collect(pump) == ["callersource"] * 3
        assert len(set(tasks)) == 1
        assert tasks[0] is not asyncio.current_task()
        assert variable.get() == "caller"

    @pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
    async def test_whatever_the_source_raises_is_raised_here(self, error: BaseException) -> None:
        async def source() -> AsyncIterator[int]:
            yield 1
            raise error

        pump = Pump(source())
        assert await pump.get() == 1
        with pytest.raises(type(error)) as caught:
            await pump.get()
        assert caught.value is error
        await pump.close()

    async def test_an_error_while_closing(self) -> None:
        async def source() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.sleep(30)
            finally:
                raise ValueError("in finally")

        pump = Pump(source())
        await pump.get()
        with pytest.raises(ValueError, match="in finally"):
            await pump.close()

    async def test_closing_before_the_start(self) -> None:
        async def source() -> AsyncIterator[int]:
            yield 1

        await Pump(source()).close()

    async def test_a_cancelled_get_closes_cleanly(self) -> None:
        closed = []

        async def source() -> AsyncIterator[int]:
            try:
                await asyncio.sleep(30)
                yield 1
            finally:
                closed.append(True)

        async def reader() -> None:
            pump = Pump(source())
            try:
                await pump.get(20)
            finally:
                await pump.close()

        task = asyncio.create_task(reader())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed

    async def test_a_cancelled_close_still_closes(self) -> None:
        closed = []

        async def source() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.sleep(30)
            finally:
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    closed.append("hurried")
                    raise
                closed.append("slowly")

        pump = Pump(source())
        await pump.get()
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(lambda: None)
        task = asyncio.create_task(pump.close())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed

    async def test_an_iterator_without_aclose(self) -> None:
        class Source:
            left = 2

            def __aiter__(self) -> Source:
                return self

            async def __anext__(self) -> int:
                if not self.left:
                    raise StopAsyncIteration
                self.left -= 1
                return self.left

        assert await collect(Pump(Source())) == [1, 0]

    async def test_a_thread_that_works_is_not_waited_for_and_closes_the_generator_itself(self) -> None:
        closed = threading.Event()

        def source() -> Iterator[int]:
            try:
                yield 1
                time.sleep(0.2)
                yield 2
            finally:
                closed.set()

        pump = Pump(source())
        assert await pump.get() == 1
        assert await pump.get(0.01) is SILENCE
        await pump.close()
        assert not closed.is_set()
        assert await asyncio.to_thread(closed.wait, 5)

    async def test_context_variables_reach_threads(self) -> None:
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
        variable.set(5)

        def source() -> Iterator[int]:
            yield variable.get()

        assert await collect(Pump(source())) == [5]
