"""What an app registers for its templates, before or after there is an engine."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias
from weakref import WeakSet

__all__ = ["ContextProcessor", "RegistryListener", "TemplateRegistry"]

#: Takes nothing, gives variables for every template, or an awaitable of them.
ContextProcessor: TypeAlias = "Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]"

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class RegistryListener(Protocol):
    """An engine, as a registry sees it."""

    def registered(self, kind: str, name: str, value: Any) -> None:
        """A filter, test or global was registered; `kind` is one of `filter`, `test`, `global`."""
        ...


class TemplateRegistry:
    """Filters, tests, globals and context processors; engines read it when they are made and follow it afterwards.

    The last one registered under a name wins, over Jinja2's own of that name too.
    """

    def __init__(self) -> None:
        self.filters: dict[str, Callable[..., Any]] = {}
        self.tests: dict[str, Callable[..., Any]] = {}
        self.globals: dict[str, Any] = {}
        #: By blueprint name; `None` is the whole app.
        self.context_processors: dict[str | None, list[ContextProcessor]] = {}
        self._listeners: WeakSet[RegistryListener] = WeakSet()

    def add_filter(self, name: str, function: Callable[..., Any]) -> None:
        """Make `{{ value|name }}` call `function(value)`."""
        self._add("filter", self.filters, name, _callable("filter", name, function))

    def add_test(self, name: str, function: Callable[..., Any]) -> None:
        """Make `{% if value is name %}` call `function(value)`."""
        self._add("test", self.tests, name, _callable("test", name, function))

    def add_global(self, name: str, value: Any) -> None:
        """Make `name` known in every template, imported ones too; a function or any other value."""
        if not name.isidentifier():
            raise ValueError(f"template global {name!r}: no template can name it; use letters, digits and '_'")
        self._add("global", self.globals, name, value)

    def add_context_processor(self, function: ContextProcessor, blueprint: str | None = None) -> None:
        """Call `function()` for every render, or only for those within `blueprint` (its full name)."""
        if not callable(function):
            raise TypeError(f"a context processor is a function without parameters, not {function!r}")
        self.context_processors.setdefault(blueprint, []).append(function)

    def follow(self, listener: RegistryListener) -> None:
        """Tell `listener` of everything registered from now on; it is held weakly."""
        self._listeners.add(listener)

    def _add(self, kind: str, known: dict[str, Any], name: str, value: Any) -> None:
        if not _DOTTED.fullmatch(name):
            raise ValueError(f"template {kind} {name!r}: no template can name it; use letters, digits, '_' and '.'")
        known[name] = value
        for listener in list(self._listeners):
            listener.registered(kind, name, value)


def _callable(kind: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(f"template {kind} {name!r} must be a function, not {function!r}")
    return function
