from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_sessions.sealing import Sealer

OLD, NEW = "o" * 32, b"n" * 40


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_was_sealed_opens(data: bytes, purpose: bytes) -> None:
    text = Sealer([NEW]).seal(data, purpose)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert Sealer([NEW]).open(text, purpose) == data


@given(st.integers(0, 10**6), st.integers(0, 63))
def test_no_change_goes_unnoticed(position: int, replacement: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sealer = Sealer([NEW])
    text = sealer.seal(b"x" * 32, b"p")  # 72 bytes: no spare bits in the last character
    position %= len(text)
    changed = text[:position] + alphabet[replacement] + text[position + 1 :]
    assert (sealer.open(changed, b"p") is None) == (changed != text)


@given(st.text())
def test_anything_else_does_not_open(text: str) -> None:
    assert Sealer([NEW]).open(text, b"p") is None


@pytest.mark.parametrize("text", ["", "A", "A" * 10_000, "\0", "../../x", "A" * 32, "é", "AAAA===="])
def test_hostile_text_does_not_open(text: str) -> None:
    assert Sealer([NEW]).open(text, b"p") is None


def test_keys_rotate() -> None:
    text = Sealer([OLD]).seal(b"data", b"p")
    both = Sealer([NEW, OLD])
    assert both.open(text, b"p") == b"data"
    assert Sealer([NEW]).open(text, b"p") is None
    assert Sealer([OLD]).open(both.seal(b"data", b"p"), b"p") is None
    assert Sealer([NEW]).open(both.seal(b"data", b"p"), b"p") == b"data"


def test_it_opens_for_its_purpose_alone() -> None:
    text = Sealer([NEW]).seal(b"data", b"session")
    assert Sealer([NEW]).open(text, b"reset password") is None


def test_the_same_data_never_looks_the_same() -> None:
    sealer = Sealer([NEW])
    assert len({sealer.seal(b"data", b"p") for _ in range(100)}) == 100


def test_no_key_and_short_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="no secret key"):
        Sealer([])
    with pytest.raises(ValueError, match="key 2 of 2 has 3 bytes"):
        Sealer([NEW, "dev"])
