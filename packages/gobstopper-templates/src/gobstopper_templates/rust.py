"""The engine that renders with the wheel `gobstopper-templates-rs` what the wheel can, and with Jinja2 the rest."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import jinja2

from ._contract import Renderer
from ._impl import choose
from .engine import EngineChoice, TemplateEngine, TemplateName

__all__ = ["RustTemplateEngineWrapper"]


class RustTemplateEngineWrapper(TemplateEngine):
    """A `TemplateEngine` with the wheel. Without the wheel nothing is an instance of it, and none can be made."""

    engine_name: ClassVar[Literal["jinja2", "rust"]] = "rust"

    def __init__(self, *args: Any, use_rust: bool | None = None, **options: Any) -> None:
        self._wheel = choose(use_rust) or choose(True)
        self._compiled: WeakKeyDictionary[jinja2.Template, Renderer | str] = WeakKeyDictionary()
        super().__init__(*args, use_rust=True, **options)

    def engine_for(self, name: TemplateName) -> EngineChoice:
        """Which engine renders this template, and why."""
        found = self._compile(self._template(name))
        if isinstance(found, str):
            return EngineChoice("jinja2", found)
        return EngineChoice("rust", "the wheel knows all that the template uses")

    def _renderer(self, template: jinja2.Template) -> Renderer:
        found = self._compile(template)
        return template if isinstance(found, str) else found

    def _compile(self, template: jinja2.Template) -> Renderer | str:
        found = self._compiled.get(template)
        if found is None:
            found = self._choose(template)
            self._compiled[template] = found
        return found

    def _choose(self, template: jinja2.Template) -> Renderer | str:
        if self.enable_async:
            return "enable_async=True"
        if template.name is None or self._wheel is None:
            return "a template string"
        return self._wheel.compile(template.environment, template.name)


TemplateEngine.with_wheel = RustTemplateEngineWrapper
