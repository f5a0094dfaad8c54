"""Finds the application that a command is about."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from ..app import Gobstopper

__all__ = ["load_app"]


def load_app(target: str, *, factory: bool = False) -> Gobstopper:
    """Import `module:attribute`; the working directory counts as a place of modules.

    Raises:
        click.ClickException: when there is no such module or attribute, or it is no Gobstopper; the message says what
            was looked for. An error inside the module passes through with its traceback.
    """
    module_name, _, attribute = target.partition(":")
    attribute = attribute or "app"
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise  # the module is there, and imports something that is not
        raise click.ClickException(f"there is no module {module_name!r} in {Path.cwd()} or on the path") from None
    found = module
    for part in attribute.split("."):
        found = getattr(found, part, None)  # type: ignore[assignment]
        if found is None:
            raise click.ClickException(f"the module {module_name!r} has no {attribute!r}: give module:attribute")
    if factory and callable(found):
        found = found()
    if not isinstance(found, Gobstopper):
        raise click.ClickException(f"{target} is a {type(found).__name__}, not a Gobstopper (--factory for a function)")
    return found
