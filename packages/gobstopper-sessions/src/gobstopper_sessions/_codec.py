"""Session data as JSON, and back without a surprise."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Envelope", "decode", "decode_value", "encode", "encode_value"]


class Envelope(msgspec.Struct):
    """What a record holds.

    Attributes:
        created: When the session began, in seconds since 1970: the absolute expiry counts from here.
        data: The user's.
    """

    created: float
    data: dict[str, Any]


encode_value = msgspec.json.Encoder().encode
decode_value = msgspec.json.Decoder().decode
_decode = msgspec.json.Decoder(Envelope).decode

# What comes back as it went, so that nobody has to look; not float, for nan has no JSON form and becomes null.
_EXACT = frozenset({str, int, bool, type(None)})


def decode(data: bytes) -> Envelope | None:
    """Read a record; `None` for what is none."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def encode(created: float, data: dict[str, Any], *, unless: bytes = b"") -> bytes:
    """Write a record.

    Args:
        created: When the session began.
        data: The user's.
        unless: A record that was checked before; if the new one is the same, it is not checked.

    Raises:
        TypeError: for a value that JSON has no form for, or that would come back as another type (a datetime as `str`),
            naming its place.
    """
    try:
        encoded = encode_value(Envelope(created, data))
        same = encoded == unless or _is_exact(data) or decode_value(encoded)["data"] == data
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        _check(data, "session")
        raise TypeError(f"the session cannot be stored: {error}") from error
    if not same:
        _check(data, "session")
    return encoded


def _is_exact(data: dict[str, Any]) -> bool:
    """Whether every value is of a type that is the same after decoding: in most sessions, and then half of the work."""
    for key, value in data.items():  # noqa: SIM110 - a generator would cost more than what is saved here
        if type(value) not in _EXACT or type(key) is not str:
            return False
    return True


def _check(value: Any, place: str) -> None:
    """Find what has no place in a session; tuples are let through, they come back as lists."""
    if value is None or isinstance(value, bool | int | str):
        if isinstance(value, str) and not _is_text(value):
            raise TypeError(f"{place} is text with a lone surrogate, which JSON cannot hold: replace or escape it")
        return
    if isinstance(value, float) and value - value == 0:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{place} has the key {key!r}; in JSON keys are text: use {str(key)!r}")
            _check(inner, f"{place}[{key!r}]")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            _check(inner, f"{place}[{position}]")
    else:
        raise TypeError(
            f"{place} is {value!r:.60} ({type(value).__qualname__}), which would not come back as it is: sessions hold "
            "JSON, so store text, numbers, lists and dicts (of a datetime its isoformat(), of a model its id)"
        )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
