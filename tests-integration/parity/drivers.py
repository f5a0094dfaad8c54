"""One interface to talk raw HTTP/1 and WebSockets, to the fake server and to a real Granian."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from support import GranianServer
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gobstopper_http.testing import FakeServer, RequestHead, WebSocketClosed, WebSocketRejected
from gobstopper_http.testing.bodies import RequestBody
from gobstopper_http.testing.errors import protocol_closed

__all__ = ["Driver", "FakeDriver", "GranianDriver", "Refused", "Wire"]

_WAIT = 5.0
HANDSHAKE = [
    ("connection", b"Upgrade"),
    ("upgrade", b"websocket"),
    ("sec-websocket-version", b"13"),
    ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ("x-probe", b"1"),
]


@dataclass
class Wire:
    """An answer as it went over the wire; `date` is checked to be there and left out.

    `complete` tells whether the body ended as its framing promises; `status` is 0 if the connection closed without an
    answer.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = True

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Ask(NamedTuple):
    """What `Driver.request` was asked for."""

    method: str
    target: str
    headers: Sequence[tuple[str, bytes]]
    chunks: Sequence[bytes] | None
    cut: bool
    pause: float
    version: str


class Refused(Exception):
    """A WebSocket handshake was answered with `wire`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Socket(ABC):
    """An open WebSocket."""

    @abstractmethod
    def send(self, data: str | bytes) -> None: ...
    @abstractmethod
    def receive(self) -> str | bytes | int:
        """The next message, or the close code."""

    @abstractmethod
    def close(self, code: int) -> None: ...
    @abstractmethod
    def abort(self) -> None: ...


class Driver(ABC):
    """A running probe application."""

    name: str

    @abstractmethod
    def exchange(self, ask: Ask) -> Wire:
        """Send a request, and take the answer."""

    @abstractmethod
    def open(self, method: str, target: str, *, length: int = 0, sent: bytes = b"") -> Callable[[], None]:
        """Begin a request whose body has `length` bytes, of which some are sent; calling the result drops it."""

    @abstractmethod
    def websocket(self, target: str) -> Any:
        """Open a WebSocket, as a context manager of a `Socket`; raises `Refused`."""

    @abstractmethod
    def handshake_and_leave(self, target: str) -> None:
        """Send a handshake and drop the connection before it is answered."""

    @abstractmethod
    def dead(self) -> bool:
        """Whether the worker process is gone, or would be."""

    def request(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, bytes]] = (),
        chunks: Sequence[bytes] | None = None,
        *,
        cut: bool = False,
        pause: float = 0.0,
        version: str = "1.1",
    ) -> Wire:
        """Send a request (chunked if `chunks` are given, with `pause` seconds before each; `cut` ends it early)."""
        return self.exchange(Ask(method, target, headers, chunks, cut, pause, version))

    def get(self, target: str) -> Wire:
        return self.request("GET", target)

    def notes(self, key: str, until: Callable[[Any], bool] = lambda value: value is not None) -> Any:
        """What the application noted; waits until it is `until` something."""
        deadline = time.monotonic() + _WAIT
        while True:
            value = self.get(f"/notes?{key}").json()
            if until(value) or time.monotonic() > deadline:
                return value
            time.sleep(0.02)


class GranianDriver(Driver):
    """Over a socket, to a Granian in its own process."""

    name = "granian"

    def __init__(self, server: GranianServer) -> None:
        self.server = server

    def exchange(self, ask: Ask) -> Wire:
        head = f"{ask.method} {ask.target} HTTP/{ask.version}\r\nhost: probe\r\nconnection: close\r\n".encode()
        head += b"".join(name.encode() + b": " + value + b"\r\n" for name, value in ask.headers)
        if ask.chunks is not None:
            head += b"transfer-encoding: chunked\r\n"
        with self.server.connect(timeout=_WAIT) as connection:
            connection.sendall(head + b"\r\n")
            for chunk in ask.chunks or ():
                time.sleep(ask.pause)
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if ask.chunks is not None and not ask.cut:
                connection.sendall(b"0\r\n\r\n")
            if ask.cut:
                connection.shutdown(socket.SHUT_WR)
            return _parse(_receive(connection), ask.method)

    def open(self, method: str, target: str, *, length: int = 0, sent: bytes = b"") -> Callable[[], None]:
        connection = self.server.connect(timeout=_WAIT)
        connection.sendall(
            f"{method} {target} HTTP/1.1\r\nhost: probe\r\ncontent-length: {length}\r\n\r\n".encode() + sent
        )
        return connection.close

    @contextmanager
    def websocket(self, target: str) -> Iterator[Socket]:
        url = f"ws://{self.server.host}:{self.server.port}{target}"
        options: dict[str, Any] = {"compression": None, "max_size": None, "additional_headers": {"x-probe": "1"}}
        try:
            with connect(url, open_timeout=_WAIT, close_timeout=1, **options) as connection:
                yield GranianSocket(connection)
        except InvalidStatus as error:
            raise Refused(error.response.status_code) from None

    def handshake_and_leave(self, target: str) -> None:
        with self.server.connect(timeout=_WAIT) as connection:
            lines = "".join(f"{name}: {value.decode()}\r\n" for name, value in HANDSHAKE)
            connection.sendall(f"GET {target} HTTP/1.1\r\nhost: probe\r\n{lines}\r\n".encode())
            time.sleep(0.1)

    def dead(self) -> bool:
        with suppress(Exception):
            self.server.wait_for(lambda: not self.server.running, timeout=_WAIT)
        return not self.server.running


class GranianSocket(Socket):
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def send(self, data: str | bytes) -> None:
        with suppress(ConnectionClosed):  # the server hung up on it; `receive` tells
            self._connection.send(data)

    def receive(self) -> str | bytes | int:
        try:
            return self._connection.recv(timeout=_WAIT)
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else 1006

    def close(self, code: int) -> None:
        self._connection.close(code)

    def abort(self) -> None:
        self._connection.socket.shutdown(socket.SHUT_RDWR)


class FakeDriver(Driver):
    """Through the fake server's own interface, so that no client's rules stand between."""

    name = "fake"

    def __init__(self, server: FakeServer) -> None:
        self.server = server

    def exchange(self, ask: Ask) -> Wire:
        sent = [("host", b"probe"), ("connection", b"close"), *ask.headers]
        head = RequestHead(ask.method, ask.target, sent, {"1.0": "1"}.get(ask.version, ask.version))
        body = RequestBody(self.server.loop, complete=ask.chunks is None and not ask.cut)
        future = self.server.submit(self._exchange(head, body))
        for chunk in ask.chunks or ():
            time.sleep(ask.pause)
            self.server.loop.call_soon_threadsafe(body.feed, chunk)
        self.server.loop.call_soon_threadsafe(*((body.fail, protocol_closed()) if ask.cut else (body.end,)))
        return future.result(_WAIT)

    async def _exchange(self, head: RequestHead, body: RequestBody) -> Wire:
        exchange = self.server.http(head, body)
        try:
            response = await exchange.response
        except ConnectionError:
            return Wire(0, complete=False)
        content, complete = bytearray(), True
        try:
            while data := await exchange.response_body.get():
                content += data
        except ConnectionError:
            complete = False
        return _wire(response.status, response.headers, bytes(content), complete=complete, head=head.method == "HEAD")

    def open(self, method: str, target: str, *, length: int = 0, sent: bytes = b"") -> Callable[[], None]:
        head = RequestHead(method, target, [("host", b"probe"), ("content-length", str(length).encode())])
        body = RequestBody(self.server.loop, (sent,), complete=len(sent) == length)

        async def begin() -> Any:
            return self.server.http(head, body)

        exchange = self.server.submit(begin()).result(_WAIT)

        def leave() -> None:
            self.server.loop.call_soon_threadsafe(exchange.disconnect)

        return leave

    @contextmanager
    def websocket(self, target: str) -> Iterator[Socket]:
        async def begin() -> Any:
            exchange = self.server.websocket(RequestHead("GET", target, [("host", b"probe"), *HANDSHAKE]))
            await exchange.opened
            return exchange

        try:
            exchange = self.server.submit(begin()).result(_WAIT)
        except WebSocketRejected as error:
            raise Refused(error.status) from None
        try:
            yield FakeSocket(self.server, exchange)
        finally:
            self.server.loop.call_soon_threadsafe(exchange.close, 1000)

    def handshake_and_leave(self, target: str) -> None:
        async def begin() -> None:
            exchange = self.server.websocket(RequestHead("GET", target, [("host", b"probe"), *HANDSHAKE]))
            await asyncio.sleep(0.1)
            exchange.disconnect()

        self.server.submit(begin()).result(_WAIT)

    def dead(self) -> bool:
        return self.server.dead is not None


class FakeSocket(Socket):
    def __init__(self, server: FakeServer, exchange: Any) -> None:
        self._server = server
        self._exchange = exchange

    def send(self, data: str | bytes) -> None:
        self._do(self._exchange.send, data)

    def receive(self) -> str | bytes | int:
        async def receive() -> str | bytes | int:
            try:
                message: str | bytes = await self._exchange.receive()
            except WebSocketClosed as error:
                return error.code
            except ConnectionError:
                return 1006
            return message

        return self._server.submit(receive()).result(_WAIT)

    def close(self, code: int) -> None:
        self._do(self._exchange.close, code)

    def abort(self) -> None:
        self._do(self._exchange.disconnect)

    def _do(self, function: Callable[..., Any], *args: Any) -> None:
        async def call() -> None:
            function(*args)

        self._server.submit(call()).result(_WAIT)


def _receive(connection: socket.socket) -> bytes:
    received = bytearray()
    with suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return bytes(received)


def _parse(raw: bytes, method: str) -> Wire:
    if not raw:
        return Wire(0, complete=False)
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    complete = True
    if ("transfer-encoding", "chunked") in headers:
        rest, complete = _dechunk(rest)
    return _wire(int(first.split(" ")[1]), headers, rest, complete=complete, head=method == "HEAD")


def _dechunk(rest: bytes) -> tuple[bytes, bool]:
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return bytes(body), rest == b"\r\n"
        body += rest[:length]
        rest = rest[length + 2 :]
    return bytes(body), False


def _wire(status: int, headers: list[tuple[str, str]], body: bytes, *, complete: bool, head: bool) -> Wire:
    names = [name for name, _ in headers]
    assert names.count("date") == 1
    declared = dict(headers).get("content-length", "")
    # A body that is longer than its length is on the wire, and a client that believes the length takes the rest for the
    # next answer; so only a short one is incomplete.
    if not head and declared.isdecimal() and len(body) < int(declared):
        complete = False
    return Wire(status, [(name, value) for name, value in headers if name != "date"], body, complete)
