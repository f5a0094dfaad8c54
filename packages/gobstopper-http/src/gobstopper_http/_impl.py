"""Chooses once between the wheel `gobstopper-http-rs` and the pure-Python twin.

The environment variable `GOBSTOPPER_IMPL` decides: `auto` (default) takes the wheel if it is there, `python` never,
`rust` always, with an `ImportError` when it is missing. `auto` forgives only absence: a broken wheel warns.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from typing import cast

from . import _fallback
from ._contract import Impl

__all__ = ["IMPL", "parse_cookies", "parse_query"]

_WHEEL = "gobstopper_http_rs"


def _choose(wanted: str) -> Impl:
    if wanted not in {"auto", "python", "rust"}:
        raise ImportError(f"GOBSTOPPER_IMPL={wanted!r} is unknown: use auto, python or rust")
    if wanted == "python":
        return cast("Impl", _fallback)
    try:
        return cast("Impl", import_module(_WHEEL))
    except ImportError as error:
        if wanted == "rust":
            raise ImportError(
                "GOBSTOPPER_IMPL=rust, but the wheel gobstopper-http-rs cannot be imported: "
                "pip install 'gobstopper-http[rust]', or set GOBSTOPPER_IMPL=auto"
            ) from error
        if not (isinstance(error, ModuleNotFoundError) and error.name == _WHEEL):
            warnings.warn(f"the wheel gobstopper-http-rs is installed but broken ({error}): using Python", stacklevel=2)
        return cast("Impl", _fallback)


_chosen = _choose(os.environ.get("GOBSTOPPER_IMPL", "auto"))

IMPL: str = _chosen.IMPL
parse_query = _chosen.parse_query
parse_cookies = _chosen.parse_cookies
