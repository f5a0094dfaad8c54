"""Task ids: UUIDv7 (RFC 9562, section 5.7), minted by the client so that a resent call is the same task."""

from __future__ import annotations

import hashlib
import os
import threading
import time

_lock = threading.Lock()
_last = 0
_head_of = -1  # the millisecond of which `_head` is the beginning of an id: many are minted in each
_head = ""
_POOL = 256  # ids for which randomness is taken at once
_tails: list[str] = []


def _after_fork() -> None:
    # A fork while another thread mints an id would leave the child's lock taken for ever.
    # And its ids must not be the parent's.
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _tails.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def task_id() -> str:
    """A new id. Ids of one process sort in the order of their making, also when the clock is set back."""
    global _last, _head_of, _head  # noqa: PLW0603
    stamp = (time.time_ns() // 1_000_000) << 12  # 48 bits of milliseconds, 12 bits that count within one
    with _lock:
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
        if stamp >> 12 != _head_of:
            _head_of = stamp >> 12
            digits = f"{_head_of:012x}"
            _head = f"{digits[:8]}-{digits[8:]}-7"
        if not _tails:
            _refill()
        return f"{_head}{stamp & 0xFFF:03x}-{_tails.pop()}"


def _refill() -> None:
    # 48 bits for each id, and 14 for all of them behind the two of the variant.
    random = os.urandom(2 + _POOL * 6)
    word = f"{0x8000 | int.from_bytes(random[:2]) & 0x3FFF:04x}-"
    _tails.extend([word + digits for digits in random[2:].hex(" ", 6).split()])


def derived_id(*parts: str) -> str:
    """The id that the same parts always give (UUIDv8, RFC 9562 section 5.8): one cron tick, one follower of a task."""
    digest = bytearray(hashlib.sha256("\0".join(parts).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
