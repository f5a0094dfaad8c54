"""Jinja2 for apps: its whole public face, and an engine with folders, context processors, blocks and streams.

`from gobstopper_templates import …` works wherever `from jinja2 import …` does.
"""

from jinja2 import BaseLoader as BaseLoader
from jinja2 import BytecodeCache as BytecodeCache
from jinja2 import ChainableUndefined as ChainableUndefined
from jinja2 import ChoiceLoader as ChoiceLoader
from jinja2 import DebugUndefined as DebugUndefined
from jinja2 import DictLoader as DictLoader
from jinja2 import FileSystemBytecodeCache as FileSystemBytecodeCache
from jinja2 import FileSystemLoader as FileSystemLoader
from jinja2 import FunctionLoader as FunctionLoader
from jinja2 import MemcachedBytecodeCache as MemcachedBytecodeCache
from jinja2 import ModuleLoader as ModuleLoader
from jinja2 import PackageLoader as PackageLoader
from jinja2 import PrefixLoader as PrefixLoader
from jinja2 import StrictUndefined as StrictUndefined
from jinja2 import TemplateAssertionError as TemplateAssertionError
from jinja2 import TemplateError as TemplateError
from jinja2 import TemplateNotFound as TemplateNotFound
from jinja2 import TemplateRuntimeError as TemplateRuntimeError
from jinja2 import TemplatesNotFound as TemplatesNotFound
from jinja2 import TemplateSyntaxError as TemplateSyntaxError
from jinja2 import Undefined as Undefined
from jinja2 import UndefinedError as UndefinedError
from jinja2 import clear_caches as clear_caches
from jinja2 import is_undefined as is_undefined
from jinja2 import make_logging_undefined as make_logging_undefined
from jinja2 import pass_context as pass_context
from jinja2 import pass_environment as pass_environment
from jinja2 import pass_eval_context as pass_eval_context
from jinja2 import select_autoescape as select_autoescape
from markupsafe import Markup as Markup
from markupsafe import escape as escape

from ._bounds import PLAIN_TEXT as PLAIN_TEXT
from ._bounds import autoescape_by_name as autoescape_by_name
from ._contract import Renderer as Renderer
from ._impl import IMPL as IMPL
from .engine import EngineChoice as EngineChoice
from .engine import TemplateEngine as TemplateEngine
from .errors import BlockNotFoundError as BlockNotFoundError
from .errors import TemplateFrame as TemplateFrame
from .errors import TemplateNote as TemplateNote
from .errors import template_trace as template_trace
from .i18n import Translations as Translations
from .i18n import install_translations as install_translations
from .jinja import Environment as Environment
from .jinja import Template as Template
from .loader import FolderLoader as FolderLoader
from .loader import SearchPath as SearchPath
from .options import JinjaOptions as JinjaOptions
from .registry import ContextProcessor as ContextProcessor
from .registry import TemplateRegistry as TemplateRegistry
from .rust import RustTemplateEngineWrapper as RustTemplateEngineWrapper
from .sandbox import ImmutableSandboxedEnvironment as ImmutableSandboxedEnvironment
from .sandbox import SandboxedEnvironment as SandboxedEnvironment
from .streaming import RenderStream as RenderStream

__all__ = [
    "IMPL",
    "PLAIN_TEXT",
    "BaseLoader",
    "BlockNotFoundError",
    "BytecodeCache",
    "ChainableUndefined",
    "ChoiceLoader",
    "ContextProcessor",
    "DebugUndefined",
    "DictLoader",
    "EngineChoice",
    "Environment",
    "FileSystemBytecodeCache",
    "FileSystemLoader",
    "FolderLoader",
    "FunctionLoader",
    "ImmutableSandboxedEnvironment",
    "JinjaOptions",
    "Markup",
    "MemcachedBytecodeCache",
    "ModuleLoader",
    "PackageLoader",
    "PrefixLoader",
    "RenderStream",
    "Renderer",
    "RustTemplateEngineWrapper",
    "SandboxedEnvironment",
    "SearchPath",
    "StrictUndefined",
    "Template",
    "TemplateAssertionError",
    "TemplateEngine",
    "TemplateError",
    "TemplateFrame",
    "TemplateNotFound",
    "TemplateNote",
    "TemplateRegistry",
    "TemplateRuntimeError",
    "TemplateSyntaxError",
    "TemplatesNotFound",
    "Translations",
    "Undefined",
    "UndefinedError",
    "autoescape_by_name",
    "clear_caches",
    "escape",
    "install_translations",
    "is_undefined",
    "make_logging_undefined",
    "pass_context",
    "pass_environment",
    "pass_eval_context",
    "select_autoescape",
    "template_trace",
]
