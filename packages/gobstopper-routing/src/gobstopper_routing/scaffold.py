"""The decorators that an application and a blueprint share. They only record; whoever serves reads the records."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, overload

from ._contract import WEBSOCKET
from .convertors import Converters
from .errors import RouteError
from .route import Handler, Route, handler_name

F = TypeVar("F", bound=Callable[..., Any])


class MiddlewareRecord(NamedTuple):
    """One ``add_middleware`` call; ``location`` is ``file:line`` of the call."""

    middleware: Any
    priority: int
    options: dict[str, Any]
    location: str


class Scaffold:
    """Records routes, hooks, error handlers, middleware and template helpers.

    Every decorator returns the function as it was, so decorators stack and the function stays callable.
    """

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.before_request_hooks: list[Handler] = []
        self.after_request_hooks: list[Handler] = []
        self.before_websocket_hooks: list[Handler] = []
        self.error_handlers: dict[int | type[BaseException], Handler] = {}
        self.middleware: list[MiddlewareRecord] = []
        self.context_processors: list[Handler] = []
        self.template_filters: dict[str, Handler] = {}
        self.template_globals: dict[str, Any] = {}
        self.template_tests: dict[str, Handler] = {}
        self.startup_hooks: list[Handler] = []
        self.shutdown_hooks: list[Handler] = []

    # Routes

    def add_route(
        self, pattern: str, handler: Handler, methods: Iterable[str] = ("GET",), name: str | None = None, **options: Any
    ) -> Route:
        """Record a route. Raises :class:`RoutingError` for a bad pattern, method, name or handler."""
        route = Route.declare(pattern, methods, handler, name, options, self._converters())
        self._check_route(route)
        self.routes.append(route)
        return route

    def route(
        self, pattern: str, *, methods: Iterable[str] = ("GET",), name: str | None = None, **options: Any
    ) -> Callable[[F], F]:
        """Route ``pattern`` with these methods to the function; ``name`` is its own unless given."""

        def decorate(handler: F) -> F:
            self.add_route(pattern, handler, methods, name, **options)
            return handler

        return decorate

    def get(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route GET, and HEAD with it."""
        return self.route(pattern, methods=("GET",), name=name, **options)

    def post(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route POST."""
        return self.route(pattern, methods=("POST",), name=name, **options)

    def put(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route PUT."""
        return self.route(pattern, methods=("PUT",), name=name, **options)

    def patch(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route PATCH."""
        return self.route(pattern, methods=("PATCH",), name=name, **options)

    def delete(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route DELETE."""
        return self.route(pattern, methods=("DELETE",), name=name, **options)

    def options(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route OPTIONS, which is answered by itself otherwise."""
        return self.route(pattern, methods=("OPTIONS",), name=name, **options)

    def head(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route HEAD, instead of answering it from GET."""
        return self.route(pattern, methods=("HEAD",), name=name, **options)

    def websocket(self, pattern: str, *, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Route WebSocket handshakes."""
        return self.route(pattern, methods=(WEBSOCKET,), name=name, **options)

    # Hooks

    def before_request(self, function: F) -> F:
        """Call ``function(request)`` before each handler; anything but None that it returns is the answer."""
        return _appended(self.before_request_hooks, function, "before_request")

    def after_request(self, function: F) -> F:
        """Call ``function(request, response)`` on the final answer; None keeps the response."""
        return _appended(self.after_request_hooks, function, "after_request")

    def before_websocket(self, function: F) -> F:
        """Call ``function(websocket)`` before each WebSocket handler."""
        return _appended(self.before_websocket_hooks, function, "before_websocket")

    def on_startup(self, function: F) -> F:
        """Call ``function()`` when a worker starts; an exception stops it."""
        return _appended(self.startup_hooks, function, "on_startup")

    def on_shutdown(self, function: F) -> F:
        """Call ``function()`` when a worker stops, the last one registered first."""
        return _appended(self.shutdown_hooks, function, "on_shutdown")

    def context_processor(self, function: F) -> F:
        """Call ``function()`` before a template is rendered; it gives a dict of variables."""
        return _appended(self.context_processors, function, "context_processor")

    def error_handler(self, error: int | type[BaseException]) -> Callable[[F], F]:
        """Call the function with ``(request, error)`` for a status (400 to 599) or exception class; the last wins."""
        is_status = isinstance(error, int) and not isinstance(error, bool) and 400 <= error <= 599
        if not is_status and not (isinstance(error, type) and issubclass(error, BaseException)):
            raise RouteError(f"error_handler({error!r}): give a status from 400 to 599, or an exception class")

        def decorate(function: F) -> F:
            self.error_handlers[error] = function
            return function

        return decorate

    def add_middleware(self, middleware: Any, priority: int = 0, **options: Any) -> None:
        """Record a class (built with ``options``), an instance or an async function; higher priority is outermost."""
        frame = sys._getframe(1)
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if not callable(middleware):
            raise RouteError(
                f"{where}: middleware {middleware!r} cannot be called; give a class, an instance or a function"
            )
        self.middleware.append(MiddlewareRecord(middleware, priority, options, where))

    # Templates

    @overload
    def template_filter(self, name: F) -> F: ...
    @overload
    def template_filter(self, name: str | None = None) -> Callable[[F], F]: ...
    def template_filter(self, name: Any = None) -> Any:
        """Make the function a template filter, called ``name`` or as it is called itself."""
        return _named(self.template_filters, name)

    @overload
    def template_global(self, name: F) -> F: ...
    @overload
    def template_global(self, name: str | None = None) -> Callable[[F], F]: ...
    def template_global(self, name: Any = None) -> Any:
        """Make the function a template global."""
        return _named(self.template_globals, name)

    @overload
    def template_test(self, name: F) -> F: ...
    @overload
    def template_test(self, name: str | None = None) -> Callable[[F], F]: ...
    def template_test(self, name: Any = None) -> Any:
        """Make the function a template test."""
        return _named(self.template_tests, name)

    # For subclasses

    def _converters(self) -> Converters | None:
        """The converters that the patterns of :meth:`add_route` may name; None for the built-in ones."""
        return None

    def _check_route(self, route: Route) -> None:
        """Raise if ``route`` cannot be taken; subclasses add what they know."""
        if not route.pattern:
            raise RouteError(f"{route.location}: the pattern of {handler_name(route.handler)!r} is empty; write '/'")
        route.compiled  # noqa: B018 - raises


def _appended(records: list[Handler], function: F, kind: str) -> F:
    if not callable(function):
        raise RouteError(
            f"{kind}({function!r}): it cannot be called; write @{kind} above a function, without parentheses"
        )
    records.append(function)
    return function


def _named(records: dict[str, Any], name: Any) -> Any:
    if callable(name):
        records[handler_name(name)] = name
        return name

    def decorate(function: F) -> F:
        records[handler_name(function) if name is None else name] = function
        return function

    return decorate
