"""The tests that every rate limit store has to pass, for stores of your own.

```python
class TestMyStorage(RateLimitStorageConformance):
    @pytest.fixture
    async def storage(self):
        storage = MyStorage()
        yield storage
        await storage.close()
```

Run it with pytest-asyncio in auto mode (or anyio). For readable failures put
`pytest.register_assert_rewrite("gobstopper_middleware.conformance")` into `conftest.py`.
"""

from __future__ import annotations

import asyncio
import secrets
from inspect import isawaitable

from .rate_limit import Decision, Rate, RateLimitStorage

__all__ = ["RateLimitStorageConformance"]

_SLOW = 36_000.0
"""Seconds: nothing becomes free again while a test runs, however loaded the machine is."""


_SLACK = 0.01
"""Seconds that sums and clocks may be off."""


def _key() -> str:
    return f"test:{secrets.token_hex(8)}"


async def _hit(storage: RateLimitStorage, key: str, rate: Rate) -> Decision:
    found = storage.hit(key, rate)
    return await found if isawaitable(found) else found


class RateLimitStorageConformance:
    """Subclass it, and give it a fixture `storage`."""

    async def test_a_burst_and_no_more(self, storage: RateLimitStorage) -> None:
        """As many as the burst says, counted down, and then a refusal that says when to come again."""
        key, rate = _key(), Rate(10, _SLOW, 3)
        decisions = [await _hit(storage, key, rate) for _ in range(5)]
        assert [decision.allowed for decision in decisions] == [True, True, True, False, False]
        assert [decision.remaining for decision in decisions] == [2, 1, 0, 0, 0]
        assert [decision.retry_after for decision in decisions[:3]] == [0, 0, 0]
        assert 0 < decisions[3].retry_after <= rate.interval + _SLACK
        assert 0 < decisions[0].reset_after <= rate.interval + _SLACK
        assert 2 * rate.interval < decisions[2].reset_after <= 3 * rate.interval + _SLACK

    async def test_a_refusal_does_not_count(self, storage: RateLimitStorage) -> None:
        """Who is refused does not have to wait longer for having asked."""
        key, rate = _key(), Rate(1, _SLOW, 1)
        await _hit(storage, key, rate)
        waits = [(await _hit(storage, key, rate)).retry_after for _ in range(5)]
        assert max(waits) <= min(_SLOW, waits[0]) + _SLACK

    async def test_keys_do_not_count_for_each_other(self, storage: RateLimitStorage) -> None:
        """Whatever text a client has made of itself."""
        rate = Rate(1, _SLOW, 1)
        base = _key()
        for key in (
            base,
            f"{base}:",
            f"{base} x",
            f"{base}\n",
            f"{base}*",
            f"{base}é",
            f"{base}\x00",
            base + "x" * 5000,
        ):
            assert (await _hit(storage, key, rate)).allowed, key[:40]
            assert not (await _hit(storage, key, rate)).allowed, key[:40]

    async def test_at_the_same_time(self, storage: RateLimitStorage) -> None:
        """It looks and writes in one step: of many at once exactly the burst passes."""
        key, rate = _key(), Rate(10, _SLOW, 10)
        decisions = await asyncio.gather(*(_hit(storage, key, rate) for _ in range(50)))
        assert sum(decision.allowed for decision in decisions) == 10

    async def test_it_becomes_free_again(self, storage: RateLimitStorage) -> None:
        """After `retry_after`, measured on a clock that goes on."""
        key, rate = _key(), Rate(10, 1.0, 1)
        assert (await _hit(storage, key, rate)).allowed
        for _ in range(50):
            decision = await _hit(storage, key, rate)
            if decision.allowed:
                return
            assert 0 < decision.retry_after <= rate.interval + _SLACK
            await asyncio.sleep(decision.retry_after)
        raise AssertionError("it is never free again")

    async def test_the_rate_may_change(self, storage: RateLimitStorage) -> None:
        """A tighter rate shuts nobody out for longer than one full burst of it takes."""
        key = _key()
        for _ in range(100):
            await _hit(storage, key, Rate(100, _SLOW, 100))
        tighter = Rate(100, 100.0, 2)
        decision = await _hit(storage, key, tighter)
        assert not decision.allowed
        assert decision.retry_after <= 2 * tighter.interval + _SLACK
