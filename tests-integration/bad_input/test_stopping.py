"""SIGTERM: what is in flight is finished, what would not end is ended, and the process is gone within the grace."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_input.conftest import APP, Worker
from bad_input.wire import Client
from support import granian_server

GRACE = 2.0  # as the application has it
WEBSOCKET = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(params=["asyncio", "uvloop"])
def stopping(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with granian_server(f"{APP}:app", args=["--loop", request.param]) as server:
        worker = Worker(server)
        worker.mark()
        yield worker
        worker.close()


def begin(worker: Worker, path: str, *, websocket: bool = False) -> Client:
    client = worker.client(receive_buffer=4096 if "mib" in path or "flood" in path else None)
    if websocket:
        client.send(WEBSOCKET.format(path=path).encode())
        assert client.read_head().status == 101
    else:
        client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def stop(worker: Worker) -> float:
    worker.server.process.send_signal(signal.SIGTERM)
    return time.monotonic()


def seconds_until_gone(worker: Worker, since: float) -> float:
    assert worker.server.process.wait(10) == 0
    assert not Path(f"/proc/{worker.pid}").exists()
    return time.monotonic() - since


def test_everything_at_once(stopping: Worker) -> None:
    """In flight: finished. Events and WebSockets: ended. The rest: cut off after the grace, and the log says so."""
    idle = begin(stopping, "/ok")
    assert idle.read().status == 200
    slow = begin(stopping, "/slow/1.0")
    late_events = begin(stopping, "/events?wait=0.8")
    events = [begin(stopping, "/events"), begin(stopping, "/events?pause=60")]
    downloads = [begin(stopping, "/streams/slow"), begin(stopping, "/streams/def-slow?pause=30")]
    begin(stopping, "/streams/big?mib=50")  # and stalls
    never = begin(stopping, "/slow/2.9")
    for path in ("/ws/open", "/ws/hang", "/ws/echo", "/ws/flood"):
        begin(stopping, path, websocket=True)
    time.sleep(0.4)
    began = stop(stopping)

    assert idle.ended()
    for client in events:
        answer = client.read()
        assert (answer.status, answer.complete) == (200, True)
        assert answer.body.startswith(b"data: tick\n\n")
    assert slow.read().body == b"slow"
    answer = late_events.read()
    assert (answer.status, answer.header("content-type")) == (200, "text/event-stream; charset=utf-8")
    assert (answer.body, answer.complete) == (b"", True)
    assert time.monotonic() - began < GRACE
    assert [client.read().complete for client in downloads] == [False, False]
    assert never.read().status == 503
    assert seconds_until_gone(stopping, began) < GRACE + 2
    stopping.took(
        "GET /streams/slow was cut off: the server stops",
        "GET /streams/def-slow was cut off: the server stops",
        "GET /slow/2.9 was cut off: the server stops",
    )


def test_nothing_at_all(stopping: Worker) -> None:
    assert seconds_until_gone(stopping, stop(stopping)) < GRACE


def test_while_stopping_health_and_new_event_streams_end_at_once(stopping: Worker) -> None:
    """On a connection that was open before: the server accepts no others."""
    begin(stopping, "/slow/1.5")
    waiting = begin(stopping, "/slow/0.5")
    waiting.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")  # pipelined: read after the first answer, if at all
    time.sleep(0.2)
    began = stop(stopping)
    assert waiting.read().body == b"slow"
    answer = waiting.read()
    assert (answer.status, answer.body) in {(200, b""), (0, b"")}
    assert seconds_until_gone(stopping, began) < GRACE + 1


def test_a_half_sent_body_is_given_up(stopping: Worker) -> None:
    client = stopping.client()
    client.send(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    time.sleep(0.2)
    began = stop(stopping)
    assert client.read().status == 408
    assert seconds_until_gone(stopping, began) < GRACE + 1
