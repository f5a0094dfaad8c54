"""Where templates come from: folders, packages, any loader of Jinja2's, in the order they were added."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

import jinja2
from jinja2.loaders import split_template_path
from jinja2.utils import internalcode

from .errors import TemplateNote, add_note

__all__ = ["FolderLoader", "SearchPath", "Source", "make_loaders"]

Source: TypeAlias = "str | os.PathLike[str] | jinja2.BaseLoader"


class FolderLoader(jinja2.FileSystemLoader):
    """One folder. A name cannot leave it; a link in it is followed unless `follow_links` is false.

    A file counts as changed when its time in nanoseconds, its size or its inode differ, so that two edits within one
    tick of the clock, or a file moved into place with an old time, are noticed.

    `encoding` is the files' encoding.
    """

    def __init__(self, folder: str | os.PathLike[str], encoding: str = "utf-8", *, follow_links: bool = True) -> None:
        super().__init__(folder, encoding, followlinks=follow_links)
        self.folder = Path(folder)

    def path(self, template: str) -> str | None:
        """The file of a name, or `None`; raises `TemplateNotFound` for a name that would leave the folder."""
        pieces = split_template_path(template)
        if not pieces or "\\" in template or "\0" in template:
            raise jinja2.TemplateNotFound(template)
        path = os.path.join(self.folder, *pieces)  # noqa: PTH118 - a Path costs more, on every check for changes
        if not os.path.isfile(path):  # noqa: PTH113
            return None
        if not self.followlinks and not Path(path).resolve().is_relative_to(self.folder.resolve()):
            return None
        return path

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The text, the file and a function that tells whether it is unchanged."""
        path = self.path(template)
        if path is None:
            raise jinja2.TemplateNotFound(template, f"{template!r} not found in search path: {str(self.folder)!r}")
        with open(path, encoding=self.encoding) as file:  # noqa: PTH123
            stamp = _stamp(os.fstat(file.fileno()))
            try:
                text = file.read()
            except UnicodeDecodeError as error:
                add_note(error, TemplateNote(f"In template {template!r} ({path}): the file is not {self.encoding}"))
                raise

        def unchanged() -> bool:
            try:
                return _stamp(os.stat(path)) == stamp  # noqa: PTH116
            except OSError:
                return False

        return text, os.path.normpath(path), unchanged


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


class SearchPath(jinja2.ChoiceLoader):
    """Loaders asked in order; the first that has the name wins.

    Unlike `ChoiceLoader`, a template is out of date too when an earlier loader has come to have its name.
    """

    def __init__(self, loaders: Iterable[jinja2.BaseLoader] = ()) -> None:
        super().__init__(list(loaders))
        self.loaders: list[jinja2.BaseLoader]

    @internalcode
    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - Jinja2's name
    ) -> jinja2.Template:
        """The template of the first loader that has it."""
        for position, loader in enumerate(self.loaders):
            try:
                template = loader.load(environment, name, globals)
            except jinja2.TemplateNotFound:
                continue
            if position and environment.auto_reload:
                template._uptodate = _unless_overtaken(template._uptodate, self.loaders[:position], environment, name)
            return template
        raise self._not_found(name)

    def _not_found(self, name: str) -> jinja2.TemplateNotFound:
        folders = [loader.folder for loader in self.loaders if isinstance(loader, FolderLoader)]
        if not folders:
            return jinja2.TemplateNotFound(name)
        paths = f"path{'s'[: len(folders) - 1]}: {', '.join(repr(str(folder)) for folder in folders)}"
        error = jinja2.TemplateNotFound(name, f"{name!r} not found in search {paths}")
        missing = [str(folder.absolute()) for folder in folders if not folder.is_dir()]
        if missing:
            add_note(error, TemplateNote(f"There is no folder {' or '.join(missing)}"))
        return error


def _unless_overtaken(
    unchanged: Callable[[], bool] | None,
    earlier: list[jinja2.BaseLoader],
    environment: jinja2.Environment,
    name: str,
) -> Callable[[], bool]:
    return lambda: (unchanged is None or unchanged()) and not _has(earlier, environment, name)


def _has(loaders: list[jinja2.BaseLoader], environment: jinja2.Environment, name: str) -> bool:
    for loader in loaders:
        try:
            if isinstance(loader, FolderLoader):
                if loader.path(name) is not None:
                    return True
            elif loader.has_source_access:
                loader.get_source(environment, name)
                return True
        except jinja2.TemplateNotFound:
            continue
    return False


def make_loaders(source: Source | Iterable[Source] | None, follow_links: bool = True) -> list[jinja2.BaseLoader]:
    """A folder, a loader, or several of them in order, as a list of loaders."""
    if source is None:
        return []
    if isinstance(source, jinja2.BaseLoader):
        return [source]
    if isinstance(source, str | os.PathLike):
        if not os.fspath(source):
            raise ValueError("the template folder is an empty string: use '.' for the current folder")
        return [FolderLoader(source, follow_links=follow_links)]
    if not isinstance(source, Iterable):
        raise TypeError(f"templates come from a folder, a loader or a list of them, not {type(source).__name__}")
    return [loader for one in source for loader in make_loaders(one, follow_links)]
