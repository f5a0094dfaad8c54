"""Responses whose body is made while it is sent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ._pump import in_threads
from .errors import ClientDisconnected
from .interrupt import Interrupt, drain_of, watch_client
from .peer import Peer
from .pipe import PipeSink
from .response import BYTES, HTML, Response, _merge, without_length
from .rsgi import HTTPProtocol, StreamTransport, is_closed
from .types import BackgroundTask, HeaderInput, StreamContent

if TYPE_CHECKING:
    from .request import Request

__all__ = ["StreamingResponse"]


class StreamingResponse(Response):
    """A body that comes from an iterator or asynchronous iterator.

    The first chunk is made before the headers go out, so an error until then is a real error response. A later one is
    logged and breaks the connection, so that the client does not take the beginning for all. (Over HTTP/2, a Unix
    socket, or with `bounded=False`, the server ends the answer as if it were complete: give a `Content-Length` there.)

    Sync iterators run in a thread, chunk by chunk. When the client goes the iterator is closed: its `finally` runs.

    Args:
        content: Yields `bytes` or `str` (sent as UTF-8).
        status: 200 to 599; a 205 is sent without a body, and the iterator closed unread.
        headers: Header fields. A `Content-Length` has to be the length of all chunks together.
        content_type: Default, by the first chunk: `text/html; charset=utf-8` for `str`, else
            `application/octet-stream`.
        bounded: Whether a reader that stalls makes the iterator wait. Granian's own streams queue without bound, so on
            Linux the connection is looked at after every 512 KiB, and a stream over HTTP/2 or a Unix socket goes
            through a pipe, at about half the speed and at most 128 at once: others wait for
            their turn, 128 of them for `limits.stream_idle`, and are answered 503 then. Default `None`: wherever
            possible.
        background: See `Response`.
    """

    __slots__ = ("bounded", "content", "typed")

    immediate: ClassVar[bool] = False
    ends_at_drain: ClassVar[bool] = False
    """Whether a stopping server ends the stream (server-sent events), or waits for it (a download)."""
    may_pipe: ClassVar[bool] = True
    """Whether a pipe will do where the connection cannot be looked at; not for streams that are silent for long."""

    def __init__(
        self,
        content: StreamContent,
        status: int = 200,
        headers: HeaderInput | None = None,
        content_type: str | None = None,
        *,
        bounded: bool | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        if not (hasattr(content, "__aiter__") or hasattr(content, "__iter__")) or isinstance(content, str | bytes):
            raise TypeError(
                f"a stream needs an iterable or asynchronous iterable of chunks, not {type(content).__name__}"
            )
        self.body = b""
        self.content = content
        self.status = status
        self.headers = _merge([], headers, content_type)
        self.bounded = sys.platform == "linux" if bounded is None else bounded
        self.background = background

    def send_now(self, request: Request) -> None:
        """Not for streams: `await send(request)`."""
        raise RuntimeError("a stream is sent with `await response.send(request)`")

    async def send(self, request: Request) -> None:
        """Send the whole stream; returns when it ended or the client has gone.

        Raises:
            ValueError: for a `Content-Length` that is no single number, before anything is sent.
            AlreadyAnsweredError: if the request has an answer.
        """
        if self.status == 205:  # has no content (RFC 9110 section 15.3.6)
            request.claim(self.status).response_empty(self.status, without_length(self.headers.raw))
            await self.close()
            return
        try:
            _check_length(self.headers.getlist("content-length"))
        except ValueError:
            await self.close()
            raise
        drain = drain_of(asyncio.get_running_loop())
        if request.method == "HEAD" or (self.ends_at_drain and drain.draining):
            request.claim(self.status).response_empty(self.status, self.headers.raw)
            await self.close()
            return
        chunks = _chunks(self.content)
        gone = Interrupt()
        watcher = asyncio.ensure_future(watch_client(request, gone))
        if self.ends_at_drain:
            drain.add(self, partial(gone.fire, ClientDisconnected("the server stops")))
        try:
            with gone:
                await self._send(request, chunks, gone)
        except ClientDisconnected:
            if drain.draining and not request.answered:  # an event stream that ended is one the browser opens again
                request.claim(self.status).response_empty(self.status, self.headers.raw)
        finally:
            drain.discard(self)
            watcher.cancel()
            await chunks.aclose()

    async def _send(self, request: Request, chunks: AsyncGenerator[bytes, None], gone: Interrupt) -> None:
        first = await anext(chunks, None)
        if "content-type" not in self.headers and first is not None:
            self.headers["content-type"] = (HTML if type(first) is _Text else BYTES)[0][1]
        if first is None:
            request.claim(self.status).response_bytes(self.status, self.headers.raw, b"")
            return
        if self.bounded and sys.platform == "linux":
            # HTTP/2 has its own queue for each stream, which the connection's does not tell of.
            peer = Peer(request.scope.client, request.scope.server, request.limits.stream_idle)
            if request.http_version.startswith("1") and peer.is_tcp:
                await self._send_paced(request.claim(self.status), first, chunks, peer, gone)
                return
            if self.may_pipe:
                await self._send_piped(request, first, chunks)
                return
        proto = request.claim(self.status)
        await self._send_queued(proto.response_stream(self.status, self.headers.raw), first, chunks, None)

    async def _send_paced(
        self, proto: HTTPProtocol, first: bytes, chunks: AsyncGenerator[bytes, None], peer: Peer, gone: Interrupt
    ) -> None:
        """Send at the reader's pace; what fails half-way breaks the connection."""
        transport = proto.response_stream(self.status, self.headers.raw)
        try:
            await self._send_queued(transport, first, chunks, peer)
        except (ClientDisconnected, GeneratorExit):
            raise
        except BaseException:
            if not gone.fired:
                await peer.break_off()
            raise
        finally:
            del transport

    async def _send_queued(
        self, transport: StreamTransport, first: bytes, chunks: AsyncGenerator[bytes, None], peer: Peer | None
    ) -> None:
        try:
            await transport.send_bytes(first)
            if peer is not None:
                await peer.keep_pace(len(first))
            async for chunk in chunks:
                await transport.send_bytes(chunk)
                if peer is not None:
                    await peer.keep_pace(len(chunk))
        except RuntimeError as error:
            if not is_closed(error):
                raise
            raise ClientDisconnected("the client closed the stream") from None
        finally:
            # The server ends the stream when the transport is dropped, and an exception's traceback would hold it.
            del transport

    async def _send_piped(self, request: Request, first: bytes, chunks: AsyncGenerator[bytes, None]) -> None:
        async with PipeSink(request.limits.stream_idle) as sink:
            # Not before: with no descriptor left there is an error to answer with.
            request.claim(self.status).response_file(self.status, self.headers.raw, sink.path)
            await sink.write(first)
            async for chunk in chunks:
                await sink.write(chunk)
            await sink.drain()

    async def close(self) -> None:
        """Close the iterator of a stream that will not be sent."""
        await close_source(self.content)


def _check_length(declared: list[str]) -> None:
    """Refuse a `Content-Length` at which the server would break the connection, or send two (RFC 9110 section 8.6).

    Of a stream nobody knows the true length, so a wrong one cannot be left out as `Response` does.
    """
    if not declared or (len(declared) == 1 and _is_length(declared[0])):
        return
    raise ValueError(
        f"a stream's Content-Length is one number of bytes, not {' and '.join(map(repr, declared))}: "
        "give the length of all that the iterator yields, or none"
    )


def _is_length(value: str) -> bool:
    # The server counts in 64 bits. 20 digits hold them; more are none of a body, and int() takes long for many.
    return value.isascii() and value.isdecimal() and len(value) <= 20 and int(value) < 1 << 64


async def close_source(source: object) -> None:
    """Close an iterator that can be closed."""
    if (aclose := getattr(source, "aclose", None)) is not None:
        await aclose()
    elif (close := getattr(source, "close", None)) is not None:
        close()


class _Text(bytes):
    """A chunk that was `str`: tells the default content type."""


def _encode(chunk: bytes | str) -> bytes:
    if isinstance(chunk, str):
        return _Text(chunk.encode())
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"a stream yields bytes or str, not {type(chunk).__name__}")


async def _chunks(content: StreamContent) -> AsyncGenerator[bytes, None]:
    """The chunks that are not empty; closes the source whatever happens."""
    source = aiter(content) if isinstance(content, AsyncIterable) else in_threads(iter(content))
    try:
        async for chunk in source:
            if chunk:
                yield _encode(chunk)
    finally:
        if (aclose := getattr(source, "aclose", None)) is not None:
            await aclose()
