from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_tasks import Backoff, RetryTask, TaskQueue
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


def test_a_wrong_delay_is_told_and_retried_as_any_failure() -> None:
    """Found by a page of the documentation: a reason in the delay's place stopped the queue."""
    for wrong in ("busy", True, object()):
        with pytest.raises(TypeError, match="the delay is seconds"):
            RetryTask(wrong)  # type: ignore[arg-type]
    for wrong_number in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="from 0 up"):
            RetryTask(wrong_number)
    assert (RetryTask(2.5).delay, str(RetryTask(reason="busy"))) == (2.5, "busy")


async def test_a_task_that_asks_for_a_retry_wrongly_ends() -> None:
    async with TaskQueue("memory://") as queue:

        @queue.task("wrong", max_retries=1, backoff=0)
        async def wrong() -> None:
            raise RetryTask("the server is busy")  # type: ignore[arg-type]

        await queue.start_workers("default", 1)
        info = await queue.wait(await queue.add("wrong"), timeout=10)
        assert info is not None
        assert (info.status, info.attempt) == ("failed", 2)
        assert "the delay is seconds, not 'the server is busy'" in (info.error or "")
