"""What handlers and hooks ask for, held against what they will be called with."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from .errors import SignatureError
from .route import handler_name, location_of

HOOKS: Final[dict[str, tuple[str, ...]]] = {
    "before_request": ("request",),
    "after_request": ("request", "response"),
    "before_websocket": ("websocket",),
    "error_handler": ("request", "error"),
    "on_startup": (),
    "on_shutdown": (),
    "context_processor": (),
}

_SUBJECTS = ("request", "websocket")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Call(NamedTuple):
    """How to call a handler.

    ``subject`` is how it gets its request or WebSocket: ``"first"`` argument, by a keyword called ``"request"`` or
    ``"websocket"``, or None if it does not ask for it. ``parameters`` are the path parameters, all passed by keyword.
    """

    subject: Literal["first", "request", "websocket"] | None
    parameters: tuple[str, ...]


def check_signature(handler: Callable[..., Any], parameters: Sequence[str], pattern: str = "") -> Call:
    """Hold a handler against the parameters of its pattern and say how to call it.

    Its first argument is the request (or WebSocket), whatever it is called, unless it has a default or the name of a
    path parameter. Every path parameter must be accepted by name, and nothing else may be required. Raises
    :class:`SignatureError` that names handler, place and pattern.
    """
    try:
        signature = _signature(handler)
    except (TypeError, ValueError):  # a builtin without a signature: nothing to hold against
        return Call("first", tuple(parameters))
    accepted = list(signature.parameters.values())
    subject = _subject(accepted, parameters)
    problems = _problems(accepted, parameters, subject, injected=_injects(handler))
    if problems:
        route = f" of {pattern!r}" if pattern else ""
        takes = ", ".join(f"<{name}>" for name in parameters) or "no parameters"
        raise SignatureError(
            f"{location_of(handler)}: handler {handler_name(handler)}{signature} does not fit its route{route}"
            f" with {takes}: {'; '.join(problems)}"
        )
    return Call(subject, tuple(parameters))


def _signature(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
    """Read a signature without looking its annotations up: names for type checkers alone are not there at run time."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(
            function, follow_wrapped=follow_wrapped, annotation_format=annotationlib.Format.FORWARDREF
        )
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def _subject(
    accepted: list[inspect.Parameter], parameters: Sequence[str]
) -> Literal["first", "request", "websocket"] | None:
    if accepted:
        first = accepted[0]
        wanted = first.default is first.empty or first.name in _SUBJECTS
        if first.kind is first.VAR_POSITIONAL or (
            first.kind in _POSITIONAL and wanted and first.name not in parameters
        ):
            return "first"
    names = {
        parameter.name
        for parameter in accepted
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    if "request" in names and "request" not in parameters:
        return "request"
    return "websocket" if "websocket" in names and "websocket" not in parameters else None


def _problems(
    accepted: list[inspect.Parameter], parameters: Sequence[str], subject: str | None, *, injected: bool
) -> list[str]:
    own = accepted[1:] if subject == "first" and accepted[0].kind in _POSITIONAL else accepted
    by_name = {p.name: p for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_all = any(p.kind is p.VAR_KEYWORD for p in own)
    problems = [
        f"the pattern gives {name!r}, which the handler does not take; add it as an argument"
        for name in parameters
        if name not in by_name and not takes_all
    ]
    for parameter in own:
        required = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        if not required or parameter.name == subject:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            problems.append(f"{parameter.name!r} cannot be passed by name; remove the '/' after it")
        elif parameter.name not in parameters and not injected:
            problems.append(
                f"it takes {parameter.name!r}, which the pattern does not give; add <{parameter.name}> or a default"
            )
    return problems


def _injects(handler: Callable[..., Any]) -> bool:
    """Whether a decorator around the handler may add arguments, so that the inner signature is not the whole truth."""
    if not hasattr(handler, "__wrapped__"):
        return False
    outer = _signature(handler, follow_wrapped=False)
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in outer.parameters.values())


def hook_mismatch(kind: str, function: Callable[..., Any]) -> str | None:
    """Say what is wrong with a hook's arguments, or None. ``kind`` is a key of :data:`HOOKS`."""
    given = HOOKS[kind]
    try:
        signature = _signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*given)
    except TypeError as error:
        return (
            f"{kind} hook {handler_name(function)}{signature} is called with ({', '.join(given)}): {error};"
            f" write def {handler_name(function)}({', '.join(given)})"
        )
    return None
