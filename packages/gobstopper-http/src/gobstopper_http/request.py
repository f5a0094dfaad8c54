"""The HTTP request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._charsets import form_charset
from ._lazy import lazy
from ._options import parse_options
from .body import declared_length, decode_json, read_body, stream_body
from .connection import Connection
from .datastructures import FormData, MultiDict
from .errors import AlreadyAnsweredError, HTTPException
from .interrupt import Interrupt, watch_client
from .rsgi import HTTPProtocol, Scope, check_status

if TYPE_CHECKING:
    from .multipart import UploadFile
    from .negotiation import Accept

__all__ = ["Request"]

_T = TypeVar("_T")

_LATE = [("content-type", "text/plain; charset=utf-8"), ("retry-after", "1")]


class Request(Connection, dict=True, eq=False):
    """One HTTP request; nothing is read until it is asked for, and what was read is kept.

    Attributes:
        scope: The server's scope. Each read of an attribute makes a new object.
        proto: The server's protocol, unchecked: a bad status through it ends the worker. Return a response instead.
        method: The method, as it came: `"GET"`.
        path: The path, percent-decoded by the server; below a mount, the rest of it.
        values: The converted path parameters in the order of the pattern.
        route: What is known of the route that matched.
        header_map: The server's header map, if it was read; see `raw_headers`.
        deadline: Loop time in seconds until which the handler may run; `inf` where no application watches.
        answered: The status that was handed to the server, 0 before that.
        body_taken: Whether the body was read.
        kept_body: The body, once it was read whole.
        kept_form: Fields and uploads, once the form was read.
    """

    answered: int = 0
    body_taken: bool = False
    kept_body: bytes | None = None
    kept_form: tuple[FormData, MultiDict[UploadFile]] | None = None

    @classmethod
    def from_rsgi(cls, scope: Scope, proto: Any) -> Request:
        """The request of a bare RSGI call, for use without the application class."""
        return cls(scope, proto, scope.method, scope.path)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path!r}>"

    @lazy
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters; `""` if none was sent."""
        return parse_options(self.raw_headers.get("content-type", ""))[0].lower()

    @lazy
    def content_length(self) -> int | None:
        """The declared length of the body in bytes, `None` for a chunked body or none."""
        return declared_length(self)

    @lazy
    def accept(self) -> Accept:
        """Content negotiation by `Accept` (RFC 9110 section 12.5.1): `request.accept.best(["text/html", …])`."""
        from .negotiation import Accept

        return Accept(", ".join(self.raw_headers.get_all("accept")))

    @property
    def last_event_id(self) -> str | None:
        """The id of the last server-sent event that the client saw (`Last-Event-ID`)."""
        return self.headers.get("last-event-id")

    async def body(self) -> bytes:
        """The whole body, at most `limits.body` bytes.

        Raises:
            HTTPException: 413 over the limit, 408 if it does not arrive, 400 if the client closed early.
            BodyConsumedError: if it was taken by `stream` before.
        """
        data = self.kept_body
        if data is None:
            data = self.kept_body = await read_body(self)
        return data

    async def text(self, encoding: str | None = None) -> str:
        """The body as text: in `encoding`, else in the `charset` that was sent, else in UTF-8.

        Raises:
            HTTPException: 400 for bytes that are not of that encoding, 415 for a charset that is not one of the web's;
                else as `body`.
            LookupError: for an `encoding` that Python does not know.
        """
        if encoding is None:
            sent = parse_options(self.raw_headers.get("content-type", ""))[1].get("charset", "")
            encoding = form_charset(sent)
            if encoding is None:
                raise HTTPException(415, "The charset of the body is unknown here; send UTF-8.")
        data = await self.body()
        try:
            return data.decode(encoding)
        except UnicodeError as error:
            raise HTTPException(400, f"The body is not valid {encoding}.") from error

    @overload
    async def json(self) -> Any: ...
    @overload
    async def json(self, type: type[_T]) -> _T: ...
    @overload
    async def json(self, type: Any) -> Any: ...
    async def json(self, type: Any = None) -> Any:  # noqa: A002
        """The body decoded from JSON by msgspec; into `type` (a Struct, dataclass, `list[int]` …) if given.

        Raises:
            HTTPException: 400 for malformed JSON or one nested deeper than `limits.json_depth`, 422 for JSON that does
                not fit `type`; else as `body`.
        """
        data = self.kept_body
        if data is None:
            data = self.kept_body = await read_body(self)
        return decode_json(data, type, self.route.limits.json_depth)

    async def form(self) -> FormData:
        """The text fields of an urlencoded or multipart form.

        Raises:
            HTTPException: 415 for another content type, 400 for a malformed or cut-off form, 413 over a limit.
        """
        return (await self._parsed_form())[0]

    async def files(self) -> MultiDict[UploadFile]:
        """The uploads of a multipart form, by field name; spooled to disk when large, closed with the request.

        Raises:
            HTTPException: as `form`.
        """
        return (await self._parsed_form())[1]

    async def _parsed_form(self) -> tuple[FormData, MultiDict[UploadFile]]:
        if self.kept_form is None:
            from .forms import read_form

            self.kept_form = await read_form(self)
        return self.kept_form

    def stream(self) -> AsyncIterator[bytes]:
        """The body in chunks as it arrives, for what is larger than memory; no limit but the pause between two chunks.

        Raises:
            HTTPException: 408 and 400 as `body`.
            BodyConsumedError: if it was read before.
        """
        return stream_body(self)

    async def disconnected(self) -> None:
        """Return when the client has gone. One waiter at a time; on HTTP/2 it tells of the connection."""
        await self.proto.client_disconnect()

    @asynccontextmanager
    async def cancel_on_disconnect(self) -> AsyncIterator[None]:
        """Cancel what runs inside when the client goes away.

        Raises:
            ClientDisconnected: in place of the cancellation.
        """
        if asyncio.current_task() is None:
            raise RuntimeError("cancel_on_disconnect is for code that runs in a task")
        gone = Interrupt()
        watcher = asyncio.ensure_future(watch_client(self, gone))
        try:
            with gone:
                yield
        finally:
            watcher.cancel()

    def claim(self, status: int) -> HTTPProtocol:
        """Take the right to answer with `status`, once; everything that answers comes this way.

        Raises:
            AlreadyAnsweredError: if the request has an answer.
            ValueError, TypeError: for a status that the server would die of.
        """
        if status.__class__ is not int or not 200 <= status <= 599:
            check_status(status)  # says what is wrong
        if self.answered:
            raise AlreadyAnsweredError(f"{self!r} was answered before; return one response, or None after sending")
        self.answered = status
        return self.proto  # type: ignore[no-any-return]

    def overdue(self) -> None:
        """Answer 503 in place of a handler that swallowed its time-out."""
        if not self.answered:
            self.route.gave_up(self)
            self.answered = 503
            self.proto.response_str(503, _LATE, "The request took too long.\n")

    async def close(self) -> None:
        """Release what the request holds: temporary files of uploads."""
        if self.kept_form is not None:
            for _name, upload in self.kept_form[1].items(multi=True):  # noqa: PERF102 - values() has one of each name
                await upload.close()
