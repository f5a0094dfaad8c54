"""The asynchronous client: the same as the synchronous one, from inside another event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gobstopper_http.testing import (
    AsyncTestClient,
    Disconnect,
    HTTPStatusError,
    WebSocketClosed,
    WebSocketRejected,
)


class App:
    def __init__(self) -> None:
        self.notes: dict[str, Any] = {}

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.notes["init"] = loop.run_until_complete(asyncio.sleep(0, "ran"))
        self.gate = asyncio.Event()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.notes["del"] = loop.run_until_complete(asyncio.sleep(0, "ran"))

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        name = scope.path.split("/")[1]
        await getattr(self, ("ws_" if scope.proto == "ws" else "http_") + name)(scope, proto)

    async def http_echo(self, scope: Any, proto: Any) -> None:
        proto.response_bytes(200, [("x-method", scope.method)], await proto())

    async def http_chunks(self, scope: Any, proto: Any) -> None:
        proto.response_str(200, [], json.dumps([chunk.decode() async for chunk in proto]))

    async def http_wait(self, scope: Any, proto: Any) -> None:
        await self.gate.wait()
        proto.response_str(200, [], "opened")

    async def http_open(self, scope: Any, proto: Any) -> None:
        self.gate.set()
        proto.response_empty(204, [])

    async def http_hang(self, scope: Any, proto: Any) -> None:
        await proto.client_disconnect()
        self.notes["hang"] = "left"

    async def http_lines(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [("content-type", "text/plain")])
        for chunk in ("one\ntw", "o\r", "\nthree"):
            await transport.send_str(chunk)

    async def http_cut_text(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [])
        await transport.send_bytes("é".encode()[:1])

    async def http_events(self, scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [("content-type", "text/event-stream")])
        await transport.send_str(f": hi\ndata: {scope.headers.get('last-event-id')}\n\ndata: two\n\n")
        await proto.client_disconnect()
        self.notes["events"] = "left"
        del transport

    async def http_late(self, scope: Any, proto: Any) -> None:
        proto.response_empty(204, [])
        await asyncio.sleep(0.01)
        raise ValueError("after the answer")

    async def ws_echo(self, scope: Any, proto: Any) -> None:
        transport = await proto.accept()
        while (message := await transport.receive()).kind:
            await (transport.send_str if message.kind == 2 else transport.send_bytes)(message.data)
        self.notes["ws"] = "closed"

    async def ws_bye(self, scope: Any, proto: Any) -> None:
        transport = await proto.accept()
        await transport.send_str("bye")
        proto.close(4000)

    async def ws_no(self, scope: Any, proto: Any) -> None:
        proto.close(404)

    async def ws_gone(self, scope: Any, proto: Any) -> None:
        transport = await proto.accept()
        try:
            await transport.receive()
        except RuntimeError as error:
            self.notes["gone"] = str(error)


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def client(app: App) -> AsyncIterator[AsyncTestClient]:
    async with AsyncTestClient(app) as client:
        yield client


async def test_start_up_may_run_its_loop(app: App) -> None:
    async with AsyncTestClient(app) as client:
        assert app.notes["init"] == "ran"
        assert (await client.get("/echo")).status == 200
    assert app.notes["del"] == "ran"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head"])
async def test_methods(client: AsyncTestClient, method: str) -> None:
    response = await getattr(client, method)("/echo", content=b"body")
    assert response.headers["x-method"] == method.upper()
    assert response.content == (b"" if method == "head" else b"body")


async def test_requests_at_once(client: AsyncTestClient) -> None:
    waiting = asyncio.create_task(client.get("/wait"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await client.get("/open")
    assert (await waiting).text == "opened"


async def test_uploads(client: AsyncTestClient) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        yield b"two"

    async def cut() -> AsyncIterator[bytes]:
        yield b"one"
        raise Disconnect

    async def failing() -> AsyncIterator[bytes]:
        yield b"one"
        raise KeyError("of the test")

    def plain() -> Iterator[bytes]:
        yield b"one"

    assert (await client.post("/chunks", content=content())).json() == ["one", "two", ""]
    assert (await client.post("/chunks", content=cut())).json() == ["one", "", ""]
    assert (await client.post("/chunks", content=plain())).json() == ["one", ""]
    with pytest.raises(KeyError, match="of the test"):
        await client.post("/chunks", content=failing())


async def test_uploads_stop_when_the_answer_is_there(client: AsyncTestClient) -> None:
    sent = []

    async def content() -> AsyncIterator[bytes]:
        for number in range(1000):
            sent.append(number)
            yield b"x"
            await asyncio.sleep(0.005)

    def plain() -> Iterator[bytes]:
        for number in range(1000):
            sent.append(number)
            yield b"x"
            time.sleep(0.005)

    for body in (content(), plain()):
        sent.clear()
        assert (await client.post("/open", content=body)).status == 204
        assert len(sent) < 1000


async def test_streams(client: AsyncTestClient) -> None:
    async with client.stream("GET", "/lines") as response:
        assert [line async for line in response.iter_lines()] == ["one", "two", "three"]
    async with client.stream("GET", "/lines") as response:
        assert [chunk async for chunk in response.iter_bytes()] == [b"one\ntw", b"o\r", b"\nthree"]
    async with client.stream("GET", "/lines") as response:
        assert (await response.read()).text == "one\ntwo\r\nthree"
    async with client.stream("GET", "/cut_text") as response:
        assert [text async for text in response.iter_text()] == ["\ufffd"]


async def test_events(app: App, client: AsyncTestClient) -> None:
    async with client.sse("/events", last_event_id="5") as events:
        assert (await anext(events)).data == "5"
        assert events.comments == ["hi"]
        assert events.response.status == 200
    await client.settle()
    assert app.notes["events"] == "left"
    async with client.sse("/events") as events:
        async for event in events:
            assert event.data == "None"
            break
        await events.close()
        assert [event async for event in events] == []
    with pytest.raises(HTTPStatusError, match="no event stream"):
        async with client.sse("/lines"):
            pass


async def test_time_outs_and_cancellation(app: App, client: AsyncTestClient) -> None:
    with pytest.raises(TimeoutError, match=r"GET http://127.0.0.1/hang: nothing within 0.05 seconds"):
        await client.get("/hang", timeout=0.05)
    await client.settle()
    assert app.notes.pop("hang") == "left"
    request = asyncio.create_task(client.get("/hang"))
    await asyncio.sleep(0.05)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await client.settle()
    assert app.notes["hang"] == "left"


async def test_disconnect(app: App, client: AsyncTestClient) -> None:
    request = asyncio.create_task(client.get("/hang"))
    await asyncio.sleep(0.05)
    await client.disconnect()
    await client.settle()
    assert app.notes["hang"] == "left"
    assert (await request).status == 500  # the callable returned without an answer, and nobody reads it


async def test_websocket(app: App, client: AsyncTestClient) -> None:
    async with client.websocket("/echo") as ws:
        await ws.send_text("hé")
        assert await ws.receive_text() == "hé"
        await ws.send_bytes(b"\0")
        assert await ws.receive_bytes() == b"\0"
        await ws.send_json([1])
        assert await ws.receive_json() == [1]
        await ws.send_text("text")
        with pytest.raises(TypeError, match="binary message was expected"):
            await ws.receive_bytes()
        await ws.send_bytes(b"bytes")
        with pytest.raises(TypeError, match="text message was expected"):
            await ws.receive_text()
    await client.settle()
    assert app.notes["ws"] == "closed"


async def test_websocket_ends(app: App, client: AsyncTestClient) -> None:
    async with client.websocket("/bye") as ws:
        assert [message async for message in ws] == ["bye"]
        with pytest.raises(WebSocketClosed):
            await ws.receive()
        assert ws.app_close_code == 4000
    with pytest.raises(WebSocketRejected) as refused:
        async with client.websocket("/no"):
            pass
    assert refused.value.status == 404
    with pytest.raises(KeyError):
        async with client.websocket("/gone"):
            raise KeyError("of the test")
    await client.settle()
    assert app.notes["gone"] == "RSGI transport is closed"


async def test_what_is_raised_after_the_answer_is_raised_at_the_end(app: App) -> None:
    with pytest.raises(ValueError, match="after the answer"):
        async with AsyncTestClient(app) as client:
            await client.get("/late")
            await client.settle()
    with pytest.raises(KeyError):
        async with AsyncTestClient(app) as client:
            await client.get("/late")
            await client.settle()
            raise KeyError("of the test")


async def test_connections_that_are_dropped_after_the_server_stopped(app: App) -> None:
    client = AsyncTestClient(app)
    await client.start()
    async with client.websocket("/echo") as ws, client.stream("GET", "/lines"):
        await client.stop()
        await ws.disconnect()
