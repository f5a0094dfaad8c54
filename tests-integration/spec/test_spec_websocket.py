"""The WebSocket examples of the specification."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from support import GranianServer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from spec.wire import fetch

Example = Callable[..., GranianServer]


def address(server: GranianServer, path: str) -> str:
    return f"ws://{server.host}:{server.port}{path}"


def test_echo(example: Example) -> None:
    server = example("websockets")
    with connect(address(server, "/ws/echo"), open_timeout=10) as socket:
        for text in ("hello", "", "ünï", "x" * 100_000):
            socket.send(text)
            assert socket.recv(timeout=10) == f"Echo: {text}"


def test_a_message_in_a_room_reaches_everyone_there_and_nobody_else(example: Example) -> None:
    server = example("websockets")
    with (
        connect(address(server, "/ws/chat/red"), open_timeout=10) as one,
        connect(address(server, "/ws/chat/red"), open_timeout=10) as two,
        connect(address(server, "/ws/chat/blue"), open_timeout=10) as other,
    ):
        wait_until(lambda: fetch(server, "/rooms").json["members"] == {"red": 2, "blue": 1})
        one.send("hi")
        assert one.recv(timeout=10) == two.recv(timeout=10) == "hi"
        other.send("alone")
        assert other.recv(timeout=10) == "alone"
    # Leaving ends the handler, whose `finally` runs; and nobody calls that an error.
    wait_until(lambda: fetch(server, "/rooms").json["members"] == {"red": 0, "blue": 0})
    assert sorted(fetch(server, "/rooms").json["left"]) == ["blue", "red", "red"]
    assert "failed" not in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize(("path", "status"), [("/ws/none", 404), ("/rooms", 404)])
def test_a_handshake_to_no_websocket_is_refused(example: Example, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(address(example("websockets"), path), open_timeout=10)
    assert refused.value.response.status_code == status


def test_another_origin_is_refused(example: Example) -> None:
    server = example("websockets")
    with pytest.raises(InvalidStatus) as refused:
        connect(address(server, "/ws/echo"), open_timeout=10, additional_headers={"Origin": "https://evil.example"})
    assert refused.value.response.status_code == 403
    with connect(address(server, "/ws/echo"), open_timeout=10, additional_headers={"Origin": server.url}) as socket:
        socket.send("same")
        assert socket.recv(timeout=10) == "Echo: same"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
