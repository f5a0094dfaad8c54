"""The synchronous test client."""

from __future__ import annotations

import codecs
import concurrent.futures
from collections.abc import AsyncIterable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import msgspec

from .errors import Disconnect, HTTPStatusError, WebSocketClosed
from .request import HeaderTypes, Params
from .response import ClientResponse, ResponseStart
from .session import Call, ClientSettings, Connection, RequestOptions, Session, Upload
from .sse import Event, EventParser
from .streams import LineSplitter, check_event_stream
from .websocket import WebSocketExchange

__all__ = ["EventSource", "StreamedResponse", "TestClient", "WebSocketClient"]

_T = TypeVar("_T")


class TestClient:
    """Calls an application without a network, on a fake Granian in a thread of its own.

    ```python
    with TestClient(app) as client:
        response = client.post("/notes", json={"text": "hello"})
        assert response.status == 201
    ```

    Entering runs the application's start-up (`__rsgi_init__`), leaving its shutdown (`__rsgi_del__`). Every wait has a
    time-out, so that nothing hangs.

    An exception that the application lets out of its callable is a 500 with an empty body on Granian, and a log line.
    In a test it is nearly always what one wants to see, so it is raised here as Starlette's users expect
    (`SystemExit` and the like inside an `ApplicationError`); `raise_app_exceptions=False` gives the 500. One that comes
    after the answer is raised by the call that reads the answer's end, or else when the client is left.

    Args:
        app: an object with `__rsgi__`, or an RSGI callable.
        base_url: scheme, host and perhaps a path before every path that is asked for; the host goes into `Host`.
        headers: sent with every request, over `user-agent: gobstopper-testclient` and `accept: */*`.
        cookies: put into the jar.
        timeout: seconds for each answer, chunk, event, message; `None` waits for ever.
        follow_redirects: whether redirects are followed, within the host; a call can say otherwise.
        raise_app_exceptions: see above.
        http_version: what the scope shows: `"1.1"`, `"1"` or `"2"`.
        client: the peer address that the scope shows.
        loop_factory: makes the application's event loop, such as `uvloop.new_event_loop`.

    Attributes:
        base_url: scheme and host of what is asked for.
        headers: sent with every request; can be changed.
        cookies: the jar, see `CookieJar`.
        server: the fake server; `server.errors` holds what the application raised.
    """

    __test__ = False  # not a test class, whatever its name says to pytest

    def __init__(self, app: Any, **settings: Unpack[ClientSettings]) -> None:
        self.app = app
        self._session = Session(app, **settings)
        self.server = self._session.server
        self.base_url = self._session.base_url
        self.cookies = self._session.cookies
        self.headers = self._session.headers

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop(quiet=error is not None)

    def start(self) -> None:
        """Start the application; raises what its start-up raises."""
        self.server.start()

    def stop(self, *, quiet: bool = False) -> None:
        """Close all connections and shut the application down.

        Args:
            quiet: do not raise what the application raised after its answers.
        """
        self._session.stop(quiet=quiet)

    def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a request and read the whole answer; see `RequestOptions`.

        Raises:
            TimeoutError: no whole answer in time; the connection is dropped.
            ConnectionLost: the answer broke off.
            GranianPanic: the application did what ends a Granian worker.
            Exception: what the application raised.
        """
        call = self._session.call(method, url, options)
        return self._run(self._session.fetch(call), call.name, call.timeout, call.upload)

    def get(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`GET`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`HEAD`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`OPTIONS`."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`POST`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`PUT`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`PATCH`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """`DELETE`."""
        return self.request("DELETE", url, **options)

    @contextmanager
    def stream(self, method: str, url: str, **options: Unpack[RequestOptions]) -> Iterator[StreamedResponse]:
        """Send a request and read the answer piece by piece; leaving the block drops the connection."""
        response = self._open(self._session.call(method, url, options))
        try:
            yield response
        finally:
            response.disconnect()

    def sse(
        self, url: str, *, method: str = "GET", last_event_id: str | None = None, **options: Unpack[RequestOptions]
    ) -> EventSource:
        """Open a stream of server-sent events: iterate over it, or use it as a context manager to close it early.

        Args:
            url: as for `request`.
            method: browsers send `GET`.
            last_event_id: what a browser sends when it connects again.
            options: as for `request`; the time-out is for each event.

        Raises:
            HTTPStatusError: the answer is not 200, or no `text/event-stream`.
        """
        extra = [("accept", "text/event-stream"), ("cache-control", "no-store")]
        if last_event_id is not None:
            extra.append(("last-event-id", last_event_id))
        response = self._open(self._session.call(method, url, options, extra=extra))
        try:
            check_event_stream(response)
        except HTTPStatusError:
            response.disconnect()
            raise
        return EventSource(response)

    @contextmanager
    def websocket(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: HeaderTypes | None = None,
        cookies: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
    ) -> Iterator[WebSocketClient]:
        """Open a WebSocket; leaving the block closes it with 1000.

        Raises:
            WebSocketRejected: the handshake was refused; `status` says how.
        """
        call = self._session.websocket_call(
            url, params=params, headers=headers, cookies=cookies, subprotocols=subprotocols
        )
        exchange = self._run(self._session.connect(call), call.name, call.timeout)
        websocket = WebSocketClient(self, exchange, call)
        try:
            yield websocket
        except BaseException:
            websocket.disconnect()
            raise
        websocket.close()

    def disconnect(self) -> None:
        """Drop every connection of this client, without a word."""
        self._run(self._disconnect(), "disconnect()", self._session.timeout)

    def settle(self, timeout: float | None = 5.0) -> None:
        """Wait until the application's callable has returned for every request, work after the answers included."""
        self._run(self.server.settle(), "settle()", timeout)

    async def _disconnect(self) -> None:
        self._session.disconnect()

    def _open(self, call: Call) -> StreamedResponse:
        connection = self._run(self._session.open(call), call.name, call.timeout, call.upload)
        return StreamedResponse(self, connection, call)

    def _run(self, work: Coroutine[Any, Any, _T], name: str, timeout: float | None, upload: Upload | None = None) -> _T:
        future = self.server.submit(work)
        try:
            if upload is not None:
                _send(upload, future)
            done, _ = concurrent.futures.wait([future], timeout)
        except BaseException:
            future.cancel()
            raise
        if not done:
            future.cancel()
            raise TimeoutError(f"{name}: nothing within {timeout} seconds")
        return future.result()


class StreamedResponse(ResponseStart):
    """An answer whose body is read while it arrives. The time-out is for each chunk."""

    def __init__(self, client: TestClient, connection: Connection, call: Call) -> None:
        start = connection.start
        super().__init__(start.status, start.headers, start.request, start.history)
        self._client = client
        self._connection = connection
        self._call = call

    def iter_bytes(self) -> Iterator[bytes]:
        """Chunks as the application sent them."""
        while data := self._run(self._connection.read()):
            yield data

    def iter_text(self) -> Iterator[str]:
        """Text, decoded by the answer's charset."""
        decode = codecs.getincrementaldecoder(self.charset)("replace").decode
        for data in self.iter_bytes():
            if text := decode(data):
                yield text
        if text := decode(b"", final=True):
            yield text

    def iter_lines(self) -> Iterator[str]:
        """Lines without their ends."""
        lines = LineSplitter()
        for text in self.iter_text():
            yield from lines.feed(text)
        yield from lines.finish()

    def read(self) -> ClientResponse:
        """The rest of the body, as a whole answer."""
        return ClientResponse(self, self._run(self._connection.read_all()))

    def disconnect(self) -> None:
        """Drop the connection; the application notices."""
        if self._client.server.alive:
            self._run(self._connection.disconnect())

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._client._run(work, self._call.name, self._call.timeout)


class EventSource:
    """An open stream of server-sent events.

    Attributes:
        response: the answer's head.
    """

    def __init__(self, response: StreamedResponse) -> None:
        self.response = response
        self._parser = EventParser()
        self._events = self._read()

    @property
    def comments(self) -> list[str]:
        """The comments so far, such as keep-alives."""
        return self._parser.comments

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._events.close()
        self.response.disconnect()

    def _read(self) -> Generator[Event, None, None]:
        for data in self.response.iter_bytes():
            yield from self._parser.feed(data)


class WebSocketClient:
    """The client's end of a WebSocket; every wait has the client's time-out."""

    def __init__(self, client: TestClient, exchange: WebSocketExchange, call: Call) -> None:
        self._client = client
        self._exchange = exchange
        self._call = call

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
        self.send_text(msgspec.json.encode(data).decode())

    def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WebSocketClosed: the server closed it, and everything before was received.
            TimeoutError: nothing came.
        """
        return self._run(self._receive())

    def receive_text(self) -> str:
        """The next message, which has to be text."""
        message = self.receive()
        if not isinstance(message, str):
            raise TypeError(f"a text message was expected, a binary one came: {message[:80]!r}")
        return message

    def receive_bytes(self) -> bytes:
        """The next message, which has to be binary."""
        message = self.receive()
        if isinstance(message, str):
            raise TypeError(f"a binary message was expected, a text came: {message[:80]!r}")
        return message

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

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._client._run(work, f"WebSocket {self._call.request.url}", self._call.timeout)


def _send(upload: Upload, future: concurrent.futures.Future[Any]) -> None:
    """Send the chunks, in this thread, until all are sent or the answer is there."""
    if isinstance(upload.chunks, AsyncIterable):
        raise TypeError("content of the synchronous client is a plain iterator; AsyncTestClient takes this one")
    try:
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
