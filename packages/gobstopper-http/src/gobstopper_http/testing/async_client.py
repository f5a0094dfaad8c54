"""The asynchronous test client: the same as the synchronous one, for tests that are coroutines.

The application runs in the fake server's own thread and loop (see `server`), so a test may await several requests at
once, and one that blocks does not stop the application.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from .errors import Disconnect
from .event_source import AsyncEventSource, event_stream_fields
from .request import HeaderTypes, Params
from .response import ClientResponse
from .session import Call, ClientSettings, RequestOptions, Session, Upload
from .streamed import AsyncStreamedResponse
from .streams import check_event_stream
from .websocket_client import AsyncWebSocketClient

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
        extra = event_stream_fields(last_event_id)
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
