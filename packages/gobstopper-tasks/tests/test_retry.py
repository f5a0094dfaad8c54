from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_tasks import Backoff
from gobstopper_tasks.retry import backoff


def test_it_grows_and_is_capped() -> None:
    steady = Backoff(initial=1.0, factor=3.0, maximum=20.0, jitter=0.0)
    assert [steady.delay(n) for n in range(1, 6)] == [1.0, 3.0, 9.0, 20.0, 20.0]


@given(st.integers(1, 10**9), st.floats(0, 1), st.floats(1, 1e6))
def test_it_is_never_more_than_the_cap_nor_less_than_the_unjittered_share(
    retry: int, jitter: float, factor: float
) -> None:
    policy = Backoff(initial=0.5, factor=factor, maximum=60.0, jitter=jitter)
    bare = Backoff(initial=0.5, factor=factor, maximum=60.0, jitter=0.0).delay(retry)
    assert bare * (1 - jitter) - 1e-9 <= policy.delay(retry) <= bare <= 60.0


def test_jitter_parts_what_failed_together() -> None:
    assert len({Backoff().delay(3) for _ in range(50)}) > 40


def test_what_a_task_may_say() -> None:
    assert backoff(None) == Backoff()
    assert backoff(7).delay(1) == backoff(7).delay(9) == 7
    given_ = Backoff(initial=2)
    assert backoff(given_) is given_
    for bad in ({"initial": -1}, {"factor": 0.5}, {"jitter": 2}, {"maximum": -1}):
        with pytest.raises(ValueError, match="must be"):
            Backoff(**bad)
