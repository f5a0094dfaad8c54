from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_sessions.ids import ID_LENGTH, is_id, new_id, storage_key


def test_ids_are_random_and_of_one_alphabet() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(one) for one in ids} == {ID_LENGTH}
    assert set("".join(ids)) == set(string.ascii_letters + string.digits + "-_")
    assert all(is_id(one) for one in ids)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a" * 42, "a" * 44, "a" * 42 + "\n", "a" * 42 + "=", "a" * 42 + "/", "../../x"),
        *("é" * 43, "a" * 10_000, "\0" * 43, "a" * 42 + "\0", "%" * 43, "\u0663" * 43),
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text)


@given(st.text())
def test_only_the_alphabet_passes(text: str) -> None:
    allowed = set(string.ascii_letters + string.digits + "-_")
    assert is_id(text) == (len(text) == 43 and set(text) <= allowed)


def test_the_key_is_a_hash() -> None:
    assert len(storage_key("a")) == 64
    assert storage_key("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
