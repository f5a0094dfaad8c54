"""One HTTP exchange: the protocol object that the application gets, and the side that the client holds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .answer import Answer, FileBody, ResponseHead, StreamBody, check_status, finish
from .bodies import RequestBody, ResponseBody
from .convert import extract_bytes, extract_headers, extract_status, extract_str, extract_unsigned
from .errors import ConnectionLost, GranianPanic, protocol_closed, protocol_error
from .scope import RequestHead

if TYPE_CHECKING:
    from .server import FakeServer

__all__ = ["FakeHTTPProtocol", "FakeStreamTransport", "HTTPExchange"]

_CHUNK = 131_072
_READ_AHEAD = 2 * _CHUNK

_T = TypeVar("_T")


class Finished(Generic[_T]):
    """An awaitable that is done already, and that nobody has to await."""

    def __init__(self, result: _T, error: BaseException | None = None) -> None:
        self._result = result
        self._error = error

    def __await__(self) -> Generator[Any, None, _T]:
        if self._error is not None:
            raise self._error
        yield from ()
        return self._result


class HTTPExchange:
    """One request and its answer. Lives on the server's loop; every method is to be called there."""

    def __init__(self, server: FakeServer, head: RequestHead, body: RequestBody) -> None:
        self.server = server
        self.request = head
        self.request_body = body
        self.response_body = ResponseBody()
        self.response: asyncio.Future[ResponseHead] = server.loop.create_future()
        self.finished = asyncio.Event()
        self.unseen: BaseException | None = None
        self.disconnected = False
        self._answered = False
        self._streaming = False
        self._waiters: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # The client's side

    def disconnect(self) -> None:
        """The client closes its connection: uploads break off, streams close, who waits for it is told."""
        if self.disconnected:
            return
        self.disconnected = True
        uploading = not self.request_body.ended
        self.request_body.fail(protocol_closed())
        answered = self._answered and self.response_body.done
        self.response_body.abandon()
        # While a body is still on its way Granian does not watch the connection, and after the answer no more.
        if not uploading and not answered:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def fail(self, error: BaseException) -> None:
        """The server is gone."""
        if not self.response.done():
            self.response.set_exception(error)
            self.response.exception()  # nobody may be waiting for it
        self.response_body.fail(error)
        self.finished.set()

    def refuse(self, head: ResponseHead) -> None:
        """The server answers by itself; the application is not called."""
        self._answered = True
        self.response.set_result(head)
        self.response_body.close()
        self.finished.set()

    # The application's side

    def disconnection(self) -> Awaitable[None]:
        """What `client_disconnect()` returns."""
        waiter: asyncio.Future[None] = self.server.loop.create_future()
        self._waiters.append(waiter)
        if self.disconnected and self.request_body.complete and not (self._answered and self.response_body.done):
            waiter.set_result(None)
        return waiter

    def answer(self, answer: Answer) -> bool:
        """Take the first answer; `False` for a later one."""
        if self._answered:
            return False
        try:
            check_status(answer.status)
        except GranianPanic as panic:
            self.server.die(panic)
            raise
        self._answered = True
        self._streaming = isinstance(answer.body, StreamBody)
        # Not now: what the application does in the same breath (such as deleting the file) comes first.
        self.server.loop.call_soon(self._send, answer)
        return True

    def stream_put(self, data: bytes) -> Awaitable[None]:
        """Send a chunk of a stream."""
        if not self.response_body.open:
            return Finished(None, protocol_closed())
        self.response_body.put(data)
        return Finished(None)

    def called(self, error: BaseException | None) -> None:
        """The application's callable has returned or raised."""
        if not self.disconnected:  # what is raised because the client left is no news to it
            self.unseen = error
        if not self._answered:
            self.answer(Answer(500, [], b""))
        if error is not None and self._streaming:
            # The traceback, kept for the report, holds the stream's transport; Granian lets both go.
            self.server.loop.call_soon(self.response_body.close)
        self.server.loop.call_soon(self.finished.set)

    def _send(self, answer: Answer) -> None:
        if isinstance(answer.body, FileBody):
            task = self.server.loop.create_task(self._send_file(answer, answer.body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        head = self._send_head(answer)
        if head.has_body and isinstance(answer.body, bytes):
            self.response_body.put(answer.body)
            self.response_body.close()

    def _send_head(self, answer: Answer) -> ResponseHead:
        head = finish(answer, self.request)
        if head.lost:
            self.fail(ConnectionLost("the server closed the connection: the answer's Content-Length is no number"))
            return head
        if not self.response.done():
            self.response.set_result(head)
        if not head.has_body:
            self.response_body.discard()
        elif head.length is not None:
            self.response_body.limit(head.length)
        return head

    async def _send_file(self, answer: Answer, file: FileBody) -> None:
        try:
            # Non-blocking for the sake of pipes, by which an application may bound what it streams.
            descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            self._send(Answer(404, [], b"Not found"))
            return
        try:
            await self._copy_file(answer, file, descriptor)
        except OSError as error:
            self.fail(ConnectionLost(f"the server closed the connection: {file.path} cannot be read ({error})"))
        finally:
            os.close(descriptor)

    async def _copy_file(self, answer: Answer, file: FileBody, descriptor: int) -> None:
        left = None if file.end is None else file.end - file.start
        if finish(answer, self.request).has_body:
            if file.start:
                os.lseek(descriptor, file.start, os.SEEK_SET)
            data = await self._read(descriptor, left)
        else:
            data = b""
        # A first read that fails takes the head with it, which waits in the same buffer.
        self._send_head(answer)
        while data and self.response_body.open:
            self.response_body.put(data)
            left = None if left is None else left - len(data)
            while self.response_body.queued > _READ_AHEAD and self.response_body.open:
                await self.response_body.drained()
            data = await self._read(descriptor, left)
        self.response_body.close()

    async def _read(self, descriptor: int, left: int | None) -> bytes:
        size = _CHUNK if left is None else min(left, _CHUNK)
        while not self.response_body.abandoned:
            try:
                return os.read(descriptor, size)
            except BlockingIOError:
                await self._readable(descriptor)
        return b""

    async def _readable(self, descriptor: int) -> None:
        ready = asyncio.Event()
        self.server.loop.add_reader(descriptor, ready.set)
        gone = asyncio.ensure_future(self.response_body.drained())
        waiting = asyncio.ensure_future(ready.wait())
        try:
            await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.server.loop.remove_reader(descriptor)
            gone.cancel()
            waiting.cancel()


class FakeStreamTransport:
    """A streamed answer. It ends when this object is freed, as with Granian, so a task that keeps it keeps it open."""

    def __init__(self, exchange: HTTPExchange) -> None:
        self._exchange = exchange

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """Send a chunk; it is on its way whether or not the result is awaited."""
        return self._exchange.stream_put(extract_bytes(data))

    def send_str(self, data: str) -> Awaitable[None]:
        """Send text as UTF-8."""
        return self._exchange.stream_put(extract_str(data).encode())

    def __del__(self) -> None:
        loop = self._exchange.server.loop
        if not loop.is_closed():
            # The collector may run in any thread.
            loop.call_soon_threadsafe(self._exchange.response_body.close)


class FakeHTTPProtocol:
    """The `proto` of an HTTP request."""

    def __init__(self, exchange: HTTPExchange) -> None:
        self._exchange = exchange
        self._taken = False
        self._iterating = False

    def __call__(self) -> Awaitable[bytes]:
        """The whole body, once."""
        self._take()
        return self._exchange.request_body.read()

    def __aiter__(self) -> FakeHTTPProtocol:
        """Iterate over the body, instead of calling."""
        self._take()
        self._iterating = True
        return self

    def __anext__(self) -> Awaitable[bytes]:
        """The next chunk, `b""` at the end."""
        if not self._iterating or self._exchange.request_body.exhausted:
            raise StopAsyncIteration("stream exhausted")
        return self._exchange.request_body.next()

    def client_disconnect(self) -> Awaitable[None]:
        """Wait for the client to leave before it has its answer."""
        return self._exchange.disconnection()

    def response_empty(self, status: int = 200, headers: Any = ()) -> None:
        """Answer without a body."""
        self._answer(status, headers, lambda: b"")

    def response_str(self, status: int = 200, headers: Any = (), body: str = "") -> None:
        """Answer with text, as UTF-8. No content type is added."""
        self._answer(status, headers, lambda: extract_str(body).encode())

    def response_bytes(self, status: int = 200, headers: Any = (), body: bytes = b"") -> None:
        """Answer with bytes."""
        self._answer(status, headers, lambda: extract_bytes(body))

    def response_file(self, status: int, headers: Any, file: str) -> None:
        """Answer with a file, which is opened later: 404 if it is not there then."""
        self._answer(status, headers, lambda: FileBody(extract_str(file)))

    def response_file_range(self, status: int, headers: Any, file: str, start: int, end: int) -> None:
        """Answer with bytes `start` to `end` (exclusive) of a file, or what there is of them."""
        self._answer(status, headers, lambda: _file_range(file, start, end))

    def response_stream(self, status: int = 200, headers: Any = ()) -> FakeStreamTransport:
        """Begin a streamed answer."""
        answer = Answer(extract_status(status), extract_headers(headers), StreamBody())
        if not self._exchange.answer(answer):
            raise protocol_error()
        return FakeStreamTransport(self._exchange)

    def _answer(self, status: Any, headers: Any, body: Callable[[], bytes | FileBody]) -> None:
        self._exchange.answer(Answer(extract_status(status), extract_headers(headers), body()))

    def _take(self) -> None:
        if self._taken:
            raise protocol_error()
        self._taken = True


def _file_range(file: Any, start: Any, end: Any) -> FileBody:
    body = FileBody(extract_str(file), extract_unsigned(start), extract_unsigned(end))
    if start >= end:
        raise ValueError("Invalid range")
    return body
