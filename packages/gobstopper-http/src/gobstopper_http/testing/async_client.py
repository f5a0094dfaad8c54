"""The asynchronous test client: the same as the synchronous one, for tests that are coroutines.

The application runs in the fake server's own thread and loop (see `server`), so a test may await several requests at
once, and one that blocks does not stop the application.
"""

from __future__ import annotations

import asyncio
import codecs
import concurrent.futures
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import msgspec

from .errors import Disconnect, WebSocketClosed
from .request import HeaderTypes, Params
from .response import ClientResponse, ResponseStart
from .session import Call, ClientSettings, Connection, RequestOptions, Session, Upload
from .sse import Event, EventParser
from .streams import LineSplitter, check_event_stream
from .websocket import WebSocketExchange

__all__ = ["AsyncEventSource", "AsyncStreamedResponse", "AsyncTestClient", "AsyncWebSocketClient"]

_T = TypeVar("_T")


class AsyncTestClient:
    """`TestClient` with coroutines: same arguments, same meaning.

    ```python
    async with AsyncTestClient(app) as client:
        first, second = await asyncio.gather(client.get("/slow"), client.get("/quick"))
    ```
    """

    __test__ = False

    def __init__(self, app: Any, **settings: Unpack[ClientSettings]) -> None:
        self.app = app
        self._session = Session(app, **settings)
        self.server = self._session.server
        self.base_url = self._session.base_url
        self.cookies = self._session.cookies
        self.headers = self._session.headers

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop(quiet=error is not None)

    async def start(self) -> None:
        """Start the application; raises what its start-up raises."""
        await asyncio.to_thread(self.server.start)

    async def stop(self, *, quiet: bool = False) -> None:
        """Close all connections and shut the application down; see `TestClient.stop`."""
        await asyncio.to_thread(self._session.stop, quiet=quiet)

    def start_now(self) -> None:
        """`start` for a caller that is no coroutine, such as a fixture."""
        self.server.start()

    def stop_now(self, *, quiet: bool = False) -> None:
        """`stop` for a caller that is no coroutine."""
        self._session.stop(quiet=quiet)

    async def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a request and read the whole answer; see `TestClient.request`."""
        call = self._session.call(method, url, options)
        return await self._run(self._session.fetch(call), call.name, call.timeout, call.upload)

    async def get(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`GET`."""
        return await self.request("GET", url, **options)

    async def head(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`HEAD`."""
        return await self.request("HEAD", url, **options)

    async def options(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`OPTIONS`."""
        return await self.request("OPTIONS", url, **options)

    async def post(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`POST`."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`PUT`."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`PATCH`."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`DELETE`."""
        return await self.request("DELETE", url, **options)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, **options: Unpack[RequestOptions]
    ) -> AsyncIterator[AsyncStreamedResponse]:
        """Send a request and read the answer piece by piece; leaving the block drops the connection."""
        response = await self._open(self._session.call(method, url, options))
        try:
            yield response
        finally:
            await response.disconnect()

    @asynccontextmanager
    async def sse(
        self, url: str, *, method: str = "GET", last_event_id: str | None = None, **options: Unpack[RequestOptions]
    ) -> AsyncIterator[AsyncEventSource]:
        """Open a stream of server-sent events, to iterate over; see `TestClient.sse`."""
        extra = [("accept", "text/event-stream"), ("cache-control", "no-store")]
        if last_event_id is not None:
            extra.append(("last-event-id", last_event_id))
        response = await self._open(self._session.call(method, url, options, extra=extra))
        try:
            check_event_stream(response)
            yield AsyncEventSource(response)
        finally:
            await response.disconnect()

    @asynccontextmanager
    async def websocket(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
    ) -> AsyncIterator[AsyncWebSocketClient]:
        """Open a WebSocket; leaving the block closes it with 1000; see `TestClient.websocket`."""
        call = self._session.websocket_call(
            url, params=params, headers=headers, cookies=cookies, subprotocols=subprotocols
        )
        exchange = await self._run(self._session.connect(call), call.name, call.timeout)
        websocket = AsyncWebSocketClient(self, exchange, call)
        try:
            yield websocket
        except BaseException:
            await websocket.disconnect()
            raise
        await websocket.close()

    async def disconnect(self) -> None:
        """Drop every connection of this client, without a word."""
        await self._run(self._disconnect(), "disconnect()", self._session.timeout)

    async def settle(self, timeout: float | None = 5.0) -> None:  # noqa: ASYNC109  # as the synchronous one
        """Wait until the application's callable has returned for every request."""
        await self._run(self.server.settle(), "settle()", timeout)

    async def _disconnect(self) -> None:
        self._session.disconnect()

    async def _open(self, call: Call) -> AsyncStreamedResponse:
        connection = await self._run(self._session.open(call), call.name, call.timeout, call.upload)
        return AsyncStreamedResponse(self, connection, call)

    async def _run(
        self,
        work: Coroutine[Any, Any, _T],
        name: str,
        timeout: float | None,  # noqa: ASYNC109  # what ends has to be cancelled in the other thread
        upload: Upload | None = None,
    ) -> _T:
        future = self.server.submit(work)
        here = asyncio.wrap_future(future)
        try:
            if upload is not None:
                await _send(upload, future)
            done, _ = await asyncio.wait([here], timeout=timeout)
        except BaseException:
            here.cancel()
            raise
        if not done:
            here.cancel()
            raise TimeoutError(f"{name}: nothing within {timeout} seconds")
        return here.result()


class AsyncStreamedResponse(ResponseStart):
    """An answer whose body is read while it arrives. The time-out is for each chunk."""

    def __init__(self, client: AsyncTestClient, connection: Connection, call: Call) -> None:
        start = connection.start
        super().__init__(start.status, start.headers, start.request, start.history)
        self._client = client
        self._connection = connection
        self._call = call

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Chunks as the application sent them."""
        while data := await self._run(self._connection.read()):
            yield data

    async def iter_text(self) -> AsyncGenerator[str, None]:
        """Text, decoded by the answer's charset."""
        decode = codecs.getincrementaldecoder(self.charset)("replace").decode
        async for data in self.iter_bytes():
            if text := decode(data):
                yield text
        if text := decode(b"", final=True):
            yield text

    async def iter_lines(self) -> AsyncGenerator[str, None]:
        """Lines without their ends."""
        lines = LineSplitter()
        async for text in self.iter_text():
            for line in lines.feed(text):
                yield line
        for line in lines.finish():
            yield line

    async def read(self) -> ClientResponse:
        """The rest of the body, as a whole answer."""
        return ClientResponse(self, await self._run(self._connection.read_all()))

    async def disconnect(self) -> None:
        """Drop the connection; the application notices."""
        if self._client.server.alive:
            await self._run(self._connection.disconnect())

    async def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await self._client._run(work, self._call.name, self._call.timeout)


class AsyncEventSource:
    """An open stream of server-sent events.

    Attributes:
        response: the answer's head.
    """

    def __init__(self, response: AsyncStreamedResponse) -> None:
        self.response = response
        self._parser = EventParser()
        self._events = self._read()

    @property
    def comments(self) -> list[str]:
        """The comments so far, such as keep-alives."""
        return self._parser.comments

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def close(self) -> None:
        """Drop the connection."""
        await self._events.aclose()
        await self.response.disconnect()

    async def _read(self) -> AsyncGenerator[Event, None]:
        async for data in self.response.iter_bytes():
            for event in self._parser.feed(data):
                yield event


class AsyncWebSocketClient:
    """The client's end of a WebSocket; every wait has the client's time-out."""

    def __init__(self, client: AsyncTestClient, exchange: WebSocketExchange, call: Call) -> None:
        self._client = client
        self._exchange = exchange
        self._call = call

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
        await self.send_text(msgspec.json.encode(data).decode())

    async def receive(self) -> str | bytes:
        """The next message; raises as `WebSocketClient.receive`."""
        return await self._run(self._receive())

    async def receive_text(self) -> str:
        """The next message, which has to be text."""
        message = await self.receive()
        if not isinstance(message, str):
            raise TypeError(f"a text message was expected, a binary one came: {message[:80]!r}")
        return message

    async def receive_bytes(self) -> bytes:
        """The next message, which has to be binary."""
        message = await self.receive()
        if isinstance(message, str):
            raise TypeError(f"a binary message was expected, a text came: {message[:80]!r}")
        return message

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

    async def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await self._client._run(work, f"WebSocket {self._call.request.url}", self._call.timeout)


async def _send(upload: Upload, future: concurrent.futures.Future[Any]) -> None:
    """Send the chunks until all are sent or the answer is there."""
    try:
        if isinstance(upload.chunks, AsyncIterable):
            async for chunk in upload.chunks:
                if future.done():
                    return
                upload.feed(chunk)
        else:
            for chunk in upload.chunks:
                if future.done():
                    return
                upload.feed(chunk)
    except Disconnect:
        upload.cut()
    except BaseException:
        upload.cut()
        raise
    else:
        upload.end()
