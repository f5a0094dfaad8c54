"""Text that every store can hold: PostgreSQL has no NUL, and UTF-8 no half of a surrogate pair."""

from __future__ import annotations

import hashlib

from .errors import InvalidTask

_KEY = 400  # characters of a key: an index of PostgreSQL holds 2704 bytes, and the task's name is in it as well
_NAME = 200
_PLAIN = 100  # arguments that are a key stay readable up to here


def storable(text: str) -> str:
    """The same with what cannot be stored escaped."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def checked(task: str, field: str, text: str, longest: int = _KEY) -> str:
    """The text, or `InvalidTask`."""
    if 0 < len(text) <= longest and ((text.isascii() and "\0" not in text) or text == storable(text)):
        return text
    raise InvalidTask(f"task {task!r}: {field}={text[:50]!r} must be text of 1 to {longest} characters without NUL")


def checked_name(task: str, field: str, text: str) -> str:
    """The same for a name or category."""
    return checked(task, field, text, _NAME)


def key_of(text: str) -> str:
    """Itself, or a digest of it if it is too long for an index."""
    return text if len(text) <= _PLAIN else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
