"""What can go wrong in a test: what Granian raises, what would end it, and what a client sees."""

from __future__ import annotations

import sys

from ..datastructures import Headers

__all__ = [
    "ApplicationError",
    "ConnectionLost",
    "Disconnect",
    "GranianPanic",
    "HTTPStatusError",
    "RSGIProtocolClosed",
    "RSGIProtocolError",
    "WebSocketClosed",
    "WebSocketRejected",
    "protocol_closed",
    "protocol_error",
]


class GranianPanic(BaseException):
    """The application did what makes a real Granian's worker process abort.

    A `BaseException`, so that an `except Exception` in the application does not hide it: the process would be gone.
    """


class ApplicationError(RuntimeError):
    """The application let a `BaseException` such as `SystemExit` out; it is this error's `__cause__`."""


class ConnectionLost(ConnectionError):
    """The connection ended before the answer was complete: an error in the body, or a length that is not the body's."""


class Disconnect(Exception):
    """Raised by an upload's iterator: the client breaks off in the middle of the body.

    The application's answer, if it gives one, is still read, as from a socket that was closed for writing only.
    """


class HTTPStatusError(Exception):
    """Raised by `raise_for_status()` for 400 and above; `status` is the answer's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class WebSocketRejected(Exception):
    """The handshake was answered with an HTTP status: 403 unless the application chose one."""

    def __init__(self, status: int, headers: Headers, content: bytes = b"") -> None:
        super().__init__(f"the WebSocket was refused with {status}")
        self.status = status
        self.headers = headers
        self.content = content


class WebSocketClosed(Exception):
    """The server closed the WebSocket: 1005, since Granian 2.8.7 loses the application's code, or 1006 when it died."""

    def __init__(self, code: int = 1005, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class RSGIProtocolClosed(RuntimeError):
    """Stands in for `granian.rsgi.ProtocolClosed`: the peer is gone."""


class RSGIProtocolError(RuntimeError):
    """Stands in for `granian.rsgi.ProtocolError`: a call that the protocol's state does not allow."""


def protocol_closed() -> RuntimeError:
    """The "peer is gone" error: Granian's own class if the application has imported Granian, to catch it."""
    return _error("RSGIProtocolClosed", RSGIProtocolClosed, "RSGI transport is closed")


def protocol_error() -> RuntimeError:
    """The "not now" error, Granian's own class if it is imported."""
    return _error("RSGIProtocolError", RSGIProtocolError, "RSGI protocol error")


def _error(name: str, default: type[RuntimeError], message: str) -> RuntimeError:
    # Only looked up: the test kit neither needs nor imports the server.
    kind: type[RuntimeError] = getattr(sys.modules.get("granian._granian"), name, default)
    return kind(message)
