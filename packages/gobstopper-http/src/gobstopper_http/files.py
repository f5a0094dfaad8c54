"""Files as answers: validators, conditional requests, ranges and download names."""

from __future__ import annotations

import asyncio
import os
import stat as stat_module
import time
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from ._mime import guess_content_type as guess_content_type
from ._names import names_of
from ._opened import ExchangedError, OpenFile, read_version
from ._opened import is_same_version as is_same_version
from ._opened import open_version as open_version
from ._options import content_disposition as content_disposition
from .conditional import evaluate_preconditions, format_http_date, parse_http_date, quote_etag, range_applies
from .conditional import not_modified as not_modified
from .datastructures import Headers
from .errors import HTTPException
from .ranges import content_range
from .ranges import parse_range as parse_range
from .response import Response
from .streaming import StreamingResponse
from .types import BackgroundTask, HeaderInput, RawHeaders

if TYPE_CHECKING:
    from .request import Request

__all__ = [
    "FileResponse", "content_disposition", "guess_content_type", "is_same_version", "not_modified", "open_version",
    "parse_range",
]  # fmt: skip

_IN_LINE = 64 * 1024
"""Bytes that are read on the event loop: from the kernel's cache that is quicker than handing it to anybody."""

_ATTEMPTS = 5
# What describes a body that is not sent (RFC 9110 15.4.5); Content-Security-Policy and the like stay.
_OF_THE_BODY = frozenset({
    "content-type", "content-length", "content-encoding", "content-language", "content-range", "content-disposition",
})  # fmt: skip


class FileResponse(Response):
    """A file from disk.

    Answers to GET and HEAD are conditional (304, 412) and can be partial (206, 416), with several ranges as
    ``multipart/byteranges``, as RFC 9110 has it. A ``status`` other than 200 is sent as it is.

    Header and body are of one version of the file, even if it is exchanged or deleted meanwhile (written to in place is
    another matter: replace files as a whole). On Linux the server sends what was opened here, for which a file over 64
    KiB stays open until 30 seconds after its last answer, 128 files at most; beyond that they are streamed from here,
    at half the speed. Elsewhere the server opens the path itself a moment later, and has to be trusted with what is
    there by then, unless the answer is ``immutable``.

    Args:
        path: a regular file that this process can read; relative to the working directory.
        status: 200 to 599.
        headers: further fields; an ``ETag``, ``Last-Modified`` or ``Cache-Control`` among them is kept and used, and
            ``Accept-Ranges: none`` turns ranges off.
        content_type: default: by the ending of `filename` or `path`, text as UTF-8.
        filename: what the browser shall call it; adds ``Content-Disposition`` (RFC 6266).
        disposition: ``"attachment"`` to save, ``"inline"`` to show; counts only with a `filename`.
        etag: `True` makes a strong one of size and modification time in nanoseconds; a string is used itself; `False`
            sends none.
        max_age: seconds for ``Cache-Control: max-age``.
        stat_result: what ``os.stat`` said, if it is known already; must be of the same file.
        follow_links: `False`: the path is one without links (`os.path.realpath`), and nothing is sent that does not
            lie just there when it is opened; see `gobstopper_http.files.open_version`.
        background: see `Response`.

    Raises:
        TypeError, ValueError: for a header or entity tag that may not be sent. `send` raises `HTTPException` before
            anything is sent: 404 if there is no such regular file, 503 if it changes all the time.
    """

    __slots__ = ("_etag", "_follow_links", "_stat", "path")

    immediate: ClassVar[bool] = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        status: int = 200,
        headers: HeaderInput | None = None,
        content_type: str | None = None,
        filename: str | None = None,
        disposition: Literal["attachment", "inline"] = "attachment",
        etag: bool | str = True,
        max_age: int | None = None,
        stat_result: os.stat_result | None = None,
        follow_links: bool = True,
        background: BackgroundTask | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.status = status
        self.body = b""
        self.background = background
        self.headers = Headers(headers)
        self._stat = stat_result
        self._follow_links = follow_links
        self._etag = quote_etag(etag) if isinstance(etag, str) else etag
        if content_type is not None:
            self.headers["content-type"] = content_type
        else:
            self.headers.setdefault("content-type", guess_content_type(filename or self.path))
        if filename is not None:
            self.headers.setdefault("content-disposition", content_disposition(disposition, filename))
        if max_age is not None:
            self.headers.setdefault("cache-control", f"max-age={max_age}")

    def send_now(self, request: Request) -> None:
        """Not for files: ``await send(request)``."""
        raise RuntimeError("a file is sent with `await response.send(request)`")

    def entity_tag(self, status: os.stat_result) -> str | None:
        """The entity tag of the version that `status` is of, `None` for none. For subclasses to override."""
        if self._etag is True:
            return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        return self._etag or None

    def look_again(self) -> os.stat_result | None:
        """What ``os.stat`` says now, `None` for 404. For subclasses to override, and to change `headers` in it.

        `send` calls it when the file turns out to be another one than at the first look, and then begins anew.
        """
        return _stat(self.path)

    async def send(self, request: Request) -> None:
        """Answer with the file, a part of it, 304, 412 or 416.

        Raises:
            HTTPException: 404, if there is no regular file at the path that can be read; 503, if it changes all the
                time.
            AlreadyAnsweredError: if the request has an answer.
        """
        stat: os.stat_result | None = _stat(self.path) if self._stat is None else self._stat
        for _ in range(_ATTEMPTS):
            if stat is None or not stat_module.S_ISREG(stat.st_mode):
                raise HTTPException(404)
            try:
                await self._send_version(request, stat)
            except ExchangedError:
                stat = self.look_again()
            else:
                return
        raise HTTPException(503, "The file is being changed.", headers={"Retry-After": "1"})

    async def _send_version(self, request: Request, stat: os.stat_result) -> None:
        file = self._describe(stat)
        size = stat.st_size
        if self.status == 205:  # has no content (RFC 9110 section 15.3.6)
            _send_bare(request, 205, file.raw)
            return
        if self.status != 200 or request.method not in {"GET", "HEAD"}:
            await self._send_slice(request, self.status, file, 0, size)
            return
        status = evaluate_preconditions(request.method, request.headers, file.etag, file.modified)
        if status != 200:
            _send_bare(request, status, file.raw)
            return
        ranges = _wanted(request, file)
        if ranges is None:
            await self._send_slice(request, 200, file, 0, size)
        elif not ranges:
            _send_bare(request, 416, file.raw, ("content-range", f"bytes */{size}"))
        elif len(ranges) == 1:
            start, end = ranges[0]
            file.raw.append(("content-range", content_range(start, end, size)))
            await self._send_slice(request, 206, file, start, end)
        else:
            await self._send_parts(request, file, ranges)

    def _describe(self, stat: os.stat_result) -> _File:
        """The header fields are a new list: one response object may be sent more than once."""
        # The length and the range are ours to say. What is added below needs no check, so it bypasses Headers.
        raw = [pair for pair in self.headers.raw if pair[0] not in {"content-length", "content-range"}]
        own = dict(reversed(raw))
        etag = own.get("etag")
        if etag is None and (etag := self.entity_tag(stat)) is not None:
            raw.append(("etag", etag))
        modified: int | None = int(stat.st_mtime)
        if "last-modified" in own:
            modified = parse_http_date(own["last-modified"])
        elif 0 <= stat.st_mtime <= time.time():
            # A time in the future must not be sent (RFC 9110 8.8.2.1).
            raw.append(("last-modified", format_http_date(stat.st_mtime)))
        accept_ranges = own.get("accept-ranges")
        if accept_ranges is None:
            raw.append(("accept-ranges", "bytes"))
        is_immutable = "immutable" in own.get("cache-control", "")
        return _File(stat, etag, modified, accept_ranges != "none", is_immutable, raw)

    async def _send_slice(self, request: Request, status: int, file: _File, start: int, end: int) -> None:
        raw = file.raw
        # Always given: the server would send the file in chunks, and a client could not tell that it was cut off.
        raw.append(("content-length", str(end - start)))
        if request.method == "HEAD" or start == end:
            request.claim(status).response_empty(status, raw)
            return
        if end - start <= _IN_LINE:
            data = read_version(self.path, file.stat, start, end - start, follow_links=self._follow_links)
            request.claim(status).response_bytes(status, raw, data)
            return
        names = names_of(asyncio.get_running_loop())
        path = names.find(self.path, file.stat, self._follow_links)
        if path is None:
            opened = self._open(file)
            path = names.give(opened, self.path, file.stat, self._follow_links)
            if path is None and not names.works and not file.is_immutable and _is_utf8(self.path):
                path = self.path
            if path is None:
                content = opened.chunks([(b"", start, end)])
                await StreamingResponse(content, status, raw).send(request)
                return
        proto = request.claim(status)
        if end - start == file.stat.st_size:
            proto.response_file(status, raw, path)
        else:
            proto.response_file_range(status, raw, path, start, end)

    async def _send_parts(self, request: Request, file: _File, ranges: list[tuple[int, int]]) -> None:
        """Send ``multipart/byteranges`` (RFC 9110 14.6)."""
        boundary = os.urandom(16).hex()
        headers = Headers.shared(file.raw)
        content_type = headers.pop("content-type", "application/octet-stream")
        parts: list[tuple[bytes, int, int]] = []
        for start, end in ranges:
            field = content_range(start, end, file.stat.st_size)
            head = f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {field}\r\n\r\n"
            parts.append((f"\r\n{head}".encode() if parts else head.encode(), start, end))
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
        headers["content-length"] = sum(len(head) + end - start for head, start, end in parts) + len(tail)
        await StreamingResponse(self._open(file).chunks(parts, tail), 206, headers.raw).send(request)

    def _open(self, file: _File) -> OpenFile:
        return OpenFile(self.path, file.stat, follow_links=self._follow_links)


class _File(NamedTuple):
    stat: os.stat_result
    etag: str | None
    modified: int | None
    """Whole seconds since 1970, to compare with."""
    has_ranges: bool
    is_immutable: bool
    raw: RawHeaders
    """The header fields that every answer about it has."""


def _wanted(request: Request, file: _File) -> list[tuple[int, int]] | None:
    """The ranges to send; `None` for the whole, an empty list for 416. Only GET has ranges (RFC 9110 14.2)."""
    fields = request.headers.getlist("range")
    if len(fields) != 1 or request.method != "GET" or not file.has_ranges:
        return None
    ranges = parse_range(fields[0], file.stat.st_size)
    return ranges if ranges is None or range_applies(request.headers, file.etag, file.modified) else None


def _stat(path: str) -> os.stat_result:
    # In line, not in a thread: it takes a microsecond or two from the kernel's cache, a thread takes twenty.
    try:
        stat = os.stat(path)  # noqa: PTH116 - a path may be a plain string
    except (OSError, ValueError):  # ValueError: NUL in the path
        raise HTTPException(404) from None
    if not os.access(path, os.R_OK):
        raise HTTPException(404)
    return stat


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _send_bare(request: Request, status: int, raw: RawHeaders, *more: tuple[str, str]) -> None:
    """Answer without a body, and without the fields that describe one."""
    kept = [pair for pair in raw if pair[0] not in _OF_THE_BODY]
    request.claim(status).response_empty(status, [*kept, *more])
