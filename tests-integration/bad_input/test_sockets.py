"""WebSocket handlers and peers that break the rules."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bad_input.app import RAISED
from bad_input.conftest import Worker
from bad_input.wire import Client, eventually, reset
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)


@pytest.fixture(autouse=True)
def nothing_stays(worker: Worker) -> Iterator[None]:
    with worker.unchanged():
        yield


@contextmanager
def opened(worker: Worker, path: str, **options: Any) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{worker.server.port}{path}", open_timeout=5, close_timeout=3, **options) as socket:
        yield socket


def refusal(worker: Worker, path: str, **options: Any) -> int:
    """The status that a handshake is refused with."""
    with pytest.raises(InvalidStatus) as refused, opened(worker, path, **options):
        pass
    return refused.value.response.status_code


def assert_closes(socket: ClientConnection) -> None:
    """By a proper close frame; the code does not reach the client (Granian sends none)."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=5)
    assert closed.value.rcvd is not None


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nope", 404), ("/ok", 404), ("/users/1", 404), ("/ws/%ff", 400), ("/ws/a%00", 400), ("/ws/nothing", 403),
     ("/ws/abort/401", 401), ("/ws/abort/404", 404), ("/ws/abort/599", 599), ("/ws/abort/301", 403)],
)  # fmt: skip
def test_refused(worker: Worker, path: str, status: int) -> None:
    assert refusal(worker, path) == status


@pytest.mark.parametrize("name", sorted(set(RAISED) - {"GeneratorExit"}))
def test_anything_raised(worker: Worker, name: str) -> None:
    assert refusal(worker, f"/ws/raise-before-{name}") == 500
    worker.took(f"GET /ws/raise-before-{name} ")
    with opened(worker, f"/ws/raise-after-{name}") as socket:
        assert_closes(socket)
    worker.took(f"GET /ws/raise-after-{name} ")


def test_generator_exit(worker: Worker) -> None:
    assert refusal(worker, "/ws/raise-before-GeneratorExit") == 403
    with opened(worker, "/ws/raise-after-GeneratorExit") as socket:
        assert_closes(socket)
    assert eventually(lambda: sum("GeneratorExit:" in line["event"] for line in worker.logged()) == 2)
    worker.mark()


@pytest.mark.parametrize("path", ["/ws/send-first", "/ws/receive-first"])
def test_too_early(worker: Worker, path: str) -> None:
    assert refusal(worker, path) == 500
    worker.took("before accept(): await websocket.accept() first")


def test_accepted_twice(worker: Worker) -> None:
    with opened(worker, "/ws/accept-twice") as socket:
        assert_closes(socket)
    worker.took("accept() on a WebSocket that is open")


def test_too_late(worker: Worker) -> None:
    with opened(worker, "/ws/after-close") as socket:
        assert_closes(socket)


NUMBERS = [-1, 0, 1, 99, 100, 101, 200, 204, 301, 403, 599, 600, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1015, 2999,
           3000, 4999, 5000, 65535, 65536, 2**31, 2**32, 2**63, 2**64]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_closed_with_any_number(worker: Worker, number: int) -> None:
    assert refusal(worker, f"/ws/refuse?status={number}") == (number if 400 <= number <= 599 else 403)
    may_be_sent = number in {1000, 1001, 1011, 3000, 4999}
    assert refusal(worker, f"/ws/close-before?code={number}") == (403 if may_be_sent else 500)
    if not may_be_sent:
        worker.took(f"{number} is not a close code")
    with opened(worker, f"/ws/close-after?code={number}") as socket:
        assert_closes(socket)
    if not may_be_sent:
        worker.took(f"{number} is not a close code")


def test_two_receivers(worker: Worker) -> None:
    """The connection is let go although the exceptions' frames form a cycle: the peer sees its end."""
    worker.ask("POST", "/gc/off")
    try:
        with worker.client(timeout=5) as client:
            client.send(HANDSHAKE.format(path="/ws/two-receive", more="").encode())
            assert client.read_head().status == 101
            assert client.socket.recv(2) == b"\x88\x00"
            client.send(b"\x88\x80\0\0\0\0")
            assert client.ended()
    finally:
        worker.ask("POST", "/gc/on")
    worker.took("GET /ws/two-receive failed: ExceptionGroup")


def test_a_receive_that_was_given_up_loses_no_message(worker: Worker) -> None:
    with opened(worker, "/ws/impatient") as socket:
        time.sleep(0.6)
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"


@pytest.mark.parametrize("message", ["x" * 1001, b"x" * 1001, "é" * 501, "x" * 5_000_000])
def test_messages_over_the_cap(worker: Worker, message: str | bytes) -> None:
    with opened(worker, "/ws/echo") as socket:
        socket.send(message)
        assert_closes(socket)
    assert eventually(lambda: worker.state()["notes"] == ["echo ended 1009"])


def test_messages_under_the_cap(worker: Worker) -> None:
    with opened(worker, "/ws/echo") as socket:
        for message in ("x" * 1000, b"x" * 1000, "é" * 500, "", b""):
            socket.send(message)
            assert socket.recv(timeout=5) == message


def test_silence(worker: Worker) -> None:
    with opened(worker, "/ws/echo") as socket:
        began = time.monotonic()
        assert_closes(socket)
        assert 0.5 < time.monotonic() - began < 4
    assert eventually(lambda: worker.state()["notes"] == ["echo ended 1001"])


@pytest.mark.parametrize("message", ["{", "", b"\xff", "[" * 100, "NaN"])
def test_json_that_is_none(worker: Worker, message: str | bytes) -> None:
    with opened(worker, "/ws/json") as socket:
        socket.send(message)
        assert_closes(socket)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "x", "http://127.0.0.1", "https://good.example.evil", ""]
)
def test_foreign_origins(worker: Worker, origin: str) -> None:
    headers = {"Origin": origin}
    assert refusal(worker, "/ws/open", additional_headers=headers) == 403
    assert refusal(worker, "/ws/any-origin", additional_headers=headers) == 403


def test_good_origins(worker: Worker) -> None:
    own = f"http://127.0.0.1:{worker.server.port}"
    for origin in (own, "https://good.example"):
        with opened(worker, "/ws/any-origin", additional_headers={"Origin": origin}) as socket:
            assert socket.recv(timeout=5) == "welcome"
    assert refusal(worker, "/ws/open", additional_headers={"Origin": "https://good.example"}) == 403


@pytest.mark.parametrize("hosts", ["", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: \r\n"])
@pytest.mark.parametrize("origin", ["", "Origin: http://a\r\n"])
def test_hosts_of_handshakes(worker: Worker, hosts: str, origin: str) -> None:
    request = HANDSHAKE.format(path="/ws/open", more=origin).replace("Host: x\r\n", hosts)
    with worker.client() as client:
        client.send(request.encode())
        assert client.read().status == 400


@pytest.mark.parametrize(
    ("good", "bad"),
    [("Version: 13", "Version: 12"), ("Version: 13", "Version: x"), ("Sec-WebSocket-Key", "X-Key"),
     ("Upgrade: websocket", "Upgrade: h2c"), ("Connection: Upgrade", "Connection: close")],
)  # fmt: skip
def test_handshakes_that_are_none(worker: Worker, good: str, bad: str) -> None:
    with worker.client() as client:
        client.send(HANDSHAKE.format(path="/ws/open", more="").replace(good, bad).encode())
        assert client.read().status in {400, 404, 426}


@pytest.mark.parametrize(
    "frames",
    [b"\x81\x05hello", b"\xff" * 20, b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x81\0\0\0\0\x03", b"\x83\x80\0\0\0\0",
     b"\x81\x82\0\0\0\0\xff\xff", b"\x80\x80\0\0\0\0", b"\x81\xff\x7f" + b"\xff" * 11,
     b"\x89\xfe\x00\x7e" + b"\0" * 130],
)  # fmt: skip
def test_frames_that_are_none(worker: Worker, frames: bytes) -> None:
    """Unmasked, reserved bits, bad UTF-8, huge lengths, long pings: the connection ends, and the handler with it."""
    with worker.client(timeout=5) as client:
        client.send(HANDSHAKE.format(path="/ws/echo", more="").encode())
        assert client.read_head().status == 101
        client.send(frames)
        assert eventually(lambda: worker.state()["notes"]) in (["echo ended 1005"], ["echo ended 1006"])


def test_a_flood_of_pings(worker: Worker) -> None:
    """Pings are no messages: the silence counts on."""
    with worker.client(timeout=5) as client:
        client.send(HANDSHAKE.format(path="/ws/echo", more="").encode() + b"\x89\x80\0\0\0\0" * 1000)
        assert client.read_head().status == 101
        assert eventually(lambda: worker.state()["notes"] == ["echo ended 1001"])


def test_a_reader_that_stalls(worker: Worker) -> None:
    """The handler sends 200 MiB; it waits, and is ended after `websocket_idle`."""
    before = worker.resident
    with worker.client(receive_buffer=4096) as client:
        client.send(HANDSHAKE.format(path="/ws/flood", more="").encode())
        assert client.read_head().status == 101
        assert eventually(lambda: worker.state()["notes"] == ["flood ended"])
        assert worker.resident - before < 30 * 1024 * 1024


def test_peers_that_leave(worker: Worker) -> None:
    for number in range(20):
        client: Client = worker.client()
        client.send(HANDSHAKE.format(path="/ws/echo", more="").encode())
        if number % 2:
            assert client.read_head().status == 101
        if number % 3:
            reset(client)
        else:
            client.socket.close()
