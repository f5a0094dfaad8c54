"""What a forked child must not share with its parent."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any

_sockets: weakref.WeakSet[Any] = weakref.WeakSet()
_databases: weakref.WeakSet[Any] = weakref.WeakSet()


def forget_on_fork(owner: Any) -> None:
    """A connection is over for the other side only when every copy of it is closed.

    The child drops `owner.descriptors()`.
    """
    _sockets.add(owner)


def keep_on_fork(owner: Any) -> None:
    """`owner.duckdb_objects()` must not be destroyed in a child.

    They would write to the parent's file, or wait for its threads.
    """
    _databases.add(owner)


def _after_fork() -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in [d for owner in list(_sockets) for d in owner.descriptors()]:
        os.dup2(null, descriptor, inheritable=False)  # the number stays taken, so that a late close() hits no one else
    os.close(null)
    for owner in list(_databases):
        for held in owner.duckdb_objects():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
