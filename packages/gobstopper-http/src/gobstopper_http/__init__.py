"""Requests, responses, files, uploads, server-sent events and WebSockets for Granian's RSGI."""

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
from .errors import BodyConsumedError as BodyConsumedError
from .errors import BodyTimeout as BodyTimeout
from .errors import BodyTooLarge as BodyTooLarge
from .errors import ClientDisconnected as ClientDisconnected
from .errors import HTTPException as HTTPException
from .errors import IncompleteBody as IncompleteBody
from .errors import WebSocketDisconnect as WebSocketDisconnect
from .errors import WebSocketStateError as WebSocketStateError
from .errors import abort as abort
from .files import FileResponse as FileResponse
from .limits import Limits as Limits
from .multipart import UploadFile as UploadFile
from .request import Request as Request
from .response import HTMLResponse as HTMLResponse
from .response import JSONResponse as JSONResponse
from .response import RedirectResponse as RedirectResponse
from .response import Response as Response
from .response import TextResponse as TextResponse
from .response import problem as problem
from .response import redirect as redirect
from .send import send as send
from .sse import EventSourceResponse as EventSourceResponse
from .sse import EventStream as EventStream
from .sse import ServerSentEvent as ServerSentEvent
from .streaming import StreamingResponse as StreamingResponse
from .websocket import WebSocket as WebSocket

__all__ = [
    "IMPL",
    "URL",
    "Address",
    "AlreadyAnsweredError",
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
