from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_sessions._merge import merge


@pytest.mark.parametrize(
    ("base", "theirs", "mine", "merged"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}),
        ({}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}),
        ({"a": 1}, {}, {"a": 1, "b": 1}, {"b": 1}),
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"b": 1}, {"b": 1}),
        ({"a": [1]}, {"a": [1], "b": 0}, {"a": [1, 2]}, {"a": [1, 2], "b": 0}),
    ],
)
def test_changes_of_different_keys_are_kept(base: Any, theirs: Any, mine: Any, merged: Any) -> None:
    assert merge(base, theirs, mine) == (merged, None)


@pytest.mark.parametrize(
    ("base", "theirs", "mine"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": 2}),
        ({"a": 1}, {"a": 2}, {}),
        ({}, {"a": 1}, {"a": 2}),
        ({"a": True}, {"a": 1}, {"a": 1.5}),
    ],
)
def test_the_same_key_is_a_conflict(base: Any, theirs: Any, mine: Any) -> None:
    assert merge(base, theirs, mine)[1] == "a"


QUEUE = st.lists(
    st.tuples(st.just("message"), st.text(max_size=2)).map(list), unique_by=lambda pair: pair[1], max_size=4
)


@given(QUEUE, QUEUE, QUEUE, st.booleans(), st.booleans())
def test_flashes_are_a_queue(base: list[Any], more: list[Any], other: list[Any], they: bool, take: bool) -> None:
    """Each side took all (or nothing) and added some; what is left is what nobody took, and all that was added."""
    base = [["base", text] for _, text in base]
    more = [["theirs", text] for _, text in more]
    other = [["mine", text] for _, text in other]

    def state(queue: list[Any]) -> dict[str, Any]:
        return {"_flashes": queue} if queue else {}

    theirs = state([] if they else base) if not more else state(([] if they else base) + more)
    mine = state(([] if take else base) + other)
    merged, clash = merge(state(base), theirs, mine)
    assert clash is None
    kept = [] if (they or take) else base
    assert merged.get("_flashes", []) == kept + more + other
