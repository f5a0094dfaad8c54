"""A file as an answer whose header and body are of one version, even while somebody exchanges the file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from gobstopper_http import FileResponse, Request, Response, StreamingResponse, problem
from gobstopper_http.types import RawHeaders

__all__ = ["IMMUTABLE", "StaticResponse", "entity_tag", "is_same_version", "open_version"]

IMMUTABLE = "public, max-age=31536000, immutable"
"""`Cache-Control` of what never changes under its URL."""

_IN_LINE = 64 * 1024
"""Bytes that are read on the event loop: from the kernel's cache that is quicker than handing it to anybody."""

_AT_ONCE = 256 * 1024
"""Bytes of an immutable answer that are held in memory; a longer one is streamed."""

_CHUNK = 256 * 1024

_OF_THE_FILE = frozenset({"cache-control", "content-encoding", "content-length", "content-type"})
_ATTEMPTS = 5
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class _ExchangedError(Exception):
    """The file is not the one any more that the header speaks of."""


def entity_tag(status: os.stat_result, encoding: str | None) -> str:
    """The strong entity tag of one version in one coding."""
    coding = "" if encoding is None else f"-{encoding}"
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}{coding}"'


def is_same_version(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether both are of one file with one content, as far as the system tells."""
    return (one.st_ino, one.st_mtime_ns, one.st_size, one.st_dev) == (
        other.st_ino, other.st_mtime_ns, other.st_size, other.st_dev,
    )  # fmt: skip


def open_version(path: str, status: os.stat_result) -> int | None:
    """A descriptor of the file if it is still that version; no link is followed, and no pipe waited for."""
    try:
        file = os.open(path, _FLAGS)
    except OSError:
        return None
    with suppress(OSError):
        if is_same_version(os.fstat(file), status):
            return file
    os.close(file)
    return None


class StaticResponse(FileResponse):
    """Reads small and immutable files itself, from a descriptor that it has compared with what the header says.

    The server opens a path late: a file that is exchanged until then would go out with the validator, the length and
    the promises of the old one. What it is still trusted with are long files that browsers ask for again anyway.

    Args:
        path: Of a regular file, without links.
        content_type: See `FileResponse`.
        headers: See `FileResponse`.
        encoding: Its content coding.
        status: What `os.stat` said.
        renew: Looks again whether the path may be served, and gives its `os.stat`, `None` if it may not.
        control: The `Cache-Control` that remains when an immutable answer turns out to be of another version.
    """

    __slots__ = ("_control", "_encoding", "_renew")

    def __init__(
        self,
        path: str,
        *,
        content_type: str,
        headers: list[tuple[str, str]],
        encoding: str | None,
        status: os.stat_result,
        renew: Callable[[], os.stat_result | None],
        control: str,
    ) -> None:
        super().__init__(
            path, content_type=content_type, headers=headers, etag=entity_tag(status, encoding), stat_result=status
        )
        self._encoding = encoding
        self._renew = renew
        self._control = control

    async def send(self, request: Request) -> None:
        """Answer, with another version if the file was exchanged in the meantime.

        404 if it has gone, 503 if it changes all the time.
        """
        for _ in range(_ATTEMPTS):
            try:
                await super().send(request)
            except _ExchangedError:
                status = self._renew()
                if status is None:
                    self._refuse(request, problem(404))
                    return
                self._stat, self._etag = status, entity_tag(status, self._encoding)
                if self.headers.get("cache-control") == IMMUTABLE:
                    self.headers["cache-control"] = self._control
            else:
                return
        self._refuse(request, problem(503, "The file is being changed.", headers={"Retry-After": "1"}))

    def _refuse(self, request: Request, refusal: Response) -> None:
        """Answer here: outside of an application nobody makes a response of what `send` raises."""
        for name, value in self.headers.raw:
            if name not in _OF_THE_FILE:
                refusal.headers.add(name, value)
        refusal.send_now(request)

    async def _send_slice(
        self, request: Request, status: int, raw: RawHeaders, start: int, end: int, size: int
    ) -> None:
        length = end - start
        is_immutable = ("cache-control", IMMUTABLE) in raw
        if length == 0 or request.method == "HEAD" or (length > _IN_LINE and not is_immutable):
            await super()._send_slice(request, status, raw, start, end, size)
            return
        raw = [*raw, ("content-length", str(length))]
        if length > _AT_ONCE:
            await StreamingResponse(self._chunks(self._open(), start, end), status, raw).send(request)
            return
        data = self._read(start, length) if length <= _IN_LINE else await asyncio.to_thread(self._read, start, length)
        request.claim(status).response_bytes(status, raw, data)

    def _open(self) -> int:
        assert self._stat is not None
        file = open_version(self.path, self._stat)
        if file is None:
            raise _ExchangedError
        return file

    def _read(self, start: int, length: int) -> bytes:
        file = self._open()
        try:
            data = os.pread(file, length, start)
        finally:
            os.close(file)
        if len(data) != length:  # cut while it was read
            raise _ExchangedError
        return data

    @staticmethod
    async def _chunks(file: int, start: int, end: int) -> AsyncIterator[bytes]:
        try:
            while start < end:
                chunk = await asyncio.to_thread(os.pread, file, min(_CHUNK, end - start), start)
                if not chunk:
                    raise OSError("the file became shorter while it was sent")
                start += len(chunk)
                yield chunk
        finally:
            os.close(file)
