"""The template engine and Jinja2's public names: re-exported from `gobstopper_templates`."""

from gobstopper_templates import PLAIN_TEXT as PLAIN_TEXT
from gobstopper_templates import BaseLoader as BaseLoader
from gobstopper_templates import BlockNotFoundError as BlockNotFoundError
from gobstopper_templates import BytecodeCache as BytecodeCache
from gobstopper_templates import ChainableUndefined as ChainableUndefined
from gobstopper_templates import ChoiceLoader as ChoiceLoader
from gobstopper_templates import ContextProcessor as ContextProcessor
from gobstopper_templates import DebugUndefined as DebugUndefined
from gobstopper_templates import DictLoader as DictLoader
from gobstopper_templates import EngineChoice as EngineChoice
from gobstopper_templates import Environment as Environment
from gobstopper_templates import FileSystemBytecodeCache as FileSystemBytecodeCache
from gobstopper_templates import FileSystemLoader as FileSystemLoader
from gobstopper_templates import FolderLoader as FolderLoader
from gobstopper_templates import FunctionLoader as FunctionLoader
from gobstopper_templates import ImmutableSandboxedEnvironment as ImmutableSandboxedEnvironment
from gobstopper_templates import JinjaOptions as JinjaOptions
from gobstopper_templates import Markup as Markup
from gobstopper_templates import MemcachedBytecodeCache as MemcachedBytecodeCache
from gobstopper_templates import ModuleLoader as ModuleLoader
from gobstopper_templates import PackageLoader as PackageLoader
from gobstopper_templates import PrefixLoader as PrefixLoader
from gobstopper_templates import Renderer as Renderer
from gobstopper_templates import RenderStream as RenderStream
from gobstopper_templates import RustTemplateEngineWrapper as RustTemplateEngineWrapper
from gobstopper_templates import SandboxedEnvironment as SandboxedEnvironment
from gobstopper_templates import SearchPath as SearchPath
from gobstopper_templates import StrictUndefined as StrictUndefined
from gobstopper_templates import Template as Template
from gobstopper_templates import TemplateAssertionError as TemplateAssertionError
from gobstopper_templates import TemplateEngine as TemplateEngine
from gobstopper_templates import TemplateError as TemplateError
from gobstopper_templates import TemplateFrame as TemplateFrame
from gobstopper_templates import TemplateNote as TemplateNote
from gobstopper_templates import TemplateNotFound as TemplateNotFound
from gobstopper_templates import TemplateRegistry as TemplateRegistry
from gobstopper_templates import TemplateRuntimeError as TemplateRuntimeError
from gobstopper_templates import TemplatesNotFound as TemplatesNotFound
from gobstopper_templates import TemplateSyntaxError as TemplateSyntaxError
from gobstopper_templates import Translations as Translations
from gobstopper_templates import Undefined as Undefined
from gobstopper_templates import UndefinedError as UndefinedError
from gobstopper_templates import autoescape_by_name as autoescape_by_name
from gobstopper_templates import clear_caches as clear_caches
from gobstopper_templates import escape as escape
from gobstopper_templates import install_translations as install_translations
from gobstopper_templates import is_undefined as is_undefined
from gobstopper_templates import make_logging_undefined as make_logging_undefined
from gobstopper_templates import pass_context as pass_context
from gobstopper_templates import pass_environment as pass_environment
from gobstopper_templates import pass_eval_context as pass_eval_context
from gobstopper_templates import select_autoescape as select_autoescape
from gobstopper_templates import template_trace as template_trace

from .templating import render_template as render_template

__all__ = [
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
    "render_template",
    "select_autoescape",
    "template_trace",
]
