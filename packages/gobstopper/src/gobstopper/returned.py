"""Who returned what is no answer: the message for the developer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gobstopper_http.convert import UnsupportedReturnError
from gobstopper_routing.route import location_of

__all__ = ["explain", "function_place"]


def function_place(function: Callable[..., Any]) -> str:
    """Names a function in a message: `only_members (/srv/app.py:12)`."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{name} ({location_of(function)})"


def explain(maker: str, value: Any, error: Exception) -> UnsupportedReturnError:
    """The error to raise for `error`, which `make_response(value)` raised.

    Args:
        maker: Who returned it, with the place.
        value: What was returned.
        error: What is wrong with it.
    """
    if not isinstance(error, UnsupportedReturnError):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        return UnsupportedReturnError(f"{maker} returned a {kind} that is no answer: {error}")
    fix = (
        ""
        if isinstance(value, tuple)
        else "; return a dict, a list, text, bytes, None, a response, or one with a status"
    )
    return UnsupportedReturnError(f"{maker} returned what is no answer: {error}{fix}")
