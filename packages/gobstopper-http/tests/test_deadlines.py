"""The one timer behind every time-out."""

from __future__ import annotations

import asyncio
import time
from math import inf

import pytest

from gobstopper_http import deadlines
from gobstopper_http.deadlines import EXPIRED, Deadlines, deadlines_of


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "TICK", 0.02)


class Timed:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.late = 0

    def overdue(self) -> None:
        self.late += 1


def current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_one_for_each_loop() -> None:
    loop = asyncio.get_running_loop()
    assert deadlines_of(loop) is deadlines_of(loop)
    other = asyncio.new_event_loop()
    assert deadlines_of(other) is not deadlines_of(loop)
    other.close()


async def test_a_block_in_time() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    with clock.within(5):
        await asyncio.sleep(0.05)
    assert clock.entries == {}


async def test_a_block_too_late() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"0\.05 seconds"), clock.within(0.05):
        await asyncio.sleep(5)
    assert 0.04 < time.monotonic() - began < 4
    assert current().cancelling() == 0
    assert clock.entries == {}


async def test_blocks_in_blocks() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    with clock.within(5):
        with pytest.raises(TimeoutError), clock.within(0.03):
            await asyncio.sleep(5)
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError, match=r"0\.03"), clock.within(0.03), clock.within(5):
        await asyncio.sleep(5)


async def test_a_cancellation_from_elsewhere() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0.03):
            with clock.within(5):
                await asyncio.sleep(5)
    assert "nothing happened" not in str(raised.value)


async def test_a_cancellation_from_elsewhere_at_the_same_time() -> None:
    loop, task = asyncio.get_running_loop(), current()
    clock = deadlines_of(loop)

    def both() -> None:
        clock._tick()
        task.cancel()

    with pytest.raises(asyncio.CancelledError), clock.within(0):
        loop.call_soon(both)
        await asyncio.sleep(5)
    assert task.cancelling() == 1
    task.uncancel()


async def test_another_exception_goes_through() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    with pytest.raises(ValueError), clock.within(5):
        raise ValueError
    assert clock.entries == {}


async def test_what_is_watched() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    timed = clock.entries[current()] = Timed(asyncio.get_running_loop().time() + 0.05)
    clock.start()
    clock.start()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(5)
    assert timed.deadline == EXPIRED
    current().uncancel()
    await asyncio.sleep(0.1)  # it goes on regardless
    assert (timed.deadline, timed.late) == (inf, 1)
    await asyncio.sleep(0.1)
    assert timed.late == 1
    del clock.entries[current()]


async def test_within_what_is_watched() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    outer = asyncio.get_running_loop().time() + 5
    timed = clock.entries[current()] = Timed(outer)
    with pytest.raises(TimeoutError), clock.within(0.03):
        await asyncio.sleep(5)
    assert timed.deadline == outer
    with clock.within(100):
        assert timed.deadline == outer
    del clock.entries[current()]


async def test_the_clock_runs_while_it_is_needed() -> None:
    clock = Deadlines(asyncio.get_running_loop())
    assert clock._handle is None
    clock.start()
    await asyncio.sleep(0.05)
    assert clock._handle is None  # nothing to watch
    clock.pin()
    before = clock.now
    await asyncio.sleep(0.1)
    assert clock.now > before
    clock.stop()
    clock.stop()
    assert clock._handle is None


async def test_an_error_does_not_stop_the_clock() -> None:
    class Broken(Timed):
        def overdue(self) -> None:
            raise ValueError("broken")

    loop = asyncio.get_running_loop()
    seen: list[object] = []
    loop.set_exception_handler(lambda loop, context: seen.append(context.get("exception")))
    clock = deadlines_of(loop)
    timed = Broken(EXPIRED)
    clock.entries[current()] = timed
    clock.start()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0.1)
        timed.deadline = loop.time()
        await asyncio.sleep(5)
    assert isinstance(seen[0], ValueError)
    del clock.entries[current()]
    current().uncancel()


async def test_outside_of_a_task() -> None:
    loop = asyncio.get_running_loop()
    outcome: list[BaseException] = []

    def outside() -> None:
        try:
            with deadlines_of(loop).within(1):
                pass
        except RuntimeError as error:
            outcome.append(error)

    loop.call_soon(outside)
    await asyncio.sleep(0)
    assert "in a task" in str(outcome[0])


async def test_waiting_for_a_future() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.05, future.set_result, b"there")
    assert await clock.wait(future, 5) == b"there"
    failing = asyncio.get_running_loop().create_future()
    failing.set_exception(ValueError("its own"))
    with pytest.raises(ValueError, match="its own"):
        await clock.wait(failing, 5)


async def test_waiting_for_too_long_leaves_the_task_alone() -> None:
    clock = deadlines_of(asyncio.get_running_loop())
    clock.entries[current()] = timed = Timed(inf)
    with pytest.raises(TimeoutError, match=r"0\.05 seconds"):
        await clock.wait(asyncio.get_running_loop().create_future(), 0.05)
    assert current().cancelling() == 0
    assert (timed.deadline, timed.late) == (inf, 0)
    del clock.entries[current()]


async def test_waiting_in_a_task_that_is_cancelled() -> None:
    """By somebody else, or by a deadline of its own that passes in the same tick: the cancellation goes through."""
    loop = asyncio.get_running_loop()
    clock = deadlines_of(loop)
    task = asyncio.ensure_future(clock.wait(loop.create_future(), 5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    both = asyncio.ensure_future(clock.wait(loop.create_future(), 0.01))
    clock.entries[both] = Timed(loop.time() + 0.01)
    with pytest.raises(asyncio.CancelledError):
        await both
    assert clock.entries.pop(both).deadline == EXPIRED


async def test_the_timer_stops_when_nobody_waits() -> None:
    loop = asyncio.get_running_loop()
    clock = Deadlines(loop)
    future = loop.create_future()
    future.set_result(1)
    assert await clock.wait(future, 5) == 1
    await asyncio.sleep(0.1)
    assert clock._handle is None


async def test_a_cancellation_at_the_moment_of_the_time_out_is_not_lost() -> None:
    """The awaitable was cancelled already, so that the task's own cancellation is all that tells of it."""
    loop = asyncio.get_running_loop()
    clock = Deadlines(loop)
    future: asyncio.Future[None] = loop.create_future()
    task = loop.create_task(clock.wait(future, 0.01))
    future.add_done_callback(lambda _: task.cancel())  # before the task is woken
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_time_out_within_a_task_that_was_cancelled_before_and_went_on() -> None:
    clock = deadlines_of(asyncio.get_running_loop())

    async def stubborn() -> None:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            current().uncancel()
        await clock.wait(asyncio.get_running_loop().create_future(), 0.01)

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(TimeoutError):
        await task
