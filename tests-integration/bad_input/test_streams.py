"""Streams that fail, clients that stall and clients that leave: nothing stays behind, and memory stays flat."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from bad_input.conftest import Worker
from bad_input.wire import Client, eventually, reset

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def nothing_stays(worker: Worker) -> Iterator[None]:
    """No task, no deadline, no entry in the registry of what has to be told of a shutdown, and no descriptor."""
    with worker.unchanged():
        descriptors = worker.descriptors
        yield
    assert eventually(lambda: worker.descriptors <= descriptors + 1), worker.descriptors - descriptors


@pytest.mark.parametrize("query", ["", "?bounded=0"])
@pytest.mark.parametrize("kind", ["raise", "def-raise"])
def test_an_error_before_the_first_chunk_is_an_answer(worker: Worker, kind: str, query: str) -> None:
    answer = worker.ask("GET", f"/streams/{kind}-before{query}")
    assert (answer.status, answer.header("content-type")) == (500, "application/problem+json")
    worker.took("before the first chunk")


@pytest.mark.parametrize("query", ["", "?bounded=0"])
@pytest.mark.parametrize(
    ("name", "message"),
    [("raise-after", "ValueError: after"), ("raise-exit", "SystemExit: 3"),
     ("raise-type", "yields bytes or str, not int"), ("raise-cancel", "was cancelled"),
     ("def-raise-after", "ValueError: after"), ("def-raise-exit", "SystemExit: 3")],
)  # fmt: skip
def test_an_error_after_the_first_chunk_does_not_look_like_the_end(
    worker: Worker, name: str, message: str, query: str
) -> None:
    answer = worker.ask("GET", f"/streams/{name}{query}")
    assert (answer.status, answer.body) == (200, b"one")
    assert answer.complete is (query == "?bounded=0")  # which the server ends itself
    worker.took(message)


def test_streams_end_without_the_cycle_collector(worker: Worker) -> None:
    """The server ends a stream when its transport is dropped: no reference cycle may keep it."""
    worker.ask("POST", "/gc/off")
    try:
        for path in ("raise-after?bounded=0", "def-raise-after?bounded=0", "raise-exit?bounded=0", "big"):
            with worker.client(timeout=3) as client:
                assert client.ask("GET", f"/streams/{path}").complete
    finally:
        worker.ask("POST", "/gc/on")
    assert len(worker.logged()) == 3
    worker.mark()


def test_head_does_not_run_the_stream(worker: Worker) -> None:
    with worker.client() as client:
        assert client.ask("HEAD", "/streams/big").status == 200
        assert client.ask("GET", "/ok").body == b"ok"
    assert worker.state()["notes"] == []


@pytest.mark.parametrize(
    "path",
    ["/streams/slow", "/streams/slow?bounded=0", "/streams/slow?pause=60", "/streams/slow?pause=60&bounded=0",
     "/streams/def-slow", "/streams/def-slow?bounded=0", "/events", "/events?pause=60", "/streams/big?mib=100",
     "/wait-gone"],
)  # fmt: skip
def test_clients_that_leave(worker: Worker, path: str) -> None:
    clients = [worker.client(receive_buffer=65536) for _ in range(6)]
    for client in clients:
        client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    if path == "/wait-gone":
        time.sleep(0.2)
    else:
        assert [client.read_head().status for client in clients] == [200] * 6
    for client in clients[:3]:
        reset(client)
    for client in clients[3:]:
        client.socket.close()
    assert eventually(lambda: len(worker.state()["notes"]) == 6)


def test_clients_that_stall(worker: Worker) -> None:
    """Ten readers take nothing of 100 MiB each; after two seconds (`stream_idle`) they are given up."""
    assert worker.ask("GET", "/streams/big?mib=2").complete  # the allocator has seen the size
    before = worker.resident
    clients = [worker.client(receive_buffer=4096) for _ in range(10)]
    for client in clients:
        client.send(b"GET /streams/big?mib=100 HTTP/1.1\r\nHost: x\r\n\r\n")
    peak = 0
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        peak = max(peak, worker.resident)
        assert worker.ask("GET", "/ok").body == b"ok"
        time.sleep(0.05)
    assert peak - before < 30 * MIB
    assert eventually(lambda: worker.state()["notes"].count("big closed") == 11)
    for client in clients:
        answer = client.read()
        assert (answer.status, answer.complete) == (200, False)
        client.socket.close()


def test_a_slow_reader_gets_all_of_it(worker: Worker) -> None:
    with worker.client(receive_buffer=65536) as client:
        client.send(b"GET /streams/big?mib=8 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        answer = client.read()
    assert (answer.complete, len(answer.body)) == (True, 8 * MIB)
    assert answer.body[:: MIB // 16] == bytes(range(128))


def test_many_silent_streams_leave_room_for_others(worker: Worker) -> None:
    """More than the 512 threads that the server reads files in, which every file answer needs."""
    clients = [worker.client() for _ in range(520)]
    for client in clients:
        client.send(b"GET /streams/slow?pause=60 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert {client.read_head().status for client in clients} == {200}
    began = time.monotonic()
    assert worker.ask("GET", "/streams/big").complete
    assert time.monotonic() - began < 10
    for client in clients:
        client.socket.close()
    assert eventually(lambda: len(worker.state()["notes"]) == 521, seconds=10)


def test_more_slow_iterators_than_threads(worker: Worker) -> None:
    clients = [worker.client() for _ in range(60)]
    for client in clients:
        client.send(b"GET /streams/def-slow?pause=0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert worker.ask("GET", "/def-returns/huge-int").status == 200
    assert [client.read_head().status for client in clients] == [200] * 60
    for client in clients:
        client.socket.close()
    assert eventually(lambda: len(worker.state()["notes"]) == 60, seconds=10)


def test_half_closed_clients_are_gone(worker: Worker) -> None:
    """The server takes the end of what a client sends for the end of the client."""
    with worker.client() as client:
        client.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        client.read_head()
        client.socket.shutdown(socket.SHUT_WR)
        assert eventually(lambda: worker.state()["notes"] == ["events closed"])


def test_a_client_that_sends_on_and_leaves(worker: Worker) -> None:
    """What was pipelined keeps the server from reading to the end; the next chunk finds it out."""
    client = worker.client()
    client.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    client.read_head()
    client.socket.close()
    assert eventually(lambda: worker.state()["notes"] == ["events closed"])


def test_requests_that_are_begun_and_left(worker: Worker) -> None:
    for sent in (
        b"",
        b"GET",
        b"GET /ok HTTP/1.1\r\nHo",
        b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    ):
        for leave in (reset, Client.__exit__):
            client = worker.client()
            client.send(sent)
            if leave is reset:
                reset(client)
            else:
                client.socket.close()
