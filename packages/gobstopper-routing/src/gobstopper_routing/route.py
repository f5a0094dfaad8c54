"""A route: a pattern, methods and a handler, with the name and the place that messages speak of."""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._contract import WEBSOCKET
from .builder import PathBuilder
from .convertors import Converters
from .errors import RouteError
from .pattern import Pattern, parameter_names

if TYPE_CHECKING:
    from .blueprint import Blueprint

Handler = Callable[..., Any]

# RFC 9110 section 5.6.2; compiled when it is first used, for the sake of the time that an import takes.
_METHOD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"


def location_of(thing: object) -> str:
    """Give ``file:line`` of a function, method, class, partial or callable object; "<unknown>" without a source."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    if callable(thing):
        thing = inspect.unwrap(thing)
    thing = getattr(thing, "__func__", thing)
    code = getattr(thing, "__code__", None)
    if code is None and not isinstance(thing, type):
        code = getattr(getattr(type(thing), "__call__", None), "__code__", None)  # noqa: B004
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    cls = thing if isinstance(thing, type) else type(thing)
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return "<unknown>"


def short_location(location: str) -> str:
    """Give ``location`` relative to the working directory if it lies in it."""
    path, _, line = location.rpartition(":")
    try:
        return f"{Path(path).relative_to(Path.cwd())}:{line}"
    except (ValueError, OSError):
        return location


def handler_name(handler: object) -> str:
    """Give the name that a handler has in URLs and messages: its own, or that of its class."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    name = getattr(handler, "__name__", None)
    return name if isinstance(name, str) else type(handler).__name__


def check_methods(pattern: str, methods: Iterable[str]) -> tuple[str, ...]:
    """Give methods in upper case, each once. Raises :class:`RouteError`."""
    if isinstance(methods, str):
        raise RouteError(f"route {pattern!r}: methods is the string {methods!r}; write methods=[{methods!r}]")
    checked = tuple(dict.fromkeys(method.upper() for method in methods))
    if not checked:
        raise RouteError(f"route {pattern!r} has no methods; give at least one, as in methods=['GET']")
    for method in checked:
        if not re.fullmatch(_METHOD, method):
            raise RouteError(f"route {pattern!r}: {method!r} is no HTTP method (RFC 9110 section 9.1)")
    return checked


class Route:
    """One declared route; not to be changed.

    ``pattern`` is its text, complete once it has left its blueprints; ``methods`` are upper case, ``("WEBSOCKET",)``
    for a WebSocket; ``name`` is what ``url_for`` takes, with the names of the blueprints before it
    (``admin.users.detail``); ``options`` are the keywords that the decorator got beyond those it knows, untouched;
    ``location`` is ``file:line`` of the handler; ``blueprints`` are those it lies in, outermost first.
    """

    def __init__(
        self,
        pattern: str,
        methods: tuple[str, ...],
        handler: Handler,
        name: str,
        options: Mapping[str, Any] | None = None,
        location: str = "<unknown>",
        blueprints: "tuple[Blueprint, ...]" = (),
        converters: Converters | None = None,
    ) -> None:
        self.pattern = pattern
        self.methods = methods
        self.handler = handler
        self.name = name
        self.options: Mapping[str, Any] = {} if options is None else options
        self.location = location
        self.blueprints = blueprints
        self.converters = converters

    def __repr__(self) -> str:
        return f"<Route {','.join(self.methods)} {self.pattern} {self.name!r} at {self.location}>"

    @classmethod
    def declare(
        cls,
        pattern: str,
        methods: Iterable[str],
        handler: Handler,
        name: str | None = None,
        options: Mapping[str, Any] | None = None,
        converters: Converters | None = None,
    ) -> "Route":
        """Make a route, filling in name and location. Raises :class:`RouteError` that names file and line."""
        location = location_of(handler)
        if not callable(handler):
            raise RouteError(f"route {pattern!r}: the handler {handler!r} cannot be called")
        if name == "":
            raise RouteError(f"{location}: route {pattern!r}: its name is empty; leave it out or give one")
        return cls(
            pattern,
            check_methods(pattern, methods),
            handler,
            handler_name(handler) if name is None else name,
            dict(options or {}),
            location,
            converters=converters,
        )

    @property
    def is_websocket(self) -> bool:
        """Whether it takes WebSockets instead of requests."""
        return WEBSOCKET in self.methods

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path parameters, left to right."""
        return parameter_names(self.pattern)

    @cached_property
    def compiled(self) -> Pattern:
        """The parsed pattern. Raises :class:`PatternError` with the handler's file and line as a note."""
        try:
            return Pattern.parse(self.pattern, self.converters)
        except ValueError as error:
            error.add_note(f"in the route of {handler_name(self.handler)!r} at {self.location}")
            raise

    def build(self, values: Mapping[str, object]) -> str:
        """Give the percent-quoted path for these values; others are ignored. Raises :class:`BuildError`."""
        return self._builder.build(values, self.name)

    @cached_property
    def _builder(self) -> PathBuilder:
        return PathBuilder(self.compiled)

    def moved(
        self, pattern: str, name: str, blueprints: "tuple[Blueprint, ...]", converters: Converters | None
    ) -> "Route":
        """Give the same route under another pattern and name."""
        return Route(pattern, self.methods, self.handler, name, self.options, self.location, blueprints, converters)
