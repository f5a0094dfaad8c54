"""Renders one block of a template's prelude: see `PreludeGenerator`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import jinja2
from jinja2.runtime import Context

from .errors import BlockNotFoundError, nearest

__all__ = ["block_of", "block_of_async"]


def block_of(prelude: jinja2.Template, block: str, variables: dict[str, Any]) -> str:
    """The block's output; its exceptions carry notes as those of a whole page do."""
    scope = prelude.new_context(variables)
    try:
        for _ in prelude.root_render_func(scope):
            pass
        return "".join(_function(scope, prelude, block)(scope))
    except Exception:  # noqa: BLE001 - annotated and raised again
        prelude.environment.handle_exception()


async def block_of_async(prelude: jinja2.Template, block: str, variables: dict[str, Any]) -> str:
    """The same for templates that await."""
    scope = prelude.new_context(variables)
    try:
        async for _ in cast("AsyncIterator[str]", prelude.root_render_func(scope)):
            pass
        pieces = cast("AsyncIterator[str]", _function(scope, prelude, block)(scope))
        return "".join([piece async for piece in pieces])
    except Exception:  # noqa: BLE001 - annotated and raised again
        prelude.environment.handle_exception()


def _function(scope: Context, template: jinja2.Template, block: str) -> Callable[[Context], Iterator[str]]:
    try:
        return scope.blocks[block][0]
    except KeyError:
        names = sorted(scope.blocks)
        close = nearest(block, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        have = f"it has {', '.join(names)}" if names else "it has none"
        raise BlockNotFoundError(f"template {template.name!r} has no block {block!r}{hint} ({have})") from None
