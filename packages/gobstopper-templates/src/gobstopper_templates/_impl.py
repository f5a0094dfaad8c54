"""Chooses between the wheel `gobstopper-templates-rs` and Jinja2.

The environment variable `GOBSTOPPER_IMPL` decides where a program does not (`use_rust=None`): `auto` (default) takes
the wheel if it is there, `python` never, `rust` always, with an `ImportError` when it is missing. `auto` forgives only
absence: a broken wheel warns.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from ._contract import Impl

__all__ = ["IMPL", "choose"]

_WHEEL = "gobstopper_templates_rs"


def choose(use_rust: bool | None = None) -> Impl | None:
    """The wheel, or `None` for Jinja2; `ImportError` when the wheel is asked for and cannot be had."""
    if use_rust is None:
        wanted = os.environ.get("GOBSTOPPER_IMPL", "auto")
        if wanted not in {"auto", "python", "rust"}:
            raise ImportError(f"GOBSTOPPER_IMPL={wanted!r} is unknown: use auto, python or rust")
    else:
        wanted = "rust" if use_rust else "python"
    if wanted == "python" or (wanted == "auto" and find_spec(_WHEEL) is None):
        return None
    try:
        return cast("Impl", import_module(_WHEEL))
    except ImportError as error:
        if wanted == "rust":
            asked = "GOBSTOPPER_IMPL=rust" if use_rust is None else "use_rust=True"
            raise ImportError(
                f"{asked}, but the wheel gobstopper-templates-rs cannot be imported ({error}): "
                "pip install 'gobstopper-templates[rust]', or leave the choice open (use_rust=None, "
                "GOBSTOPPER_IMPL=auto), which renders with Jinja2"
            ) from error
        warnings.warn(
            f"the wheel gobstopper-templates-rs is installed but broken ({error}); using Jinja2", stacklevel=2
        )
        return None


_chosen = choose()

#: What engines use unless they say otherwise: `python` (Jinja2) or the wheel's own name for itself.
IMPL: str = "python" if _chosen is None else _chosen.IMPL
