"""Byte ranges (RFC 9110 section 14): pure arithmetic on the ``Range`` field and the size of what is sent."""

from __future__ import annotations

import re

__all__ = ["MAX_RANGES", "content_range", "parse_range"]

MAX_RANGES = 16
"""More ranges than this in one request are ignored, as section 17.15 advises."""

_RANGE = re.compile(r"(\d*)[ \t]*-[ \t]*(\d*)", re.ASCII)


def parse_range(header: str, size: int, max_ranges: int = MAX_RANGES) -> list[tuple[int, int]] | None:
    """Read a ``Range`` field for a representation of `size` bytes.

    Ranges that overlap or touch are merged (then they are in order), so that an answer is never larger than the whole.

    Args:
        header: the field value, such as ``bytes=0-499,-500``.
        size: bytes of the whole; of an empty one every range is ignored, as no ``Content-Range`` could be written.
        max_ranges: how many ranges are accepted.

    Returns:
        Pairs of start and exclusive end; an empty list if none can be satisfied (416); `None` if the field is to be
        ignored: malformed, of another unit, or with too many ranges.
    """
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes" or size == 0:
        return None
    ranges = []
    count = 0
    for spec in specs.split(",", max_ranges * 4):
        text = spec.strip(" \t")
        if not text:
            continue
        count += 1
        match = _RANGE.fullmatch(text)
        if match is None or count > max_ranges:
            return None
        found = _resolve(match[1], match[2], size)
        if found is None:
            return None
        if found[0] < found[1]:
            ranges.append(found)
    return _merge(ranges) if count else None


def content_range(start: int, end: int, size: int) -> str:
    """Write a ``Content-Range``; `end` is exclusive here and inclusive there."""
    return f"bytes {start}-{end - 1}/{size}"


def _resolve(first: str, last: str, size: int) -> tuple[int, int] | None:
    """The bytes that one range means; an empty pair if there are none, `None` if it is malformed."""
    if not first:
        if not last:
            return None
        length = _number(last)
        return (max(size - length, 0), size) if length else (0, 0)
    start = _number(first)
    if last:
        end = _number(last)
        if end < start:
            return None
        return (start, min(end + 1, size)) if start < size else (0, 0)
    return (start, size) if start < size else (0, 0)


def _number(digits: str) -> int:
    # int() of a very long number costs the square of its length, and no file is larger than 19 digits can say.
    return int(digits.lstrip("0")[:19] or "0")


def _merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return ranges if len(merged) == len(ranges) else merged
