"""Finds the application that a command is about."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from ..app import Gobstopper

__all__ = ["load_app", "load_target"]


def load_app(target: str, *, factory: bool = False) -> Gobstopper:
    """Import the Gobstopper application `module:attribute`; see `load_target`.

    Raises:
        click.ClickException: as `load_target`, and when it is no Gobstopper.
    """
    found = load_target(target, factory=factory)
    if not isinstance(found, Gobstopper):
        raise click.ClickException(f"{target} is of type {type(found).__name__}, not a Gobstopper")
    return found


def load_target(target: str, *, factory: bool = False) -> Any:
    """Import `module:attribute`, a Gobstopper or another RSGI application; the working directory has modules, too.

    Args:
        target: `package.module:attribute` or `package/module.py:attribute`; without an attribute it is `app`.
        factory: Whether the attribute is a function that makes the application.

    Raises:
        click.ClickException: when there is no such module or attribute, when it is no application, and when the module
            or the factory raises: the message has the traceback, from the user's own code on.
    """
    module_name, _, attribute = target.partition(":")
    if module_name.endswith(".py"):
        module_name = _module_of_file(Path(module_name).resolve())
    attribute = attribute or "app"
    if not module_name:
        raise click.ClickException(f"{target!r} names no module: give module:attribute, such as app:app")
    module = _module(module_name)
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise click.ClickException(f"the module {module_name!r} has no {attribute!r}{_hint(module)}") from None
    if factory and callable(found):
        try:
            found = found()
        except Exception as error:
            raise click.ClickException(f"the factory {target} failed:\n\n{_trace(error)}") from error
    if not hasattr(found, "__rsgi__") and not _takes_a_request(found):
        raise click.ClickException(
            f"{target} is of type {type(found).__name__}, no application (a function that makes one needs --factory)"
        )
    return found


def _module_of_file(file: Path) -> str:
    """The dotted name of the module in `file`, whose place, outside of all packages, is then known to imports."""
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return ".".join(parts)


def _module(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and (name == missing or name.startswith(missing + ".")):
            raise click.ClickException(f"there is no module {name!r} in {Path.cwd()} or on the path") from None
        raise click.ClickException(f"the module {name!r} cannot be imported:\n\n{_trace(error)}") from error


def _hint(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Gobstopper)]
    if names:
        return "; it has " + " and ".join(f"{module.__name__}:{name}" for name in names)
    return ": give module:attribute (--factory for a function that makes the application)"


def _takes_a_request(thing: Any) -> bool:
    """Whether it can be called as RSGI functions are: `(scope, proto)`."""
    try:
        inspect.signature(thing).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def _trace(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def _is_machinery(file: str) -> bool:
    return file in {__file__, importlib.__file__} or file.startswith("<frozen importlib")
