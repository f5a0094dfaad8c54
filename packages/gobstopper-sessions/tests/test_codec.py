from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_sessions._codec import decode, encode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_json_comes_back(data: dict[str, Any]) -> None:
    envelope = decode(encode(1.5, data))
    assert envelope is not None
    assert envelope.created == 1.5
    assert envelope.data == data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"when": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, r"session\['when'\] is datetime.datetime.*isoformat"),
        ({"a": [{"b": {1, 2}}]}, r"session\['a'\]\[0\]\['b'\] is \{1, 2\} \(set\)"),
        ({"a": {1: 2}}, r"session\['a'\] has the key 1; in JSON keys are text: use '1'"),
        ({"a": math.nan}, r"session\['a'\] is nan"),
        ({"a": math.inf}, r"session\['a'\] is inf"),
        ({"a": b"x"}, r"session\['a'\] is b'x' \(bytes\)"),
        ({"a": object}, r"session\['a'\] is <class 'object'> \(type\)"),
        ({"a": "\ud800"}, r"session\['a'\] is text with a lone surrogate"),
    ],
)
def test_what_would_not_come_back_is_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encode(1.0, data)


def test_tuples_become_lists() -> None:
    envelope = decode(encode(1.0, {"a": (1, 2)}))
    assert envelope is not None
    assert envelope.data == {"a": [1, 2]}


def test_endless_data_is_an_error() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises((TypeError, RecursionError)):
        encode(1.0, {"a": loop})


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b'{"created":1}', b'{"created":1,"data":[]}', b"\xff", b"[" * 5000]
)
def test_what_is_no_record_is_none(data: bytes) -> None:
    assert decode(data) is None


@given(st.binary())
def test_decoding_never_raises(data: bytes) -> None:
    decode(data)
