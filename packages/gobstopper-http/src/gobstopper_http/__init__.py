"""Requests, responses, files, uploads, server-sent events and WebSockets for Granian's RSGI."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._impl import IMPL as IMPL
from .convert import UnsupportedReturnError as UnsupportedReturnError
from .convert import make_response as make_response
from .datastructures import URL as URL
from .datastructures import Address as Address
from .datastructures import FormData as FormData
from .datastructures import Headers as Headers
from .datastructures import MultiDict as MultiDict
from .datastructures import QueryParams as QueryParams
from .datastructures import State as State
from .errors import AlreadyAnsweredError as AlreadyAnsweredError
from .errors import BadRequestKeyError as BadRequestKeyError
from .errors import BodyConsumedError as BodyConsumedError
from .errors import BodyTimeout as BodyTimeout
from .errors import BodyTooLarge as BodyTooLarge
from .errors import ClientDisconnected as ClientDisconnected
from .errors import HTTPException as HTTPException
from .errors import IncompleteBody as IncompleteBody
from .errors import WebSocketDisconnect as WebSocketDisconnect
from .errors import WebSocketStateError as WebSocketStateError
from .errors import abort as abort
from .limits import Limits as Limits
from .request import Request as Request
from .response import HTMLResponse as HTMLResponse
from .response import JSONResponse as JSONResponse
from .response import RedirectResponse as RedirectResponse
from .response import Response as Response
from .response import TextResponse as TextResponse
from .response import problem as problem
from .response import redirect as redirect
from .send import send as send
from .websocket import WebSocket as WebSocket

if TYPE_CHECKING:
    from .files import FileResponse as FileResponse
    from .multipart import UploadFile as UploadFile
    from .sse import EventSourceResponse as EventSourceResponse
    from .sse import EventStream as EventStream
    from .sse import ServerSentEvent as ServerSentEvent
    from .streaming import StreamingResponse as StreamingResponse

__all__ = [
    "IMPL",
    "URL",
    "Address",
    "AlreadyAnsweredError",
    "BadRequestKeyError",
    "BodyConsumedError",
    "BodyTimeout",
    "BodyTooLarge",
    "ClientDisconnected",
    "EventSourceResponse",
    "EventStream",
    "FileResponse",
    "FormData",
    "HTMLResponse",
    "HTTPException",
    "Headers",
    "IncompleteBody",
    "JSONResponse",
    "Limits",
    "MultiDict",
    "QueryParams",
    "RedirectResponse",
    "Request",
    "Response",
    "ServerSentEvent",
    "State",
    "StreamingResponse",
    "TextResponse",
    "UnsupportedReturnError",
    "UploadFile",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketStateError",
    "abort",
    "make_response",
    "problem",
    "redirect",
    "send",
]

# Imported when first asked for, since many applications never touch it: a quarter of the time of `import gobstopper`.
_LATER = {
    "EventSourceResponse": "sse",
    "EventStream": "sse",
    "FileResponse": "files",
    "ServerSentEvent": "sse",
    "StreamingResponse": "streaming",
    "UploadFile": "multipart",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
