"""Joins two concurrent changes of one session."""

from __future__ import annotations

from typing import Any

from ._codec import encode_value
from .session import FLASHES

__all__ = ["merge"]

_MISSING: Any = object()


def merge(base: dict[str, Any], theirs: dict[str, Any], mine: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Three-way merge by top-level key.

    Flashed messages are a queue: what either side took is gone, what either side added is there.

    Args:
        base: What both started from.
        theirs: What is stored by now.
        mine: What is to be stored.

    Returns:
        The merged data, and the first key that both have changed (`None` if there is none).
    """
    merged = dict(theirs)
    for key in {**base, **mine}:
        before, after = base.get(key, _MISSING), mine.get(key, _MISSING)
        if _same(before, after):
            continue
        stored = theirs.get(key, _MISSING)
        if key == FLASHES:
            after = _queue(before, stored, after)
        elif not _same(before, stored):  # even to the same value: both may have counted one up
            return merged, key
        if after is _MISSING:
            merged.pop(key, None)
        else:
            merged[key] = after
    return merged, None


def _same(one: Any, other: Any) -> bool:
    if one is _MISSING or other is _MISSING:
        return one is other
    # By its text, not by ==, for which 1, 1.0 and True are one.
    return encode_value(one) == encode_value(other)


def _queue(before: Any, stored: Any, after: Any) -> Any:
    base = before if isinstance(before, list) else []
    theirs = stored if isinstance(stored, list) else []
    mine = after if isinstance(after, list) else []
    kept = 0  # how many of the first messages I have left in place
    while kept < min(len(base), len(mine)) and _same(base[kept], mine[kept]):
        kept += 1
    taken = base[kept:]
    queue = [message for message in theirs if message not in taken] + mine[kept:]
    return queue or _MISSING
