"""Arguments as PyO3 takes them, with its messages: Granian refuses a wrong type before it looks at anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .answer import RawHeaders

__all__ = ["extract_bytes", "extract_headers", "extract_int", "extract_status", "extract_str", "extract_unsigned"]


def extract_int(value: Any) -> int:
    """An integer."""
    if not isinstance(value, int):
        raise TypeError(f"{_described(value)} cannot be interpreted as an integer")
    return int(value)


def extract_unsigned(value: Any) -> int:
    """An integer from 0."""
    number = extract_int(value)
    if number < 0:
        raise OverflowError("can't convert negative int to unsigned")
    return number


def extract_status(value: Any) -> int:
    """An unsigned 16-bit integer; what HTTP makes of it is looked at later."""
    number = extract_int(value)
    if not 0 <= number <= 0xFFFF:
        raise OverflowError(f"number too {'large' if number > 0 else 'small'} to fit in target type")
    return number


def extract_str(value: Any) -> str:
    """A string that has a UTF-8 form."""
    if not isinstance(value, str):
        raise TypeError(f"{_described(value)} is not an instance of 'str'")
    value.encode()
    return value


def extract_bytes(value: Any) -> bytes:
    """Bytes of any kind."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"Can't extract `{type(value).__name__}` to `Vec`")
    return bytes(value)


def extract_headers(headers: Any) -> RawHeaders:
    """A sequence of tuples of two strings."""
    if not isinstance(headers, Sequence):
        raise TypeError(f"{_described(headers)} is not an instance of 'Sequence'")
    pairs = []
    for pair in headers:
        if not isinstance(pair, tuple):
            raise TypeError(f"{_described(pair)} is not an instance of 'tuple'")
        if len(pair) != 2:
            raise ValueError(f"expected tuple of length 2, but got tuple of length {len(pair)}")
        pairs.append((extract_str(pair[0]), extract_str(pair[1])))
    return pairs


def _described(value: Any) -> str:
    return "'None'" if value is None else f"'{type(value).__name__}' object"
