"""Requests, responses and what belongs to them: re-exported from `gobstopper_http`."""

from gobstopper_http import URL as URL
from gobstopper_http import Address as Address
from gobstopper_http import AlreadyAnsweredError as AlreadyAnsweredError
from gobstopper_http import BadRequestKeyError as BadRequestKeyError
from gobstopper_http import BodyConsumedError as BodyConsumedError
from gobstopper_http import BodyTimeout as BodyTimeout
from gobstopper_http import BodyTooLarge as BodyTooLarge
from gobstopper_http import ClientDisconnected as ClientDisconnected
from gobstopper_http import EventSourceResponse as EventSourceResponse
from gobstopper_http import EventStream as EventStream
from gobstopper_http import FileResponse as FileResponse
from gobstopper_http import FormData as FormData
from gobstopper_http import Headers as Headers
from gobstopper_http import HTMLResponse as HTMLResponse
from gobstopper_http import HTTPException as HTTPException
from gobstopper_http import IncompleteBody as IncompleteBody
from gobstopper_http import JSONResponse as JSONResponse
from gobstopper_http import Limits as Limits
from gobstopper_http import MultiDict as MultiDict
from gobstopper_http import QueryParams as QueryParams
from gobstopper_http import RedirectResponse as RedirectResponse
from gobstopper_http import Request as Request
from gobstopper_http import Response as Response
from gobstopper_http import ServerSentEvent as ServerSentEvent
from gobstopper_http import State as State
from gobstopper_http import StreamingResponse as StreamingResponse
from gobstopper_http import TextResponse as TextResponse
from gobstopper_http import UnsupportedReturnError as UnsupportedReturnError
from gobstopper_http import UploadFile as UploadFile
from gobstopper_http import WebSocket as WebSocket
from gobstopper_http import WebSocketDisconnect as WebSocketDisconnect
from gobstopper_http import WebSocketStateError as WebSocketStateError
from gobstopper_http import abort as abort
from gobstopper_http import make_response as make_response
from gobstopper_http import problem as problem
from gobstopper_http import redirect as redirect
from gobstopper_http import send as send

__all__ = [
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
