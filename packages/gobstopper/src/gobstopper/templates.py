"""The template engine: re-exported from `gobstopper_templates`."""

from gobstopper_templates import Environment as Environment
from gobstopper_templates import Markup as Markup
from gobstopper_templates import RustTemplateEngineWrapper as RustTemplateEngineWrapper
from gobstopper_templates import TemplateEngine as TemplateEngine

from .templating import render_template as render_template

__all__ = ["Environment", "Markup", "RustTemplateEngineWrapper", "TemplateEngine", "render_template"]
