"""Reading a request's body: bounded in bytes and in time, and cut-off told from complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec

from .deadlines import EXPIRED, deadlines_of
from .errors import BodyConsumedError, BodyTimeout, BodyTooLarge, HTTPException, IncompleteBody
from .rsgi import is_closed, iter_chunks

if TYPE_CHECKING:
    from .request import Request

__all__ = ["decode_json", "read_body", "stream_body"]

_AT_ONCE = 64 * 1024
"""A body that says it is at most this long is awaited in one piece: faster, and one idle time is enough for it."""

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
    limit = request.route.limits.body
    length = declared_length(request)
    if length is not None and length > limit:
        raise BodyTooLarge(limit)
    if length is not None and length <= _AT_ONCE:
        _take(request)
        data: bytes = await _read(request, request.proto())
        if len(data) != length:
            raise IncompleteBody
        return data
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
    _take(request)
    strict = request.scope.http_version.startswith("1") and "trailer" not in request.raw_headers
    chunks = iter_chunks(request.proto, length=length, strict=strict)
    try:
        while True:
            try:
                chunk = await _read(request, anext(chunks))
            except StopAsyncIteration:
                return
            except EOFError:
                raise IncompleteBody from None
            yield chunk
    finally:
        await chunks.aclose()


def _take(request: Request) -> None:
    if request.body_taken:
        raise BodyConsumedError("the body was taken as a stream before: call body(), json() or form() first, or once")
    request.body_taken = True


async def _read(request: Request, awaitable: Awaitable[Any]) -> Any:
    """Await one read, for at most the idle time."""
    route = request.route
    idle = route.limits.body_idle
    clock = route.clock
    outer = request.deadline
    task = asyncio.current_task()
    watched = clock is not None and task is not None and clock.entries.get(task) is request
    # By hand what `Deadlines.within` does, for a request whose task is watched already: nearly every body comes so.
    inner = clock.now + idle if watched and clock is not None else inf
    tighter = inner < outer
    if tighter:
        request.deadline = inner
    try:
        if watched:
            return await awaitable
        with deadlines_of(asyncio.get_running_loop()).within(idle):
            return await awaitable
    except asyncio.CancelledError:
        if not (tighter and request.deadline == EXPIRED):
            raise
        if task is not None:
            task.uncancel()
        raise BodyTimeout(idle) from None
    except TimeoutError:
        raise BodyTimeout(idle) from None
    except RuntimeError as error:
        if is_closed(error):
            raise IncompleteBody from None
        raise
    finally:
        # Granian's awaitable keeps its exception where the collector does not look: a frame of the traceback that held
        # the awaitable would never be freed, nor the request.
        del awaitable
        if tighter:
            request.deadline = outer


def decode_json(data: bytes, type_: Any, depth: int) -> Any:
    """Decode JSON with msgspec, into `type_` if that is not `None`.

    Raises:
        HTTPException: 400 for what is no JSON, no UTF-8 or nested deeper than `depth`; 422 for JSON that does not fit
            `type_`, with msgspec's own message, which names the path.
    """
    if data.count(b"[") + data.count(b"{") > depth and _deeper_than(data, depth):
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
