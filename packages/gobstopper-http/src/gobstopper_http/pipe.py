"""A bounded way out: a pipe that the server reads as if it were a file.

For the streams whose backlog cannot be known (see `backlog`): `response_stream` queues without bound, a pipe holds 64
KiB. Linux only, since the server has to open `/proc/self/fd/N`. It has a price: three descriptors each, and a thread of
the server that waits for the next byte, of which there are 512 that every file answer shares. So their number is
limited, and a client that leaves is noticed at the second write after it. Who comes when there are too many waits for
its turn: readers that stall must not make others queue without bound.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import ClassVar, Self

from .deadlines import deadlines_of
from .errors import ClientDisconnected, HTTPException

__all__ = ["PipeSink"]

_POLL = 0.005
"""Seconds between two looks at whether the server has opened the pipe."""

_MOST = 128
"""Pipes that are open at once; a quarter of the threads that the server reads files in. As many may wait for one."""

_LINGER = 2.0
"""Seconds that the server gets to open the pipe of a stream that ended at once."""


class PipeSink:
    """The write end of a pipe whose read end the server opens by `path`.

    The read end stays open here until the server has read something, even if the stream fails meanwhile: a number that
    was closed earlier could belong to another file by the time the server opens it, and that file would be sent. From
    then on a reader that leaves is seen as a broken pipe.

    Args:
        idle: Seconds in which a reader may take nothing before it is given up; and in which a pipe may be waited for.

    Raises:
        HTTPException: 503 when it is entered, if there are too many for too long.
    """

    __slots__ = ("_idle", "_reader", "_writer", "_written", "path")

    _open: ClassVar[int] = 0
    _waiting: ClassVar[deque[asyncio.Future[None]]] = deque()

    def __init__(self, idle: float) -> None:
        self._idle = idle

    async def __aenter__(self) -> Self:
        if PipeSink._open < _MOST:
            PipeSink._open += 1
        else:
            await self._turn()
        self._reader: int | None
        try:
            self._reader, self._writer = os.pipe()
        except OSError:
            _leave()
            raise
        self._written = 0
        os.set_blocking(self._writer, False)
        self.path = f"/proc/self/fd/{self._reader}"
        return self

    async def _turn(self) -> None:
        """Wait for somebody to hand over a place."""
        if len(PipeSink._waiting) >= _MOST:
            raise _busy()
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        PipeSink._waiting.append(turn)
        try:
            with deadlines_of(loop).within(self._idle):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                _leave()  # it was given, and nobody is here to take it
            with suppress(ValueError):
                PipeSink._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise _busy() from None
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_unread():
            loop = asyncio.get_running_loop()
            self._linger(loop, loop.time() + _LINGER)
        else:
            self._close()

    def _is_unread(self) -> bool:
        """Whether the server may not have opened the pipe yet; once it has read something, it holds it itself."""
        if self._reader is not None and self._queued() < self._written:
            self._close_reader()
        return self._reader is not None and self._written > 0

    def _linger(self, loop: asyncio.AbstractEventLoop, end: float) -> None:
        if self._is_unread() and loop.time() < end:
            loop.call_later(_POLL, self._linger, loop, end)
        else:
            self._close()

    def _close(self) -> None:
        os.close(self._writer)
        self._close_reader()
        _leave()

    def _close_reader(self) -> None:
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    def _queued(self) -> int:
        # Through the write end: FIONREAD tells the same on both.
        return int(struct.unpack("i", fcntl.ioctl(self._writer, termios.FIONREAD, b"\0" * 4))[0])

    async def write(self, data: bytes) -> None:
        """Write all of `data`; waits while the pipe is full.

        Raises:
            ClientDisconnected: when the reader has gone, or takes nothing for the idle time.
        """
        view = memoryview(data)
        while view:
            self._is_unread()
            try:
                written = os.write(self._writer, view)
            except BlockingIOError:
                await self._writable()
            except BrokenPipeError:
                raise ClientDisconnected("the reader of the stream has gone") from None
            else:
                self._written += written
                view = view[written:]

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._writer, ready.set)
        try:
            with deadlines_of(loop).within(self._idle):
                await ready.wait()
        except TimeoutError:
            raise ClientDisconnected(f"the reader of the stream took nothing for {self._idle:g} seconds") from None
        finally:
            loop.remove_writer(self._writer)

    async def drain(self) -> None:
        """Wait until the server has opened the pipe: closing both ends before would leave it waiting for ever.

        Raises:
            ClientDisconnected: when it does not for the idle time: the client left before the answer began.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._idle
        while self._is_unread():
            if loop.time() > end:
                raise ClientDisconnected("nobody read the stream")
            await asyncio.sleep(_POLL)


def _leave() -> None:
    """Hand a place over to whoever waits longest."""
    while PipeSink._waiting:
        turn = PipeSink._waiting.popleft()
        if not turn.done() and not turn.get_loop().is_closed():
            turn.set_result(None)
            return
    PipeSink._open -= 1


def _busy() -> HTTPException:
    reason = f"{_MOST} streams over HTTP/2 or a Unix socket are being sent already."
    return HTTPException(503, reason, headers={"Retry-After": "1"})
