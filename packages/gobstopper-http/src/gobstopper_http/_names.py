"""Names by which the server opens the very files that are open here, and never another one.

The server opens a path later than it is told to: after 0.1 to 5 milliseconds as a rule, without any bound when its
threads for files are taken. `/proc/self/fd/N` leads to what is open here, but not for ever: once the descriptor is
closed the number belongs to something else, which a late server would send. So the server gets the path of a symbolic
link to it, in a folder that only this user can read. A name is used once, and removed some seconds before its
descriptor is closed: who comes too late finds nothing (404), not another file.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from multiprocessing.util import Finalize
from typing import TypeAlias
from weakref import WeakKeyDictionary

from ._opened import OpenFile

__all__ = ["Names", "names_of"]

IDLE = 30.0
"""Seconds after which a file that nobody asked for is let go."""

YOUNG = 5.0
"""Seconds that the server gets in any case; what is older makes room when there are too many."""

GRACE = 5.0
"""Seconds between the end of a name and that of its descriptor, for who is on the way from one to the other."""

MOST = 128
"""Descriptors that are open at once."""

_TICK = 2.5
_PREFIX = "gobstopper-files-"
_SHARED = "/dev/shm"  # noqa: S108 - in memory, and there even where nothing else may be written; mkdtemp below it

_Key: TypeAlias = tuple[str, bool, int, int, int, int]


class _Entry:
    __slots__ = ("file", "name", "used")

    def __init__(self, file: OpenFile, name: str, used: float) -> None:
        self.file = file
        self.name = name
        self.used = used


class Names:
    """The names of one event loop, in which all of it runs.

    Attributes:
        works: `False` where a name does not lead to the file: without `/proc`, and outside of Linux. (`/dev/fd/N` of
            other systems is the same open file with the same position: two answers at once would mix.)
    """

    __slots__ = ("__weakref__", "_entries", "_folder", "_leaving", "_serial", "_ticks", "works")

    def __init__(self) -> None:
        self.works = sys.platform == "linux" and os.path.isdir("/proc/self/fd")  # noqa: PTH112 - no path is kept
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._leaving: list[tuple[float, OpenFile]] = []
        self._folder: _Folder | None = None
        self._serial = 0
        self._ticks = False

    def __len__(self) -> int:
        return len(self._entries) + len(self._leaving)

    def find(self, path: str, status: os.stat_result, follow_links: bool) -> str | None:
        """The name of a version that has one."""
        entry = self._entries.get(key := _key(path, status, follow_links))
        if entry is None:
            return None
        entry.used = time.monotonic()
        self._entries.move_to_end(key)
        return entry.name

    def give(self, file: OpenFile, path: str, status: os.stat_result, follow_links: bool) -> str | None:
        """A new name; `None` if there are too many, or nowhere to put it (or `works` turns out to be `False`)."""
        if not self.works:
            return None
        if len(self) >= MOST:
            self._make_room()
            return None
        try:
            name = self._link(file)
        except (OSError, UnicodeEncodeError):  # no space, or nowhere to be written
            return None
        self._entries[_key(path, status, follow_links)] = _Entry(file, name, time.monotonic())
        if not self._ticks:
            self._ticks = True
            asyncio.get_running_loop().call_later(_TICK, self._tick)
        return name

    def _link(self, file: OpenFile) -> str:
        if self._folder is None or not os.path.isdir(self._folder.path):  # noqa: PTH112 - a plain string
            self._folder = _Folder()
        self._serial += 1
        name = f"{self._folder.path}/{self._serial}"
        os.symlink(f"/proc/self/fd/{file.descriptor}", name)  # noqa: PTH211 - a plain string
        try:
            self.works = _is_apart(name, file)
            if not self.works:
                raise OSError("the name leads to the same open file")
        except OSError:
            os.unlink(name)  # noqa: PTH108 - a plain string
            raise
        return name

    def _make_room(self) -> None:
        """End the quarter that was used longest ago. The room is there when their time of grace is over."""
        before = time.monotonic() - YOUNG
        for key, entry in list(self._entries.items())[: MOST // 4]:
            if entry.used > before:
                break
            self._retire(key)

    def _retire(self, key: _Key) -> None:
        entry = self._entries.pop(key)
        with suppress(FileNotFoundError):
            os.unlink(entry.name)  # noqa: PTH108 - a plain string
        self._leaving.append((time.monotonic(), entry.file))

    def _tick(self) -> None:
        now = time.monotonic()
        self._leaving = [(since, file) for since, file in self._leaving if now - since < GRACE]
        for key, entry in list(self._entries.items()):
            # Somebody may have cleaned up the folder.
            if now - entry.used >= IDLE or not os.path.islink(entry.name):  # noqa: PTH114 - a plain string
                self._retire(key)
        if self._entries or self._leaving:
            asyncio.get_running_loop().call_later(_TICK, self._tick)
        else:
            self._ticks = False
            self._folder = None


class _Folder:
    """A folder for names that goes with this object, with the process, or with the next that makes one."""

    __slots__ = ("__weakref__", "path")

    def __init__(self) -> None:
        parent = _SHARED if os.access(_SHARED, os.W_OK) else tempfile.gettempdir()
        parent.encode()  # the server takes UTF-8 only
        _remove_left(parent)
        self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        # Locked while this process lives: a folder whose lock is free is one of a process that was killed.
        lock = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Not weakref.finalize: a worker of the server runs no `atexit`. A fork leaves the folder alone.
        Finalize(self, _remove, (self.path, lock), exitpriority=0)


def _remove(path: str, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _remove_left(parent: str) -> None:
    """Remove the folders of processes that were killed."""
    for folder in os.listdir(parent):  # noqa: PTH208 - names are wanted
        if not folder.startswith(_PREFIX):
            continue
        path = f"{parent}/{folder}"
        with suppress(OSError):  # somebody else's, or in use
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _is_apart(name: str, file: OpenFile) -> bool:
    """Whether what is opened by the name has a position of its own.

    Raises:
        OSError: if it cannot be opened.
    """
    other = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.lseek(other, 1, os.SEEK_SET)
        return os.lseek(file.descriptor, 0, os.SEEK_CUR) == 0
    finally:
        os.close(other)


def _key(path: str, status: os.stat_result, follow_links: bool) -> _Key:
    return path, follow_links, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Names] = WeakKeyDictionary()


def names_of(loop: asyncio.AbstractEventLoop) -> Names:
    """The `Names` of `loop`, made when first asked for."""
    if (found := _of_loop.get(loop)) is None:
        found = _of_loop[loop] = Names()
    return found
