"""Mounting: another application below a prefix, its start-up and shutdown included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

from gobstopper_http.datastructures import Headers
from gobstopper_http.request import Request
from gobstopper_http.response import Response
from gobstopper_http.rsgi import BodyChunks, HTTPProtocol, StreamTransport, check_status
from gobstopper_http.types import RawHeaders
from gobstopper_http.websocket import WebSocket

from .context import set_connection
from .sent import SentResponse

__all__ = ["CapturingProtocol", "Mount", "MountedScope"]


class MountedScope:
    """The scope as the mounted application sees it: `path` is the rest below the prefix, `root_path` the prefix."""

    def __init__(self, scope: Any, prefix: str, path: str) -> None:
        self._scope = scope
        self.root_path: str = getattr(scope, "root_path", "") + prefix
        self.path = path.removeprefix(prefix) or "/"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scope, name)


class CapturingProtocol:
    """Stands between a mounted application and the server, so that the outer middleware sees its answers.

    A complete answer becomes `response`. A file or stream goes out at once, with the headers that the outer `finalize`
    methods add; what middleware does to it later has no effect.
    """

    def __init__(self, request: Request, finalize: tuple[Callable[..., Any], ...]) -> None:
        self._proto: HTTPProtocol = request.proto
        self._request = request
        self._finalize = finalize
        self.response: Response | None = None

    def __call__(self) -> Awaitable[bytes]:
        """The whole body."""
        return self._proto()

    def __aiter__(self) -> BodyChunks:
        return self._proto.__aiter__()

    def client_disconnect(self) -> Awaitable[None]:
        """Return when the client has gone."""
        return self._proto.client_disconnect()

    def response_empty(self, status: int, headers: RawHeaders) -> None:
        """Answer without a body; like its siblings, ignored after the first answer."""
        self.response_bytes(status, headers, b"")

    def response_str(self, status: int, headers: RawHeaders, body: str) -> None:
        """Answer with text."""
        self.response_bytes(status, headers, body.encode())

    def response_bytes(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Answer with bytes."""
        if self.response is None:
            check_status(status)
            self.response = Response.prepared(bytes(body), [], status)  # no content type but the one that was given
            self.response.headers = Headers(headers)

    def response_file(self, status: int, headers: RawHeaders, file: str) -> None:
        """Answer with a file."""
        if (raw := self._sent(status, headers)) is not None:
            self._proto.response_file(status, raw, file)

    def response_file_range(self, status: int, headers: RawHeaders, file: str, start: int, end: int) -> None:
        """Answer with a part of a file; `end` is exclusive."""
        if (raw := self._sent(status, headers)) is not None:
            self._proto.response_file_range(status, raw, file, start, end)

    def response_stream(self, status: int, headers: RawHeaders) -> StreamTransport:
        """Answer with a stream."""
        raw = self._sent(status, headers)
        if raw is None:
            raise RuntimeError("a mounted application answered twice")
        return self._proto.response_stream(status, raw)

    def _sent(self, status: int, headers: RawHeaders) -> RawHeaders | None:
        if self.response is not None:
            return None
        check_status(status)
        self.response = SentResponse(status, Headers(headers))
        for function in self._finalize:
            function(self._request, self.response)
        self._request.answered = status
        self._request.deadline = inf  # as for any stream
        return self.response.headers.raw


class Mount:
    """An application below a prefix.

    Args:
        prefix: Begins with a slash and does not end with one.
        app: An RSGI application: an object with `__rsgi__`, or a callable `(scope, proto)`.
    """

    def __init__(self, prefix: str, app: Any) -> None:
        if not prefix.startswith("/") or prefix.endswith("/") or "<" in prefix:
            raise ValueError(
                f"mount({prefix!r}): a prefix begins with a slash, does not end with one and has no parameters"
            )
        target = getattr(app, "__rsgi__", app)
        if not callable(target):
            raise TypeError(f"mount({prefix!r}): {app!r} is no RSGI application: it needs __rsgi__(scope, proto)")
        self.prefix = prefix
        self.app = app
        self.finalize: tuple[Callable[..., Any], ...] = ()

    @property
    def call(self) -> Callable[[Any, Any], Awaitable[Any]]:
        """The callable that takes `(scope, proto)`, looked up late: it may be exchanged at start-up."""
        return getattr(self.app, "__rsgi__", self.app)  # type: ignore[no-any-return]

    async def handle(self, request: Request) -> Response:
        """Let the mounted application answer."""
        proto = CapturingProtocol(request, self.finalize)
        await self.call(MountedScope(request.scope, self.prefix, request.path), proto)
        set_connection(request)  # the other application has set its own
        if proto.response is None:
            raise RuntimeError(f"the application mounted at {self.prefix} did not answer {request.path}")
        return proto.response

    async def handle_websocket(self, websocket: WebSocket) -> None:
        """Hand a handshake over; the mounted application checks its origin."""
        websocket.phase = "closed"  # from here on the protocol is the other application's
        await self.call(MountedScope(websocket.scope, self.prefix, websocket.path), websocket.proto)
