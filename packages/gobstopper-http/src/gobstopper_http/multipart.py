"""Forms: a parser for ``multipart/form-data`` (RFC 7578) and ``application/x-www-form-urlencoded`` that does no I/O.

Bytes go in, fields and uploads come out; only what is too large for memory is written to temporary files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from ._charsets import form_charset
from ._impl import parse_query
from ._options import parse_options
from ._uploads import UploadFile as UploadFile
from .datastructures import FormData, MultiDict
from .errors import HTTPException

if TYPE_CHECKING:
    from ._multipart import MultipartReader

__all__ = ["FormLimits", "FormParser", "UploadFile"]


class FormLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one form may cost; counted on what was read. The body as a whole is limited where it is read.

    Attributes:
        max_text: bytes of all text fields together, or of an urlencoded body: 500,000. 413 over it.
        max_parts: parts of a multipart body: 100. 413 over it.
        max_fields: fields of an urlencoded body: 1,000. 413 over it.
        max_headers: header fields of a part: 8. 413 over it.
        max_header_size: bytes of one header field of a part: 4,096. 413 over it.
        max_boundary: characters of the boundary: 70 (RFC 2046 5.1.1). 400 over it.
        spool_size: bytes of all uploads together that are kept in memory: 1 MiB. What is more goes to disk.
    """

    max_text: int = 500_000
    max_parts: int = 100
    max_fields: int = 1000
    max_headers: int = 8
    max_header_size: int = 4096
    max_boundary: int = 70
    spool_size: int = 1024 * 1024


class FormParser:
    """Parses a form, chunk by chunk.

    Args:
        content_type: the whole ``Content-Type`` field.
        limits: what the form may cost.

    Raises:
        HTTPException: 415 for a content type that is no form's, 400 for a missing or malformed boundary or a charset
            that is unknown; from `feed` and `finish` 400 for a malformed form or one that was cut off, 413 over a
            limit. Uploads are dropped then.
    """

    __slots__ = ("_reader",)

    def __init__(self, content_type: str, limits: FormLimits | None = None) -> None:
        kind, options = parse_options(content_type)
        self._reader: MultipartReader | _UrlencodedReader
        charset = form_charset(options.get("charset", ""))
        if kind == "multipart/form-data":
            # Here, because the library takes longer to import than all the rest of this package.
            from ._multipart import MultipartReader

            self._reader = MultipartReader(options.get("boundary", ""), charset or "utf-8", limits or FormLimits())
        elif kind == "application/x-www-form-urlencoded":
            if charset is None:
                raise HTTPException(400, "The form is in a charset that is unknown here; send UTF-8.")
            self._reader = _UrlencodedReader(charset, limits or FormLimits())
        else:
            raise HTTPException(
                415,
                f"A form is multipart/form-data or application/x-www-form-urlencoded, not {kind[:100] or 'untyped'}.",
            )

    def feed(self, data: bytes) -> None:
        """Parse the next chunk; what goes to disk is written at once, which blocks."""
        try:
            self._reader.feed(data)
        except BaseException:
            self.close()
            raise

    async def afeed(self, data: bytes) -> None:
        """Parse the next chunk; what goes to disk is written in a thread."""
        try:
            await self._reader.afeed(data)
        except BaseException:
            self.close()
            raise

    def finish(self) -> tuple[FormData, MultiDict[UploadFile]]:
        """Say that the body is complete.

        Returns:
            The text fields and the uploads, by name; the uploads are the caller's to close.
        """
        try:
            return self._reader.finish()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop all uploads, finished ones too; it may be called at any time, and twice."""
        self._reader.close()


class _UrlencodedReader:
    """Keeps the body up to its end, which its limit makes affordable, and decodes it then."""

    def __init__(self, charset: str, limits: FormLimits) -> None:
        self._charset = charset
        self._limits = limits
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limits.max_text:
            raise HTTPException(413, f"The form has more than {self._limits.max_text} bytes.")
        self._chunks.append(data)

    async def afeed(self, data: bytes) -> None:
        self.feed(data)

    def close(self) -> None:
        self._chunks.clear()

    def finish(self) -> tuple[FormData, MultiDict[UploadFile]]:
        body = b"".join(self._chunks)
        pairs = self._decode(body, self._charset)
        if self._charset == "utf-8" and b"_charset_=" in body:
            # RFC 7578 4.6, and HTML for this encoding: the page's own charset, put there by the browser.
            named = next((form_charset(value) for name, value in pairs if name == "_charset_"), None)
            if named is not None and named != "utf-8":
                pairs = self._decode(body, named)
        return FormData(pairs), MultiDict()

    def _decode(self, body: bytes, charset: str) -> list[tuple[str, str]]:
        limit = self._limits.max_fields
        text = body.decode(charset, "replace")
        try:
            if charset == "utf-8":
                return parse_query(text, limit)
            return parse_qsl(text, keep_blank_values=True, encoding=charset, errors="replace", max_num_fields=limit)
        except ValueError as error:
            raise HTTPException(413, f"The form has more than {limit} fields.") from error
