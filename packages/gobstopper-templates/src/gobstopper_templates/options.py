"""Jinja2's own options, as the engine takes them, and its bytecode cache."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import jinja2
from jinja2.bccache import Bucket
from jinja2.ext import Extension

__all__ = ["FolderBytecodeCache", "JinjaOptions", "bytecode_cache_in"]

_log = logging.getLogger("gobstopper.templates")


class JinjaOptions(TypedDict, total=False):
    """What `TemplateEngine` hands to Jinja2's environment as it is; the defaults are Jinja2's."""

    block_start_string: str
    block_end_string: str
    variable_start_string: str
    variable_end_string: str
    comment_start_string: str
    comment_end_string: str
    line_statement_prefix: str | None
    line_comment_prefix: str | None
    trim_blocks: bool
    lstrip_blocks: bool
    newline_sequence: Literal["\n", "\r\n", "\r"]
    keep_trailing_newline: bool
    extensions: Sequence[str | type[Extension]]
    optimized: bool
    finalize: Callable[..., Any] | None


def bytecode_cache_in(folder: str | os.PathLike[str], options: Mapping[str, object]) -> jinja2.BytecodeCache:
    """A cache of compiled templates in `folder`, which is created for its owner alone.

    Jinja2 tells files apart by template and source only, but the same source compiles differently under other options
    and other versions: these go into the file names. The files are executed when they are read, so nobody else may
    be able to write to the folder: `PermissionError` if its group or others can, or if it is another user's.
    """
    path = Path(folder)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    stat = path.stat()
    if os.name == "posix" and (stat.st_mode & 0o022 or stat.st_uid not in {os.geteuid(), 0}):
        raise PermissionError(
            f"bytecode cache {str(path)!r}: others can write to it, and what it holds gets executed; "
            "use a folder of your own, and chmod go-w it"
        )
    from importlib.metadata import version

    parts = [f"jinja2={version('jinja2')}", *(f"{name}={_stable(value)}" for name, value in sorted(options.items()))]
    fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return FolderBytecodeCache(str(path), f"gobstopper_{fingerprint}_%s.cache")


class FolderBytecodeCache(jinja2.FileSystemBytecodeCache):
    """A cache that is never the reason for a failed page: a file that cannot be read or written is done without."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read the code, if there is any that can be read."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # noqa: BLE001 - a damaged file raises whatever unpickling raises
            _log.warning("template bytecode cache: cannot read %s", self._get_cache_filename(bucket), exc_info=True)
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write the code, if there is room."""
        try:
            super().dump_bytecode(bucket)
        except OSError:
            _log.warning("template bytecode cache: cannot write to %s", self.directory, exc_info=True)


def _stable(value: object) -> str:
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    if isinstance(value, list | tuple):
        return ",".join(_stable(one) for one in value)
    return repr(value)
