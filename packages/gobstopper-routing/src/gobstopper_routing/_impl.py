"""Chooses the matcher once: ``GOBSTOPPER_IMPL=auto|python|rust`` (``auto`` unless set)."""

import importlib
import os
import warnings
from typing import Final, cast

from ._contract import MatcherFactory
from ._fallback import TreeMatcher

WHEEL: Final = "gobstopper_routing_rs"


def choose(mode: str) -> tuple[str, MatcherFactory]:
    """Give the name of the implementation and its factory.

    ``rust`` raises ``ImportError`` without a working wheel; ``auto`` forgives that it is absent and warns if it is
    broken.
    """
    if mode not in ("auto", "python", "rust"):
        raise ImportError(f"GOBSTOPPER_IMPL is {mode!r}; set it to auto, python or rust")
    if mode == "python":
        return "python", TreeMatcher
    try:
        wheel = importlib.import_module(WHEEL)
        return "rust", cast("MatcherFactory", wheel.TreeMatcher)
    except Exception as error:  # a broken wheel may raise anything
        absent = isinstance(error, ModuleNotFoundError) and error.name == WHEEL
        if mode == "rust":
            cause = "is not installed" if absent else f"is broken ({type(error).__name__}: {error})"
            raise ImportError(
                f"GOBSTOPPER_IMPL=rust, but {WHEEL} {cause}; install gobstopper-routing[rust], or set auto or python"
            ) from error
        if not absent:
            warnings.warn(
                f"{WHEEL} is installed but broken ({type(error).__name__}: {error}); routing uses pure Python."
                " Reinstall it, or set GOBSTOPPER_IMPL=python",
                RuntimeWarning,
                stacklevel=2,
            )
        return "python", TreeMatcher


IMPL, build_matcher = choose(os.environ.get("GOBSTOPPER_IMPL", "auto"))
