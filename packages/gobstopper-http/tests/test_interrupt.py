"""Cancelling for a reason, and what a stopping server has to tell."""

from __future__ import annotations

import asyncio

import pytest

from gobstopper_http.interrupt import Drain, Interrupt, drain_of


class Reason(Exception):
    pass


def current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_fired() -> None:
    interrupt = Interrupt()
    asyncio.get_running_loop().call_later(0.01, interrupt.fire, Reason("a"))
    asyncio.get_running_loop().call_later(0.01, interrupt.fire, Reason("b"))
    with pytest.raises(Reason, match="a"), interrupt:
        await asyncio.sleep(5)
    assert not interrupt.fired
    assert current().cancelling() == 0
    interrupt.fire(Reason("late"))
    await asyncio.sleep(0)


async def test_not_fired() -> None:
    interrupt = Interrupt()
    interrupt.fire(Reason("early"))
    with interrupt:
        await asyncio.sleep(0)
    with pytest.raises(ValueError), interrupt:
        raise ValueError


async def test_a_cancellation_from_elsewhere() -> None:
    interrupt = Interrupt()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            with interrupt:
                await asyncio.sleep(5)


async def test_both_at_once() -> None:
    """Who cancels from outside has the last word."""
    interrupt = Interrupt()
    task = current()
    asyncio.get_running_loop().call_soon(interrupt.fire, Reason())
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError), interrupt:
        await asyncio.sleep(5)
    assert task.cancelling() == 1
    task.uncancel()


async def test_after_an_earlier_cancellation() -> None:
    task = current()
    with pytest.raises(asyncio.CancelledError):
        task.cancel()
        await asyncio.sleep(1)
    interrupt = Interrupt()
    asyncio.get_running_loop().call_soon(interrupt.fire, Reason())
    with pytest.raises(Reason), interrupt:
        await asyncio.sleep(5)
    task.uncancel()


async def test_a_cancellation_that_is_swallowed() -> None:
    interrupt = Interrupt()
    asyncio.get_running_loop().call_soon(interrupt.fire, Reason())
    with interrupt:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            assert interrupt.fired
    assert current().cancelling() == 0


async def test_outside_of_a_task() -> None:
    def outside() -> None:
        interrupt = Interrupt()
        with interrupt:
            interrupt.fire(Reason())
        done.append(True)

    done: list[bool] = []
    asyncio.get_running_loop().call_soon(outside)
    await asyncio.sleep(0)
    assert done == [True]


def test_drain() -> None:
    drain = Drain()
    told: list[str] = []
    one, two = object(), object()
    drain.add(one, lambda: told.append("one"))
    drain.add(two, lambda: told.append("two"))
    drain.discard(two)
    drain.discard(two)
    assert len(drain) == 1
    drain.begin()
    assert (told, drain.draining) == (["one"], True)
    drain.add(two, lambda: told.append("late"))
    assert told == ["one", "late"]


async def test_one_for_each_loop() -> None:
    loop = asyncio.get_running_loop()
    assert drain_of(loop) is drain_of(loop)
