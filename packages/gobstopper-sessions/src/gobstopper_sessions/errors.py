"""What can go wrong with a session; the first two are answers."""

from __future__ import annotations

from gobstopper_http import HTTPException

__all__ = ["SessionClosedError", "SessionConflict", "SessionStoreUnavailable"]


class SessionStoreUnavailable(HTTPException):
    """The store is down, slow or full: 503. There is no fallback: a session is in its store or nowhere."""

    def __init__(self, detail: str = "Sessions are unavailable at the moment.") -> None:
        super().__init__(503, detail, {"Retry-After": "1"})


class SessionConflict(HTTPException):
    """The session was changed under the same key, or ended, while the request was at work: 409, nothing was saved."""

    def __init__(self, detail: str = "The session was changed by another request in the meantime.") -> None:
        super().__init__(409, detail)


class SessionClosedError(RuntimeError):
    """The session was written to after it had been saved and the headers made: by a stream, or a background task."""
