"""Compressed answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator

from gobstopper_http import Request, Response, StreamingResponse
from gobstopper_http.datastructures import Headers
from gobstopper_http.negotiation import best_encoding
from gobstopper_http.types import StreamContent
from gobstopper_sessions import Session

from ._codings import Compressor, available_codings
from ._options import check_flag, check_number, check_texts
from ._standalone import Next

__all__ = ["COMPRESSIBLE", "CompressionMiddleware"]

COMPRESSIBLE = (
    "text/", "application/json", "application/javascript", "application/xml", "application/manifest+json",
    "application/wasm", "application/problem+json", "application/x-ndjson", "image/svg+xml", "font/ttf", "font/otf",
)  # fmt: skip
"""Beginnings of media types that are worth it, besides all that end with `+json` and `+xml`."""

_IN_THREAD = 64 * 1024

_DIRECTIVE = re.compile(r'([!#$%&\'*+\-.^_`|~0-9a-z]+)(?:=(?:"[^"]*"|[^",]*))?')


class CompressionMiddleware:
    """Compresses bodies and streams for clients that accept it.

    Never what may hold secrets: an attacker who can have text of his reflected could read them off the length
    (BREACH). So answers to requests whose session was touched (or that a stream still may touch), with an
    `Authorization`, that set a cookie, vary by cookie or say `private` or `no-store` go out as they are, unless
    `with_secrets` is on: say one of them where a page depends on a cookie of your own. Server-sent events, files (put
    precompressed ones beside them), parts and `no-transform` are left alone too.

    Args:
        minimum_size: Bytes from which on a body is worth it; streams always are.
        types: Beginnings of media types.
        codings: Which of `zstd`, `br` and `gzip`, the favourite first. Default: those whose packages are installed
            (the extras `zstd` and `brotli`).
        level: Of the compression, for all of them; each has a quick default of its own.
        with_secrets: Compress answers that depend on who is asking too. Know what BREACH is before you do.

    Raises:
        TypeError, ValueError: for a coding that cannot be made here, or not at that level.
    """

    def __init__(
        self,
        *,
        minimum_size: int = 1024,
        types: Iterable[str] = COMPRESSIBLE,
        codings: Iterable[str] | None = None,
        level: int | None = None,
        with_secrets: bool = False,
    ) -> None:
        available = available_codings()
        names = list(available) if codings is None else check_texts("codings", codings, "codings")
        if not names:
            raise ValueError("codings is empty: name one of " + ", ".join(available) + ", or leave the middleware out")
        if missing := [name for name in names if name not in available]:
            raise ValueError(
                f"codings: {', '.join(missing)} cannot be made: install gobstopper-middleware[brotli,zstd], or leave "
                f"them out; there are {', '.join(available)}"
            )
        self._makers = {name: available[name] for name in names}
        self._level = None if level is None else check_number("level", level)
        for name, make in self._makers.items():
            try:
                make(level).finish()
            except Exception as error:
                raise ValueError(f"level={level!r}: {name} has no such level; leave it out for a quick one") from error
        self._offered = [*names, "identity"]
        self._minimum = check_number("minimum_size", minimum_size, least=0)
        self._types = tuple(check_texts("types", types, "beginnings of media types"))
        self._with_secrets = check_flag("with_secrets", with_secrets)

    async def __call__(self, request: Request, next_handler: Next) -> Response:
        """Go on, and compress the answer."""
        response = await next_handler(request)
        if not self._is_worth_it(request, response):
            return response
        response = response.fresh()  # the handler may return it again, to a client that cannot read the coding
        headers = response.headers
        headers.vary("Accept-Encoding")
        if response.status == 304:
            return response
        fields = request.raw_headers.get_all("accept-encoding")
        coding = best_encoding(", ".join(fields), self._offered, "identity") if fields else "identity"
        if coding == "identity":
            return response
        compressor = self._makers[coding](self._level)
        if isinstance(response, StreamingResponse):
            response.content = _streamed(compressor, response.content)
        else:
            body = response.body
            if len(body) > _IN_THREAD:
                response.body = await asyncio.to_thread(_whole, compressor, body)
            else:
                response.body = _whole(compressor, body)
        headers["content-encoding"] = coding
        headers.pop("content-length", None)
        etag = headers.get("etag")
        if etag is not None and not etag.startswith("W/"):
            headers["etag"] = f"W/{etag}"  # other bytes, the same meaning (RFC 9110 section 8.8.1)
        return response

    def _is_worth_it(self, request: Request, response: Response) -> bool:
        headers = response.headers
        # It varies as the whole answer would (RFC 9110 section 15.4.5), of which little is known here.
        if response.status == 304 and response.immediate:
            return self._with_secrets or not _has_secrets(request, response, _directives(headers))
        if isinstance(response, StreamingResponse):
            if response.ends_at_drain:  # server-sent events
                return False
        elif not response.immediate or len(response.body) < self._minimum:
            return False
        if response.status in {204, 206, 304} or "content-encoding" in headers or "content-range" in headers:
            return False
        control = _directives(headers)
        if "no-transform" in control or not self._is_compressible(headers.get("content-type", "")):
            return False
        return self._with_secrets or not _has_secrets(request, response, control)

    def _is_compressible(self, content_type: str) -> bool:
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            return False
        return kind.startswith(self._types) or kind.endswith(("+json", "+xml"))


def _directives(headers: Headers) -> set[str]:
    """What `Cache-Control` says, on however many lines, in lower case and without arguments."""
    fields = headers.getlist("cache-control")
    return set(_DIRECTIVE.findall(",".join(fields).lower())) if fields else set()


def _has_secrets(request: Request, response: Response, control: set[str]) -> bool:
    session = request.__dict__.get("session")
    if isinstance(session, Session) and (
        session.touched or (session.presented and isinstance(response, StreamingResponse))
    ):
        return True
    if "authorization" in request.raw_headers or "set-cookie" in response.headers:
        return True
    if "private" in control or "no-store" in control:
        return True
    varies = {name.strip().lower() for field in response.headers.getlist("vary") for name in field.split(",")}
    return not varies.isdisjoint({"cookie", "authorization"})


def _whole(compressor: Compressor, body: bytes) -> bytes:
    return compressor.compress(body) + compressor.finish()


def _streamed(compressor: Compressor, content: StreamContent) -> StreamContent:
    """The chunks, each of them complete for the reader; sync ones stay sync, since those run in a thread."""
    if isinstance(content, AsyncIterable):
        return _AsyncStream(compressor, content)
    return _SyncStream(compressor, content)


class _AsyncStream:
    """Closes its source even if nobody begins to read: a generator alone would not."""

    def __init__(self, compressor: Compressor, content: AsyncIterable[bytes | str]) -> None:
        self._content = content
        self._chunks = _async_chunks(compressor, content)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        await self._chunks.aclose()
        if (aclose := getattr(self._content, "aclose", None)) is not None:
            await aclose()


class _SyncStream:
    """The same for sync ones."""

    def __init__(self, compressor: Compressor, content: Iterable[bytes | str]) -> None:
        self._content = content
        self._chunks = _sync_chunks(compressor, content)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._chunks.close()
        if (close := getattr(self._content, "close", None)) is not None:
            close()


async def _async_chunks(compressor: Compressor, content: AsyncIterable[bytes | str]) -> AsyncGenerator[bytes, None]:
    source = content.__aiter__()
    try:
        async for chunk in source:
            yield _piece(compressor, chunk)
        yield compressor.finish()
    finally:
        if (aclose := getattr(source, "aclose", None)) is not None:
            await aclose()


def _sync_chunks(compressor: Compressor, content: Iterable[bytes | str]) -> Generator[bytes, None, None]:
    source = iter(content)
    try:
        for chunk in source:
            yield _piece(compressor, chunk)
        yield compressor.finish()
    finally:
        if (close := getattr(source, "close", None)) is not None:
            close()


def _piece(compressor: Compressor, chunk: bytes | str) -> bytes:
    if not chunk:
        return b""
    return compressor.compress(chunk.encode() if isinstance(chunk, str) else bytes(chunk)) + compressor.flush()
