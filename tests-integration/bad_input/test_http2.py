"""HTTP/2 with prior knowledge: cut-off and oversized bodies, readers that stall, streams that are reset."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_input.conftest import Worker
from bad_input.wire import eventually
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

MIB = 1024 * 1024


class Client2:
    """One connection; answers by stream."""

    def __init__(self, worker: Worker) -> None:
        self.socket = socket.create_connection((worker.server.host, worker.server.port), timeout=10)
        self.h2 = H2Connection(H2Configuration(validate_outbound_headers=False))
        self.h2.initiate_connection()
        self.status: dict[int, int] = {}
        self.body: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.reset: dict[int, int] = {}
        self.closed = False
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def request(
        self, method: str, path: str, *fields: tuple[str, str], body: bytes | None = None, end: bool = True
    ) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "test"), *fields]
        self.h2.send_headers(stream, head, end_stream=body is None and end)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=end)
        self.flush()
        return stream

    def read(self, *, take: bool = True) -> None:
        """Read what comes next; without `take` the window is not opened again, as a reader that stalls."""
        data = self.socket.recv(65536)
        self.closed = not data
        for event in self.h2.receive_data(data) if data else ():
            self._on(event, take)
        self.flush()

    def _on(self, event: Any, take: bool) -> None:
        if isinstance(event, events.ResponseReceived):
            self.status[event.stream_id] = int(dict(event.headers)[b":status"])
        elif isinstance(event, events.DataReceived):
            self.body[event.stream_id] = self.body.get(event.stream_id, b"") + event.data
            if take:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, events.StreamReset):
            self.reset[event.stream_id] = event.error_code

    def answer(self, stream: int) -> int:
        while stream not in self.ended and stream not in self.reset and not self.closed:
            self.read()
        return self.status.get(stream, 0)


@pytest.fixture
def client(worker: Worker) -> Iterator[Client2]:
    made = Client2(worker)
    yield made
    made.socket.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/ok", 200), ("GET", "/nope", 404), ("POST", "/users/1", 405), ("GET", "/echo/%ff", 400),
     ("GET", "/echo/a%00b", 400), ("HEAD", "/streams/big", 200), ("OPTIONS", "/users/1", 204)],
)  # fmt: skip
def test_requests(client: Client2, method: str, path: str, status: int) -> None:
    assert client.answer(client.request(method, path)) == status


def test_the_authority_is_the_host(client: Client2) -> None:
    stream = client.request("GET", "/host")
    assert client.answer(stream) == 200
    assert b'"host":"test"' in client.body[stream]


def test_a_host_that_is_not_the_authority(client: Client2) -> None:
    assert client.answer(client.request("GET", "/host", ("host", "other"))) == 400
    assert client.answer(client.request("GET", "/host", ("host", "test"))) == 200


def test_a_known_host_that_is_not_the_authority(worker: Worker, client: Client2) -> None:
    assert worker.ask("GET", "/ok", host="other").status == 200
    assert client.answer(client.request("GET", "/ok", ("host", "other"))) == 400


@pytest.mark.parametrize("path", ["/body", "/json", "/form"])
def test_too_large(client: Client2, path: str) -> None:
    kind = ("content-type", "application/x-www-form-urlencoded")
    assert client.answer(client.request("POST", path, kind, body=b"x" * 2000)) == 413
    assert client.answer(client.request("POST", path, kind, ("content-length", "2000"), body=b"x" * 2000)) == 413


def test_a_length_that_is_a_lie(client: Client2) -> None:
    stream = client.request("POST", "/body", ("content-length", "5"), body=b"x" * 500)
    assert client.answer(stream) in {0, 400}  # the server's own word is a reset


def test_a_body_that_never_arrives(client: Client2) -> None:
    assert client.answer(client.request("POST", "/body", end=False)) == 408
    assert client.answer(client.request("GET", "/ok")) == 200


def test_a_body_that_is_cut_off(worker: Worker, client: Client2) -> None:
    stream = client.request("POST", "/body", ("content-length", "100"), body=b"x", end=False)
    time.sleep(0.2)
    client.h2.reset_stream(stream)
    client.flush()
    assert client.answer(client.request("GET", "/ok")) == 200


def test_a_stream_that_fails_half_way(worker: Worker, client: Client2) -> None:
    """The server ends it as if it were complete: nothing tells it otherwise over HTTP/2."""
    stream = client.request("GET", "/streams/raise-after")
    assert (client.answer(stream), client.body[stream]) == (200, b"one")
    worker.took("ValueError: after the first chunk")


def test_a_reader_that_stalls(worker: Worker, client: Client2) -> None:
    """Its window holds 64 KiB, the pipe as much; `stream_idle` is two seconds."""
    worker.ask("POST", "/notes/clear")
    before, descriptors = worker.resident, worker.descriptors
    for _ in range(5):
        client.request("GET", "/streams/big?mib=100")
    time.sleep(1)
    assert worker.resident - before < 30 * MIB
    assert eventually(lambda: worker.state()["notes"] == ["big closed"] * 5, seconds=8)
    client.socket.close()
    assert eventually(lambda: worker.descriptors <= descriptors)


def test_more_readers_that_stall_than_there_are_pipes(worker: Worker) -> None:
    """128 are sent, 128 wait for `stream_idle`, and nothing is queued for any of them."""
    before, descriptors = worker.resident, worker.descriptors
    clients = [Client2(worker) for _ in range(3)]
    streams = [(client, client.request("GET", "/streams/big?mib=20")) for client in clients for _ in range(90)]
    time.sleep(1)
    assert worker.resident - before < 100 * MIB
    assert worker.ask("GET", "/ok").status == 200
    last = [client.answer(stream) for client, stream in streams[-14:]]
    assert last == [503] * 14, "270 are more than 256"
    for client in clients:
        client.socket.close()
    assert eventually(lambda: worker.descriptors <= descriptors, seconds=20)


def test_streams_that_are_reset(worker: Worker, client: Client2) -> None:
    worker.ask("POST", "/notes/clear")
    streams = [client.request("GET", path) for path in ("/streams/slow", "/streams/slow?bounded=0", "/events")]
    while len(client.status) < 3:
        client.read()
    for stream in streams:
        client.h2.reset_stream(stream)
    client.flush()
    assert eventually(lambda: len(worker.state()["notes"]) == 3)


def test_streams_of_a_connection_that_is_gone(worker: Worker, client: Client2) -> None:
    worker.ask("POST", "/notes/clear")
    descriptors = worker.descriptors
    for path in ("/streams/slow", "/streams/slow?bounded=0", "/events", "/streams/big?mib=100"):
        client.request("GET", path)
    while len(client.status) < 4:
        client.read(take=False)
    client.socket.close()
    assert eventually(lambda: len(worker.state()["notes"]) == 4)
    assert eventually(lambda: worker.descriptors < descriptors)
    assert Path(f"/proc/{worker.pid}").exists()


def test_rapid_resets(worker: Worker, client: Client2) -> None:
    """CVE-2023-44487: the server gives up on the connection, or works them off."""
    try:
        for _ in range(500):
            client.h2.reset_stream(client.request("GET", "/slow/0.05"))
            client.flush()
    except OSError:
        pass
    assert worker.ask("GET", "/ok").body == b"ok"
    worker.mark()
