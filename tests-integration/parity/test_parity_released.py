"""What ends in an error leaves nothing behind, on a real Granian.

Granian's awaitable keeps its exception, which Python's collector cannot see. An exception whose traceback leads to a
frame that holds the awaitable in a variable is therefore never freed, nor is anything else of that request: one leak
for every upload that is cut off. So the awaitable is awaited where it is made, or deleted in a `finally`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import GranianServer, granian_server
from websockets.sync.client import connect

APP = Path(__file__).with_name("released_app.py")
ROUNDS = 10


@pytest.fixture(scope="module")
def server() -> Iterator[GranianServer]:
    with granian_server(f"{APP}:app") as server:
        yield server


def left(server: GranianServer) -> int:
    answer = server.raw(b"GET /left HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    return int(answer.rpartition(b"\r\n\r\n")[2])


def cut_off(server: GranianServer, path: str, head: bytes, body: bytes) -> bytes:
    request = b"POST %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%b\r\n\r\n%b" % (path.encode(), head, body)
    return server.raw(request, half_close=True)


def test_a_variable_that_holds_the_awaitable_leaks(server: GranianServer) -> None:
    """The fact that the rule is made for; if Granian mends it, the rule can go."""
    for _ in range(ROUNDS):
        assert cut_off(server, "/kept", b"content-length: 9", b"ab").startswith(b"HTTP/1.1 204")
    assert left(server) == ROUNDS


@pytest.mark.parametrize("path", ["/body", "/stream"])
@pytest.mark.parametrize(
    ("head", "body"), [(b"content-length: 9", b"ab"), (b"transfer-encoding: chunked", b"2\r\nab\r\n")]
)
def test_uploads_that_are_cut_off(server: GranianServer, path: str, head: bytes, body: bytes) -> None:
    for _ in range(ROUNDS):
        assert cut_off(server, path, head, body).startswith(b"HTTP/1.1 400")
    assert left(server) == 0


def test_websockets_that_vanish(server: GranianServer) -> None:
    for _ in range(ROUNDS):
        with connect(f"ws://{server.host}:{server.port}/", close_timeout=0.1) as websocket:
            websocket.socket.close()
    time.sleep(0.2)
    assert left(server) == 0
