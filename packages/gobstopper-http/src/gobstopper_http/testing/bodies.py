"""The two directions of bytes: a request's body on its way in, an answer's on its way out. Both live on one loop."""

from __future__ import annotations

import asyncio
from collections import deque

from .errors import ConnectionLost

__all__ = ["RequestBody", "ResponseBody"]


class RequestBody:
    """A body as it arrives from the client; fed by the client, read through the protocol.

    What it hands out are futures, as Granian's awaitables are in effect: work has begun before they are awaited, and
    one that is cancelled loses no data.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, chunks: tuple[bytes, ...] = (), *, complete: bool = True
    ) -> None:
        self._loop = loop
        self._chunks = deque(chunk for chunk in chunks if chunk)
        self._readers: deque[asyncio.Future[bytes]] = deque()
        self._whole: asyncio.Future[bytes] | None = None
        self._error: RuntimeError | None = None
        self._error_shown = False
        self._closed = False
        self.complete = complete

    @property
    def ended(self) -> bool:
        """Whether no more bytes will come."""
        return self.complete or self._error is not None

    @property
    def exhausted(self) -> bool:
        """Whether the iteration has shown its end, an empty chunk."""
        return self._closed

    def feed(self, data: bytes) -> None:
        """Bytes from the client; an empty chunk is none."""
        if data and not self.ended:
            self._chunks.append(data)
            self._serve()

    def end(self) -> None:
        """The body is complete."""
        if not self.ended:
            self.complete = True
            self._serve()

    def fail(self, error: RuntimeError) -> None:
        """The client broke off before the end."""
        if not self.ended:
            self._error = error
            self._serve()

    def read(self) -> asyncio.Future[bytes]:
        """The whole body; the error of a body that was cut off."""
        self._whole = self._loop.create_future()
        self._serve()
        return self._whole

    def next(self) -> asyncio.Future[bytes]:
        """The next chunk. At the end `b""`; after an error `b""` for it and then `b""` for the end."""
        reader: asyncio.Future[bytes] = self._loop.create_future()
        self._readers.append(reader)
        self._serve()
        return reader

    def _serve(self) -> None:
        if self._whole is not None:
            if self.ended and not self._whole.done():
                if self._error is not None:
                    self._whole.set_exception(self._error)
                    self._whole.exception()  # marks it as seen: the application need not await it
                else:
                    self._whole.set_result(b"".join(self._chunks))
            return
        while self._readers:
            if self._readers[0].done():  # cancelled
                self._readers.popleft()
            elif self._chunks:
                self._readers.popleft().set_result(self._chunks.popleft())
            elif self.ended:
                if self._error is not None and not self._error_shown:
                    self._error_shown = True
                else:
                    self._closed = True
                self._readers.popleft().set_result(b"")
            else:
                return


class ResponseBody:
    """A body on its way to the client: an unbounded queue, as Granian's is."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._left: int | None = None
        self._error: BaseException | None = None
        self.done = False
        self.abandoned = False
        self.queued = 0

    @property
    def open(self) -> bool:
        """Whether anything that is put in will be delivered."""
        return not (self.done or self.abandoned)

    def limit(self, length: int) -> None:
        """Take a declared `Content-Length` of a streamed body: more is cut, less is a lost connection."""
        early = list(self._chunks)
        self._chunks.clear()
        self.queued = 0
        self._left = length
        for data in early:
            self.put(data)
        if self._left == 0:
            self.close()

    def put(self, data: bytes) -> None:
        """Add bytes; the caller has seen that it is open."""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            self._chunks.append(data)
            self.queued += len(data)
        self._changed.set()
        if self._left == 0:
            self.close()

    def close(self) -> None:
        """The body ends here."""
        if not self.done:
            self.done = True
            if self._left:
                self._error = ConnectionLost(f"the answer's body ended {self._left} bytes before its Content-Length")
            self._changed.set()

    def discard(self) -> None:
        """There is no body after all (`HEAD`, 204, 304): drop what is there and take no more."""
        self._chunks.clear()
        self.queued = 0
        self.close()

    def fail(self, error: BaseException) -> None:
        """The connection breaks after what was put in so far."""
        if not self.done:
            self.done = True
            self._error = error
            self._changed.set()

    def abandon(self) -> None:
        """The client does not read any further."""
        self.abandoned = True
        self._chunks.clear()
        self._changed.set()
        self._drained.set()

    async def get(self) -> bytes:
        """The next bytes, `b""` at the end.

        Raises:
            ConnectionLost: the body broke off.
        """
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.done or self.abandoned:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = self._chunks.popleft()
        self.queued -= len(data)
        self._drained.set()
        return data

    async def drained(self) -> None:
        """Wait until something was taken, or nobody will take anything any more."""
        self._drained.clear()
        if not self.abandoned:
            await self._drained.wait()
