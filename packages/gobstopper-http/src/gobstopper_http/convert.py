"""What a handler may return, made a response."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator, Mapping
from typing import Any

from .response import BYTES, EMPTY, HTML, JSON, Response, encode_json, is_json_like
from .types import HeaderInput

__all__ = ["UnsupportedReturnError", "make_response"]


class UnsupportedReturnError(TypeError):
    """A handler returned what is no answer."""


def make_response(value: Any) -> Response:
    """Make a response of what a handler returned.

    | returned | answer |
    |---|---|
    | `Response` | as it is |
    | `dict`, `list`, Struct, dataclass, attrs, pydantic model | JSON, 200 |
    | `str` | `text/html; charset=utf-8` |
    | `bytes` | `application/octet-stream` |
    | `None` | 204, no body |
    | `(body, status)`, `(body, status, headers)`, `(body, headers)` | body as above, with that |
    | generator, asynchronous iterable | streamed |

    Raises:
        UnsupportedReturnError: for anything else; the message names the type.
        TypeError: for content without a JSON form, a status that is no `int`.
        ValueError: for a header that may not be sent.
    """
    if isinstance(value, Response):
        return value
    if isinstance(value, str):
        return Response.prepared(value.encode(), HTML)
    if value is None:
        return Response.prepared(b"", EMPTY, 204)
    if isinstance(value, bytes | bytearray | memoryview):
        return Response.prepared(bytes(value), BYTES)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return _from_tuple(value)
    if is_json_like(value):
        return Response.prepared(encode_json(value), JSON)
    if isinstance(value, Iterator | AsyncIterable):
        from .streaming import StreamingResponse

        return StreamingResponse(value)
    raise UnsupportedReturnError(f"a {type(value).__module__}.{type(value).__qualname__} is no answer")


def _from_tuple(value: tuple[Any, ...]) -> Response:
    status: Any = None
    headers: HeaderInput | None = None
    match value:
        case (body, int() as status) if not isinstance(status, bool):
            pass
        case (body, int() as status, headers) if not isinstance(status, bool) and _are_headers(headers):
            pass
        case (body, headers) if _are_headers(headers):
            pass
        case _:
            kinds = ", ".join(type(part).__name__ for part in value)
            raise UnsupportedReturnError(
                f"a tuple ({kinds}) is no answer: return (body, status), (body, status, headers) or (body, headers)"
            )
    if isinstance(body, tuple):
        raise UnsupportedReturnError("a tuple within a tuple is no answer")
    response = make_response(body)
    if status is not None:
        response.status = status
    if headers is not None:
        response.headers.update(headers)
    return response


def _are_headers(value: Any) -> bool:
    return value is None or isinstance(value, Mapping | list) or hasattr(value, "multi_items")
