"""The one place that knows Granian's RSGI: what it hands over, how it fails, and what would end a worker.

Measured on Granian 2.8.7 and held by the parity suite. What matters most: a status outside 100 to 999 panics, and a
panic ends the worker; an invalid header is dropped silently; the first answer wins and later ones vanish; a body that
was cut off looks complete to whoever stops at the first empty chunk.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from .deadlines import Cancellable
from .types import RawHeaders

__all__ = [
    "BodyChunks",
    "HTTPProtocol",
    "RawHeaderMap",
    "Scope",
    "StreamTransport",
    "WebSocketMessage",
    "WebSocketProtocol",
    "WebSocketTransport",
    "check_status",
    "is_closed",
    "iter_chunks",
]

CLOSE, BYTES, TEXT = 0, 1, 2
"""The kinds of a WebSocket message."""


class RawHeaderMap(Protocol):
    """`scope.headers`.

    A value that is not visible ASCII is missing from `get_all` and `items`, `""` from `[]` and the
    default from `get`, while `in` says that it is there.
    """

    def __contains__(self, key: str, /) -> bool: ...
    def __getitem__(self, key: str, /) -> str: ...
    def get(self, key: str, default: Any = None) -> Any: ...
    def get_all(self, key: str) -> list[str]: ...
    def items(self) -> list[tuple[str, str]]: ...
    def keys(self) -> list[str]: ...


class Scope(Protocol):
    """Every attribute read makes a new object, and `headers` clones the map: read once."""

    @property
    def proto(self) -> str: ...
    @property
    def http_version(self) -> str: ...
    @property
    def server(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def authority(self) -> str | None: ...
    @property
    def headers(self) -> RawHeaderMap: ...


class StreamTransport(Protocol):
    """What `response_stream` returns. Its queue has no bound: awaiting a send does not wait for the reader."""

    def send_bytes(self, data: bytes, /) -> Awaitable[None]: ...
    def send_str(self, data: str, /) -> Awaitable[None]: ...


class BodyChunks(Protocol):
    """The iterator over a body; each chunk can be cancelled by itself."""

    def __aiter__(self) -> BodyChunks: ...
    def __anext__(self) -> Cancellable[bytes]: ...


class HTTPProtocol(Protocol):
    """The server's side of one HTTP request; the first `response_*` wins and later ones are ignored."""

    def __call__(self) -> Cancellable[bytes]: ...
    def __aiter__(self) -> BodyChunks: ...
    def client_disconnect(self) -> Awaitable[None]: ...
    def response_empty(self, status: int, headers: RawHeaders, /) -> None: ...
    def response_str(self, status: int, headers: RawHeaders, body: str, /) -> None: ...
    def response_bytes(self, status: int, headers: RawHeaders, body: bytes, /) -> None: ...
    def response_file(self, status: int, headers: RawHeaders, file: str, /) -> None: ...
    def response_file_range(self, status: int, headers: RawHeaders, file: str, start: int, end: int, /) -> None: ...
    def response_stream(self, status: int, headers: RawHeaders, /) -> StreamTransport: ...


class WebSocketMessage(Protocol):
    """`kind` is 0 for a close, 1 for bytes, 2 for text."""

    kind: int
    data: Any


class WebSocketTransport(Protocol):
    """An accepted WebSocket; two receives or two sends at once are a `RSGIProtocolError`."""

    def receive(self) -> Awaitable[WebSocketMessage]: ...
    def send_bytes(self, data: bytes, /) -> Awaitable[None]: ...
    def send_str(self, data: str, /) -> Awaitable[None]: ...


class WebSocketProtocol(Protocol):
    """Before `accept`, `close` takes an HTTP status, and a number that is none panics; so does a second `accept`."""

    def accept(self) -> Awaitable[WebSocketTransport]: ...
    def close(self, status: int | None, /) -> Any: ...


@runtime_checkable
class RSGIApplication(Protocol):
    """An application object as Granian takes it."""

    def __rsgi__(self, scope: Any, proto: Any, /) -> Awaitable[Any]: ...


def check_status(status: int) -> None:
    """Refuse a status that Granian would die of.

    Raises:
        ValueError: for one that is not final (RFC 9110 section 15: 200 to 599).
        TypeError: for one that is not an `int`.
    """
    if status.__class__ is not int and not isinstance(status, int):
        raise TypeError(f"the status of an answer is an int, not {status!r}")
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is not a final status: give one from 200 to 599 (RFC 9110 section 15)")


def is_closed(error: BaseException) -> bool:
    """Whether `error` is Granian's word for a peer that has gone: `RSGIProtocolClosed`.

    Told by its name, so that the package neither needs nor imports the server.
    """
    return type(error).__name__ == "RSGIProtocolClosed"


async def iter_chunks(
    proto: HTTPProtocol,
    *,
    length: int | None,
    strict: bool,
    wait: Callable[[Cancellable[bytes]], Awaitable[bytes]],
) -> AsyncGenerator[bytes, None]:
    """Iterate over the body, its empty chunks left out.

    A clean end is one empty chunk and then `StopAsyncIteration`; a read error is an empty chunk of its own before that
    (found in Granian's source, confirmed over a socket). So on HTTP/1 two empty chunks at the end are a body that was
    cut off, even without a `Content-Length`. On HTTP/2 empty DATA frames are legal, so only the length tells.

    Args:
        proto: The request's protocol; its body must not have been taken.
        length: The `Content-Length`, if there is one.
        strict: Whether two empty chunks mean an error: on HTTP/1, unless the request announced trailers.
        wait: Awaits a chunk for as long as one may take.

    Raises:
        EOFError: when the body ended early.
    """
    received = empty = 0
    chunks = aiter(proto)
    while True:
        try:
            chunk = await wait(anext(chunks))
        except StopAsyncIteration:
            break
        if chunk:
            received += len(chunk)
            empty = 0
            yield chunk
        else:
            empty += 1
    if (length is not None and received != length) or (strict and length is None and empty > 1):
        raise EOFError(f"the body ended after {received} bytes")
