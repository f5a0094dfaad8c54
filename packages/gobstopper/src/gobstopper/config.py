"""The configuration: a mapping that can be filled from the environment, a TOML file or an object."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Config"]


class Config(dict[str, Any]):
    """Settings by name, upper case by custom.

    Known to the application: `DEBUG`, `SECRET_KEY`, `ALLOWED_HOSTS`, `HANDLER_TIMEOUT` (seconds, 30), `MAX_BODY`
    (bytes), `THREADS` (40), `GRACE` (seconds that requests and WebSockets get at shutdown, 10), `ACCESS_LOG` (a line
    for each request), `EXTERNAL_URL` (`https://example.com`, for absolute URLs), `TASKS` (where background tasks are
    kept).

    Args:
        root: The folder that relative file names count from.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, *, root: Path | None = None) -> None:
        super().__init__(values or {})
        self.root = root or Path.cwd()

    def from_env(self, prefix: str = "APP_") -> Config:
        """Take every environment variable that starts with `prefix`, without it; `APP_DEBUG=true` sets `DEBUG`.

        Values that are JSON (`true`, `8`, `["a"]`) are decoded, others stay strings. A double underscore goes down a
        level: `APP_DB__HOST` sets `config["DB"]["HOST"]`.
        """
        for name, text in sorted(os.environ.items()):
            if name.startswith(prefix) and name != prefix:
                *parents, last = name.removeprefix(prefix).split("__")
                target: dict[str, Any] = self
                for parent in parents:
                    inner = target.get(parent)
                    target[parent] = target = inner if isinstance(inner, dict) else {}
                target[last] = _decoded(text)
        return self

    def from_toml(self, file: str | Path, *, silent: bool = False) -> Config:
        """Take the top-level keys of a TOML file; a relative name counts from the application's root.

        Args:
            file: The file.
            silent: Ignore a file that is not there.

        Raises:
            FileNotFoundError: for a missing file, unless `silent`.
            ValueError: for what is no TOML, with the file's name.
        """
        import tomllib

        path = self.root / file
        try:
            with path.open("rb") as stream:
                self.update(tomllib.load(stream))
        except FileNotFoundError:
            if not silent:
                raise
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: {error}") from error
        return self

    def from_object(self, source: Any) -> Config:
        """Take the upper-case attributes of a class, module or object; a string is the dotted name of one."""
        if isinstance(source, str):
            from importlib import import_module

            module, _, attribute = source.partition(":")
            source = import_module(module)
            if attribute:
                source = getattr(source, attribute)
        for name in dir(source):
            if name.isupper():
                self[name] = getattr(source, name)
        return self

    def flag(self, name: str) -> bool:
        """A setting as a yes or no: `0`, `false`, `no`, `off` and the empty string mean no, in any case."""
        value = self.get(name, False)
        if isinstance(value, str):
            return value.strip().lower() not in {"", "0", "false", "no", "off", "n", "f"}
        return bool(value)


def _decoded(text: str) -> Any:
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(text)
    return {"true": True, "false": False}.get(text.lower(), text)
