"""From a URL path to a regular file below a folder, and to its precompressed neighbours."""

from __future__ import annotations

import os
import stat
import time
from collections import OrderedDict
from typing import NamedTuple

from gobstopper_http.files import guess_content_type

__all__ = ["ENCODINGS", "Lookup", "StaticFile", "Variant"]

ENCODINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Content codings in the order of preference, and the endings of their files."""

_FRESH = 1.0
"""Seconds for which the neighbours of a file are remembered."""


class Variant(NamedTuple):
    """One file that can be sent.

    Attributes:
        path: Without links.
        encoding: Its content coding, `None` for the file itself.
        identity: Device and inode.
    """

    path: str
    encoding: str | None
    identity: tuple[int, int]


class StaticFile:
    """A file below the folder.

    Attributes:
        relative: Its path below the folder, with slashes.
        content_type: By the ending of its name.
        variants: The file itself, and its neighbours by content coding.
        checked: When the neighbours were looked for (monotonic seconds).
    """

    __slots__ = ("checked", "content_type", "relative", "variants")

    def __init__(self, relative: str, variants: dict[str | None, Variant], checked: float) -> None:
        self.relative = relative
        self.content_type = guess_content_type(relative)
        self.variants = variants
        self.checked = checked


class Lookup:
    """Finds files below `root`; remembers the last `size` of them.

    Only regular files count whose path lies below the root after every link is resolved. A segment that begins with
    a dot, is empty, or holds a backslash or a control character is not looked at.
    """

    def __init__(self, root: str, size: int = 4096) -> None:
        self.root = os.path.realpath(root)
        self._inside = self.root.rstrip(os.sep) + os.sep
        self._size = size
        self._found: OrderedDict[str, StaticFile] = OrderedDict()

    def find(self, relative: str) -> StaticFile | None:
        """The file at a path below the root (decoded, with slashes), `None` if there is none."""
        found = self._found.get(relative)
        now = time.monotonic()
        if found is not None and now - found.checked < _FRESH:
            return found
        found = self._look(relative, now)
        if found is None:
            self._found.pop(relative, None)
            return None
        self._found[relative] = found
        self._found.move_to_end(relative)
        if len(self._found) > self._size:
            self._found.popitem(last=False)
        return found

    def forget(self, relative: str) -> None:
        """Look again the next time."""
        self._found.pop(relative, None)

    def _look(self, relative: str, now: float) -> StaticFile | None:
        if not is_plain(relative):
            return None
        own = self._resolve(relative)
        if own is None:
            return None
        path, status = own
        variants: dict[str | None, Variant] = {None: Variant(path, None, (status.st_dev, status.st_ino))}
        for encoding, ending in ENCODINGS.items():
            neighbour = self._resolve(relative + ending)
            # One that is older was made of other content.
            if neighbour is not None and neighbour[1].st_mtime_ns >= status.st_mtime_ns:
                identity = (neighbour[1].st_dev, neighbour[1].st_ino)
                variants[encoding] = Variant(neighbour[0], encoding, identity)
        return StaticFile(relative, variants, now)

    def _resolve(self, relative: str) -> tuple[str, os.stat_result] | None:
        joined = self._inside + relative
        try:
            if not stat.S_ISREG(os.stat(joined).st_mode):  # noqa: PTH116 - most neighbours are missing; cheapest
                return None
            path = os.path.realpath(joined)
            status = os.lstat(path)  # of what was found: a link may have led elsewhere a moment ago
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(status.st_mode) or not path.startswith(self._inside):
            return None
        if not is_plain(path[len(self._inside) :].replace(os.sep, "/")):
            return None
        return path, status


def is_plain(relative: str) -> bool:
    """Whether every segment is a plain name: no dot-file, no way up, nothing empty, nothing that is no text."""
    if not relative.isprintable() or "\\" in relative or (os.sep == "\\" and ":" in relative):
        return False
    return all(segment and segment[0] != "." for segment in relative.split("/"))
