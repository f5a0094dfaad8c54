"""`jinja2.nativetypes` on our environment: a template gives a Python value instead of a string."""

from __future__ import annotations

from jinja2 import nativetypes as _native
from jinja2.nativetypes import NativeCodeGenerator as NativeCodeGenerator
from jinja2.nativetypes import native_concat as native_concat

from .jinja import Environment, Template

__all__ = ["NativeCodeGenerator", "NativeEnvironment", "NativeTemplate", "native_concat"]


class NativeTemplate(_native.NativeTemplate, Template):
    """A template whose `render` gives the value of its expression."""


class NativeEnvironment(_native.NativeEnvironment, Environment):
    """An environment whose templates render to native Python values."""

    template_class = NativeTemplate


NativeTemplate.environment_class = NativeEnvironment
