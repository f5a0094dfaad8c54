"""Builds the middleware that was registered, and orders it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gobstopper_routing import MiddlewareRecord

if TYPE_CHECKING:
    from .app import Gobstopper
    from .config import Config

__all__ = ["BuiltMiddleware", "SetupContext", "build_middleware"]


class SetupContext:
    """What a middleware's `setup(context)` gets, once, at start-up.

    Attributes:
        app: The application.
        config: Its configuration.
        debug: Whether it runs in debug mode.
        root_path: The folder that relative ones count from.
        instance_path: Where a middleware may write; make it with `make_instance()` when first needed.
        secret_keys: `SECRET_KEY` as a list, the newest first; empty if there is none.
        logger: The application's logger.
    """

    def __init__(self, app: Gobstopper) -> None:
        self.app = app
        self.config: Config = app.config
        self.debug: bool = app.debug
        self.root_path: Path = app.root_path
        self.instance_path: Path = app.instance_path
        self.logger = app.logger

    @property
    def secret_keys(self) -> list[str | bytes]:
        """The signing keys: the first signs, all verify."""
        keys = self.config.get("SECRET_KEY") or []
        return [keys] if isinstance(keys, str | bytes) else list(keys)

    def make_instance(self) -> Path:
        """The instance folder, made with mode 0700 if it is not there."""
        self.instance_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.instance_path


class BuiltMiddleware:
    """One middleware, ready to be chained.

    Attributes:
        call: `(request, next_handler)`.
        finalize: `(request, response)`, or `None`.
        websocket: `(websocket, next_handler)`, or `None`.
        static_url: `(filename)`, gives the URL of a file that the middleware serves, or `None`.
    """

    __slots__ = ("call", "finalize", "priority", "static_url", "websocket")

    def __init__(self, thing: Any, priority: int) -> None:
        self.call: Callable[..., Awaitable[Any]] = thing
        self.finalize: Callable[..., Any] | None = getattr(thing, "finalize", None)
        self.websocket: Callable[..., Awaitable[Any]] | None = getattr(thing, "websocket", None)
        self.static_url: Callable[[str], str] | None = getattr(thing, "url_for", None)
        self.priority = priority


def build_middleware(
    records: Iterable[MiddlewareRecord], context: SetupContext, problems: list[str]
) -> list[BuiltMiddleware]:
    """Build, set up and order middleware: higher priority first, ties in the order of registration.

    Args:
        records: What `add_middleware` recorded.
        context: For `setup`.
        problems: Gets a message, with the place of the `add_middleware` call, for each that cannot be built.
    """
    built = []
    for record in records:
        try:
            thing = _instance(record)
            if (setup := getattr(thing, "setup", None)) is not None:
                setup(context)
        except Exception as error:  # noqa: BLE001 - every problem is collected and told at once
            name = getattr(record.middleware, "__qualname__", repr(record.middleware))
            problems.append(f"{record.location}: middleware {name}: {error}")
        else:
            built.append(BuiltMiddleware(thing, record.priority))
    return sorted(built, key=lambda one: -one.priority)


def _instance(record: MiddlewareRecord) -> Any:
    thing: Any = record.middleware
    if inspect.isclass(thing):
        try:
            inspect.signature(thing).bind(**record.options)
        except TypeError as error:
            accepted = ", ".join(inspect.signature(thing).parameters) or "none"
            raise TypeError(f"{error}; it takes: {accepted}") from None
        thing = thing(**record.options)
    elif record.options:
        raise TypeError(f"options ({', '.join(record.options)}) are for classes; this is built already")
    try:
        inspect.signature(thing).bind(object(), object())
    except TypeError:
        raise TypeError("it must be callable as (request, next_handler)") from None
    return thing
