"""The environments behind `TemplateEngine`: Jinja2's, with checks, limits and a reload that sees what was imported."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from io import StringIO
from typing import Any, NoReturn, Protocol

import jinja2
from jinja2.environment import TemplateModule
from jinja2.runtime import Context
from jinja2.utils import LRUCache, internalcode

from ._bounds import check_depth
from .compile import GuardedGenerator, PreludeGenerator
from .errors import TemplateNote, add_note, nearest
from .jinja import Environment, Template
from .sandbox import ImmutableSandboxedEnvironment

__all__ = ["EngineEnvironment", "EngineTemplate", "SandboxedEngineEnvironment"]


class _Dependency(Protocol):
    @property
    def is_up_to_date(self) -> bool: ...


# What the module that is being made has loaded so far.
_loaded: ContextVar[list[_Dependency] | None] = ContextVar("gobstopper_templates_loaded", default=None)


class _Missing:
    """A name that was asked for in vain: it counts as changed once it is there."""

    __slots__ = ("environment", "name")

    def __init__(self, environment: jinja2.Environment, name: str) -> None:
        self.environment = environment
        self.name = name

    @property
    def is_up_to_date(self) -> bool:
        try:
            if self.environment.loader is not None:
                self.environment.loader.load(self.environment, self.name)
        except jinja2.TemplateNotFound:
            return True
        return False


class EngineTemplate(Template):
    """A template whose cached module is made anew when something it loaded has changed.

    Jinja2 keeps the module of an imported template as long as that template itself is unchanged, with the macros that
    it had imported in turn.
    """

    _dependencies: tuple[_Dependency, ...] = ()

    @internalcode
    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        if not self.environment.auto_reload:
            return super()._get_default_module(ctx)
        self._drop_stale_module()
        outer = _loaded.get()
        token = _loaded.set([])
        try:
            module = super()._get_default_module(ctx)
        finally:
            loaded = _loaded.get() or []
            _loaded.reset(token)
        self._remember(loaded, outer)
        return module

    async def _get_default_module_async(self, ctx: Context | None = None) -> TemplateModule:
        if not self.environment.auto_reload:
            return await super()._get_default_module_async(ctx)
        self._drop_stale_module()
        outer = _loaded.get()
        token = _loaded.set([])
        try:
            module = await super()._get_default_module_async(ctx)
        finally:
            loaded = _loaded.get() or []
            _loaded.reset(token)
        self._remember(loaded, outer)
        return module

    def _drop_stale_module(self) -> None:
        if self._module is not None and not all(one.is_up_to_date for one in self._dependencies):
            self._module = None
            self._dependencies = ()

    def _remember(self, loaded: list[_Dependency], outer: list[_Dependency] | None) -> None:
        if loaded:
            self._dependencies = tuple(dict.fromkeys(loaded))
        if outer is not None:
            outer.extend(self._dependencies)


class EngineEnvironment(Environment):
    """An environment of the engine. Every default here is one that `TemplateEngine` documents."""

    code_generator_class = GuardedGenerator
    template_class = EngineTemplate
    max_depth = 100
    suggest_names = False
    preludes: LRUCache

    @internalcode
    def _load_template(self, name: str, globals: MutableMapping[str, Any] | None) -> jinja2.Template:  # noqa: A002
        check_depth(self.max_depth, name)
        loaded = _loaded.get() if self.auto_reload else None
        try:
            template = super()._load_template(name, globals)
        except jinja2.TemplateNotFound as error:
            if loaded is not None and error.name == name:
                loaded.append(_Missing(self, name))
            raise
        if loaded is not None:
            loaded.append(template)
        return template

    def handle_exception(self, source: str | None = None) -> NoReturn:
        """As `Environment`'s; in debug, a name that was not found is answered with the nearest ones."""
        try:
            super().handle_exception(source)
        except jinja2.TemplateNotFound as error:
            self.suggest(error)
            raise

    def suggest(self, error: jinja2.TemplateNotFound) -> None:
        """Add the names that look like the missing one, if this is debug and the loader can list its templates."""
        if not self.suggest_names or error.name is None:
            return
        try:
            found = nearest(str(error.name), self.list_templates(), cutoff=0.75)
        except Exception:  # noqa: BLE001 - a loader is user code, and need not list
            return
        if found:
            names = " or ".join(repr(name) for name in found)
            add_note(error, TemplateNote(f"Did you mean the template {names}?"))

    def prelude(self, name: str | jinja2.Template) -> jinja2.Template:
        """What `name` and its parents bind at their top level, without what they print; see `PreludeGenerator`.

        A template whose source cannot be had is given back: its top level then runs as it is, its output is dropped.
        """
        template = self.get_template(name)
        if template.name is None or template.environment is not self or self.loader is None:
            return template
        known: tuple[jinja2.Template, jinja2.Template] | None = self.preludes.get(template.name)
        if known is not None and known[0] is template:
            return known[1]
        try:
            source, filename, _ = self.loader.get_source(self, template.name)
        except RuntimeError:  # a loader of compiled templates
            return template
        python = StringIO()
        tree = self._parse(source, template.name, filename)
        PreludeGenerator(self, template.name, filename, python, optimized=self.optimized).visit(tree)
        code = self._compile(python.getvalue(), filename or "<template>")
        prelude = self.template_class.from_code(self, code, template.globals)
        self.preludes[template.name] = (template, prelude)
        return prelude


class SandboxedEngineEnvironment(ImmutableSandboxedEnvironment, EngineEnvironment):
    """The same for templates whose author is not trusted."""
