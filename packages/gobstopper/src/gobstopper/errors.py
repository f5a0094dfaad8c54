"""From an exception to a response: whose handler, which page, what is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from gobstopper_http.convert import make_response
from gobstopper_http.errors import ClientDisconnected, HTTPException
from gobstopper_http.response import Response

from .error_pages import default_page
from .returned import explain, function_place

if TYPE_CHECKING:
    from gobstopper_http.connection import Connection
    from gobstopper_http.request import Request

    from .app import Gobstopper

__all__ = ["ErrorHandlers", "ErrorResponder", "find_handler"]

ErrorHandlers = Mapping[int | type[BaseException], Callable[..., Any]]


def find_handler(scopes: Iterable[ErrorHandlers], error: BaseException) -> Callable[..., Any] | None:
    """The handler for `error` in the first scope that has one: an `HTTPException` by its status, then by the MRO.

    Any other exception goes by its MRO and then counts as a 500.

    Args:
        scopes: The tables of the blueprints, innermost first, and of the application.
        error: The exception.
    """
    status = error.status if isinstance(error, HTTPException) else None
    for handlers in scopes:
        if status is not None and status in handlers:
            return handlers[status]
        for kind in type(error).__mro__:
            if kind in handlers:
                return handlers[kind]
        if status is None and 500 in handlers:
            return handlers[500]
    return None


def is_expected(scopes: Iterable[ErrorHandlers], error: BaseException) -> bool:
    """Whether a handler is there for this very kind of exception, and not for all of them: then it is no news."""
    kinds = set(type(error).__mro__) - {Exception, BaseException, object}
    return any(kind in handlers for handlers in scopes for kind in kinds)


class ErrorResponder:
    """Makes the response to an exception, and logs once what is not the client's doing."""

    def __init__(self, app: Gobstopper) -> None:
        self._app = app

    async def respond(self, request: Request, error: BaseException) -> Response:
        """The response of the error handler that applies, else the default page. Never raises."""
        scopes = self._scopes(request)
        if not isinstance(error, HTTPException) and not is_expected(scopes, error):
            self.log(request, error)
        handler = find_handler(scopes, error)
        if handler is None:
            return self._default(request, error)
        try:
            return await self._handled(handler, request, error)
        except GeneratorExit:
            raise
        except BaseException as second:  # noqa: BLE001 - one plain 500, never a loop
            self.log(request, second)
            return self._default(request, second)

    def _scopes(self, request: Request) -> list[ErrorHandlers]:
        blueprints = getattr(request.route, "scopes", ())
        return [*(blueprint.error_handlers for blueprint in reversed(blueprints)), self._app.error_handlers]

    async def _handled(self, handler: Callable[..., Any], request: Request, error: BaseException) -> Response:
        value = handler(request, error)
        if isawaitable(value):
            value = await value
        try:
            response = make_response(value)
        except (TypeError, ValueError) as wrong:
            raise explain(f"the error handler {function_place(handler)}", value, wrong) from wrong
        if isinstance(value, Response):
            return _with_headers(response, error)
        if not (isinstance(value, tuple) and len(value) > 1 and isinstance(value[1], int)):
            # Nothing was said of the status, so the error keeps its own.
            response.status = error.status if isinstance(error, HTTPException) else 500
        return _with_headers(response, error)

    def _default(self, request: Request, error: BaseException) -> Response:
        try:
            return default_page(request, error, debug=self._app.debug)
        except Exception as second:  # noqa: BLE001 - the page itself must not be the end
            self.log(request, second)
            return Response(b"Internal Server Error\n", 500, content_type="text/plain; charset=utf-8")

    def log(self, connection: Connection, error: BaseException) -> None:
        """Log an exception of the application's own, once, with its traceback."""
        if isinstance(error, ClientDisconnected):
            return
        info = connection.route
        place = getattr(info, "place", None) if getattr(info, "name", None) else None
        kind = "was cancelled from outside" if isinstance(error, asyncio.CancelledError) else "failed"
        what = f"{connection.method} {connection.path} {kind}: {_describe(error)}"
        self._app.logger.error(what, handler=place, exc_info=error)


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - an exception may be broken itself
        return f"{type(error).__name__}, whose text cannot be had"


def _with_headers(response: Response, error: BaseException) -> Response:
    """Add what the error itself says (`Allow`, `Retry-After`), where the handler did not."""
    if isinstance(error, HTTPException):
        for name, value in error.headers.items():
            response.headers.setdefault(name, value)
    return response
