"""Sessions as files: the default, for one machine."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .storage import Record, SessionStorage, SetupContext

if sys.platform != "win32":
    from fcntl import LOCK_EX, flock

__all__ = ["FileSessionStorage"]

_T = TypeVar("_T")

_RECORD = re.compile(r"[0-9a-f]{64}")
_LEFT_OVER = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{16}\.tmp")
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

_MAX_FILE = 16 * 1024 * 1024
_LEFT_OVER_AGE = 3600.0


class FileSessionStorage(SessionStorage):
    """One file for each session, in one directory on a local disk; shared by the workers of this machine.

    A file is named after the hash of the session's id, readable for its owner alone (0600), and its modification time
    is when the session expires. It is written beside its place and renamed, so that a killed process, a full disk or
    two writers at once leave the old content or the new. Nothing is synced: a power cut may take the last seconds.

    Reads happen on the event loop (two system calls on a local disk), writes in threads of the store's own.

    Args:
        directory: Made with mode 0700 when first needed. Default: `sessions` below the application's instance folder
            (without an application `instance/sessions` below the working directory). It must belong to this user and be
            writable for no one else.

    Raises:
        RuntimeError: where there are no POSIX file locks.
        TypeError, ValueError: for what is no path.
    """

    exact: ClassVar[bool] = True

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        if sys.platform == "win32":
            raise RuntimeError("FileSessionStorage needs POSIX file locks: use AsyncRedisSessionStorage here")
        if directory is not None and not isinstance(directory, str | os.PathLike):
            raise TypeError(f"directory={directory!r:.60}: give a path as text or Path, not {type(directory).__name__}")
        if directory == "":
            raise ValueError("directory='': give a path, or None for the default")
        self._directory = None if directory is None else Path(directory)
        self._make_instance: Callable[[], Path] | None = None
        self._ready: str | None = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def directory(self) -> Path:
        """The directory."""
        return self._directory or Path("instance", "sessions")

    def setup(self, context: SetupContext) -> None:
        """Take the application's instance folder, unless a directory was given; a relative one counts from its root."""
        if self._directory is None:
            self._directory = context.instance_path / "sessions"
            self._make_instance = context.make_instance
        else:
            self._directory = Path(getattr(context, "root_path", "")) / self._directory
        if self._directory.exists():
            self._prepare()

    async def close(self) -> None:
        """End the threads."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    async def read(self, key: str) -> Record | None:
        """See `SessionStorage`."""
        # In line, like a stat: a thread costs more than reading a small file from the kernel's cache.
        return self._read(key)

    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        """See `SessionStorage`."""
        await self._run(self._write, key, data, expires_at)

    async def replace(
        self, key: str, data: bytes, expires_at: float, *, expected: bytes, new_key: str | None = None
    ) -> bool:
        """See `SessionStorage`."""
        return await self._run(self._replace, key, data, expires_at, expected, new_key)

    async def touch(self, key: str, expires_at: float) -> bool:
        """See `SessionStorage`."""
        return await self._run(self._touch, key, expires_at)

    async def delete(self, key: str) -> bool:
        """See `SessionStorage`."""
        return await self._run(self._delete, key)

    async def purge(self) -> int:
        """Remove what has expired, and temporary files that a killed process left; nothing else in the directory."""
        return await self._run(self._purge)

    def _path(self, name: str) -> str:
        folder = self._ready
        if folder is None:
            folder = self._prepare()
        return f"{folder}/{name}"

    def _prepare(self) -> str:
        directory = self.directory
        if self._make_instance is not None:
            self._make_instance()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(
                f"{directory} holds sessions, but others can write to it (owner {status.st_uid}, mode "
                f"{stat.S_IMODE(status.st_mode):o}): chown it to user {os.geteuid()} and chmod 700, or give another one"
            )
        self._ready = str(directory.resolve())
        return self._ready

    def _open(self, name: str, flags: int) -> int:
        try:
            return os.open(self._path(name), flags, 0o600)
        except FileNotFoundError:
            self._ready = None  # somebody removed the directory under us: make it again
            return os.open(self._path(name), flags, 0o600)

    async def _run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        if self._pool is None:
            # Its own: waiting for another process's lock must not hold up the application's threads.
            self._pool = ThreadPoolExecutor(8, thread_name_prefix="sessions")
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def _read(self, key: str) -> Record | None:
        try:
            # A planted link, pipe or device is refused or gives no regular file; nothing waits for a pipe's writer.
            file = os.open(self._path(key), _READ)
        except FileNotFoundError:
            return None
        except OSError:
            if Path(self._path(key)).is_symlink():
                return None
            raise
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_mtime <= time.time() or status.st_size > _MAX_FILE:
                return None
            return Record(os.read(file, status.st_size), status.st_mtime_ns / 1e9)
        finally:
            os.close(file)

    def _write(self, key: str, data: bytes, expires_at: float) -> None:
        name = f"{key}.{secrets.token_hex(8)}.tmp"
        file = self._open(name, _NEW)
        path, temporary = self._path(key), self._path(name)
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(file, view) :]
                os.utime(file, ns=_times(expires_at))
            finally:
                os.close(file)
            os.rename(temporary, path)  # noqa: PTH104
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise

    def _replace(self, key: str, data: bytes, expires_at: float, expected: bytes, new_key: str | None) -> bool:
        with self._locked(key):
            found = self._read(key)
            if found is None or found.data != expected:
                return False
            self._write(new_key or key, data, expires_at)
            if new_key is not None:
                os.unlink(self._path(key))  # noqa: PTH108
            return True

    def _touch(self, key: str, expires_at: float) -> bool:
        with self._locked(key):
            if self._read(key) is None:
                return False
            os.utime(self._path(key), ns=_times(expires_at), follow_symlinks=False)
            return True

    def _delete(self, key: str) -> bool:
        with self._locked(key):
            found = self._read(key) is not None
            with suppress(FileNotFoundError):
                os.unlink(self._path(key))  # noqa: PTH108
            return found

    def _purge(self) -> int:
        removed = 0
        now = time.time()
        with os.scandir(self._path("")) as entries:
            for entry in entries:
                if _RECORD.fullmatch(entry.name):
                    removed += self._remove_expired(entry.name, now)
                elif _LEFT_OVER.fullmatch(entry.name):
                    with suppress(OSError):
                        if entry.stat(follow_symlinks=False).st_ctime < now - _LEFT_OVER_AGE:
                            os.unlink(entry.path)  # noqa: PTH108
        return removed

    def _remove_expired(self, key: str, now: float) -> int:
        path = self._path(key)
        with suppress(OSError), self._locked(key):
            # Looked at under the lock: it may have been renewed since it was listed.
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_mtime <= now:
                os.unlink(path)  # noqa: PTH108
                return 1
        return 0

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Hold the lock of a key against other threads and processes; the kernel releases it when its holder dies."""
        lock = self._open(f".lock-{key[:2]}", _LOCK)
        try:
            flock(lock, LOCK_EX)
            yield
        finally:
            os.close(lock)


def _times(expires_at: float) -> tuple[int, int]:
    # What lies beyond the year 2200 does not fit every file system.
    moment = int(min(expires_at, 7_258_118_400.0) * 1e9)
    return moment, moment
