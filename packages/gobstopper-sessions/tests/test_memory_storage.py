from __future__ import annotations

import time

import pytest

from gobstopper_sessions import MemorySessionStorage
from gobstopper_sessions.conformance import SessionStorageConformance


class TestConformance(SessionStorageConformance):
    @pytest.fixture
    def storage(self) -> MemorySessionStorage:
        return MemorySessionStorage()


async def test_it_is_bounded() -> None:
    storage = MemorySessionStorage(max_sessions=3)
    end = time.time() + 60
    for number in range(5):
        await storage.create(f"key {number}", b"{}", end)
    assert len(storage) == 3
    assert await storage.read("key 0") is None
    assert await storage.read("key 4") is not None


async def test_what_has_expired_goes_first() -> None:
    storage = MemorySessionStorage(max_sessions=2)
    await storage.create("oldest", b"{}", time.time() + 60)
    await storage.create("expired", b"{}", time.time() - 1)
    await storage.create("new", b"{}", time.time() + 60)
    assert await storage.read("oldest") is not None
    assert await storage.read("new") is not None


async def test_a_write_makes_a_session_young() -> None:
    storage = MemorySessionStorage(max_sessions=2)
    end = time.time() + 60
    await storage.create("a", b"{}", end)
    await storage.create("b", b"{}", end)
    assert await storage.replace("a", b"[]", end, expected=b"{}")
    await storage.create("c", b"{}", end)
    assert await storage.read("a") is not None
    assert await storage.read("b") is None


def test_no_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="max_sessions=0"):
        MemorySessionStorage(max_sessions=0)


async def test_a_full_store_is_not_searched_for_every_new_session() -> None:
    class Counting(MemorySessionStorage):
        purges = 0

        async def purge(self) -> int:
            self.purges += 1
            return await super().purge()

    storage = Counting(max_sessions=100)
    end = time.time() + 600
    for number in range(1100):
        await storage.create(f"key {number}", b"{}", end)
    assert len(storage) == 100
    assert 1 <= storage.purges <= 110
    assert await storage.read("key 999") is None
    assert await storage.read("key 1000") is not None
