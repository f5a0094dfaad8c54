from __future__ import annotations

import asyncio
import sys
import time

import pytest

from gobstopper_sessions._cancelling import cancellable, stop

told = 0


async def deaf(times: int = 1) -> str:
    """Loses cancellations, as `asyncio.wait_for` may before Python 3.12."""
    global told
    told = 0
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told += 1
            if told > times:
                raise


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from Python 3.12 on no cancellation is lost")
async def test_a_time_out_is_one_although_its_cancellation_was_lost() -> None:
    task = asyncio.current_task()
    assert task is not None
    for times in (0, 1, 3):
        start = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await cancellable(deaf(times))
        assert asyncio.get_running_loop().time() - start < 20  # not sixty
        assert times + 1 == told
        assert task.cancelling() == 0


async def test_time_outs_within_are_left_alone() -> None:
    async def work() -> int:
        caught = 0
        for _ in range(60):
            try:
                async with asyncio.timeout(0.003):
                    await asyncio.sleep(60)
            except TimeoutError:
                caught += 1
        return caught

    assert await cancellable(work()) == 60


async def test_time_outs_within_a_loop_that_is_held_up() -> None:
    async def work() -> int:
        caught = 0
        for _ in range(10):
            try:
                async with asyncio.timeout(0.03):
                    asyncio.get_running_loop().call_soon(time.sleep, 0.05)
                    await asyncio.sleep(60)
            except TimeoutError:
                caught += 1
        return caught

    assert await cancellable(work()) == 10


async def test_results_and_errors_come_through() -> None:
    async def add(one: int, other: int) -> int:
        return one + other

    assert await cancellable(add(1, 2)) == 3
    with pytest.raises(TypeError):
        await cancellable(add(1, "2"))  # type: ignore[arg-type]


async def test_stopping() -> None:
    for times in (0, 1, 3):
        task = asyncio.create_task(deaf(times))
        await asyncio.sleep(0)
        await stop(task)
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
    await stop(task)
