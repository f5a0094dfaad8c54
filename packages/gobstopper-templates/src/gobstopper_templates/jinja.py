"""Jinja2's `Environment` and `Template`, of which ours are true subclasses: change the import and keep going.

What they add is invisible to a template: an exception gets a note that tells template, line, source and chain, and a
render copies the globals faster. Nothing here relies on `__init__` having run, because overlays and unpickled
environments skip it.
"""

from __future__ import annotations

import sys
from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.debug import rewrite_traceback_stack
from jinja2.runtime import Context
from jinja2.utils import missing

from .errors import annotate

__all__ = ["Environment", "Template"]

_DICT_ATTRIBUTES = frozenset(dir(dict))


class Template(jinja2.Template):
    """A compiled template, as `jinja2.Template`."""

    _source: str | None = None  # of a template made from a string: no loader can give it again

    def new_context(
        self,
        vars: dict[str, Any] | None = None,  # noqa: A002 - Jinja2's name
        shared: bool = False,
        locals: Mapping[str, Any] | None = None,  # noqa: A002 - Jinja2's name
    ) -> Context:
        """As Jinja2's; the globals are copied dict by dict, where a `ChainMap` looks each key up in Python."""
        scopes = self.globals.maps if type(self.globals) is ChainMap else ()
        if shared or len(scopes) != 2:
            return super().new_context(vars, shared, locals)
        own, common = scopes
        base = {**common, **own} if own else common
        parent = dict(base, **vars) if vars else dict(base)
        if locals:
            parent.update((key, value) for key, value in locals.items() if value is not missing)
        return self.environment.context_class(self.environment, parent, self.name, self.blocks, globals=self.globals)


class Environment(jinja2.Environment):
    """Jinja2's environment: same constructor, same methods, same output, same exceptions.

    An exception that leaves a render has one more note (PEP 678), a `TemplateNote`.
    """

    template_class: type[jinja2.Template] = Template

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As Jinja2's: the attribute, else the item, else an undefined.

        A plain dict has no attributes but those of its class, so its items need no failing look-up first.
        """
        if type(obj) is not dict or attribute in _DICT_ATTRIBUTES:
            try:
                return getattr(obj, attribute)
            except AttributeError:
                pass
        try:
            return obj[attribute]
        except (TypeError, LookupError, AttributeError):
            return self.undefined(obj=obj, name=attribute)

    def handle_exception(self, source: str | None = None) -> NoReturn:
        """Add the note, then raise the exception with Jinja2's rewritten traceback."""
        error = sys.exception()
        if error is not None:
            annotate(self, error, source)
        raise rewrite_traceback_stack(source=source)

    def from_string(
        self,
        source: str | nodes.Template,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - Jinja2's name
        template_class: type[jinja2.Template] | None = None,
    ) -> jinja2.Template:
        """As Jinja2's; the source is kept for error notes."""
        template = super().from_string(source, globals, template_class)
        if isinstance(source, str) and isinstance(template, Template):
            template._source = source
        return template


Template.environment_class = Environment
