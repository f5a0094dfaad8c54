"""The exceptions of the HTTP layer: those that are answers, and those that say the peer has gone."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

__all__ = [
    "AlreadyAnsweredError",
    "BadRequestKeyError",
    "BodyConsumedError",
    "BodyTimeout",
    "BodyTooLarge",
    "ClientDisconnected",
    "HTTPException",
    "IncompleteBody",
    "WebSocketDisconnect",
    "WebSocketStateError",
    "abort",
    "reason_phrase",
]

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    # RFC 9110's; Python before 3.13 has those of its predecessors.
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


def reason_phrase(status: int) -> str:
    """The reason phrase of `status` (RFC 9110 section 15), `"Unknown"` for one without a name."""
    return _REASONS.get(status, "Unknown")


class HTTPException(Exception):
    """An error that is an answer.

    Args:
        status: 300 to 599. Anything else is a `ValueError`: a success is returned, not raised.
        detail: What the client is told; the reason phrase if `None`. It is shown to whoever asked, so no secrets.
        headers: Header fields of the answer, such as `{"Retry-After": "5"}`.
        extensions: Further members of the `application/problem+json` body (RFC 9457 section 3.2).
    """

    def __init__(
        self, status: int, detail: str | None = None, headers: Mapping[str, str] | None = None, **extensions: Any
    ) -> None:
        if not 300 <= status <= 599:
            raise ValueError(
                f"HTTPException needs a status from 300 to 599, not {status}: return a success, don't raise"
            )
        super().__init__(status, detail)
        self.status = status
        self.detail = reason_phrase(status) if detail is None else detail
        self.headers: dict[str, str] = dict(headers or {})
        self.extensions = extensions

    def __str__(self) -> str:
        return f"{self.status} {self.detail}"


class BadRequestKeyError(HTTPException, KeyError):
    """A field that the client did not send was asked for by `[…]`: 400. A `KeyError` too, as in Werkzeug."""

    def __init__(self, key: str) -> None:
        super().__init__(400, f"The field {key!r} is missing.")
        self.key = key


class IncompleteBody(HTTPException):
    """The client closed before the body was complete: 400, which it will hardly read."""

    def __init__(self, detail: str = "The request body ended early.") -> None:
        super().__init__(400, detail)


class BodyTooLarge(HTTPException):
    """The body is over the limit of the route: 413."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The request body is larger than {limit} bytes.", limit=limit)
        self.limit = limit


class BodyTimeout(HTTPException):
    """No byte of the body arrived for the idle time: 408 (RFC 9110 section 15.5.9)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(408, f"No byte of the request body arrived for {seconds:g} seconds.", {"Connection": "close"})


class ClientDisconnected(Exception):
    """The client went away while the handler was at work for it."""


class BodyConsumedError(RuntimeError):
    """The body was taken as a stream before; it can be had once."""


class AlreadyAnsweredError(RuntimeError):
    """A second answer to one request: the server keeps the first and would drop this one silently."""


class WebSocketDisconnect(Exception):
    """The peer, the server's shutdown or a limit ended the WebSocket.

    Args:
        code: The close code (RFC 6455 section 7.4). Granian does not tell the peer's: 1005 then, 1006 for a
            connection that broke, 1001 when this server stops, 1009 for a message over the limit.
        reason: A word on why.
    """

    def __init__(self, code: int = 1005, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class WebSocketStateError(RuntimeError):
    """A WebSocket call in the wrong state: sending before `accept`, accepting twice, and the like."""


def abort(
    status: int, detail: str | None = None, headers: Mapping[str, str] | None = None, **extensions: Any
) -> NoReturn:
    """Raise `HTTPException(status, detail, headers)`; works in handlers, hooks, middleware and templates."""
    raise HTTPException(status, detail, headers, **extensions)
