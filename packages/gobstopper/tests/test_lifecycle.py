"""Start-up, shutdown, draining, mounting."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gobstopper import Blueprint, Gobstopper, StartupError, current_app
from gobstopper_http import EventStream, Request, Response, StreamingResponse, WebSocket, WebSocketDisconnect
from gobstopper_http.testing import TestClient, WebSocketClosed


def test_hooks_run_in_order_and_shutdown_in_reverse(app: Gobstopper) -> None:
    log: list[str] = []
    blueprint = Blueprint("b", __name__)

    @app.on_startup
    async def first() -> None:
        log.append(f"first {current_app() is app}")

    @app.on_startup
    def second() -> None:
        log.append("second")

    blueprint.on_startup(lambda: log.append("blueprint"))

    @app.on_shutdown
    async def close_first() -> None:
        log.append("close first")

    @app.on_shutdown
    def fails() -> None:
        log.append("close second")
        raise RuntimeError("no matter")

    blueprint.on_shutdown(lambda: log.append("close blueprint"))
    app.register_blueprint(blueprint)
    with TestClient(app):
        assert log == ["first True", "second", "blueprint"]
        log.clear()
    assert log == ["close blueprint", "close second", "close first"]


def test_routes_and_config_of_startup_hooks_count(app: Gobstopper) -> None:
    @app.on_startup
    async def load() -> None:
        app.config = {"DEBUG": "no", "GREETING": "hi"}
        app.get("/late")(lambda request: app.config["GREETING"])

    with TestClient(app) as client:
        assert client.get("/late").text == "hi"
        assert app.debug is False


def test_a_failing_startup_hook_stops_the_worker(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    @app.on_startup
    async def fails() -> None:
        raise ConnectionError("no database")

    with pytest.raises(ConnectionError, match="no database"), TestClient(app):
        pass
    assert "tests cannot start: no database" in caplog.text


def test_drain_ends_event_streams_and_websockets_but_not_downloads(app: Gobstopper) -> None:
    ended: list[str] = []

    @app.get("/events")
    async def events(request: Request) -> EventStream:
        async def source() -> AsyncIterator[str]:
            try:
                yield "hello"
                await asyncio.sleep(60)
            finally:
                ended.append("events")

        return EventStream(source())

    @app.get("/download")
    async def download(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            yield "a"
            await asyncio.sleep(0.4)
            yield "b"

        return StreamingResponse(chunks())

    @app.websocket("/receives")
    async def receives(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive()
        except WebSocketDisconnect as end:
            ended.append(f"receives {end.code}")

    @app.websocket("/sends")
    async def sends(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("x")
                await asyncio.sleep(0.05)
        except WebSocketDisconnect as end:
            ended.append(f"sends {end.code}")

    @app.websocket("/sleeps")
    async def sleeps(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("sleeps")

    @app.get("/drain")
    async def drain(request: Request) -> str:
        app.lifecycle.drain(asyncio.get_running_loop())
        app.lifecycle.drain(asyncio.get_running_loop())
        return "ok"

    app.config["GRACE"] = 1.0
    with (
        TestClient(app) as client,
        client.sse("/events") as events_,
        client.stream("GET", "/download") as stream,
        client.websocket("/receives") as one,
        client.websocket("/sends"),
        client.websocket("/sleeps"),
    ):
        assert next(iter(events_)).data == "hello"
        assert client.get("/drain").text == "ok"
        assert list(events_) == []
        with pytest.raises(WebSocketClosed):
            one.receive()
        assert stream.read().text == "ab"
        client.settle()
    assert sorted(ended) == ["events", "receives 1001", "sends 1001", "sleeps"]


def test_signals_are_chained_to_what_startup_hooks_set(app: Gobstopper) -> None:
    loop = asyncio.new_event_loop()
    seen: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    @app.on_startup
    def register_signal_handlers() -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))

    try:
        app.__rsgi_init__(loop)
        signal.raise_signal(signal.SIGTERM)
        loop.run_until_complete(asyncio.sleep(0.05))
        assert seen == [signal.SIGTERM]
        assert app.lifecycle.runtime is not None
        assert app.lifecycle.runtime.stopping
        app.__rsgi_del__(loop)
        app.__rsgi_del__(loop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        loop.close()


class Inner:
    """A plain RSGI application."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def __rsgi_init__(self, loop: object) -> None:
        self.log.append("init")

    def __rsgi_del__(self, loop: object) -> None:
        self.log.append("del")

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto == "ws":
            transport = await proto.accept()
            await transport.send_str(scope.path)
            return
        headers = [("x-root", scope.root_path), ("content-type", "text/plain")]
        match scope.path:
            case "/bytes":
                proto.response_bytes(201, headers, await proto())
                proto.response_bytes(202, headers, b"again")
            case "/str":
                proto.response_str(200, headers, scope.path + "?" + scope.query_string)
            case "/empty":
                proto.response_empty(204, [])
            case "/stream":
                transport = proto.response_stream(200, headers)
                await transport.send_str("a")
                await transport.send_bytes(b"b")
            case "/file":
                proto.response_file(200, headers, __file__)
            case "/range":
                proto.response_file_range(206, headers, __file__, 0, 3)
            case "/chunks":
                proto.response_bytes(200, headers, b"".join([chunk async for chunk in proto]))
            case "/panic":
                proto.response_empty(1000, [])


def test_mounting_an_rsgi_application(app: Gobstopper) -> None:
    inner = Inner()
    app.mount("/inner", inner)

    class Stamps:
        async def __call__(self, request: Request, next_handler: Any) -> Response:
            response: Response = await next_handler(request)
            response.headers["X-Outer"] = "1"
            return response

        def finalize(self, request: Request, response: Response) -> None:
            response.headers["X-Final"] = "1"

    app.add_middleware(Stamps)
    app.get("/inner/own")(lambda request: "own")
    with TestClient(app) as client:
        assert inner.log == ["init"]
        assert client.get("/inner/own").text == "own"
        posted = client.post("/inner/bytes", content=b"body")
        assert (posted.status, posted.content, posted.headers["x-root"]) == (201, b"body", "/inner")
        assert (posted.headers["x-outer"], posted.headers["x-final"]) == ("1", "1")
        assert client.get("/inner/str?a=b").text == "/str?a=b"
        assert client.get("/inner/empty").status == 204
        assert client.post("/inner/chunks", content=iter([b"a", b"b"])).content == b"ab"
        for path, text in (("/stream", "ab"), ("/range", '"""')):
            answer = client.get("/inner" + path)
            assert (answer.text, answer.headers["x-final"]) == (text, "1")
        assert client.get("/inner/file").text.startswith('"""Start-up')
        assert client.get("/inner/nothing").status == 500
        assert client.get("/inner/panic").status == 500
        assert client.get("/innermost").status == 404
        with client.websocket("/inner/ws") as socket:
            assert socket.receive_text() == "/ws"
    assert inner.log == ["init", "del"]


def test_mounting_a_gobstopper(app: Gobstopper) -> None:
    log: list[str] = []
    shop = Gobstopper("shop", config=app.config)
    shop.on_startup(lambda: log.append("start"))
    shop.on_shutdown(lambda: log.append("stop"))
    shop.error_handler(404)(lambda request, error: ("shop 404", 404))

    @shop.get("/items/<int:id>", name="item")
    async def item(request: Request, id: int) -> list[Any]:
        return [id, request.path, shop.url_for("item", id=4), current_app() is shop, app.url_for("home")]

    @shop.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]))

    @shop.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.path)

    @app.after_request
    def after(request: Request, response: Response) -> None:
        response.headers["X-App"] = str(current_app() is app)

    app.get("/", name="home")(lambda request: "home")
    app.mount("/shop", shop)
    with pytest.raises(ValueError, match="already"):
        app.mount("/shop", shop)
    with TestClient(app) as client:
        assert log == ["start"]
        answer = client.get("/shop/items/3")
        assert answer.json() == [3, "/items/3", "/shop/items/4", True, "/"]
        assert answer.headers["x-app"] == "True"
        assert client.get("/shop/nope").text == "shop 404"
        assert client.get("/shop/stream").text == "ab"
        assert client.get("/shop").text == "shop 404"
        with client.websocket("/shop/ws") as socket:
            assert socket.receive_text() == "/ws"
    assert log == ["start", "stop"]


@pytest.mark.parametrize("prefix", ["x", "/x/", "", "/<a>"])
def test_wrong_mounts(app: Gobstopper, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        app.mount(prefix, Inner())
    with pytest.raises(TypeError, match="RSGI"):
        app.mount("/x", object())


def test_debug_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOBSTOPPER_DEBUG", "1")
    assert Gobstopper("x").debug
    assert not Gobstopper("x", config={"DEBUG": False}).debug
    assert Gobstopper().name == __name__


def test_a_websocket_hook_without_an_argument_ends_the_start(app: Gobstopper) -> None:
    app.before_websocket(lambda: None)
    with pytest.raises(StartupError, match="before_websocket"), TestClient(app):
        pass


@pytest.mark.parametrize(("config", "noted"), [({}, 1), ({"DEBUG": True}, 0), ({"ALLOWED_HOSTS": ["x"]}, 0)])
def test_absolute_urls_that_cannot_be_built_are_noted(
    caplog: pytest.LogCaptureFixture, config: dict[str, object], noted: int
) -> None:
    with TestClient(Gobstopper("noted", config=config)):
        pass
    assert caplog.text.count("neither ALLOWED_HOSTS nor EXTERNAL_URL") == noted


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]", "unix:/run/app.sock", "", "0:0:0:0:0:0:0:1"]
)
def test_debug_on_this_machine_alone_is_fine(app: Gobstopper, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    app.debug = True
    monkeypatch.setenv("GOBSTOPPER_HOST", host)
    with TestClient(app) as client:
        assert client.get("/nope").status == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "192.168.1.2", "example.com", "localhost.example.com", "x"])
def test_debug_that_others_can_reach_is_refused(app: Gobstopper, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    app.debug = True
    monkeypatch.setenv("GOBSTOPPER_HOST", host)
    with pytest.raises(StartupError, match=f"the server listens on {re.escape(host)}, which others"), TestClient(app):
        pass


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in the main thread, where signals arrive; the handlers of before are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    loop = asyncio.new_event_loop()
    yield loop
    for number, handler in before.items():
        signal.signal(number, handler)
    loop.close()


def test_ctrl_c_drains_and_interrupts_nothing(app: Gobstopper, loop: asyncio.AbstractEventLoop) -> None:
    """Python's own handler would raise `KeyboardInterrupt` in whatever runs; the server ends the worker by itself."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app.__rsgi_init__(loop)
    signal.raise_signal(signal.SIGINT)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert app.lifecycle.runtime is not None
    assert app.lifecycle.runtime.stopping
    app.__rsgi_del__(loop)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_loop_s_end_is_passed_on_alone(
    app: Gobstopper, loop: asyncio.AbstractEventLoop, number: int
) -> None:
    seen: list[int] = []
    signal.signal(number, lambda number, frame: seen.append(number))
    app.__rsgi_init__(loop)
    app.__rsgi_del__(loop)
    loop.close()
    signal.raise_signal(number)
    assert seen == [number]


def test_a_mounted_application_leaves_the_signals_to_the_outer_one(
    app: Gobstopper, loop: asyncio.AbstractEventLoop
) -> None:
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    inner = Gobstopper("inner", config=app.config)
    app.mount("/inner", inner)
    app.__rsgi_init__(loop)
    signal.raise_signal(signal.SIGTERM)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert seen == [signal.SIGTERM]
    assert inner.lifecycle.runtime is not None
    assert inner.lifecycle.runtime.stopping
    app.__rsgi_del__(loop)


def test_a_failing_shutdown_hook_is_logged_and_none_runs_twice(
    app: Gobstopper, loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []

    @app.on_shutdown
    async def fails() -> None:
        log.append(current_app().name)
        raise SystemExit("not now")

    app.__rsgi_init__(loop)
    app.__rsgi_del__(loop)
    app.__rsgi_del__(loop)
    assert log == ["tests"]
    assert "a shutdown hook failed" in caplog.text
    assert "not now" in caplog.text
    assert len(caplog.records) == 1


def test_mounts_end_in_reverse_and_one_that_fails_keeps_no_other(
    app: Gobstopper, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []

    class Part(Inner):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __rsgi_init__(self, loop: object) -> None:
            log.append(f"start {self.name}")

        def __rsgi_del__(self, loop: object) -> None:
            log.append(f"stop {self.name}")
            if self.name == "b":
                raise OSError("gone")

    for name in "abc":
        app.mount(f"/{name}", Part(name))
    app.on_shutdown(lambda: log.append("hook"))
    with TestClient(app):
        pass
    assert log == ["start a", "start b", "start c", "stop c", "stop b", "stop a", "hook"]
    assert "gone" in caplog.text


def test_mistakes_are_listed_without_a_traceback_and_what_a_hook_raised_with_one(
    app: Gobstopper, caplog: pytest.LogCaptureFixture
) -> None:
    app.before_websocket(lambda: None)
    with pytest.raises(StartupError), TestClient(app):
        pass
    assert "tests cannot start: " in caplog.text
    assert "Traceback" not in caplog.text
    caplog.clear()
    other = Gobstopper("other", config=app.config)

    @other.on_startup
    def fails() -> None:
        raise ConnectionError("no database")

    with pytest.raises(ConnectionError), TestClient(other):
        pass
    assert "other cannot start: no database" in caplog.text
    assert "Traceback" in caplog.text
