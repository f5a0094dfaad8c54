"""The load generator: keep-alive HTTP/1.1 connections, each with one request open at all times.

It knows how long the right answer is, so counting one is a `recv` and two comparisons, and an answer that is anything
else is told. One thread of it asks more than Granian's one thread can answer (README.md has the measurement).
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

TIMEOUT = 5.0  # seconds without any answer, after which a server counts as stuck


class WrongAnswerError(Exception):
    """A server answered something else than at first, or not at all."""


@dataclass(frozen=True)
class Answer:
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    size: int  # of the head and the body, in bytes


def request(method: str, path: str, body: bytes = b"", content_type: str | None = None) -> bytes:
    """The bytes of a request such as a load generator sends: few headers."""
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: benchmarks\r\naccept: */*\r\n"
    if content_type is not None:
        head += f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def connect(port: int) -> socket.socket:
    """A connection that sends at once what it is given."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection: socket.socket, message: bytes) -> Answer:
    """Sends one request and reads its answer, whose length has to be given by content-length."""
    connection.sendall(message)
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "content-length" not in headers:
        raise WrongAnswerError(f"an answer without content-length: {head!r}")
    length = int(headers["content-length"])
    while len(body) < length:
        body += _more(connection)
    return Answer(int(start.split(" ")[1]), headers, body, len(head) + 4 + len(body))


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise WrongAnswerError("the server closed the connection")
    return data


@dataclass(frozen=True)
class Count:
    """What one run counted."""

    answers: int
    seconds: float
    cpu_seconds: float  # of the generator itself

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


def drive(port: int, message: bytes, connections: int, seconds: float) -> Count:
    """Asks over all connections for some seconds; raises WrongAnswerError if an answer is as long as the first no more.

    The first answer on each connection is not counted.
    """
    channels: dict[int, tuple[Callable[[int], bytes], Callable[[bytes], int]]] = {}
    opened: list[socket.socket] = []
    try:
        start = b""
        size = 0
        for _ in range(connections):
            connection = connect(port)
            opened.append(connection)
            answer = ask(connection, message)
            start, size = b"HTTP/1.1 %d " % answer.status, answer.size
            connection.setblocking(False)
            channels[connection.fileno()] = (connection.recv, connection.send)
        return _drive(channels, message, start, size, seconds)
    finally:
        for connection in opened:
            connection.close()


def _drive(
    channels: dict[int, tuple[Callable[[int], bytes], Callable[[bytes], int]]],
    message: bytes,
    start: bytes,
    size: int,
    seconds: float,
) -> Count:
    poll = _poller(list(channels))
    partial: dict[int, bytes] = {}
    answers = 0
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _, send in channels.values():
            send(message)
        clock = time.perf_counter
        cpu, began = time.process_time(), clock()
        end = began + seconds
        while clock() < end:
            ready = poll()
            if not ready:
                raise WrongAnswerError(f"no answer for {TIMEOUT:g} s")
            for descriptor, _ in ready:
                receive, send = channels[descriptor]
                data = receive(65536)
                if len(data) != size:
                    data = partial.pop(descriptor, b"") + data if data else b"closed"
                    if len(data) < size and data[: len(start)] == start[: len(data)]:
                        partial[descriptor] = data
                        continue
                if len(data) != size or not data.startswith(start):
                    raise WrongAnswerError(f"an answer unlike the first: {data[:200]!r}")
                send(message)
                answers += 1
        return Count(answers, clock() - began, time.process_time() - cpu)
    finally:
        if collecting:
            gc.enable()


def _poller(descriptors: list[int]) -> Callable[[], list[tuple[int, int]]]:
    if hasattr(select, "epoll"):
        epoll = select.epoll()
        for descriptor in descriptors:
            epoll.register(descriptor, select.EPOLLIN)
        return lambda: epoll.poll(TIMEOUT)
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return lambda: poll.poll(TIMEOUT * 1000)
