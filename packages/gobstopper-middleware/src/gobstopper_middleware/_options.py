"""Checks of what a developer passes: one message that names the argument, what is wrong, and what to give instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf
from typing import Any

__all__ = ["check_flag", "check_number", "check_paths", "check_pattern", "check_text", "check_texts"]

# `check_flag` and `check_text` stand in gobstopper-sessions too, which this distribution needs. But a private module of
# another distribution may change with any of its releases, and these are no names that it should have to keep. They
# also differ: there values are cut, as they may be connection strings and keys.


def check_flag(name: str, value: Any) -> bool:
    """`value`, which has to be `True` or `False`: the text `"off"` would be true.

    Raises:
        TypeError: for anything else.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: use True or False")
    return value


def check_text(name: str, value: Any) -> str:
    """`value`, which has to be text.

    Raises:
        TypeError: for anything else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r}: give text, not {type(value).__name__}")
    return value


def check_texts(name: str, values: Any, what: str = "") -> list[str]:
    """The texts in `values`, which must not be a single one: it would be read letter by letter.

    Args:
        name: The argument.
        values: What was passed.
        what: What is in it, such as `"paths"`.

    Raises:
        TypeError: for a single text, for what cannot be iterated, and for members that are no text.
    """
    of_what = f" of {what}" if what else ""
    if isinstance(values, str | bytes):
        raise TypeError(f"{name}={values!r}: give a sequence{of_what}, as in [{values!r}]")
    if not isinstance(values, Iterable):
        raise TypeError(f"{name}={values!r}: give a sequence{of_what}, not {type(values).__name__}")
    texts = list(values)
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{name}: {text!r} is {type(text).__name__}; give a sequence{of_what}, as text")
    return texts


def check_paths(name: str, values: Any) -> frozenset[str]:
    """Exact paths.

    Raises:
        TypeError: see `check_texts`.
        ValueError: for a path without its slash, or with a wildcard: it would match nothing.
    """
    paths = check_texts(name, values, "paths")
    for path in paths:
        if not path.startswith("/") or "*" in path:
            raise ValueError(f"{name}: {path!r} matches no request: write whole paths, such as '/health'")
    return frozenset(paths)


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    whole: bool = True,
    hint: str = "",
    more_than_zero: bool = False,
) -> Any:
    """`value`, which has to be a finite number.

    Args:
        name: The argument.
        value: What was passed.
        least: The smallest that is allowed.
        whole: Whether it has to be an `int`.
        hint: What else may be given, for the message.
        more_than_zero: Whether 0 and less is refused.

    Raises:
        TypeError: for what is no such number; text and booleans are none.
        ValueError: for one that is too small, not a number or not finite.
    """
    kinds: Any = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{name}={value!r}: give a {'whole ' if whole else ''}number{hint}, not {type(value).__name__}")
    if not -inf < value < inf:
        raise ValueError(f"{name}={value!r}: give a finite number{hint}")
    if more_than_zero and value <= 0:
        raise ValueError(f"{name}={value!r}: give more than 0{hint}")
    if least is not None and value < least:
        raise ValueError(f"{name}={value!r}: give at least {least}{hint}")
    return value


def check_pattern(name: str, value: Any) -> re.Pattern[str]:
    """`value` as a regular expression.

    Raises:
        TypeError: for what is no text.
        ValueError: for what is no regular expression.
    """
    try:
        return re.compile(check_text(name, value))
    except re.error as error:
        raise ValueError(f"{name}={value!r} is no regular expression: {error}") from error
