"""How long a thread waits for the interpreter's lock (GIL) while a journal is open in this process.

A commit gives the lock up and takes it again up to six times, and each time waits for the event loop's thread to be
told to let go, 5 ms by default: on a busy loop a commit of 1 ms takes 30. So that time is shortened.
"""

from __future__ import annotations

import sys
import threading

INTERVAL = 0.0005  # seconds

_lock = threading.Lock()
_users = 0
_before = 0.0


def shorten() -> None:
    """Shorten it, until `restore` was called as often. A shorter one stays as it is."""
    global _users, _before  # noqa: PLW0603
    with _lock:
        _users += 1
        if _users == 1:
            _before = sys.getswitchinterval()
            if _before > INTERVAL:
                sys.setswitchinterval(INTERVAL)


def restore() -> None:
    """One journal is closed. What the program has set itself meanwhile stays."""
    global _users  # noqa: PLW0603
    with _lock:
        _users -= 1
        if _users == 0 and abs(sys.getswitchinterval() - INTERVAL) < 1e-6 < _before:
            sys.setswitchinterval(_before)
