"""Checks of what a developer passes: one message that names the argument, what is wrong, and what to give instead."""

from __future__ import annotations

from typing import Any

__all__ = ["check_flag", "check_text", "check_url", "check_whole", "kind_of"]

# `check_flag` and `check_text` stand in gobstopper-middleware too. The one place that both could take them from is
# gobstopper-http, whose public names these would have to be: a private module of another distribution may change with
# any of its releases. They also differ: values are cut here, where they may be connection strings and keys.


def kind_of(value: Any) -> str:
    """What a value is, for a message; never the value itself, which may hold a password."""
    if isinstance(value, type):
        return f"the class {value.__name__}: call it"
    return "text" if isinstance(value, str) else type(value).__name__


def check_flag(name: str, value: Any) -> bool:
    """`value`, which has to be `True` or `False`: the text `"off"` would be true.

    Raises:
        TypeError: for anything else.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r:.60}: use True or False")
    return value


def check_text(name: str, value: Any) -> str:
    """`value`, which has to be text.

    Raises:
        TypeError: for anything else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r:.60}: give text, not {type(value).__name__}")
    return value


def check_whole(name: str, value: Any, *, most: int | None = None) -> int:
    """`value`, which has to be a whole number from 1 on.

    Raises:
        TypeError: for what is no whole number; text and booleans are none.
        ValueError: for one that is too small or too large.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r:.60}: give a whole number, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name}={value!r}: give at least 1")
    if most is not None and value > most:
        raise ValueError(f"{name}={value!r}: give at most {most}")
    return value


def check_url(name: str, value: Any, schemes: tuple[str, ...], example: str) -> str:
    """`value`, which has to be a URL with one of the schemes.

    Raises:
        TypeError: for what is no text.
        ValueError: for another scheme; the message leaves out what follows it, which may hold a password.
    """
    scheme, separator, _ = check_text(name, value).partition("://")
    if not separator or scheme not in schemes:
        shown = f"{scheme}:..." if separator else value if "@" not in value else "..."
        raise ValueError(f"{name}={shown!r:.60} is no such URL: write it as in {example}")
    return str(value)
