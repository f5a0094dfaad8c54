"""The states of a WebSocket: the fake server and a real Granian agree."""

from __future__ import annotations

import json
import time

import pytest
from parity.drivers import Driver, Refused

CLOSED = "RSGIProtocolClosed: RSGI transport is closed"
ERROR = "RSGIProtocolError: RSGI protocol error"
NO_DATA = [0, "no data"]


def test_messages(server: Driver) -> None:
    with server.websocket("/echo") as websocket:
        for data in ("hé", b"\0\xff", "", b""):
            websocket.send(data)
            assert websocket.receive() == data
        websocket.close(4001)
    seen = server.notes("echo", lambda value: value and len(value) == 9)
    assert seen == [[2, "hé"], [1, [0, 255]], [2, ""], [1, []], NO_DATA, CLOSED, CLOSED, "None", ERROR]


def test_scope(server: Driver) -> None:
    with server.websocket("/scope?a=%20b") as websocket:
        seen = json.loads(websocket.receive())
    assert seen == {
        "proto": "ws",
        "http_version": "1.1",
        "scheme": "http",
        "method": "GET",
        "path": "/scope",
        "query_string": "a=%20b",
        "authority": None,
        "version": "13",
        "probe": "1",
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/silent", 403),
        ("/refuse-none", 403),
        ("/raise", 403),
        ("/refuse?401", 401),
        ("/refuse?404", 404),
        ("/refuse?500", 500),
        ("/refuse?204", 204),
    ],
)
def test_refused(server: Driver, path: str, status: int) -> None:
    with pytest.raises(Refused) as refused, server.websocket(path):
        pass
    assert refused.value.status == status
    if "?" in path:
        assert server.notes("refuse") == ["None", "None"]


@pytest.mark.parametrize("path", ["/accept-and-return", "/accept-and-raise"])
def test_the_end_of_the_handler_closes_without_a_code(server: Driver, path: str) -> None:
    with server.websocket(path) as websocket:
        assert websocket.receive() == "hello"
        assert websocket.receive() == 1005


@pytest.mark.parametrize("code", [1000, 1001, 4001, 0, -5, 99999])
def test_a_close_code_does_not_arrive(server: Driver, code: int) -> None:
    with server.websocket(f"/close?{code}") as websocket:
        assert websocket.receive() == "hello"
        assert websocket.receive() == 1005
    assert server.notes("close") == ["None", "None", ERROR, NO_DATA, CLOSED]


def test_a_client_that_vanishes(server: Driver) -> None:
    with server.websocket("/left") as websocket:
        websocket.abort()
    assert server.notes("left") == [CLOSED, CLOSED]


def test_sending_to_a_client_that_has_vanished(server: Driver) -> None:
    with server.websocket("/send-to-nobody") as websocket:
        websocket.abort()
    assert server.notes("send-to-nobody") == [CLOSED, CLOSED]


def test_messages_before_the_client_vanished_are_read(server: Driver) -> None:
    with server.websocket("/unread") as websocket:
        websocket.send("one")
        websocket.send("two")
        time.sleep(0.1)
        websocket.abort()
    assert server.notes("unread") == [[2, "one"], [2, "two"], CLOSED]


def test_two_receives_at_once(server: Driver) -> None:
    with server.websocket("/two-receives") as websocket:
        assert websocket.receive() == "now"
        websocket.send("first")
        assert websocket.receive() == "first"
    assert server.notes("two-receives") == ERROR


def test_a_receive_that_is_cancelled_loses_nothing(server: Driver) -> None:
    with server.websocket("/cancelled-receive") as websocket:
        assert websocket.receive() == "ready"
        websocket.send("kept")
        assert websocket.receive() == "kept"


def test_wrong_types_and_sends_that_nobody_awaits(server: Driver) -> None:
    with server.websocket("/types") as websocket:
        assert websocket.receive() == b"not awaited"
        assert websocket.receive() == b"view"
    assert server.notes("ws-types") == [
        "TypeError: 'str' object cannot be interpreted as an integer",
        "TypeError: 'bytes' object is not an instance of 'str'",
        "TypeError: Can't extract `str` to `Vec`",
        "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
    ]


def test_large_messages(server: Driver) -> None:
    with server.websocket("/large") as websocket:
        websocket.send("x" * 15_000_000)
        assert websocket.receive() == "15000000"
        websocket.send("x" * 17_000_000)
        assert isinstance(websocket.receive(), int)
    assert server.notes("large") == CLOSED


def test_a_client_that_leaves_before_the_handshake_is_answered(server: Driver) -> None:
    server.handshake_and_leave("/late-accept")
    assert server.notes("late-accept") == "RSGIProtocolError"


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"connection": "Upgrade", "upgrade": "websocket"}, 400, b'No "Sec-WebSocket-Key" header'),
        (
            {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "12"},
            400,
            b'No "Sec-WebSocket-Version: 13" header',
        ),
        ({"upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}, 200, b""),
        ({"connection": "upgrade", "sec-websocket-key": "x", "sec-websocket-version": "13"}, 200, b""),
    ],
)
def test_handshakes_that_are_none(server: Driver, headers: dict[str, str], status: int, body: bytes) -> None:
    wire = server.request("GET", "/defaults", [(name, value.encode()) for name, value in headers.items()])
    assert (wire.status, wire.body) == (status, body)


@pytest.mark.parametrize("path", ["/refuse?0", "/refuse?99", "/refuse?1001", "/refuse?4001", "/accept-twice"])
def test_what_ends_the_worker(own_server: Driver, path: str) -> None:
    with pytest.raises(BaseException), own_server.websocket(path) as websocket:  # noqa: B017, PT012
        if websocket.receive() == 1006:
            raise ConnectionError
    assert own_server.dead()
