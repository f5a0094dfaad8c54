"""Task ids: UUIDv7 (RFC 9562, section 5.7), minted by the client so that a resent call is the same task."""

from __future__ import annotations

import hashlib
import os
import threading
import time

_lock = threading.Lock()
_last = 0
_POOL = 2048  # bytes of randomness taken at once: eight for an id
_random = ""
_used = 0
_VARIANT = {digit: f"{8 + int(digit, 16) % 4:x}" for digit in "0123456789abcdef"}


def _after_fork() -> None:
    # A fork while another thread mints an id would leave the child's lock taken for ever.
    # And its ids must not be the parent's.
    global _lock, _random, _used
    _lock, _random, _used = threading.Lock(), "", 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def task_id() -> str:
    """A new id. Ids of one process sort in the order of their making, also when the clock is set back."""
    global _last, _random, _used  # noqa: PLW0603
    stamp = (time.time_ns() // 1_000_000) << 12  # 48 bits of milliseconds, 12 bits that count within one
    with _lock:
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
        if _used == len(_random):
            _random, _used = os.urandom(_POOL).hex(), 0
        tail = _random[_used : _used + 16]
        _used += 16
    head = f"{stamp:015x}"
    return f"{head[:8]}-{head[8:12]}-7{head[12:]}-{_VARIANT[tail[0]]}{tail[1:4]}-{tail[4:]}"


def derived_id(*parts: str) -> str:
    """The id that the same parts always give (UUIDv8, RFC 9562 section 5.8): one cron tick, one follower of a task."""
    digest = bytearray(hashlib.sha256("\0".join(parts).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
