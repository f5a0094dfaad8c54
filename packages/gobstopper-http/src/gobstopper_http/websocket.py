"""The WebSocket, as a state machine in front of Granian's, which panics at a wrong call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf
from typing import Any, Literal, TypeVar, overload

import msgspec

from .body import decode_json
from .connection import Connection
from .deadlines import deadlines_of
from .errors import HTTPException, WebSocketDisconnect, WebSocketStateError
from .interrupt import Interrupt, drain_of
from .response import encode_json
from .rsgi import BYTES, CLOSE, TEXT, WebSocketTransport, is_closed

__all__ = ["WebSocket"]

_T = TypeVar("_T")

State = Literal["connecting", "open", "closed"]


class WebSocket(Connection, dict=True, eq=False):
    """One WebSocket (RFC 6455).

    `accept` first; then `receive_*`, `send_*`, `close`, or `async for message in websocket`. Whatever ends it, the
    peer, a limit or this server's shutdown, ends the handler with `WebSocketDisconnect`, which is no error in the log.

    Granian's limits, which no setting changes: it sends no ping, so an idle peer that vanished is noticed by the idle
    time-out only; a close code after `accept` may reach the client as 1005, and the client's own never reaches us; a
    message is buffered whole (up to 15 MiB) before the size cap can refuse it; there are no subprotocols.

    Attributes:
        phase: `"connecting"`, `"open"` or `"closed"`.
        close_code: The code the socket ended with, `None` before.
    """

    phase: State = "connecting"
    close_code: int | None = None
    transport: WebSocketTransport | None = None
    sending: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    receiving: Interrupt | None = None

    def __repr__(self) -> str:
        return f"<WebSocket {self.path!r} {self.phase}>"

    async def accept(self) -> None:
        """Complete the handshake.

        Raises:
            WebSocketStateError: if it was accepted or refused before.
            WebSocketDisconnect: if the client is gone.
        """
        if self.phase != "connecting":
            raise WebSocketStateError(
                f"accept() on a WebSocket that is {self.phase}: accept once, before anything else"
            )
        self.phase = "open"
        try:
            self.transport = await self.proto.accept()
        except RuntimeError as error:
            raise self._ended(1006, "the handshake failed") from error
        drain_of(asyncio.get_running_loop()).add(self, self._on_drain)

    async def receive(self) -> str | bytes:
        """The next message: `str` for text, `bytes` for binary.

        Raises:
            WebSocketDisconnect: when the socket ends: 1005 or 1006 by the peer, 1009 for a message over
                `limits.websocket_message`, 1001 after `limits.websocket_idle` seconds of silence or at shutdown.
            WebSocketStateError: before `accept`, or while another task receives.
        """
        self._check_open("receive")
        if self.receiving is not None:
            raise WebSocketStateError("another task is receiving on this WebSocket: one at a time")
        self.receiving = Interrupt()
        with self.receiving:
            try:
                message = await self._within_idle("receive")
            except RuntimeError as error:
                if not is_closed(error):
                    raise
                raise self._ended(1006, "the connection broke") from None
            except TimeoutError:
                await self.close(1001)
                raise self._ended(1001, "no message for too long") from None
            finally:
                self.receiving = None
        kind = message.kind
        if kind == CLOSE:
            raise self._ended(1005, "the peer closed")  # such a message has no data, not even a code
        data = message.data
        limit = self.limits.websocket_message
        # A character is at most four bytes: only a text in between has to be encoded to be measured.
        size = len(data) if kind == BYTES or len(data) > limit or len(data) * 4 <= limit else len(data.encode())
        if size > limit:
            await self.close(1009)
            raise self._ended(1009, f"a message over {limit} bytes")
        return data if kind == TEXT else bytes(data)

    async def receive_text(self) -> str:
        """The next message, which must be text; a binary one closes with 1003 (RFC 6455 section 7.4.1)."""
        message = await self.receive()
        if not isinstance(message, str):
            await self.close(1003)
            raise self._ended(1003, "a binary message where text was due")
        return message

    async def receive_bytes(self) -> bytes:
        """The next message, which must be binary; a text closes with 1003."""
        message = await self.receive()
        if isinstance(message, str):
            await self.close(1003)
            raise self._ended(1003, "a text message where binary was due")
        return message

    @overload
    async def receive_json(self) -> Any: ...
    @overload
    async def receive_json(self, type: type[_T]) -> _T: ...
    async def receive_json(self, type: Any = None) -> Any:  # noqa: A002
        """The next message decoded from JSON, into `type` if given.

        Raises:
            WebSocketDisconnect: 1007 for what is no JSON or does not fit; the socket is closed.
        """
        message = await self.receive()
        data = message.encode() if isinstance(message, str) else message
        try:
            return decode_json(data, type, self.limits.json_depth)
        except HTTPException as error:
            await self.close(1007)
            raise self._ended(1007, error.detail) from error

    async def send_text(self, data: str) -> None:
        """Send a text message; waits while the peer does not read, at most the idle time.

        Raises:
            WebSocketDisconnect: when the socket has ended.
            WebSocketStateError: before `accept`.
        """
        await self._send("send_text", "send_str", data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message; as `send_text`."""
        await self._send("send_bytes", "send_bytes", bytes(data))

    async def send_json(self, data: Any) -> None:
        """Send `data` as JSON in a text message; `TypeError` for what has no JSON form."""
        text = encode_json(data).decode()
        await self._send("send_json", "send_str", text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it: before `accept` the handshake is refused with 403, afterwards with `code`. Twice does nothing.

        Raises:
            ValueError: for a code that may not be sent (RFC 6455 section 7.4: 1000 to 1014 but 1004 to 1006, 3000 to
                4999).
        """
        if not (1000 <= code <= 1014 and code not in {1004, 1005, 1006}) and not 3000 <= code <= 4999:
            raise ValueError(f"{code} is not a close code that may be sent: use 1000, 1001, 1008, 1011 or 3000 to 4999")
        self.drop(code)

    def drop(self, code: int = 1011, status: int = 403) -> None:
        """End it whatever its state, without a check or an await: with `status` before `accept`, then with `code`."""
        if self.phase == "connecting":
            self.refuse(status)
        elif self.phase == "open":
            self._finish(code)
            self.proto.close(code)

    def refuse(self, status: int = 403) -> None:
        """Answer the handshake with an HTTP status instead, 400 to 599; does nothing after `accept`."""
        if self.phase == "connecting":
            self.phase = "closed"
            self.close_code = 1006
            # Granian panics at what is no HTTP status.
            self.proto.close(status if 400 <= status <= 599 else 403)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Every message until the peer leaves, which ends the loop quietly."""
        while True:
            try:
                message = await self.receive()
            except WebSocketDisconnect as end:
                if end.code in {1005, 1006}:
                    return
                raise
            yield message

    def overdue(self) -> None:
        """A WebSocket has no answer to give late; its task goes on until it ends by itself."""

    def _check_open(self, call: str) -> None:
        if self.transport is None and self.phase != "closed":
            raise WebSocketStateError(f"{call}() before accept(): await websocket.accept() first")
        if self.phase == "closed":
            raise WebSocketDisconnect(self.close_code or 1005, "the WebSocket is closed")

    async def _send(self, call: str, method: str, data: str | bytes) -> None:
        self._check_open(call)
        # Granian refuses a second send while one is under way; a broadcast from several tasks is common.
        async with self.sending:
            self._check_open(call)
            try:
                await self._within_idle(method, data)
            except RuntimeError as error:
                if not is_closed(error):
                    raise
                raise self._ended(1006, "the connection broke") from None
            except TimeoutError:
                raise self._ended(1006, "the peer does not read") from None

    async def _within_idle(self, method: str, *args: str | bytes) -> Any:
        # Granian lets a connection go when its transport is dropped, and a frame that an exception's traceback holds
        # would keep it: so nobody has it but this object, until it is closed.
        awaitable = getattr(self.transport, method)(*args)
        idle = self.limits.websocket_idle
        if idle == inf:
            return await awaitable
        with deadlines_of(asyncio.get_running_loop()).within(idle):
            return await awaitable

    def _ended(self, code: int, reason: str) -> WebSocketDisconnect:
        """The exception that ends the handler; the socket counts as closed from now on."""
        self._finish(code)
        return WebSocketDisconnect(self.close_code or code, reason)

    def _finish(self, code: int) -> None:
        if self.phase != "closed":
            self.phase = "closed"
            self.close_code = code
            self.transport = None
            drain_of(asyncio.get_running_loop()).discard(self)

    def _on_drain(self) -> None:
        """The server stops: whoever receives or sends next sees a disconnect with 1001."""
        if self.phase == "open":
            self._finish(1001)
            self.proto.close(1001)
            if self.receiving is not None:
                self.receiving.fire(WebSocketDisconnect(1001, "the server stops"))
