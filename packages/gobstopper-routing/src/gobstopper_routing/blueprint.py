"""Blueprints: a part of an application as a record, to be registered under a prefix and a name."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .convertors import Converters
from .errors import BlueprintError
from .folders import resolve_folder, root_path
from .pattern import parse_segments
from .route import Route, handler_name
from .scaffold import Scaffold


class Registration(NamedTuple):
    """A blueprint in its parent: under this name and prefix."""

    blueprint: "Blueprint"
    name: str
    url_prefix: str


class Blueprint(Scaffold):
    """Routes, hooks, error handlers, middleware and folders that belong together, not yet part of any application.

    ``name`` comes before the names of its routes (``admin.login``), ``url_prefix`` before their patterns. Relative
    folders count from the root of ``import_name``. One blueprint can be registered several times, under different
    names. Its hooks, error handlers and middleware apply to its own routes and to those of the blueprints nested in
    it.
    """

    def __init__(
        self,
        name: str,
        import_name: str | None = None,
        url_prefix: str | None = None,
        template_folder: str | Path | None = None,
        static_folder: str | Path | None = None,
        static_url_path: str | None = None,
    ) -> None:
        super().__init__()
        self.name = _checked_name(name)
        self.import_name = import_name
        self.url_prefix = _checked_prefix(name, url_prefix)
        self.template_folder = None if template_folder is None else resolve_folder(import_name, template_folder)
        self.static_folder = None if static_folder is None else resolve_folder(import_name, static_folder)
        if static_folder is not None and static_url_path is None:
            static_url_path = "/" + Path(static_folder).name
        self.static_url_path = _checked_prefix(name, static_url_path) or None
        self.registrations: list[Registration] = []

    @property
    def root_path(self) -> Path:
        """The folder of ``import_name``'s module or package."""
        return root_path(self.import_name)

    def register_blueprint(self, child: "Blueprint", url_prefix: str | None = None, name: str | None = None) -> None:
        """Nest ``child`` in this one. ``url_prefix`` and ``name`` replace its own.

        Raises :class:`BlueprintError` if the name is taken here, or if ``child`` holds this blueprint already.
        """
        if not isinstance(child, Blueprint):
            raise BlueprintError(f"register_blueprint({child!r}): that is no Blueprint")
        chosen = child.name if name is None else _checked_name(name)
        prefix = child.url_prefix if url_prefix is None else _checked_prefix(chosen, url_prefix)
        if any(known.name == chosen for known in self.registrations):
            raise BlueprintError(
                f"blueprint {self.name!r} already holds one named {chosen!r}; register the other with name=…"
            )
        if any(inner is self for inner in child.descendants()):
            raise BlueprintError(f"blueprint {chosen!r} holds {self.name!r}, so {self.name!r} cannot hold it")
        self.registrations.append(Registration(child, chosen, prefix))

    def descendants(self) -> "Iterator[Blueprint]":
        """Give this blueprint and all nested in it, each once."""
        seen: set[int] = set()
        waiting: list[Blueprint] = [self]
        while waiting:
            blueprint = waiting.pop()
            if id(blueprint) not in seen:
                seen.add(id(blueprint))
                yield blueprint
                waiting.extend(registration.blueprint for registration in blueprint.registrations)

    def flatten(
        self, url_prefix: str | None = None, name: str | None = None, converters: Converters | None = None
    ) -> Iterator[Route]:
        """Give every route with its full pattern, its qualified name and the blueprints it lies in, outermost first.

        ``url_prefix`` and ``name`` replace those of this blueprint; ``converters`` are those of the application.
        """
        prefix = self.url_prefix if url_prefix is None else _checked_prefix(self.name, url_prefix)
        waiting: list[tuple[Blueprint, str, str, tuple[Blueprint, ...]]]
        waiting = [(self, prefix, self.name if name is None else name, (self,))]
        while waiting:
            blueprint, before, qualified, chain = waiting.pop()
            for route in tuple(blueprint.routes):
                yield route.moved(join(before, route.pattern), f"{qualified}.{route.name}", chain, converters)
            waiting.extend(
                (inner.blueprint, before + inner.url_prefix, f"{qualified}.{inner.name}", (*chain, inner.blueprint))
                for inner in reversed(blueprint.registrations)
            )

    def _check_route(self, route: Route) -> None:
        if "." in route.name:
            raise BlueprintError(
                f"{route.location}: the name {route.name!r} in blueprint {self.name!r} holds a dot;"
                " dots come from nesting"
            )
        # Converters may be registered with the application later, so only the grammar can be looked at here.
        if route.pattern:
            try:
                parse_segments(route.pattern)
            except ValueError as error:
                error.add_note(f"in the route of {handler_name(route.handler)!r} at {route.location}")
                raise

    def __repr__(self) -> str:
        return f"<Blueprint {self.name!r} at {self.url_prefix or '/'}>"


FlatRoute = Route


def join(prefix: str, pattern: str) -> str:
    """Put a prefix (no slash at its end) before a pattern; an empty pattern is the prefix itself."""
    return (prefix + pattern) or "/"


def _checked_name(name: str) -> str:
    if not name or "." in name:
        raise BlueprintError(f"blueprint name {name!r} is empty or holds a dot; dots come from nesting")
    return name


def _checked_prefix(name: str, prefix: str | None) -> str:
    """Give a prefix without the slash at its end; "" for none."""
    if not prefix or prefix == "/":
        return ""
    try:
        parse_segments(prefix)
    except ValueError as error:
        raise BlueprintError(f"url_prefix of blueprint {name!r}: {error}") from error
    return prefix.rstrip("/")
