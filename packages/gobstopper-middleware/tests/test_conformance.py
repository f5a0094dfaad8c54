from __future__ import annotations

import asyncio

import pytest

from gobstopper_middleware import MemoryRateLimitStorage
from gobstopper_middleware.conformance import RateLimitStorageConformance
from gobstopper_middleware.rate_limit import Decision, Rate, gcra


class TestMemory(RateLimitStorageConformance):
    @pytest.fixture
    def storage(self) -> MemoryRateLimitStorage:
        return MemoryRateLimitStorage()


class Remote:
    """As one would write it: asynchronous, on the wall clock, under a lock."""

    def __init__(self, *, is_locked: bool = True) -> None:
        self.numbers: dict[str, float] = {}
        self.lock = asyncio.Lock()
        self.is_locked = is_locked

    async def hit(self, key: str, rate: Rate) -> Decision:
        if not self.is_locked:
            return await self._hit(key, rate)
        async with self.lock:
            return await self._hit(key, rate)

    async def _hit(self, key: str, rate: Rate) -> Decision:
        before = self.numbers.get(key)
        await asyncio.sleep(0)
        self.numbers[key], decision = gcra(before, asyncio.get_running_loop().time(), rate)
        return decision


class TestAsynchronous(RateLimitStorageConformance):
    @pytest.fixture
    async def storage(self) -> Remote:
        return Remote()


async def test_a_store_that_looks_and_writes_in_two_steps_is_found_out() -> None:
    with pytest.raises(AssertionError):
        await RateLimitStorageConformance().test_at_the_same_time(Remote(is_locked=False))
