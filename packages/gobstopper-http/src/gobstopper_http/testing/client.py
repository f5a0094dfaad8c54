"""The synchronous test client."""

from __future__ import annotations

import concurrent.futures
from collections.abc import AsyncIterable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from .errors import Disconnect, HTTPStatusError
from .event_source import EventSource, event_stream_fields
from .request import HeaderTypes, Params
from .response import ClientResponse
from .session import Call, ClientSettings, RequestOptions, Session, Upload
from .streamed import StreamedResponse
from .streams import check_event_stream
from .websocket_client import WebSocketClient

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
        extra = event_stream_fields(last_event_id)
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
