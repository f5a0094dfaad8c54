"""Request ids on answers, and trace contexts for calls to others."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from gobstopper_http import Request, Response, WebSocket
from gobstopper_http.datastructures import check_header

from ._attributes import set_attribute
from ._options import check_flag
from ._standalone import Next, Standalone

__all__ = ["RequestIDMiddleware", "outgoing_headers"]

_MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")


class RequestIDMiddleware(Standalone):
    """Says the request's id on every answer, so that a visitor's complaint finds its log lines.

    `request.id` is what the client sent as `X-Request-ID`, if that is harmless text of at most 128 characters, else
    a random one. `request.trace` continues the W3C trace context of `traceparent`; `outgoing_headers(request)` gives
    both for calls to other services.

    Args:
        header: The field of the answer.
        trust_incoming: Whether to take the client's id. Turn it off where clients could confuse your logs.

    Raises:
        ValueError: for what is no header name.
    """

    def __init__(self, *, header: str = "X-Request-ID", trust_incoming: bool = True) -> None:
        self._header = check_header(header, "")[0]
        self._trust = check_flag("trust_incoming", trust_incoming)

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Go on with an id."""
        if not self._trust:
            set_attribute(request, "id", secrets.token_hex(16))
        return super().__call__(request, next_handler)

    def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> Awaitable[Any]:
        """Go on with an id; there is no answer to put it on."""
        if not self._trust:
            set_attribute(websocket, "id", secrets.token_hex(16))
        return next_handler(websocket)

    def finalize(self, request: Request, response: Response) -> None:
        """Put the id on the answer."""
        response.headers[self._header] = request.id


def outgoing_headers(request: Request) -> dict[str, str]:
    """The fields that continue this request's trace in a call to another service.

    `traceparent` with a span of this server, the client's `tracestate` if it is valid (W3C Trace Context section
    3.3), and
    `x-request-id`.
    """
    headers = {"traceparent": request.trace.traceparent, "x-request-id": request.id}
    if request.trace.parent_id is not None:
        state = ",".join(request.raw_headers.get_all("tracestate"))
        members = [member.strip(" \t") for member in state.split(",", 64) if member.strip(" \t")]
        keys = {member.partition("=")[0] for member in members}
        if 0 < len(members) <= 32 and len(keys) == len(members) and all(map(_MEMBER.fullmatch, members)):
            headers["tracestate"] = ",".join(members)
    return headers
