"""`jinja2.sandbox` on our environment: for templates whose author is not trusted."""

from __future__ import annotations

from jinja2 import sandbox as _sandbox
from jinja2.exceptions import SecurityError as SecurityError
from jinja2.sandbox import MAX_RANGE as MAX_RANGE
from jinja2.sandbox import SandboxedEscapeFormatter as SandboxedEscapeFormatter
from jinja2.sandbox import SandboxedFormatter as SandboxedFormatter
from jinja2.sandbox import is_internal_attribute as is_internal_attribute
from jinja2.sandbox import modifies_known_mutable as modifies_known_mutable
from jinja2.sandbox import safe_range as safe_range
from jinja2.sandbox import unsafe as unsafe

from .jinja import Environment

__all__ = [
    "MAX_RANGE",
    "ImmutableSandboxedEnvironment",
    "SandboxedEnvironment",
    "SandboxedEscapeFormatter",
    "SandboxedFormatter",
    "SecurityError",
    "is_internal_attribute",
    "modifies_known_mutable",
    "safe_range",
    "unsafe",
]


class SandboxedEnvironment(_sandbox.SandboxedEnvironment, Environment):
    """Refuses private attributes and callables marked unsafe, with `SecurityError`."""


class ImmutableSandboxedEnvironment(_sandbox.ImmutableSandboxedEnvironment, SandboxedEnvironment):
    """Refuses, besides, the methods that change a list, set, dict or deque."""
