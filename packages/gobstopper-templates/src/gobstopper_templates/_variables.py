"""The variables of one render: what context processors give, and what the caller gives, which wins."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from .errors import TemplateNote, add_note
from .registry import ContextProcessor, TemplateRegistry

__all__ = ["variables", "variables_sync"]


async def variables(
    registry: TemplateRegistry, context: Mapping[str, Any] | None, blueprints: Sequence[str]
) -> dict[str, Any]:
    """Those of the app's processors, then of each blueprint's, then of `context`."""
    found: dict[str, Any] = {}
    if registry.context_processors:
        for processor in _processors(registry, blueprints):
            try:
                result = processor()
                _merge(found, processor, await result if inspect.isawaitable(result) else result)
            except Exception as error:
                _name_processor(error, processor)
                raise
    found.update(context or ())
    return found


def variables_sync(
    registry: TemplateRegistry, context: Mapping[str, Any] | None, blueprints: Sequence[str]
) -> dict[str, Any]:
    """The same without waiting: `RuntimeError` if a processor is async."""
    found: dict[str, Any] = {}
    for processor in _processors(registry, blueprints):
        try:
            result = processor()
            if inspect.isawaitable(result):
                _refuse_awaitable(result, processor)
            _merge(found, processor, result)
        except Exception as error:
            _name_processor(error, processor)
            raise
    found.update(context or ())
    return found


def _processors(registry: TemplateRegistry, blueprints: Sequence[str]) -> Iterator[ContextProcessor]:
    known = registry.context_processors
    yield from known.get(None, ())
    for blueprint in blueprints:
        yield from known.get(blueprint, ())


def _merge(found: dict[str, Any], processor: ContextProcessor, result: object) -> None:
    if not isinstance(result, Mapping):
        raise TypeError(f"a context processor gives a dict of variables; {_called(processor)} gave {result!r:.100}")
    found.update(result)


def _refuse_awaitable(result: Awaitable[Any], processor: ContextProcessor) -> NoReturn:
    close = getattr(result, "close", None)
    if close is not None:
        close()
    raise RuntimeError(f"the context processor {_called(processor)} is async: use `await render_template(…)`")


def _name_processor(error: Exception, processor: ContextProcessor) -> None:
    add_note(error, TemplateNote(f"In the context processor {_called(processor)}"))


def _called(processor: ContextProcessor) -> str:
    name = getattr(processor, "__qualname__", repr(processor))
    return f"{getattr(processor, '__module__', '')}.{name}".lstrip(".")
