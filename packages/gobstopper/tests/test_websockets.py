"""WebSocket routes: origins, states, ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gobstopper import Gobstopper, current_request
from gobstopper.websockets import is_same_origin
from gobstopper_http import HTTPException, Limits, Response, WebSocket, WebSocketDisconnect
from gobstopper_http.testing import TestClient, WebSocketClient, WebSocketClosed, WebSocketRejected


def test_echo_with_parameters_query_headers_cookies(app: Gobstopper) -> None:
    @app.websocket("/ws/<room>/<int:number>")
    async def chat(websocket: WebSocket, room: str, number: int) -> None:
        await websocket.accept()
        await websocket.send_json(
            [
                room,
                number,
                websocket.query["q"],
                websocket.headers["x-a"],
                websocket.cookies["c"],
                websocket.path_params,
            ]
        )
        async for message in websocket:
            if isinstance(message, str):
                await websocket.send_text(message)
            else:
                await websocket.send_bytes(message)

    with (
        TestClient(app) as client,
        client.websocket("/ws/kitchen/3?q=1", headers={"X-A": "b"}, cookies={"c": "d"}) as socket,
    ):
        assert socket.receive_json() == ["kitchen", 3, "1", "b", "d", {"room": "kitchen", "number": 3}]
        socket.send_text("é")
        assert socket.receive_text() == "é"
        socket.send_bytes(b"\0")
        assert socket.receive_bytes() == b"\0"


def test_a_client_that_leaves_ends_the_handler_quietly(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[Any] = []

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as end:
            ended.append(end.code)
            raise

    with TestClient(app) as client:
        with client.websocket("/ws"):
            pass
        with client.websocket("/ws") as socket:
            socket.disconnect()
        client.settle()
    assert ended == [1005, 1006]
    assert not caplog.records


@pytest.mark.parametrize(
    ("raised", "status"),
    [(HTTPException(401), 401), (HTTPException(302), 403), (ValueError("x"), 500), (SystemExit(1), 500), (None, 403)],
)
def test_ending_before_accept(app: Gobstopper, raised: BaseException | None, status: int) -> None:
    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        if raised is not None:
            raise raised

    with TestClient(app) as client, pytest.raises(WebSocketRejected) as caught, client.websocket("/ws"):
        pass
    assert caught.value.status == status


def test_unknown_paths_and_http_only_paths(app: Gobstopper) -> None:
    app.get("/http")(lambda request: "ok")

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()

    with TestClient(app) as client:
        for path in ("/nope", "/http", "/%00"):
            with pytest.raises(WebSocketRejected) as caught, client.websocket(path):
                pass
            assert caught.value.status == (400 if "%" in path else 404)
        assert client.get("/ws").status == 404


def test_errors_after_accept_close_with_1011(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        raise ValueError("inside")

    with TestClient(app) as client, client.websocket("/ws") as socket:
        with pytest.raises(WebSocketClosed):
            socket.receive()
        assert socket.app_close_code == 1011
    assert len(caplog.records) == 1


@pytest.mark.parametrize("call", ["accept", "send", "receive", "close-wild", "close-twice", "receive-twice"])
def test_wrong_calls_are_errors_not_panics(app: Gobstopper, call: str, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        if call == "send":
            await websocket.send_text("x")
        if call == "receive":
            await websocket.receive()
        await websocket.accept()
        if call == "accept":
            await websocket.accept()
        if call == "close-wild":
            await websocket.close(70000)
        if call == "close-twice":
            await websocket.close(1000)
            await websocket.close(1001)
            await websocket.send_text("x")
        if call == "receive-twice":
            await asyncio.gather(websocket.receive(), websocket.receive())

    with TestClient(app) as client:
        try:
            with client.websocket("/ws") as socket:
                with pytest.raises(WebSocketClosed):
                    socket.receive()
                assert socket.app_close_code == (1000 if call == "close-twice" else 1011)
        except WebSocketRejected as rejected:
            refused = (rejected.status, call)
            assert refused in {(500, "send"), (500, "receive")}
        app2 = client.get("/nothing")
        assert app2.status == 404
    assert len(caplog.records) == (0 if call == "close-twice" else 1)


def test_limits_close_the_socket(app: Gobstopper) -> None:
    seen: list[tuple[int, str]] = []

    @app.websocket("/ws", limits=Limits(websocket_message=100, websocket_idle=0.3))
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async for message in websocket:
                await websocket.send_text(str(len(message)))
        except WebSocketDisconnect as end:
            seen.append((end.code, end.reason))
            raise

    with TestClient(app) as client:
        with client.websocket("/ws") as socket:
            socket.send_text("x" * 100)
            assert socket.receive_text() == "100"
            socket.send_text("é" * 51)
            with pytest.raises(WebSocketClosed):
                socket.receive()
        with client.websocket("/ws") as socket, pytest.raises(WebSocketClosed):
            socket.receive()
        client.settle()
    assert [code for code, _ in seen] == [1009, 1001]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101), ("http://127.0.0.1", 101), ("https://127.0.0.1", 101), ("https://partner.example", 101),
        ("https://partner.example.evil", 403), ("http://127.0.0.1.evil", 403), ("null", 403), ("", 403),
        ("http://127.0.0.1:8000", 403), ("http://[", 403), ("http://user@127.0.0.1", 403),
    ],
)  # fmt: skip
def test_same_origin_unless_listed(app: Gobstopper, origin: str | None, status: int) -> None:
    @app.websocket("/ws", origins=["https://partner.example"])
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()

    headers = {} if origin is None else {"Origin": origin}
    with TestClient(app) as client:
        if status == 101:
            with client.websocket("/ws", headers=headers):
                pass
        else:
            with pytest.raises(WebSocketRejected) as caught, client.websocket("/ws", headers=headers):
                pass
            assert caught.value.status == status


def test_default_ports_are_the_same_origin() -> None:
    assert is_same_origin("https://example.com", "example.com:443")
    assert is_same_origin("http://example.com:80", "EXAMPLE.com")
    assert not is_same_origin("https://example.com", "example.com:80")
    assert is_same_origin("https://anything.example", "x", "http", ["*"])


def test_over_https_the_origin_is_https() -> None:
    assert is_same_origin("https://example.com", "example.com", "https")
    assert not is_same_origin("http://example.com", "example.com", "https")
    assert is_same_origin("https://example.com", "example.com", "http"), "a proxy may have ended TLS"


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://public.example", 101), ("https://friend.example", 101), ("http://public.example", 403),
     ("http://inner:8000", 403), ("https://evil.example", 403)],
)  # fmt: skip
def test_the_origin_behind_a_proxy(app: Gobstopper, origin: str, status: int) -> None:
    """What the middleware learned from the proxy counts, and whom it trusts."""
    from gobstopper.middleware import ProxyMiddleware, SecurityMiddleware

    app.add_middleware(ProxyMiddleware, priority=100, trusted=["127.0.0.0/8"], x_forwarded_host=True)
    app.add_middleware(SecurityMiddleware, sessions=False, trusted_origins=["https://friend.example"])

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()

    headers = {
        "Host": "inner:8000", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "public.example",
        "X-Forwarded-Proto": "https", "Origin": origin,
    }  # fmt: skip
    with TestClient(app) as client:
        if status == 101:
            with client.websocket("/ws", headers=headers):
                pass
        else:
            with pytest.raises(WebSocketRejected) as caught, client.websocket("/ws", headers=headers):
                pass
            assert caught.value.status == status


def test_receive_kinds(app: Gobstopper) -> None:
    @app.websocket("/<kind>")
    async def ws(websocket: WebSocket, kind: str) -> None:
        await websocket.accept()
        value: Any = await getattr(websocket, f"receive_{kind}")()
        await websocket.send_json(value if isinstance(value, str | dict) else value.decode())

    good: list[tuple[str, str | bytes, Any]] = [("text", "a", "a"), ("bytes", b"b", "b"), ("json", '{"x":1}', {"x": 1})]
    wrong: list[tuple[str, str | bytes, int]] = [("text", b"a", 1003), ("bytes", "b", 1003), ("json", "{", 1007)]
    with TestClient(app) as client:
        for kind, message, answer in good:
            with client.websocket(f"/{kind}") as socket:
                _send(socket, message)
                assert socket.receive_json() == answer
        for kind, message, code in wrong:
            with client.websocket(f"/{kind}") as socket:
                _send(socket, message)
                with pytest.raises(WebSocketClosed):
                    socket.receive()
                assert socket.app_close_code == code


def _send(socket: WebSocketClient, message: str | bytes) -> None:
    if isinstance(message, bytes):
        socket.send_bytes(message)
    else:
        socket.send_text(message)


def test_many_tasks_may_send(app: Gobstopper) -> None:
    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await asyncio.gather(*(websocket.send_text(str(n)) for n in range(50)))

    with TestClient(app) as client, client.websocket("/ws") as socket:
        assert sorted(int(socket.receive_text()) for _ in range(50)) == list(range(50))


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "same"),
    [
        ("https://example.com:443", "example.com", "https", True),
        ("https://example.com:80", "example.com", "https", False),
        ("http://example.com", "example.com:80", "http", True),
        ("http://example.com:443", "example.com", "http", False),
        ("http://example.com:8080", "example.com:8080", "http", True),
        ("ftp://example.com", "example.com", "http", False),
        ("chrome-extension://example.com", "example.com", "http", False),
        ("//example.com", "example.com", "http", False),
        ("http:", "", "http", False),
        ("http://", "", "http", False),
        ("example.com", "example.com", "http", False),
    ],
)
def test_what_is_the_same_origin(origin: str, host: str, scheme: str, same: bool) -> None:
    assert is_same_origin(origin, host, scheme) is same


def test_two_origins_are_none(app: Gobstopper) -> None:
    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()

    good = ("Origin", "http://127.0.0.1")
    with TestClient(app) as client:
        with client.websocket("/ws", headers=[good]):
            pass
        for headers in ([good, good], [good, ("Origin", "http://evil.example")]):
            with pytest.raises(WebSocketRejected) as caught, client.websocket("/ws", headers=headers):
                pass
            assert caught.value.status == 403


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (401, 401), (True, 403), (False, 403), ("no", 403), (Response("x", 429), 429), (("no", 418), 418),
        (("no", "418"), 403), (("no",), 403), ({}, 403), ((None, 404, {}), 404),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_a_hook_refuses_with(app: Gobstopper, outcome: Any, status: int, kind: str) -> None:
    begun: list[str] = []

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        begun.append("handler")

    async def later(websocket: WebSocket) -> Any:
        return outcome

    app.before_websocket(later if kind == "async def" else lambda websocket: outcome)
    app.before_websocket(lambda websocket: begun.append("next hook"))
    with TestClient(app) as client, pytest.raises(WebSocketRejected) as caught, client.websocket("/ws"):
        pass
    assert (caught.value.status, begun) == (status, [])


def test_a_handler_that_is_done_closes_with_1000_and_what_it_left_is_ended(app: Gobstopper) -> None:
    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        assert current_request() is websocket
        await websocket.send_text("done")

    with TestClient(app) as client, client.websocket("/ws") as socket:
        assert socket.receive_text() == "done"
        with pytest.raises(WebSocketClosed):
            socket.receive()
        assert socket.app_close_code == 1000
        assert app.lifecycle.runtime is not None
        client.settle()
        assert app.lifecycle.runtime.websockets == set()


def test_a_cancelled_handler_closes_with_1011_and_says_so(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    """A cancellation that is not the server's end is the application's own mistake."""

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        raise asyncio.CancelledError

    with TestClient(app) as client, client.websocket("/ws") as socket:
        with pytest.raises(WebSocketClosed):
            socket.receive()
        assert socket.app_close_code == 1011
    assert "GET /ws was cancelled from outside" in caplog.text
