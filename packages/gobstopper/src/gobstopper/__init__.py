"""A Python web framework for Granian: as pleasant as Flask, as fast as a bare function on the server."""

from gobstopper_http import HTTPException as HTTPException
from gobstopper_http import JSONResponse as JSONResponse
from gobstopper_http import Request as Request
from gobstopper_http import Response as Response
from gobstopper_http import WebSocket as WebSocket
from gobstopper_http import WebSocketDisconnect as WebSocketDisconnect
from gobstopper_http import abort as abort
from gobstopper_http import redirect as redirect
from gobstopper_routing import Blueprint as Blueprint

from .app import Gobstopper as Gobstopper
from .config import Config as Config
from .context import current_app as current_app
from .context import current_request as current_request
from .diagnostics import StartupError as StartupError
from .templating import render_template as render_template

__all__ = [
    "Blueprint",
    "Config",
    "Gobstopper",
    "HTTPException",
    "JSONResponse",
    "Request",
    "Response",
    "StartupError",
    "WebSocket",
    "WebSocketDisconnect",
    "abort",
    "current_app",
    "current_request",
    "redirect",
    "render_template",
]
