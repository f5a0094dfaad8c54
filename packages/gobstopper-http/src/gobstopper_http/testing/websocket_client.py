"""The client's end of a WebSocket, of the synchronous and of the asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .errors import WebSocketClosed
from .session import Call
from .websocket import WebSocketExchange

if TYPE_CHECKING:
    from .async_client import AsyncTestClient
    from .client import TestClient

__all__ = ["AsyncWebSocketClient", "WebSocketClient"]

_T = TypeVar("_T")


class _End:
    """What both have: where it is, and the coroutines that run on the server's loop."""

    def __init__(self, client: Any, exchange: WebSocketExchange, call: Call) -> None:
        self._client = client
        self._exchange = exchange
        self._call = call

    async def _send(self, data: str | bytes) -> None:
        self._exchange.send(data)

    async def _receive(self) -> str | bytes:
        try:
            return await self._exchange.receive()
        except WebSocketClosed:
            self._client._session.report(self._exchange)
            raise

    async def _close(self, code: int, reason: str) -> None:
        self._exchange.close(code, reason)

    async def _disconnect(self) -> None:
        self._exchange.disconnect()


class WebSocketClient(_End):
    """The client's end of a WebSocket; every wait has the client's time-out."""

    _client: TestClient

    @property
    def app_close_code(self) -> int | None:
        """What the application passed to `close`. Granian 2.8.7 does not send it: a client sees 1005."""
        return self._exchange.app_close_code

    def send_text(self, data: str) -> None:
        """Send a text message; `WebSocketClosed` if it is closed."""
        self._run(self._send(data))

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._run(self._send(bytes(data)))

    def send_json(self, data: Any) -> None:
        """Send JSON in a text message."""
        self.send_text(_json_text(data))

    def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WebSocketClosed: the server closed it, and everything before was received.
            TimeoutError: nothing came.
        """
        return self._run(self._receive())

    def receive_text(self) -> str:
        """The next message, which has to be text."""
        return _as_text(self.receive())

    def receive_bytes(self) -> bytes:
        """The next message, which has to be binary."""
        return _as_bytes(self.receive())

    def receive_json(self) -> Any:
        """The next message, decoded from JSON."""
        return msgspec.json.decode(self.receive())

    def __iter__(self) -> Iterator[str | bytes]:
        while True:
            try:
                message = self.receive()
            except WebSocketClosed:
                return
            yield message

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; Granian does not tell the application the code. Twice does nothing."""
        if self._client.server.alive:
            self._run(self._close(code, reason))

    def disconnect(self) -> None:
        """Drop the connection without a close frame."""
        if self._client.server.alive:
            self._run(self._disconnect())

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._client._run(work, f"WebSocket {self._call.request.url}", self._call.timeout)


class AsyncWebSocketClient(_End):
    """The client's end of a WebSocket; every wait has the client's time-out."""

    _client: AsyncTestClient

    @property
    def app_close_code(self) -> int | None:
        """What the application passed to `close`. Granian 2.8.7 does not send it: a client sees 1005."""
        return self._exchange.app_close_code

    async def send_text(self, data: str) -> None:
        """Send a text message; `WebSocketClosed` if it is closed."""
        await self._run(self._send(data))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self._run(self._send(bytes(data)))

    async def send_json(self, data: Any) -> None:
        """Send JSON in a text message."""
        await self.send_text(_json_text(data))

    async def receive(self) -> str | bytes:
        """The next message; raises as `WebSocketClient.receive`."""
        return await self._run(self._receive())

    async def receive_text(self) -> str:
        """The next message, which has to be text."""
        return _as_text(await self.receive())

    async def receive_bytes(self) -> bytes:
        """The next message, which has to be binary."""
        return _as_bytes(await self.receive())

    async def receive_json(self) -> Any:
        """The next message, decoded from JSON."""
        return msgspec.json.decode(await self.receive())

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                message = await self.receive()
            except WebSocketClosed:
                return
            yield message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; Granian does not tell the application the code. Twice does nothing."""
        if self._client.server.alive:
            await self._run(self._close(code, reason))

    async def disconnect(self) -> None:
        """Drop the connection without a close frame."""
        if self._client.server.alive:
            await self._run(self._disconnect())

    async def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await self._client._run(work, f"WebSocket {self._call.request.url}", self._call.timeout)


def _as_text(message: str | bytes) -> str:
    if not isinstance(message, str):
        raise TypeError(f"a text message was expected, a binary one came: {message[:80]!r}")
    return message


def _as_bytes(message: str | bytes) -> bytes:
    if isinstance(message, str):
        raise TypeError(f"a binary message was expected, a text came: {message[:80]!r}")
    return message


def _json_text(data: Any) -> str:
    return msgspec.json.encode(data).decode()
