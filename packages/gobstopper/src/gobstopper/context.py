"""What the running code belongs to: the request and the application, as context variables."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from gobstopper_http.connection import Connection

if TYPE_CHECKING:
    from .app import Gobstopper

__all__ = ["current_app", "current_connection", "current_request"]

_connection: ContextVar[Connection] = ContextVar("gobstopper_connection")
_app: ContextVar[Gobstopper] = ContextVar("gobstopper_app")

set_connection = _connection.set
set_app = _app.set


def current_connection() -> Connection | None:
    """The request or WebSocket that this code runs for, `None` outside of one."""
    return _connection.get(None)


def current_request() -> Connection:
    """The request (or WebSocket) that this code runs for.

    Raises:
        RuntimeError: outside of one.
    """
    found = _connection.get(None)
    if found is None:
        raise RuntimeError("there is no current request: this works within handlers, hooks, middleware and templates")
    return found


def current_app() -> Gobstopper:
    """The application that serves the current request, or whose start-up or shutdown hook runs.

    Raises:
        RuntimeError: outside of both.
    """
    found = _connection.get(None)
    app: Gobstopper | None = found.app if found is not None else None
    if app is None:
        app = _app.get(None)
    if app is None:
        raise RuntimeError("there is no current application: this works within requests and lifecycle hooks")
    return app
