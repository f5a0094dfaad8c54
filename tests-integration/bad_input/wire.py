"""A client that may do what no client should: raw bytes on a socket, and a plain reading of what comes back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec
from support import GranianServer

__all__ = ["Answer", "Client", "eventually", "reset"]


@dataclass
class Answer:
    """What came back.

    Attributes:
        status: 0 if the connection ended without an answer.
        headers: With lower-case names, in order.
        body: Without its framing.
        complete: Whether the body ended as its framing promises.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = True

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """One connection."""

    def __init__(self, server: GranianServer, *, timeout: float = 10.0, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer is not None:  # before connecting, or the window is agreed on without it
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect((server.host, server.port))
        except BaseException:
            self.socket.close()
            raise
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        version: str = "1.1",
        host: str = "test",
    ) -> Answer:
        """Send a whole request and read its answer."""
        fields = {"Host": host, **(headers or {})}
        if body and not {name.lower() for name in fields} & {"content-length", "transfer-encoding"}:
            fields["Content-Length"] = str(len(body))
        head = f"{method} {target} HTTP/{version}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
        self.send(head.encode("latin-1") + b"\r\n" + body)
        return self.read(head_only=method == "HEAD")

    def read_head(self) -> Answer:
        """Read the status line and the fields; status 0 if there are none."""
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                return Answer(0, complete=False)
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        self._received = bytearray(rest)
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines]
        answer = Answer(int(status.split()[1]), [(name.lower(), value.strip()) for name, _, value in pairs])
        return self.read_head() if answer.status == 100 else answer

    def read(self, *, head_only: bool = False) -> Answer:
        """Read one answer."""
        answer = self.read_head()
        if head_only or answer.status in {0, 204, 304}:
            return answer
        if answer.header("transfer-encoding") == "chunked":
            self._read_chunked(answer)
        elif (length := answer.header("content-length")) is not None:
            answer.body = self._take(int(length))
            answer.complete = len(answer.body) == int(length)
        else:
            while self._more():
                pass
            answer.body = self._take(len(self._received))
        return answer

    def _read_chunked(self, answer: Answer) -> None:
        while True:
            while b"\r\n" not in self._received:
                if not self._more():
                    answer.complete = False
                    return
            line, _, rest = bytes(self._received).partition(b"\r\n")
            self._received = bytearray(rest)
            size = int(line, 16)
            chunk = self._take(size + 2)
            answer.body += chunk[:size]
            if len(chunk) < size + 2:
                answer.complete = False
                return
            if size == 0:
                return

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            return False
        self._received += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        while len(self._received) < size and self._more():
            pass
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def ended(self) -> bool:
        """Whether the server has closed the connection, without a byte more."""
        return not self._received and not self._more()


def reset(client: Client) -> None:
    """Leave with a reset in place of a proper end."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.socket.close()


def eventually(condition: Callable[[], Any], *, seconds: float = 10.0) -> Any:
    """What `condition()` gives once it is true; its last value after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value
