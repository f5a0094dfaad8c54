"""`gobstopper doctor`: which implementation of each part is in use."""

from __future__ import annotations

import platform
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import click

__all__ = ["doctor"]

_PARTS = ("http", "routing", "templates", "tasks", "sessions", "middleware")


@click.command()
def doctor() -> None:
    """Show versions, and whether each part runs on Python or on its wheel."""
    click.echo(f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}")
    for name in ("gobstopper", "granian", "uvloop", "msgspec"):
        click.echo(f"{name:<22}{_version(name)}")
    for part in _PARTS:
        distribution = f"gobstopper-{part}"
        try:
            module = import_module(f"gobstopper_{part}")
        except ModuleNotFoundError as error:
            missing = error.name or ""
            reason = "" if missing == f"gobstopper_{part}" else f" (it lacks {missing})"
            click.echo(f"{distribution:<22}not installed{reason}")
            continue
        implementation = getattr(module, "IMPL", "python")
        wheel = _version(f"{distribution}-rs")
        click.echo(f"{distribution:<22}{_version(distribution)}  {implementation}  (wheel: {wheel})")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
