"""One WebSocket: handshake, protocol and transport as the application sees them, and the side that the client holds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..datastructures import Headers
from .answer import Answer, check_status, finish
from .convert import extract_bytes, extract_int, extract_str
from .errors import (
    ConnectionLost,
    GranianPanic,
    WebSocketClosed,
    WebSocketRejected,
    protocol_closed,
    protocol_error,
)
from .http import Finished
from .scope import RequestHead

if TYPE_CHECKING:
    from .server import FakeServer

__all__ = [
    "BytesMessage",
    "CloseMessage",
    "FakeWebSocketProtocol",
    "FakeWebSocketTransport",
    "TextMessage",
    "WebSocketExchange",
    "handshake_error",
    "is_handshake",
]

MAX_MESSAGE = 16 << 20
"""Bytes of the largest frame that the server's WebSocket library takes; no setting of Granian changes it."""


@dataclass(frozen=True)
class CloseMessage:
    """The peer closed; there is no code, no reason and no `data`."""

    kind = 0


@dataclass(frozen=True)
class BytesMessage:
    """A binary message."""

    data: bytes
    kind = 1


@dataclass(frozen=True)
class TextMessage:
    """A text message."""

    data: str
    kind = 2


Message = CloseMessage | BytesMessage | TextMessage


def is_handshake(head: RequestHead) -> bool:
    """Whether Granian takes the request for a WebSocket handshake; the method does not matter to it."""
    return head.has_token("connection", b"upgrade") and head.has_token("upgrade", b"websocket")


def handshake_error(head: RequestHead) -> str | None:
    """What Granian answers to a bad handshake, with 400."""
    if not head.header("sec-websocket-key"):
        return 'No "Sec-WebSocket-Key" header'
    if head.header("sec-websocket-version") != b"13":
        return 'No "Sec-WebSocket-Version: 13" header'
    return None


class WebSocketExchange:
    """One WebSocket. Lives on the server's loop; every method is to be called there."""

    def __init__(self, server: FakeServer, head: RequestHead) -> None:
        self.server = server
        self.request = head
        self.opened: asyncio.Future[Headers] = server.loop.create_future()
        self.finished = asyncio.Event()
        self.unseen: BaseException | None = None
        self.disconnected = False
        self.app_close_code: int | None = None
        self._to_app: deque[Message] = deque()
        self._to_client: deque[str | bytes] = deque()
        self._receiver: asyncio.Future[Message] | None = None
        self._changed = asyncio.Event()
        self._closed: BaseException | None = None
        self._accepted = False
        self._app_closed = False
        self._peer_closed = False

    # The client's side

    def send(self, data: str | bytes) -> None:
        """Send a message.

        Raises:
            WebSocketClosed: the WebSocket is not open any more.
        """
        if self._closed is not None:
            raise self._closed
        self._push(TextMessage(data) if isinstance(data, str) else BytesMessage(data))

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WebSocketClosed: it was closed, after everything that was sent before was received.
        """
        while not self._to_client:
            if self._closed is not None:
                raise self._closed
            self._changed.clear()
            await self._changed.wait()
        return self._to_client.popleft()

    def close(self, code: int, reason: str = "") -> None:
        """Close from the client's side."""
        if self._closed is None:
            self._end(WebSocketClosed(code, reason))
            self._push(CloseMessage())

    def disconnect(self) -> None:
        """The client's connection breaks, without a close frame."""
        if not self.disconnected:
            self.disconnected = True
            self._end(WebSocketClosed(1006, "this side has dropped the connection"))
            self._serve()

    def fail(self, error: BaseException) -> None:
        """The server is gone."""
        if not self.opened.done():
            self.opened.set_exception(error)
            self.opened.exception()
        self._end(error)
        self.finished.set()

    # The application's side

    def accept(self) -> Awaitable[FakeWebSocketTransport]:
        """Complete the handshake."""
        if self._accepted:
            raise self._panic("a second accept() panics in Granian, and a panic ends the worker")
        self._accepted = True
        if self.disconnected or self._app_closed:
            return Finished(FakeWebSocketTransport(self), protocol_error())
        digest = hashlib.sha1(self.request.header("sec-websocket-key") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")  # noqa: S324  # RFC 6455 4.2.2
        accept = base64.b64encode(digest.digest()).decode()
        pairs = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", accept)]
        self.opened.set_result(Headers(pairs))
        return Finished(FakeWebSocketTransport(self))

    def app_close(self, status: int | None) -> None:
        """Refuse with an HTTP status before `accept`, close after it; only the first call counts."""
        if self._app_closed:
            return
        self._app_closed = True
        self.app_close_code = status
        if self._accepted:
            if self._closed is None:
                # Granian 2.8.7 sends no code, and the client's library answers the close frame by itself.
                self._end(WebSocketClosed(1005))
                self._push(CloseMessage())
            return
        self._refuse(403 if status is None else status)

    def called(self, error: BaseException | None) -> None:
        """The application's callable has returned or raised."""
        if not self.disconnected:  # what is raised because the client left is no news to it
            self.unseen = error
        if not self._app_closed:
            if self._accepted:
                self.app_close(None)
            else:
                self._refuse(403)
        self.finished.set()

    def app_receive(self) -> Awaitable[Message]:
        """The next message for the application."""
        if self._receiver is not None and not self._receiver.done():
            return Finished(CloseMessage(), protocol_error())
        self._receiver = self.server.loop.create_future()
        self._serve()
        return self._receiver

    def app_send(self, data: str | bytes) -> Awaitable[None]:
        """A message for the client."""
        if self._app_closed:
            return Finished(None, protocol_error())
        if self._peer_closed or self.disconnected:
            return Finished(None, protocol_closed())
        if self._closed is None:  # else the client's close frame is still unread: it goes nowhere, but without an error
            self._to_client.append(data)
            self._changed.set()
        return self._soon()

    def _soon(self) -> Awaitable[None]:
        # A send suspends its caller, also when there is room: a loop that only sends lets others run.
        sent: asyncio.Future[None] = self.server.loop.create_future()
        self.server.loop.call_soon(_resolve, sent)
        return sent

    def _refuse(self, status: int) -> None:
        try:
            head = finish(Answer(check_status(status & 0xFFFF), [], b""), self.request)
        except GranianPanic:
            raise self._panic(
                f"close({status}) before accept() takes an HTTP status, and this one panics in Granian: "
                "refuse with 403 or another one from 400 to 599"
            ) from None
        if not self.opened.done():
            self.opened.set_exception(WebSocketRejected(head.status, Headers.shared(head.headers)))
            self.opened.exception()
        self._end(WebSocketClosed(1006, "refused"))

    def _panic(self, message: str) -> GranianPanic:
        panic = GranianPanic(message)
        self.server.die(panic)
        return panic

    def _push(self, message: Message) -> None:
        self._to_app.append(message)
        self._serve()

    def _serve(self) -> None:
        """Give the waiting receiver what is there."""
        receiver = self._receiver
        if receiver is None or receiver.done():
            return
        if self._peer_closed:
            _reject(receiver)
        elif self._to_app:
            message = self._to_app.popleft()
            if not isinstance(message, CloseMessage) and _size(message) > MAX_MESSAGE:
                self._peer_closed = True
                _reject(receiver)
                self._end(ConnectionLost(f"the server takes no message over {MAX_MESSAGE} bytes"))
                return
            self._peer_closed = isinstance(message, CloseMessage)
            receiver.set_result(message)
        elif self.disconnected:
            _reject(receiver)

    def _end(self, error: BaseException) -> None:
        if self._closed is None:
            self._closed = error
        self._changed.set()


class FakeWebSocketTransport:
    """An accepted WebSocket, as the application sees it."""

    def __init__(self, exchange: WebSocketExchange) -> None:
        self._exchange = exchange

    def receive(self) -> Awaitable[Message]:
        """The next message; one call at a time."""
        return self._exchange.app_receive()

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """Send a binary message."""
        return self._exchange.app_send(extract_bytes(data))

    def send_str(self, data: str) -> Awaitable[None]:
        """Send a text message."""
        return self._exchange.app_send(extract_str(data))


class FakeWebSocketProtocol:
    """The `proto` of a WebSocket."""

    def __init__(self, exchange: WebSocketExchange) -> None:
        self._exchange = exchange

    def accept(self) -> Awaitable[FakeWebSocketTransport]:
        """Accept the handshake; there is no way to name a subprotocol."""
        return self._exchange.accept()

    def close(self, status: int | None = None) -> None:
        """Refuse with an HTTP status before `accept`; close after it."""
        self._exchange.app_close(None if status is None else extract_int(status))


def _reject(receiver: asyncio.Future[Message]) -> None:
    receiver.set_exception(protocol_closed())
    receiver.exception()  # marks it as seen: the application need not await it


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _size(message: Any) -> int:
    return len(message.data.encode() if isinstance(message.data, str) else message.data)
