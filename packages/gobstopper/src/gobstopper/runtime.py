"""What the endpoints of a running application call: converting, sending, failing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from inspect import isawaitable
from math import inf
from typing import TYPE_CHECKING, Any, cast

from gobstopper_http.convert import UnsupportedReturnError, make_response
from gobstopper_http.deadlines import EXPIRED, deadlines_of
from gobstopper_http.errors import AlreadyAnsweredError, ClientDisconnected, HTTPException
from gobstopper_http.request import Request
from gobstopper_http.response import TEXT, Response
from gobstopper_http.send import run_background
from gobstopper_http.threads import ThreadPool
from gobstopper_http.types import BackgroundTask

from .returned import explain, function_place
from .sent import SentResponse

if TYPE_CHECKING:
    from .errors import ErrorResponder
    from .info import EndpointInfo

__all__ = ["Runtime"]


class Runtime:
    """The services of one application on one event loop.

    Args:
        loop: The loop that the server runs.
        threads: The pool for `def` handlers.
        errors: Makes responses of exceptions.
        logger: The application's logger.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, threads: ThreadPool, errors: ErrorResponder, logger: Any
    ) -> None:
        self.loop = loop
        self.threads = threads
        self.errors = errors
        self.logger = logger
        self.deadlines = deadlines_of(loop)
        self.websockets: set[asyncio.Task[Any] | None] = set()
        self.stopping = False
        self.cutting_off = False

    def cut_off(self) -> None:
        """End what is still at work: handlers that went on after their WebSocket ended, requests, streams."""
        self.cutting_off = True
        for task in list(self.websockets):
            if task is not None:
                task.cancel()
        for task, timed in list(self.deadlines.entries.items()):
            if task not in self.websockets and timed.deadline != EXPIRED:
                timed.deadline = EXPIRED
                task.cancel()

    def convert(self, info: EndpointInfo, value: Any, maker: Callable[..., Any] | Sequence[Any] = ()) -> Response:
        """Make a response of what was returned; an error names who returned it.

        Args:
            info: The route.
            value: What was returned.
            maker: The hook that returned it, or the middlewares of which one did; default: the route's handler.
        """
        try:
            if value is None and maker:
                raise UnsupportedReturnError("None is no answer")
            return make_response(value)
        except (TypeError, ValueError) as error:
            raise explain(_maker(info, maker), value, error) from error

    async def respond(self, request: Request, value: Any) -> None:
        """Answer with whatever a handler returned."""
        if isawaitable(value):
            value = await value
        if value is None and request.answered:
            return  # the handler has answered by itself
        response = value if isinstance(value, Response) else self.convert(_route(request), value)
        if response.immediate:
            response.send_now(request)
        else:
            await self.deliver(request, response)
        if response.background is not None:
            await self.background(request, response.background)

    async def deliver(self, request: Request, response: Response) -> None:
        """Send what takes time; the handler's time-out does not count for it."""
        request.deadline = inf
        await response.send(request)

    async def background(self, request: Request, task: BackgroundTask) -> None:
        """Run what a response left for after the answer; an error is logged, nobody is left to be told."""
        request.deadline = inf
        try:
            await run_background(task)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.logger.error(f"background work of {request.method} {request.path} failed", exc_info=error)

    async def error_response(
        self, request: Request, error: BaseException, discarded: Response | None = None
    ) -> Response:
        """The response to an exception: by an error handler, else the default page. Never raises.

        Where the request has been answered, the exception is logged, and the response is one that is not sent.
        """
        if discarded is not None:
            await self._close(discarded)
        if request.answered:
            self._log_answered(request, error)
            return SentResponse(request.answered)
        if isinstance(error, asyncio.CancelledError) and request.deadline == EXPIRED:
            request.deadline = inf
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            if self.cutting_off:
                error = HTTPException(503, "The server stops.", {"Retry-After": "1"})
                self._log_cut(request)
            else:
                error = HTTPException(503, "The request took too long.", {"Retry-After": "1"})
                route = _route(request)
                self.logger.error(f"{route.place} did not answer within {route.timeout:g} s")
        return await self.errors.respond(request, error)

    async def fail(self, request: Request, error: BaseException | None, response: Response | None = None) -> None:
        """Answer an exception that came outside of hooks and middleware, or in the middle of sending."""
        if error is None:
            if "gave_up" in request.__dict__:
                return  # its time-out was answered and logged
            error = AlreadyAnsweredError(f"{_route(request).place} answered, and then returned another answer")
        if isinstance(error, ClientDisconnected):
            self.logger.debug(f"the client of {request.method} {request.path} has gone")
            if request.answered:
                return
        if request.answered:
            self._log_answered(request, error)
            return
        answer = await self.error_response(request, error, response)
        try:
            if answer.immediate:
                answer.send_now(request)
            else:
                await self.deliver(request, answer)
        except GeneratorExit:
            raise
        except BaseException as second:  # noqa: BLE001 - one plain 500, never a loop
            self.errors.log(request, second)
            if not request.answered:
                request.answered = 500
                request.proto.response_str(500, TEXT, "Internal Server Error\n")

    def log_access(self, request: Request, seconds: float) -> None:
        """Write the access log's line of an answered request."""
        client = request.client
        self.logger.info(
            "request",
            method=request.method,
            path=request.path,
            status=request.answered,
            ms=round(seconds * 1000, 2),
            client=client.host if client is not None else "unix",
        )

    def _log_answered(self, request: Request, error: BaseException) -> None:
        # The answer is on its way and cannot be taken back; the log is the only place left.
        if self.cutting_off and isinstance(error, asyncio.CancelledError):
            self._log_cut(request)
        else:
            self.errors.log(request, error)

    def _log_cut(self, request: Request) -> None:
        self.logger.warning(f"{request.method} {request.path} was cut off: the server stops")

    async def _close(self, response: Response) -> None:
        try:
            await response.close()
        except Exception as error:
            self.logger.warning("closing a response that was not sent failed", exc_info=error)


def _route(request: Request) -> EndpointInfo:
    return cast("EndpointInfo", request.route)  # every request of an application is made with one


def _maker(info: EndpointInfo, maker: Callable[..., Any] | Sequence[Any]) -> str:
    if callable(maker):
        return f"{function_place(maker)}, a hook around {info.place},"
    if maker:
        return f"a middleware around {info.place}, one of {', '.join(map(function_place, maker))},"
    return info.place
