"""Reading a request's body: bounded in bytes and in time, and cut-off told from complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec

from .deadlines import Deadlines, deadlines_of
from .errors import BodyConsumedError, BodyTimeout, BodyTooLarge, HTTPException, IncompleteBody
from .rsgi import is_closed, iter_chunks

if TYPE_CHECKING:
    from .request import Request

__all__ = ["decode_json", "read_body", "stream_body"]

_AT_ONCE = 64 * 1024
"""A body that says it is at most this long is awaited in one piece: faster, and one idle time is enough for it."""

_CONSUMED = "the body was taken as a stream before: call body(), json() or form() first, or once"

_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")  # 1 and -1, as signed bytes

_decode = msgspec.json.Decoder().decode


def declared_length(request: Request) -> int | None:
    """The `Content-Length`, `None` without one.

    Raises:
        HTTPException: 400 for one that is no decimal number (the server refuses most of them itself).
    """
    value = request.raw_headers.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) < 20):
        raise HTTPException(400, "The Content-Length is not a number.")
    return int(value)


async def read_body(request: Request) -> bytes:
    """Read the whole body, at most `limits.body` bytes.

    Raises:
        BodyTooLarge: 413, as soon as it is known.
        BodyTimeout: 408, when nothing arrives for `limits.body_idle` seconds.
        IncompleteBody: 400, when the client closed early.
        BodyConsumedError: when it was taken as a stream before.
    """
    limits = request.route.limits
    length = declared_length(request)
    if length is None or length > _AT_ONCE:
        return await _gather(request, length, limits.body)
    if length > limits.body:
        raise BodyTooLarge(limits.body)
    if request.body_taken:
        raise BodyConsumedError(_CONSUMED)
    request.body_taken = True
    try:
        data: bytes = await _clock(request).wait(request.proto(), limits.body_idle)
    except (TimeoutError, RuntimeError) as error:
        raise _refusal(error, limits.body_idle) from None
    if len(data) != length:
        raise IncompleteBody
    return data


async def _gather(request: Request, length: int | None, limit: int) -> bytes:
    if length is not None and length > limit:
        raise BodyTooLarge(limit)
    body = bytearray()  # a list of tiny chunks would take twenty times their size
    async for chunk in stream_body(request):
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(limit)
    return bytes(body)


async def stream_body(request: Request) -> AsyncIterator[bytes]:
    """Iterate over the body as it arrives; the total is not limited, the pause between two chunks is.

    Raises:
        BodyTimeout, IncompleteBody, BodyConsumedError: as `read_body`.
    """
    length = declared_length(request)
    if request.body_taken:
        raise BodyConsumedError(_CONSUMED)
    request.body_taken = True
    strict = request.scope.http_version.startswith("1") and "trailer" not in request.raw_headers
    clock = _clock(request)
    idle = request.route.limits.body_idle
    chunks = iter_chunks(request.proto, length=length, strict=strict, wait=lambda chunk: clock.wait(chunk, idle))
    try:
        while True:
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except (TimeoutError, RuntimeError, EOFError) as error:
                raise _refusal(error, idle) from None
            yield chunk
    finally:
        await chunks.aclose()


def _clock(request: Request) -> Deadlines:
    """The application's deadlines, else the loop's own."""
    return request.route.clock or deadlines_of(asyncio.get_running_loop())


def _refusal(error: Exception, idle: float) -> Exception:
    """What a read that failed is answered with."""
    if isinstance(error, TimeoutError):
        return BodyTimeout(idle)
    return IncompleteBody() if isinstance(error, EOFError) or is_closed(error) else error


def decode_json(data: bytes, type_: Any, depth: int) -> Any:
    """Decode JSON with msgspec, into `type_` if that is not `None`.

    Raises:
        HTTPException: 400 for what is no JSON, no UTF-8 or nested deeper than `depth`; 422 for JSON that does not fit
            `type_`, with msgspec's own message, which names the path.
    """
    # As many brackets have to open and to close.
    if len(data) > 2 * depth and data.count(b"[") + data.count(b"{") > depth and _deeper_than(data, depth):
        raise HTTPException(400, f"The JSON is nested deeper than {depth} levels.")
    try:
        return _decode(data) if type_ is None else msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        raise HTTPException(422, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"The body is not valid JSON: {error}") from error


def _deeper_than(data: bytes, depth: int) -> bool:
    """Whether brackets outside strings nest deeper than `depth`; whether they match is the parser's business."""
    outside = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    brackets = outside.translate(_ONE_KIND, _NO_BRACKETS)
    while brackets and depth >= 0:
        inner = brackets.replace(b"[]", b"")  # one level less
        if len(inner) * 2 > len(brackets):
            return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b"))) > depth
        brackets = inner
        depth -= 1
    return depth < 0
