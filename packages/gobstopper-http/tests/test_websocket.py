"""The WebSocket's states, in front of a server that panics at a wrong call."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import pytest

from gobstopper_http import deadlines
from gobstopper_http.connection import RouteInfo
from gobstopper_http.errors import WebSocketDisconnect, WebSocketStateError
from gobstopper_http.interrupt import drain_of
from gobstopper_http.limits import Limits
from gobstopper_http.testing import (
    RSGIProtocolClosed,
    RSGIProtocolError,
    TestClient,
    WebSocketClosed,
    WebSocketRejected,
)
from gobstopper_http.websocket import WebSocket


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "TICK", 0.02)


class Served:
    """Runs `handler` for each handshake, and keeps what it returned or raised."""

    def __init__(self, handler: Callable[[WebSocket], Awaitable[Any]], limits: Limits | None = None) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.outcome: Any = None

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        websocket = WebSocket(scope, proto, "GET", scope.path)
        websocket.route = RouteInfo(self.limits)
        try:
            self.outcome = await self.handler(websocket)
        except Exception as error:
            self.outcome = error
        finally:
            websocket.drop()
        self.left = len(drain_of(asyncio.get_running_loop()))


async def echo(websocket: WebSocket) -> str:
    await websocket.accept()
    async for message in websocket:
        if isinstance(message, str):
            await websocket.send_text(message)
        else:
            await websocket.send_bytes(message)
    return f"ended with {websocket.close_code}"


def test_messages() -> None:
    served = Served(echo)
    with TestClient(served) as client:
        with client.websocket("/a?q=1", headers={"cookie": "a=1"}) as socket:
            for message in ("é", "", "x" * 1000):
                socket.send_text(message)
                assert socket.receive_text() == message
            socket.send_bytes(b"\0\xff")
            assert socket.receive_bytes() == b"\0\xff"
        client.settle()
    assert (served.outcome, served.left) == ("ended with 1005", 0)


def test_what_it_tells() -> None:
    async def handler(websocket: WebSocket) -> None:
        assert repr(websocket) == "<WebSocket '/a' connecting>"
        await websocket.accept()
        await websocket.send_json([websocket.path, websocket.query["q"], websocket.cookies, websocket.headers["x-a"]])
        websocket.overdue()

    with (
        TestClient(Served(handler)) as client,
        client.websocket("/a?q=1", headers={"x-a": "b", "cookie": "a=1"}) as socket,
    ):
        assert socket.receive_json() == ["/a", "1", {"a": "1"}, "b"]


@pytest.mark.parametrize(
    ("call", "name"),
    [(lambda w: w.receive(), "receive"), (lambda w: w.receive_text(), "receive"), (lambda w: w.send_text("x"), "send_text"),
     (lambda w: w.send_bytes(b"x"), "send_bytes"), (lambda w: w.send_json(1), "send_json")],
)  # fmt: skip
def test_too_early_and_too_late(call: Callable[[WebSocket], Awaitable[Any]], name: str) -> None:
    async def early(websocket: WebSocket) -> None:
        with pytest.raises(WebSocketStateError, match=rf"{name}\(\) before accept\(\)"):
            await call(websocket)
        await websocket.accept()
        await websocket.close(3000)
        with pytest.raises(WebSocketDisconnect) as ended:
            await call(websocket)
        assert ended.value.code == 3000

    served = Served(early)
    with TestClient(served) as client, client.websocket("/"):
        client.settle()
    assert served.outcome is None


def test_while_it_is_being_accepted() -> None:
    class Proto:
        def accept(self) -> Awaitable[Any]:
            return asyncio.sleep(0.05)

    async def main() -> None:
        websocket = WebSocket(None, Proto(), "GET", "/")
        accepting = asyncio.ensure_future(websocket.accept())
        await asyncio.sleep(0)
        with pytest.raises(WebSocketStateError, match="before accept"):
            await websocket.send_text("x")
        await accepting

    asyncio.run(main())


def test_accepted_twice() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(WebSocketStateError, match="that is open"):
            await websocket.accept()
        await websocket.close()
        with pytest.raises(WebSocketStateError, match="that is closed"):
            await websocket.accept()

    served = Served(handler)
    with TestClient(served) as client, client.websocket("/"):
        client.settle()
    assert served.outcome is None


def test_a_handshake_that_breaks() -> None:
    class Proto:
        async def accept(self) -> Any:
            raise RSGIProtocolError("RSGI protocol error")

    async def main() -> None:
        websocket = WebSocket(None, Proto(), "GET", "/")
        with pytest.raises(WebSocketDisconnect) as ended:
            await websocket.accept()
        assert (ended.value.code, websocket.phase) == (1006, "closed")

    asyncio.run(main())


@pytest.mark.parametrize(("status", "sent"), [(401, 401), (599, 599), (0, 403), (200, 403), (1001, 403), (99999, 403)])
def test_refused(status: int, sent: int) -> None:
    async def handler(websocket: WebSocket) -> None:
        websocket.refuse(status)
        websocket.refuse(404)
        await websocket.close()

    with TestClient(Served(handler)) as client:
        with pytest.raises(WebSocketRejected) as rejected, client.websocket("/"):
            pass
        assert rejected.value.status == sent


CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
NO_CODES = [-1, 0, 1, 200, 403, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536, 2**40]


@pytest.mark.parametrize("code", CODES)
def test_close_codes(code: int) -> None:
    async def before(websocket: WebSocket) -> None:
        await websocket.close(code)
        await websocket.close(code)

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(code)
        await websocket.close(1000)
        assert websocket.close_code == code

    with TestClient(Served(before)) as client:
        with pytest.raises(WebSocketRejected) as rejected, client.websocket("/"):
            pass
        assert rejected.value.status == 403
    served = Served(after)
    with TestClient(served) as client, client.websocket("/") as socket:
        with pytest.raises(WebSocketClosed):
            socket.receive()
        assert (socket.app_close_code, served.outcome) == (code, None)


@pytest.mark.parametrize("code", NO_CODES)
def test_what_is_no_close_code(code: int) -> None:
    async def handler(websocket: WebSocket) -> None:
        for _ in range(2):
            with pytest.raises(ValueError, match="not a close code"):
                await websocket.close(code)
            if websocket.phase == "connecting":
                await websocket.accept()
        await websocket.send_text("still open")

    with TestClient(Served(handler)) as client, client.websocket("/") as socket:
        assert socket.receive_text() == "still open"


def test_dropped() -> None:
    async def handler(websocket: WebSocket) -> None:
        if websocket.path == "/after":
            await websocket.accept()
        websocket.drop(3001, 418)
        websocket.drop(3002, 419)

    with TestClient(Served(handler)) as client:
        with pytest.raises(WebSocketRejected) as rejected, client.websocket("/before"):
            pass
        assert rejected.value.status == 418
        with client.websocket("/after") as socket:
            with pytest.raises(WebSocketClosed):
                socket.receive()
            assert socket.app_close_code == 3001


@pytest.mark.parametrize(
    ("message", "fits"),
    [("x" * 100, True), ("x" * 101, False), ("é" * 50, True), ("é" * 51, False), ("\U0001f600" * 25, True),
     ("\U0001f600" * 26, False), (b"x" * 100, True), (b"x" * 101, False), ("x" * 1000, False), ("", True)],
)  # fmt: skip
def test_the_size_cap_counts_bytes(message: str | bytes, fits: bool) -> None:
    async def handler(websocket: WebSocket) -> Any:
        await websocket.accept()
        return await websocket.receive()

    served = Served(handler, Limits(websocket_message=100))
    with TestClient(served) as client, client.websocket("/") as socket:
        socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message)
        client.settle()
        if fits:
            assert served.outcome == message
        else:
            assert (served.outcome.code, socket.app_close_code) == (1009, 1009)


@pytest.mark.parametrize(("sent", "call"), [("text", "receive_bytes"), (b"bytes", "receive_text")])
def test_the_other_kind(sent: str | bytes, call: str) -> None:
    async def handler(websocket: WebSocket) -> Any:
        await websocket.accept()
        return await getattr(websocket, call)()

    served = Served(handler)
    with TestClient(served) as client, client.websocket("/") as socket:
        socket.send_text(sent) if isinstance(sent, str) else socket.send_bytes(sent)
        client.settle()
        assert (served.outcome.code, socket.app_close_code) == (1003, 1003)


@pytest.mark.parametrize("sent", ["{", "", b"\xff", "[" * 100, '["x"]'])
def test_json_that_is_none(sent: str | bytes) -> None:
    async def handler(websocket: WebSocket) -> Any:
        await websocket.accept()
        return await websocket.receive_json(list[int])

    served = Served(handler)
    with TestClient(served) as client, client.websocket("/") as socket:
        socket.send_text(sent) if isinstance(sent, str) else socket.send_bytes(sent)
        client.settle()
        assert (served.outcome.code, socket.app_close_code) == (1007, 1007)


def test_json() -> None:
    async def handler(websocket: WebSocket) -> Any:
        await websocket.accept()
        with pytest.raises(TypeError):
            await websocket.send_json(object())
        return [await websocket.receive_json(), await websocket.receive_json(list[int])]

    served = Served(handler)
    with TestClient(served) as client, client.websocket("/") as socket:
        socket.send_text('{"a": 1}')
        socket.send_bytes(b"[1]")
        client.settle()
    assert served.outcome == [{"a": 1}, [1]]


def test_silence() -> None:
    async def handler(websocket: WebSocket) -> Any:
        await websocket.accept()
        await websocket.receive()

    served = Served(handler, Limits(websocket_idle=0.1))
    with TestClient(served) as client, client.websocket("/") as socket:
        client.settle()
        assert (served.outcome.code, socket.app_close_code) == (1001, 1001)


def test_silence_without_a_limit() -> None:
    async def handler(websocket: WebSocket) -> Any:
        await websocket.accept()
        return await websocket.receive()

    served = Served(handler, Limits(websocket_idle=inf))
    with TestClient(served) as client, client.websocket("/") as socket:
        socket.send_text("x")
        client.settle()
    assert served.outcome == "x"


def test_a_peer_that_vanishes() -> None:
    async def handler(websocket: WebSocket) -> Any:
        await websocket.accept()
        await websocket.receive()

    served = Served(handler)
    with TestClient(served) as client:
        with client.websocket("/") as socket:
            socket.disconnect()
            client.settle()
        assert served.outcome.code == 1006
        looped = Served(echo)
    with TestClient(looped) as client:
        with client.websocket("/") as socket:
            socket.disconnect()
            client.settle()
    assert looped.outcome == "ended with 1006"


def test_the_loop_ends_quietly_for_peers_only() -> None:
    served = Served(echo, Limits(websocket_message=10))
    with TestClient(served) as client, client.websocket("/") as socket:
        socket.send_text("x" * 11)
        client.settle()
    assert served.outcome.code == 1009


class Transport:
    """One that the test steers."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.sending = 0
        self.most = 0
        self.delay = 0.0

    async def send_str(self, data: str) -> None:
        self.sending += 1
        self.most = max(self.most, self.sending)
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.sending -= 1
        if self.error is not None:
            raise self.error

    async def receive(self) -> Any:
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


class Proto:
    def __init__(self) -> None:
        self.transport: Transport | None = Transport()
        self.closed: list[int] = []

    async def accept(self) -> Any:
        transport, self.transport = self.transport, None
        return transport

    def close(self, code: int) -> None:
        self.closed.append(code)


async def opened(limits: Limits | None = None) -> tuple[WebSocket, Transport]:
    proto = Proto()
    transport = proto.transport
    assert transport is not None
    websocket = WebSocket(None, proto, "GET", "/")
    websocket.route = RouteInfo(limits or Limits())
    await websocket.accept()
    return websocket, transport


async def test_one_send_at_a_time() -> None:
    websocket, transport = await opened()
    transport.delay = 0.001
    await asyncio.gather(*(websocket.send_text("x") for _ in range(20)))
    assert transport.most == 1
    websocket.drop()


async def test_sends_that_wait_when_it_closes() -> None:
    websocket, transport = await opened()
    transport.delay = 0.02
    sends = [asyncio.ensure_future(websocket.send_text("x")) for _ in range(3)]
    await asyncio.sleep(0.01)
    await websocket.close(1000)
    results = await asyncio.gather(*sends, return_exceptions=True)
    assert results[0] is None
    assert [getattr(result, "code", None) for result in results[1:]] == [1000, 1000]


async def test_a_peer_that_does_not_read() -> None:
    websocket, transport = await opened(Limits(websocket_idle=0.05))
    transport.delay = 5
    with pytest.raises(WebSocketDisconnect, match="does not read") as ended:
        await websocket.send_text("x")
    assert (ended.value.code, websocket.phase) == (1006, "closed")


async def test_a_connection_that_breaks_while_sending() -> None:
    websocket, transport = await opened()
    transport.error = RSGIProtocolClosed("RSGI transport is closed")
    with pytest.raises(WebSocketDisconnect, match="broke"):
        await websocket.send_text("x")


@pytest.mark.parametrize("call", [lambda w: w.send_text("x"), lambda w: w.receive()])
async def test_another_error_of_the_server_goes_through(call: Callable[[WebSocket], Awaitable[Any]]) -> None:
    websocket, transport = await opened()
    transport.error = RSGIProtocolError("RSGI protocol error")
    with pytest.raises(RSGIProtocolError):
        await call(websocket)
    websocket.drop()


async def test_two_receivers() -> None:
    websocket, _ = await opened()
    first = asyncio.ensure_future(websocket.receive())
    await asyncio.sleep(0)
    with pytest.raises(WebSocketStateError, match="one at a time"):
        await websocket.receive()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert websocket.receiving is None
    websocket.drop()


async def test_draining() -> None:
    drain = drain_of(asyncio.get_running_loop())
    websocket, _ = await opened()
    idle, _ = await opened()
    asyncio.get_running_loop().call_later(0.02, drain.begin)
    with pytest.raises(WebSocketDisconnect) as ended:
        await websocket.receive()
    assert (ended.value.code, ended.value.reason) == (1001, "the server stops")
    assert websocket.proto.closed == idle.proto.closed == [1001]
    with pytest.raises(WebSocketDisconnect) as ended:
        await idle.send_text("x")
    assert (ended.value.code, len(drain)) == (1001, 0)
    late, _ = await opened()
    assert (late.phase, late.proto.closed) == ("closed", [1001])
    late._on_drain()
    assert late.proto.closed == [1001]


async def test_nothing_keeps_the_transport_of_one_that_ended() -> None:
    """Granian lets the connection go when it is dropped; an exception's frames form cycles."""
    dropped: list[str] = []

    class Watched(Transport):
        def receive(self) -> Any:
            future = asyncio.get_running_loop().create_future()  # without a frame of its own, as the server's
            future.set_exception(RSGIProtocolClosed("closed"))
            return future

        def send_str(self, data: str) -> Any:
            return self.receive()

        def __del__(self) -> None:
            dropped.append("dropped")

    kept: list[BaseException] = []
    gc.disable()
    try:
        for call in ("receive", "send"):
            proto = Proto()
            proto.transport = Watched()
            websocket = WebSocket(None, proto, "GET", "/")
            await websocket.accept()
            with pytest.raises(WebSocketDisconnect) as ended:
                await (websocket.receive() if call == "receive" else websocket.send_text("x"))
            kept.append(ended.value)
        assert dropped == ["dropped", "dropped"]
    finally:
        gc.enable()
