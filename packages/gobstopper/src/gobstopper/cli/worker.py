"""What a worker of `gobstopper run` loads: the application, with one message where Granian would show tracebacks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ..app import Gobstopper
from .loading import load_target

__all__ = ["FACTORY", "REPORTS", "TARGET", "application"]

TARGET = "GOBSTOPPER_TARGET"
"""The environment variable with the application's `module:attribute`."""

FACTORY = "GOBSTOPPER_FACTORY"
"""Set if that is a function that makes it."""

REPORTS = "GOBSTOPPER_REPORTS"
"""The folder in which workers tell the supervisor, by files named `started` and `failed`, how they fare."""


def application() -> Any:
    """The application that the environment names; Granian calls this in each worker.

    Raises:
        SystemExit: when it cannot be loaded; the reason was shown, and the supervisor told.
    """
    if _reported("failed") and not _reported("started"):
        raise SystemExit(1)  # Granian tries again until the supervisor ends it: the reason need not be told twice
    try:
        return _Watched(load_target(os.environ[TARGET], factory=FACTORY in os.environ))
    except click.ClickException as error:
        error.show()
        _report("failed")
        raise SystemExit(error.exit_code) from None
    except BaseException:  # sys.exit() in the module
        _report("failed")
        raise


class _Watched:
    """Passes the server's calls on to the application, and reports how its start went."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.__rsgi__ = getattr(app, "__rsgi__", app)
        if hasattr(app, "__rsgi_del__"):
            self.__rsgi_del__ = app.__rsgi_del__

    def __rsgi_init__(self, loop: Any) -> None:
        try:
            if (init := getattr(self._app, "__rsgi_init__", None)) is not None:
                init(loop)
        except BaseException:
            _report("failed")
            if isinstance(self._app, Gobstopper):
                raise SystemExit(1) from None  # it has logged the reason
            raise
        _report("started")


def _report(name: str) -> None:
    folder = os.environ.get(REPORTS)
    if folder is not None and Path(folder).is_dir():  # else left behind in the environment of something else
        (Path(folder) / name).touch()


def _reported(name: str) -> bool:
    folder = os.environ.get(REPORTS)
    return folder is not None and (Path(folder) / name).exists()
