"""The fake Granian on its own; that it agrees with the real one is shown by the parity suite of the workspace."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gobstopper_http.testing import ApplicationError, FakeServer, GranianPanic, RequestHead, WebSocketRejected
from gobstopper_http.testing.bodies import RequestBody
from gobstopper_http.testing.errors import protocol_closed
from gobstopper_http.testing.http import HTTPExchange
from gobstopper_http.testing.scope import Target, parse_target
from gobstopper_http.testing.websocket import MAX_MESSAGE, WebSocketExchange

Handler = Callable[[Any, Any], Any]
HANDSHAKE = [
    ("connection", b"Upgrade"),
    ("upgrade", b"websocket"),
    ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", b"13"),
]


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    servers = []

    def start(app: Any, **options: Any) -> FakeServer:
        server = FakeServer(app, **options)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def ask(
    server: FakeServer,
    target: str = "/",
    *,
    method: str = "GET",
    headers: Any = (),
    body: bytes = b"",
    version: str = "1.1",
) -> tuple[int, list[tuple[str, str]], bytes]:
    async def run() -> tuple[int, list[tuple[str, str]], bytes]:
        head = RequestHead(method, target, list(headers), version)
        exchange = server.http(head, RequestBody(server.loop, (body,)))
        response = await exchange.response
        content = b""
        while data := await exchange.response_body.get():
            content += data
        await exchange.finished.wait()
        return response.status, [pair for pair in response.headers if pair[0] != "date"], content

    return server.submit(run()).result(5)


def begin(server: FakeServer, **options: Any) -> HTTPExchange:
    async def run() -> HTTPExchange:
        return server.http(RequestHead("GET", "/"), RequestBody(server.loop, **options))

    return server.submit(run()).result(5)


def on_loop(server: FakeServer, function: Callable[..., Any], *args: Any) -> Any:
    async def run() -> Any:
        return function(*args)

    return server.submit(run()).result(5)


def test_life() -> None:
    seen = []

    class App:
        def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
            seen.append((loop.is_running(), threading.current_thread() is threading.main_thread()))

        def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
            seen.append((loop.is_running(), loop.is_closed()))

        async def __rsgi__(self, scope: Any, proto: Any) -> None:
            proto.response_empty(204, [])

    server = FakeServer(App())
    alive = [server.alive]
    server.start()
    alive.append(server.alive)
    with pytest.raises(RuntimeError, match="runs already"):
        server.start()
    assert ask(server)[0] == 204
    server.stop()
    server.stop()
    assert [*alive, server.alive] == [False, True, False]
    assert seen == [(False, False), (False, False)]


@pytest.mark.parametrize(("error", "raised"), [(KeyError("no"), KeyError), (SystemExit(3), ApplicationError)])
def test_a_start_up_that_fails(error: BaseException, raised: type[Exception]) -> None:
    class App:
        def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
            raise error

    server = FakeServer(App())
    with pytest.raises(raised):
        server.start()
    assert not server.alive


def test_a_start_up_that_takes_too_long() -> None:
    class App:
        def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
            time.sleep(0.3)

    server = FakeServer(App())
    with pytest.raises(TimeoutError, match=r"__rsgi_init__ took longer than 0.05 seconds"):
        server.start(timeout=0.05)
    time.sleep(0.4)
    server.stop()


def test_a_shutdown_that_fails() -> None:
    class App:
        def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
            raise KeyError("no")

    server = FakeServer(App())
    server.start()
    with pytest.raises(KeyError):
        server.stop()


def test_an_application_that_blocks_its_loop() -> None:
    async def app(scope: Any, proto: Any) -> None:
        await asyncio.sleep(0.02)
        time.sleep(0.5)

    server = FakeServer(app)
    server.start()
    begin(server)
    time.sleep(0.1)
    with pytest.raises(TimeoutError, match="does it block the event loop"):
        server.stop(timeout=0.1)
    time.sleep(0.6)


def test_stopping_tells_cancels_and_cleans_up() -> None:
    seen = []

    async def app(scope: Any, proto: Any) -> None:
        task = asyncio.create_task(asyncio.sleep(100))
        try:
            await proto.client_disconnect()
            seen.append("told")
            await task
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    server = FakeServer(app)
    server.start()
    begin(server)
    server.stop(grace=0.05)
    assert seen == ["told", "cancelled"]
    with pytest.raises(RuntimeError, match="does not run"):
        server.submit(asyncio.sleep(0))


def test_the_loop_can_be_chosen(serve: Callable[..., FakeServer]) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def app(scope: Any, proto: Any) -> None:
        proto.response_str(200, [], type(asyncio.get_running_loop()).__module__)

    assert ask(serve(app, loop_factory=uvloop.new_event_loop))[2] == b"uvloop"


def test_every_request_has_its_own_context(serve: Callable[..., FakeServer]) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    class App:
        def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
            variable.set("start-up")

        async def __rsgi__(self, scope: Any, proto: Any) -> None:
            proto.response_str(200, [], variable.get())
            variable.set("request")

    server = serve(App())
    variable.set("test")
    assert [ask(server)[2] for _ in range(2)] == [b"start-up", b"start-up"]


def test_addresses(serve: Callable[..., FakeServer]) -> None:
    async def app(scope: Any, proto: Any) -> None:
        proto.response_str(200, [], f"{scope.rsgi_version} {scope.client}")

    assert FakeServer(app).address == "127.0.0.1:8000"
    assert FakeServer(app, host="::1", port=1).address == "[::1]:1"
    assert ask(serve(app))[2] == b"1.6 127.0.0.1:50000"


def test_scope_and_headers(serve: Callable[..., FakeServer]) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, proto: Any) -> None:
        headers = scope.headers
        seen.update(
            target=(scope.path, scope.query_string, scope.authority, scope.method, scope.scheme, scope.http_version),
            keys=list(headers),
            values=headers.values(),
            all=headers.get_all("X-A"),
            hidden=(headers["x-h"], headers.get("x-h"), "x-h" in headers, len(headers)),
            server=scope.server,
            proto=scope.proto,
        )
        with pytest.raises(KeyError):
            headers["missing"]
        with pytest.raises(TypeError):
            headers.get(1)
        with pytest.raises(AttributeError, match="not writable"):
            scope.path = "/x"
        proto.response_empty(204)

    ask(serve(app), "http://h:1/a%2Fb%ff?q=%20", headers=[("X-A", b"1"), ("x-h", b"\xff"), ("x-a", b"2")])
    assert seen == {
        "target": ("/a/b\ufffd", "q=%20", "h:1", "GET", "http", "1.1"),
        "keys": ["x-a", "x-h"],
        "values": ["1", "2"],
        "all": ["1", "2"],
        "hidden": ("", None, True, 2),
        "server": "127.0.0.1:8000",
        "proto": "http",
    }


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [("http://h", "/", ""), ("http://h?a=1", "/", "a=1"), ("http://h/?a", "/", "a"), ("http://h/p?q?r", "/p", "q?r")],
)
def test_absolute_targets(target: str, path: str, query: str) -> None:
    """As a real Granian reads them."""
    assert parse_target(target) == Target(path, query, "h")


def test_what_the_server_refuses_itself(serve: Callable[..., FakeServer]) -> None:
    server = serve(None)
    assert ask(server, "/a b") == (400, [("connection", "close"), ("content-length", "0")], b"")
    status, _, body = ask(server, headers=HANDSHAKE[:2])
    assert (status, body) == (400, b'No "Sec-WebSocket-Key" header')
    status, _, body = ask(server, headers=HANDSHAKE[:3])
    assert (status, body) == (400, b'No "Sec-WebSocket-Version: 13" header')
    with pytest.raises(ValueError, match="websocket"):
        ask(server, headers=HANDSHAKE)


@pytest.mark.parametrize(
    ("method", "status", "framing", "body"),
    [
        ("GET", 200, [("transfer-encoding", "chunked")], b"ab"),
        ("HEAD", 200, [], b""),
        ("GET", 304, [], b""),
    ],
)
def test_streams(
    serve: Callable[..., FakeServer], method: str, status: int, framing: list[tuple[str, str]], body: bytes
) -> None:
    late = []

    async def app(scope: Any, proto: Any) -> None:
        transport = proto.response_stream(status, [("transfer-encoding", "chunked")] if method == "HEAD" else [])
        await transport.send_bytes(b"a")
        await asyncio.sleep(0.01)
        try:
            await transport.send_str("b")
        except RuntimeError as error:
            late.append(str(error))

    assert ask(serve(app), method=method) == (status, [("server", "granian"), *framing], body)
    assert late == ([] if body else ["RSGI transport is closed"])


def test_a_stream_of_declared_length(serve: Callable[..., FakeServer]) -> None:
    async def app(scope: Any, proto: Any) -> None:
        transport = proto.response_stream(200, [("content-length", scope.query_string)])
        transport.send_bytes(b"abc")
        await asyncio.sleep(0.01)
        transport.send_bytes(b"def")

    server = serve(app)
    assert ask(server, "/?4")[2] == b"abcd"
    assert ask(server, "/?0")[2] == b""
    assert ask(server, "/?0", method="POST")[1] == [("content-length", "0"), ("server", "granian")]
    with pytest.raises(ConnectionError, match="1 bytes before its Content-Length"):
        ask(server, "/?7")
    with pytest.raises(ConnectionError, match="no number"):
        ask(server, "/?x")
    assert ask(server, "/?9", method="HEAD")[1][0] == ("content-length", "9")


def test_exact_bodies(serve: Callable[..., FakeServer]) -> None:
    async def app(scope: Any, proto: Any) -> None:
        status, _, name = scope.query_string.partition("|")
        proto.response_str(int(status), [(name, "chunked")] if name else [], "body")

    server = serve(app)
    assert ask(server, "/?200")[1] == [("server", "granian"), ("content-length", "4")]
    assert ask(server, "/?200|transfer-encoding")[1] == [("transfer-encoding", "chunked"), ("server", "granian")]
    assert ask(server, "/?204") == (204, [("server", "granian")], b"")
    assert ask(server, "/?100") == (500, [("content-length", "0")], b"")
    assert ask(server, "/?199") == (500, [("content-length", "0")], b"")
    for method in ("GET", "HEAD"):
        assert ask(server, "/?101", method=method) == (101, [("server", "granian")], b"")
    assert ask(server, "/?100", method="HEAD") == (500, [], b"")
    assert ask(server, "/?200", headers=[("connection", b"close")])[1][1] == ("connection", "close")
    assert ask(server, "/?200", headers=[("connection", b"close")], version="1")[1] == [
        ("server", "granian"),
        ("content-length", "4"),
    ]


def test_files(serve: Callable[..., FakeServer], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 50_000)

    async def app(scope: Any, proto: Any) -> None:
        if scope.path == "/range":
            proto.response_file_range(206, [], str(path), 5, 15)
        elif scope.path == "/gone":
            short = tmp_path / "short-lived"
            short.write_bytes(b"x")
            proto.response_file(200, [], str(short))
            short.unlink()
        elif scope.path == "/folder":
            proto.response_file(200, [], str(tmp_path))
        elif scope.path == "/raise":
            proto.response_file(200, [], str(path))
            raise ValueError("after the answer")
        else:
            proto.response_file(200, [], str(path))

    server = serve(app)
    assert ask(server)[2] == path.read_bytes()
    assert ask(server, method="HEAD") == (200, [("server", "granian")], b"")
    assert ask(server, "/range")[2] == b"5678901234"
    assert ask(server, "/gone")[0] == 404  # it is opened after the application has gone on
    assert ask(server, "/raise")[2] == path.read_bytes()
    with pytest.raises(ConnectionError, match="cannot be read"):
        ask(server, "/folder")


def test_a_file_is_read_no_faster_than_the_client_reads(serve: Callable[..., FakeServer]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    async def app(scope: Any, proto: Any) -> None:
        proto.response_file(200, [], f"/proc/self/fd/{reader}")

    server = serve(app)
    exchange = begin(server)
    written = 0
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        try:
            written += os.write(writer, b"x" * 65536)
        except BlockingIOError:
            time.sleep(0.01)
    assert 0 < written < 2_000_000
    on_loop(server, exchange.disconnect)  # and a client that leaves lets go of it
    os.close(reader)
    time.sleep(0.05)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"x")
    os.close(writer)


def test_a_client_that_leaves_while_the_server_waits_for_a_pipe(serve: Callable[..., FakeServer]) -> None:
    reader, writer = os.pipe()

    async def app(scope: Any, proto: Any) -> None:
        proto.response_file(200, [], f"/proc/self/fd/{reader}")

    server = serve(app)
    exchange = begin(server)
    time.sleep(0.05)
    on_loop(server, exchange.disconnect)
    time.sleep(0.05)
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"x")
    os.close(writer)


def test_wrong_arguments(serve: Callable[..., FakeServer]) -> None:
    seen: list[str] = []

    async def app(scope: Any, proto: Any) -> None:
        calls: list[tuple[Any, ...]] = [
            (proto.response_empty, "200"),
            (proto.response_empty, 65536),
            (proto.response_empty, -1),
            (proto.response_empty, 200, None),
            (proto.response_empty, 200, [["a", "b"]]),
            (proto.response_empty, 200, [("a",)]),
            (proto.response_empty, 200, [("a", 1)]),
            (proto.response_str, 200, [], b""),
            (proto.response_bytes, 200, [], ""),
            (proto.response_file_range, 200, [], "x", -1, 2),
            (proto.response_file_range, 200, [], "x", 2, 2),
        ]
        for function, *args in calls:
            try:
                function(*args)
            except (TypeError, ValueError, OverflowError) as error:
                seen.append(type(error).__name__)

    assert ask(serve(app))[0] == 500
    assert " ".join(seen) == (
        "TypeError OverflowError OverflowError TypeError TypeError ValueError TypeError TypeError TypeError "
        "OverflowError ValueError"
    )


def test_bodies(serve: Callable[..., FakeServer]) -> None:
    async def app(scope: Any, proto: Any) -> None:
        if scope.path == "/whole":
            body = await proto()
            for again in (proto, proto.__aiter__):
                with pytest.raises(RuntimeError, match="RSGI protocol error"):
                    again()
            with pytest.raises(StopAsyncIteration):
                proto.__anext__()
        else:
            body = b"|".join([chunk async for chunk in proto])
        proto.response_bytes(200, [], body)

    server = serve(app)
    assert ask(server, "/whole", body=b"some")[2] == b"some"
    assert ask(server, "/chunks", body=b"some")[2] == b"some|"


def test_reads_that_are_cancelled_lose_nothing(serve: Callable[..., FakeServer]) -> None:
    seen = []

    async def app(scope: Any, proto: Any) -> None:
        proto.__aiter__()
        first, second = proto.__anext__(), proto.__anext__()
        first.cancel()
        seen.append(await second)
        seen.append(await proto.__anext__())

    server = serve(app)
    exchange = begin(server, complete=False)
    for data in (b"", b"one"):
        on_loop(server, exchange.request_body.feed, data)
    on_loop(server, exchange.request_body.end)
    on_loop(server, exchange.request_body.end)
    on_loop(server, exchange.request_body.feed, b"too late")
    server.submit(server.settle()).result(5)
    assert seen == [b"one", b""]


def test_an_unread_body_that_is_cut_off_is_no_error_of_the_test(serve: Callable[..., FakeServer]) -> None:
    async def app(scope: Any, proto: Any) -> None:
        reading = proto()
        await asyncio.sleep(0.05)
        del reading

    server = serve(app)
    exchange = begin(server, complete=False)
    on_loop(server, exchange.request_body.fail, protocol_closed())
    server.submit(server.settle()).result(5)
    gc.collect()


def test_who_is_told_of_a_client_that_leaves(serve: Callable[..., FakeServer]) -> None:
    seen = []

    async def app(scope: Any, proto: Any) -> None:
        waiting = proto.client_disconnect()
        waiting.cancel()
        await proto.client_disconnect()
        await proto.client_disconnect()
        seen.append("told")

    server = serve(app)
    exchange = begin(server)
    on_loop(server, exchange.disconnect)
    on_loop(server, exchange.disconnect)
    server.submit(server.settle()).result(5)
    assert seen == ["told"]
    upload = begin(server, complete=False)
    on_loop(server, upload.disconnect)
    time.sleep(0.05)
    assert seen == ["told"]


def test_granians_own_exceptions_are_raised_if_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    class RSGIProtocolClosed(RuntimeError):
        pass

    module = types.SimpleNamespace(RSGIProtocolClosed=RSGIProtocolClosed)
    monkeypatch.setitem(sys.modules, "granian._granian", module)
    assert type(protocol_closed()) is RSGIProtocolClosed
    monkeypatch.delitem(sys.modules, "granian._granian")
    assert type(protocol_closed()).__name__ == "RSGIProtocolClosed"
    assert type(protocol_closed()) is not RSGIProtocolClosed


def test_a_panic_fails_what_is_open(serve: Callable[..., FakeServer]) -> None:
    async def app(scope: Any, proto: Any) -> None:
        if scope.path == "/panic":
            try:
                proto.response_empty(1000)
            finally:
                proto.response_empty(200)
        if scope.proto == "ws":
            await proto.accept()
        await asyncio.sleep(100)

    server = serve(app)
    waiting = begin(server)
    socket = open_websocket(server)
    refused = asyncio_websocket(server)
    with pytest.raises(GranianPanic, match="status 1000"):
        ask(server, "/panic")
    assert isinstance(waiting.response.exception(), GranianPanic)
    assert isinstance(socket._closed, GranianPanic)
    assert refused.finished.is_set()
    with pytest.raises(GranianPanic):
        server.submit(asyncio.sleep(0))


# WebSockets


def asyncio_websocket(server: FakeServer) -> WebSocketExchange:
    async def run() -> WebSocketExchange:
        return server.websocket(RequestHead("GET", "/", HANDSHAKE))

    return server.submit(run()).result(5)


def open_websocket(server: FakeServer) -> WebSocketExchange:
    exchange = asyncio_websocket(server)

    async def opened() -> None:
        await exchange.opened

    server.submit(opened()).result(5)
    return exchange


def websocket_notes(serve: Callable[..., FakeServer], handler: Handler) -> tuple[FakeServer, list[Any]]:
    notes: list[Any] = []

    async def app(scope: Any, proto: Any) -> None:
        await handler(proto, notes)

    return serve(app), notes


async def outcome(awaitable: Any) -> Any:
    try:
        return await awaitable
    except RuntimeError as error:
        return str(error)


CLOSED = "RSGI transport is closed"
ERROR = "RSGI protocol error"


def test_the_handshake(serve: Callable[..., FakeServer]) -> None:
    async def handler(proto: Any, notes: list[Any]) -> None:
        await proto.accept()

    server, _ = websocket_notes(serve, handler)
    exchange = open_websocket(server)
    # The example of RFC 6455 section 1.3.
    assert exchange.opened.result()["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_websocket_states(serve: Callable[..., FakeServer]) -> None:
    async def handler(proto: Any, notes: list[Any]) -> None:
        transport = await proto.accept()
        for function, wrong in ((proto.close, "x"), (transport.send_str, b""), (transport.send_bytes, "")):
            with pytest.raises(TypeError):
                function(wrong)
        first = transport.receive()
        notes.append(await outcome(transport.receive()))
        notes.append((await first).data)
        notes.append((await transport.receive()).kind)
        notes.append(await outcome(transport.receive()))
        notes.append(await outcome(transport.send_str("x")))
        proto.close(1000)
        notes.append(await outcome(transport.send_str("x")))

    server, notes = websocket_notes(serve, handler)
    exchange = open_websocket(server)
    on_loop(server, exchange.send, b"data")
    on_loop(server, exchange.close, 1000)
    on_loop(server, exchange.close, 1000)
    server.submit(server.settle()).result(5)
    assert notes == [ERROR, b"data", 0, CLOSED, CLOSED, ERROR]


def test_sending_after_a_close_frame_that_is_unread(serve: Callable[..., FakeServer]) -> None:
    async def handler(proto: Any, notes: list[Any]) -> None:
        transport = await proto.accept()
        await asyncio.sleep(0.05)
        notes.append(await outcome(transport.send_str("nobody")))
        cancelled = transport.send_str("x")
        cancelled.cancel()
        await asyncio.sleep(0)

    server, notes = websocket_notes(serve, handler)
    on_loop(server, open_websocket(server).close, 1000)
    server.submit(server.settle()).result(5)
    assert notes == [None]


def test_a_websocket_that_breaks(serve: Callable[..., FakeServer]) -> None:
    async def handler(proto: Any, notes: list[Any]) -> None:
        transport = await proto.accept()
        notes.append(await outcome(transport.receive()))
        notes.append(await outcome(transport.send_bytes(b"")))

    server, notes = websocket_notes(serve, handler)
    exchange = open_websocket(server)
    on_loop(server, exchange.disconnect)
    on_loop(server, exchange.disconnect)
    server.submit(server.settle()).result(5)
    assert notes == [CLOSED, CLOSED]


def test_a_message_that_is_too_large(serve: Callable[..., FakeServer]) -> None:
    async def handler(proto: Any, notes: list[Any]) -> None:
        transport = await proto.accept()
        notes.append(len((await transport.receive()).data))
        notes.append(await outcome(transport.receive()))

    server, notes = websocket_notes(serve, handler)
    exchange = open_websocket(server)
    on_loop(server, exchange.send, "x" * MAX_MESSAGE)
    on_loop(server, exchange.send, b"x" * (MAX_MESSAGE + 1))
    server.submit(server.settle()).result(5)
    assert notes == [MAX_MESSAGE, CLOSED]
    with pytest.raises(ConnectionError, match="takes no message over"):
        server.submit(exchange.receive()).result(5)


@pytest.mark.parametrize(("code", "status"), [(None, 403), (401, 401), (100, 500), ("nothing", 403)])
def test_refusals(serve: Callable[..., FakeServer], code: Any, status: int) -> None:
    async def handler(proto: Any, notes: list[Any]) -> None:
        if code != "nothing":
            proto.close(code)
            proto.close(1)

    server, _ = websocket_notes(serve, handler)
    with pytest.raises(WebSocketRejected) as refused:
        open_websocket(server)
    assert refused.value.status == status


@pytest.mark.parametrize("code", [0, 1001, -1])
def test_refusals_that_panic(code: int) -> None:
    async def app(scope: Any, proto: Any) -> None:
        proto.close(code)

    server = FakeServer(app)
    server.start()
    with pytest.raises(GranianPanic, match=rf"close\({code}\) before accept"):
        open_websocket(server)
    server.stop()


def test_a_client_that_leaves_before_accept(serve: Callable[..., FakeServer]) -> None:
    async def handler(proto: Any, notes: list[Any]) -> None:
        await asyncio.sleep(0.05)
        notes.append(await outcome(proto.accept()))

    server, notes = websocket_notes(serve, handler)
    exchange = asyncio_websocket(server)
    on_loop(server, exchange.disconnect)
    server.submit(server.settle()).result(5)
    assert notes == [ERROR]
