"""Who owns the file: the process that has the lock of a file beside it. The kernel frees it when that process ends."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import weakref
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: one process, guarded by DuckDB's own lock
    fcntl = None  # type: ignore[assignment]

_LONGEST = 103  # bytes in the path of a socket on macOS; 107 on Linux

_held: weakref.WeakSet[OwnerLock] = weakref.WeakSet()


class OwnerLock:
    """An exclusive `flock` on `<file>.lock`.

    Not on the database itself: its POSIX lock is lost when any handle of the file in the process is closed. A forked
    child shares an flock, so it closes its copy at once; else the lock would outlive its owner.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """True while this process is the owner."""
        return self._file is not None

    def acquire(self) -> bool:
        """Try once, without waiting."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file), self.path.stat()):  # removed and made anew meanwhile
                raise BlockingIOError
        except OSError as error:
            os.close(file)
            if isinstance(error, (BlockingIOError, FileNotFoundError)):
                return False
            raise
        self._file = file
        _held.add(self)
        return True

    def release(self) -> None:
        """Let another process be the owner."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _after_fork() -> None:
    for lock in list(_held):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def socket_path(database: Path) -> Path:
    """Where the owner listens.

    Beside the file or, where that is too long for a socket, in a private temporary folder.
    """
    beside = database.with_name(database.name + ".sock")
    if len(os.fsencode(beside)) + len(".4194304") <= _LONGEST:  # it is made under a name with the process id
        return beside
    folder = Path(tempfile.gettempdir()) / f"gobstopper-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} must be a folder that only its owner can use; remove it")
    return folder / (hashlib.sha256(os.fsencode(database)).hexdigest()[:24] + ".sock")
