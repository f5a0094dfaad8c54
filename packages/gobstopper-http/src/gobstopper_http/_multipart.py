"""Reading ``multipart/form-data`` with the `multipart` library's push parser."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from ._charsets import form_charset
from ._options import parse_options
from ._uploads import UploadFile, safe_basename
from .datastructures import FormData, Headers, MultiDict
from .errors import HTTPException

if TYPE_CHECKING:
    from .multipart import FormLimits

__all__ = ["MultipartReader"]

# bchars of RFC 2046 5.1.1; it may not end in a space.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# A thread costs some 20 µs: bytes for the disk are collected up to this many.
_WRITE_SIZE = 256 * 1024
_CHARSET_FIELD = "_charset_"
_SLACK = 64


class MultipartReader:
    """Collects the parts of a form: text in memory, files in memory up to `spool_size` bytes together, then on disk."""

    def __init__(self, boundary: str, charset: str, limits: FormLimits) -> None:
        if not boundary:
            raise HTTPException(400, "The Content-Type of the form has no boundary.")
        if len(boundary) > limits.max_boundary or not _BOUNDARY.fullmatch(boundary):
            raise HTTPException(400, f"The boundary of the form is malformed or over {limits.max_boundary} characters.")
        self._limits = limits
        self._charset = charset
        self._start = b"--" + boundary.encode("ascii")
        self._head: bytes | None = b""
        # Strict refuses folded headers and parts without a name. The header limit has some slack, so that a line of
        # exactly our limit passes wherever the chunks are split.
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=limits.max_header_size + _SLACK,
            max_header_count=limits.max_headers,
            max_segment_count=limits.max_parts,
            strict=True,
        )
        self._complete = False
        self._text_size = 0
        self._in_memory = 0
        self._texts: list[tuple[str, bytearray, str | None]] = []
        self._uploads: list[tuple[str, UploadFile]] = []
        self._text = bytearray()
        self._sink: Callable[[bytes], None] = self._append_text
        self._pending: list[tuple[UploadFile, bytes]] = []
        self._pending_size = 0
        self._lock = threading.Lock()
        self._dropped = False

    def feed(self, data: bytes) -> None:
        """Parse a chunk and write what goes to disk."""
        self._parse(data)
        if self._pending_size >= _WRITE_SIZE:
            self._write()

    async def afeed(self, data: bytes) -> None:
        """Parse a chunk; a thread writes what goes to disk."""
        self._parse(data)
        if self._pending_size >= _WRITE_SIZE:
            await asyncio.to_thread(self._write)

    def finish(self) -> tuple[FormData, MultiDict[UploadFile]]:
        """Return the fields and the uploads."""
        if not self._is_complete():
            raise HTTPException(400, "The form ended early: its closing boundary is missing.")
        self._write()
        for _, upload in self._uploads:
            upload.file.seek(0)
        return FormData(self._decoded()), MultiDict(self._uploads)

    def close(self) -> None:
        """Drop the uploads; if a thread is writing one, it does that when it has written."""
        self._dropped = True
        self._drop()

    def _drop(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._pending.clear()
                for _, upload in self._uploads:
                    upload.file.close()
            finally:
                self._lock.release()

    def _write(self) -> None:
        with self._lock:
            pending, self._pending, self._pending_size = self._pending, [], 0
            for upload, chunk in pending:
                if not upload.on_disk:
                    upload.file.rollover()
                    upload.on_disk = True
                upload.file.write(chunk)
        if self._dropped:
            self._drop()

    def _parse(self, data: bytes) -> None:
        if self._head is not None:
            # The parser's answer to text before the first boundary depends on where chunks are split; there is none
            # in a form, so it is refused, once enough has come to tell. One line break is allowed (RFC 2046 5.1.1).
            self._head += data
            expected = b"\r\n" + self._start if self._head.startswith(b"\r") else self._start
            if not self._head.startswith(expected[: len(self._head)]):
                raise HTTPException(400, "The form is malformed: it does not start with its boundary.")
            if len(self._head) < len(expected):
                return
            data, self._head = self._head, None
        if self._complete or not data:
            return
        try:
            for event in self._parser.parse(data):
                if isinstance(event, MultipartSegment):
                    self._open(event)
                elif event is not None:
                    self._sink(event)
        except ParserLimitReached as error:
            raise HTTPException(413, f"The form is over a limit: {error}.") from error
        except MultipartError as error:
            if self._is_complete():
                self._complete = True  # an epilogue, to be ignored (RFC 2046 5.1.1)
                return
            raise HTTPException(400, f"The form is malformed: {error.args[0]}.") from error

    def _is_complete(self) -> bool:
        """Whether the closing boundary was seen; the parser tells when it is closed, and is of no use after it."""
        if not self._complete:
            try:
                self._parser.close()
            except MultipartError:
                return False
            self._complete = True
        return True

    def _open(self, segment: MultipartSegment) -> None:
        self._check_headers(segment)
        name = segment.name or ""
        filename = segment.filename
        disposition = str(segment["Content-Disposition"])
        if "filename*" in disposition.lower():
            # RFC 7578 4.2 forbids filename*, but some clients send it for names that are not ASCII.
            filename = parse_options(disposition)[1].get("filename", filename)
        if filename is None:
            charset = None if segment.charset is None else form_charset(segment.charset)
            if segment.charset is not None and charset is None:
                raise HTTPException(400, "A part of the form is in a charset that is unknown here; send UTF-8.")
            self._text = bytearray()
            self._texts.append((name, self._text, charset))
            self._sink = self._append_text
            return
        headers = Headers.shared([(key.lower(), value) for key, value in segment.headerlist])
        content_type = headers.get("content-type") or "application/octet-stream"
        upload = UploadFile(safe_basename(filename), content_type, headers)
        self._uploads.append((name, upload))
        self._sink = partial(self._append_file, upload)

    def _check_headers(self, segment: MultipartSegment) -> None:
        limit = self._limits.max_header_size
        for name, value in segment.headerlist:
            if len(name) + 2 + len(value.encode()) > limit:
                raise HTTPException(413, f"The form is over a limit: a header of a part has more than {limit} bytes.")
            if _CONTROLS.search(value):
                raise HTTPException(400, "The form is malformed: a header of a part has a control character.")

    def _append_text(self, chunk: bytes) -> None:
        self._text_size += len(chunk)
        if self._text_size > self._limits.max_text:
            raise HTTPException(413, f"The text fields of the form have more than {self._limits.max_text} bytes.")
        self._text += chunk

    def _append_file(self, upload: UploadFile, chunk: bytes) -> None:
        waits = bool(self._pending) and self._pending[-1][0] is upload
        if not waits and not upload.on_disk:
            if self._in_memory + len(chunk) <= self._limits.spool_size:
                self._in_memory += len(chunk)
                upload.size += len(chunk)
                upload.file.write(chunk)
                return
            self._in_memory -= upload.size
        upload.size += len(chunk)
        self._pending.append((upload, chunk))
        self._pending_size += len(chunk)

    def _decoded(self) -> list[tuple[str, str]]:
        default = self._charset
        for name, text, _ in self._texts:
            if name == _CHARSET_FIELD and len(text) <= 40:
                # RFC 7578 4.6: the charset of the text fields that name none.
                default = form_charset(text.decode("ascii", "replace")) or default
                break
        return [(name, text.decode(charset or default, "replace")) for name, text, charset in self._texts]
