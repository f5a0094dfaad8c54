"""The stand-in for an answer that went out by itself."""

from __future__ import annotations

from gobstopper_http.datastructures import Headers
from gobstopper_http.request import Request
from gobstopper_http.response import Response

__all__ = ["SentResponse"]


class SentResponse(Response):
    """Passes through hooks and middleware when a handler has answered through the server's protocol itself.

    What they change in it has no effect: the headers are on their way.
    """

    __slots__ = ()

    def __init__(self, status: int, headers: Headers | None = None) -> None:
        super().__init__(b"", status)
        if headers is not None:
            self.headers = headers

    def send_now(self, request: Request) -> None:
        """Nothing is left to send."""
