"""Session ids: what a client holds, and what a store may know of it."""

from __future__ import annotations

import re
import secrets
from hashlib import sha256

__all__ = ["ID_LENGTH", "is_id", "new_id", "storage_key"]

ID_LENGTH = 43
"""Characters of an id: 32 bytes in URL-safe base64 without padding."""

_match = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch


def new_id() -> str:
    """256 bits from the system's generator, in `A-Z a-z 0-9 - _`."""
    return secrets.token_urlsafe(32)


def is_id(text: str) -> bool:
    """Whether `text` could be an id; anything else never reaches a store."""
    return _match(text) is not None


def storage_key(session_id: str) -> str:
    """The SHA-256 of an id in hexadecimal: what stores use, so that reading a store gives no one a session."""
    return sha256(session_id.encode()).hexdigest()
