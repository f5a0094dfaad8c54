from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from gobstopper_sessions._batches import Batches


class Store:
    """Notes its batches, and waits at a gate."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.open = self.most_open = 0

    async def run(self, calls: list[int]) -> Sequence[Any]:
        self.batches.append(calls)
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.open -= 1
        if 999 in calls:
            raise ConnectionError("down")
        return [KeyError(call) if call < 0 else call * 10 for call in calls]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_call_that_is_alone_goes_alone_and_at_once() -> None:
    store = Store()
    batches: Batches[int] = Batches(store.run)
    assert [await batches.call(number) for number in range(3)] == [0, 10, 20]
    assert store.batches == [[0], [1], [2]]


async def test_calls_of_one_moment_go_together_and_each_gets_its_own_answer() -> None:
    store = Store()
    batches: Batches[int] = Batches(store.run)
    assert await asyncio.gather(*map(batches.call, range(20))) == [number * 10 for number in range(20)]
    assert store.batches == [[0], list(range(1, 20))]


async def test_batches_have_a_size_and_only_so_many_are_open() -> None:
    store = Store()
    batches: Batches[int] = Batches(store.run, size=3, open_at_most=2)
    store.gate.clear()
    answers = asyncio.gather(*map(batches.call, range(100)))
    await settle()
    assert store.batches == [[0], [1, 2, 3]]
    store.gate.set()
    assert await answers == [number * 10 for number in range(100)]
    assert max(map(len, store.batches)) == 3
    assert store.most_open == 2
    assert [call for batch in store.batches for call in batch] == list(range(100))


async def test_a_failure_is_that_batchs_and_an_exception_among_the_results_that_calls() -> None:
    store = Store()
    batches: Batches[int] = Batches(store.run)
    assert await batches.call(0) == 0
    for call, kind in ((999, ConnectionError), (-1, KeyError)):
        with pytest.raises(kind):
            await batches.call(call)
    mixed = await asyncio.gather(*map(batches.call, (1, 2, -3, 4)), return_exceptions=True)
    assert isinstance(mixed.pop(2), KeyError)
    assert mixed == [10, 20, 40]
    down = await asyncio.gather(*map(batches.call, (1, 2, 999)), return_exceptions=True)
    assert down[0] == 10
    assert [type(found) for found in down[1:]] == [ConnectionError] * 2
    assert await batches.call(5) == 50


async def test_who_gives_up_while_waiting_is_not_served_and_hurts_nobody() -> None:
    store = Store()
    store.gate.clear()
    batches: Batches[int] = Batches(store.run, open_at_most=2)
    tasks = [asyncio.create_task(batches.call(number)) for number in range(3)]
    await settle()
    assert store.batches == [[0], [1, 2]]
    late = [asyncio.create_task(batches.call(number)) for number in (3, 4)]
    await settle()
    tasks[1].cancel()  # its batch is under way
    late[0].cancel()  # waits
    await settle()
    store.gate.set()
    found = await asyncio.gather(*tasks, *late, return_exceptions=True)
    assert [found[0], found[2], found[4]] == [0, 20, 40]
    assert isinstance(found[1], asyncio.CancelledError)
    assert isinstance(found[3], asyncio.CancelledError)
    assert store.batches == [[0], [1, 2], [4]]


async def test_who_is_alone_and_gives_up_lets_the_next_go() -> None:
    store = Store()
    store.gate.clear()
    batches: Batches[int] = Batches(store.run, open_at_most=1)
    first, second = (asyncio.create_task(batches.call(number)) for number in range(2))
    await settle()
    assert store.batches == [[0]]
    first.cancel()
    store.gate.set()
    assert await second == 10
    assert store.open == 0


async def test_a_batch_ends_when_the_last_of_its_callers_has_given_up() -> None:
    store = Store()
    store.gate.clear()
    batches: Batches[int] = Batches(store.run)
    tasks = [asyncio.create_task(batches.call(number)) for number in range(4)]
    await settle()
    assert store.batches == [[0], [1, 2, 3]]
    tasks[1].cancel()
    tasks[2].cancel()
    await settle()
    assert store.open == 2
    tasks[3].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[3]
    assert store.open == 1  # put away before the caller goes on
    store.gate.set()
    assert await tasks[0] == 0
    assert await asyncio.gather(*map(batches.call, range(9))) == [number * 10 for number in range(9)]


@pytest.mark.parametrize("turns", range(8))
async def test_whenever_callers_give_up_the_next_ones_are_served(turns: int) -> None:
    store = Store()
    store.gate.clear()
    batches: Batches[int] = Batches(store.run, open_at_most=2)
    for _ in range(5):
        tasks = [asyncio.create_task(batches.call(number)) for number in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    store.gate.set()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*map(batches.call, range(9))) == [number * 10 for number in range(9)]
    assert store.open == 0


@pytest.mark.parametrize("others", [0, 3])
async def test_work_that_ignores_being_cancelled_once_is_cancelled_again(others: int) -> None:
    """As `asyncio.wait_for` does at times before Python 3.12."""
    ended = 0

    async def run(calls: list[int]) -> Sequence[Any]:
        nonlocal ended
        try:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if len(calls) > 1 or sys.version_info < (3, 12):
                    await asyncio.sleep(60)
        finally:
            ended += 1
        return calls

    batches: Batches[int] = Batches(run)
    tasks = [asyncio.create_task(batches.call(number)) for number in range(1 + others)]
    await settle()
    start = asyncio.get_running_loop().time()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=5)
    assert asyncio.get_running_loop().time() - start < 4
    async with asyncio.timeout(5):
        while ended < (2 if others else 1):
            await asyncio.sleep(0.01)


def test_another_loop_begins_anew() -> None:
    async def leave_one_waiting() -> None:
        store.gate.clear()
        tasks = [asyncio.create_task(batches.call(number)) for number in range(9)]
        await settle()
        assert len(store.batches) == 2
        del tasks

    async def go_on() -> None:
        store.gate.set()
        assert await asyncio.gather(*map(batches.call, range(9))) == [number * 10 for number in range(9)]

    store = Store()
    batches: Batches[int] = Batches(store.run, open_at_most=2)
    asyncio.run(leave_one_waiting())
    asyncio.run(go_on())
