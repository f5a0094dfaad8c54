"""The test kit: a fake Granian, clients for it, and (in `plugin`) pytest fixtures.

Everything is imported when it is first used: pytest loads the plugin, and with it this module, at every start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_client import AsyncTestClient as AsyncTestClient
    from .client import TestClient as TestClient
    from .cookies import Cookie as Cookie
    from .cookies import CookieJar as CookieJar
    from .errors import ApplicationError as ApplicationError
    from .errors import ConnectionLost as ConnectionLost
    from .errors import Disconnect as Disconnect
    from .errors import GranianPanic as GranianPanic
    from .errors import HTTPStatusError as HTTPStatusError
    from .errors import RSGIProtocolClosed as RSGIProtocolClosed
    from .errors import RSGIProtocolError as RSGIProtocolError
    from .errors import WebSocketClosed as WebSocketClosed
    from .errors import WebSocketRejected as WebSocketRejected
    from .event_source import AsyncEventSource as AsyncEventSource
    from .event_source import EventSource as EventSource
    from .response import ClientResponse as ClientResponse
    from .scope import RequestHead as RequestHead
    from .server import FakeServer as FakeServer
    from .sse import Event as Event
    from .sse import EventParser as EventParser
    from .streamed import AsyncStreamedResponse as AsyncStreamedResponse
    from .streamed import StreamedResponse as StreamedResponse
    from .websocket_client import AsyncWebSocketClient as AsyncWebSocketClient
    from .websocket_client import WebSocketClient as WebSocketClient

__all__ = [
    "ApplicationError",
    "AsyncEventSource",
    "AsyncStreamedResponse",
    "AsyncTestClient",
    "AsyncWebSocketClient",
    "ClientResponse",
    "ConnectionLost",
    "Cookie",
    "CookieJar",
    "Disconnect",
    "Event",
    "EventParser",
    "EventSource",
    "FakeServer",
    "GranianPanic",
    "HTTPStatusError",
    "RSGIProtocolClosed",
    "RSGIProtocolError",
    "RequestHead",
    "StreamedResponse",
    "TestClient",
    "WebSocketClient",
    "WebSocketClosed",
    "WebSocketRejected",
]

_HOMES = {
    "async_client": ("AsyncTestClient",),
    "client": ("TestClient",),
    "cookies": ("Cookie", "CookieJar"),
    "errors": (
        "ApplicationError",
        "ConnectionLost",
        "Disconnect",
        "GranianPanic",
        "HTTPStatusError",
        "RSGIProtocolClosed",
        "RSGIProtocolError",
        "WebSocketClosed",
        "WebSocketRejected",
    ),
    "event_source": ("AsyncEventSource", "EventSource"),
    "response": ("ClientResponse",),
    "scope": ("RequestHead",),
    "server": ("FakeServer",),
    "sse": ("Event", "EventParser"),
    "streamed": ("AsyncStreamedResponse", "StreamedResponse"),
    "websocket_client": ("AsyncWebSocketClient", "WebSocketClient"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value
