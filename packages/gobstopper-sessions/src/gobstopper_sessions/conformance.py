"""The tests that every session store has to pass, for stores of your own.

```python
class TestMyStorage(SessionStorageConformance):
    @pytest.fixture
    async def storage(self):
        storage = MyStorage()
        yield storage
        await storage.close()
```

Run it with pytest-asyncio in auto mode (or anyio). For readable failures put
`pytest.register_assert_rewrite("gobstopper_sessions.conformance")` into `conftest.py`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

from ._codec import decode_value, encode_value
from ._lifetimes import Lifetimes
from ._server_side import ServerSide
from .errors import SessionConflict
from .ids import new_id, storage_key
from .session import Session, get_flashed_messages
from .storage import MAX_RECORD, SessionStorage

__all__ = ["SAMPLES", "SessionStorageConformance"]

SAMPLES: list[dict[str, Any]] = [
    {},
    {"user": 7, "cart": [1, 2.5, {"a": None, "b": [True, False]}]},
    {"text": "Grüße, 世界, 🦀", "quotes": "\"'\\/`", "controls": "a\tb\r\nc\x00d\x1f", "literal": "\\u0000 \\x00"},
    {"": "", " ": " ", "a.b": 1, "$key": 2, "numbers": [0, -1, 2**53, 1.5e300, -0.25]},
    {"large": "x" * 100_000},
]
"""Data that has to come back as it was."""


def _key() -> str:
    return storage_key(new_id())


def _data(**data: Any) -> bytes:
    return encode_value({"created": 1.0, "data": data})


class SessionStorageConformance:
    """Subclass it, and give it a fixture `storage`."""

    async def test_a_record_comes_back(self, storage: SessionStorage) -> None:
        """Every sample, with its expiry, until it is deleted."""
        for sample in SAMPLES:
            key, end = _key(), time.time() + 60
            await storage.create(key, _data(**sample), end)
            record = await storage.read(key)
            assert record is not None
            assert decode_value(record.data) == {"created": 1.0, "data": sample}
            assert abs(record.expires_at - end) < 0.01
            assert await storage.delete(key)
            assert await storage.read(key) is None

    async def test_an_unknown_key(self, storage: SessionStorage) -> None:
        """Nothing is found under it, and nothing makes a record of it."""
        key = _key()
        assert await storage.read(key) is None
        assert not await storage.touch(key, time.time() + 60)
        assert not await storage.replace(key, _data(), time.time() + 60, expected=_data())
        assert not await storage.replace(key, _data(), time.time() + 60, expected=_data(), new_key=_key())
        assert not await storage.delete(key)
        assert await storage.read(key) is None

    async def test_an_expired_record_is_missing(self, storage: SessionStorage) -> None:
        """For every method."""
        key = _key()
        await storage.create(key, _data(a=1), time.time() + 60)
        record = await storage.read(key)
        assert record is not None
        assert await storage.touch(key, time.time() + 0.05)
        await asyncio.sleep(0.1)
        assert await storage.read(key) is None
        assert not await storage.touch(key, time.time() + 60)
        assert not await storage.replace(key, _data(a=2), time.time() + 60, expected=record.data)
        assert not await storage.delete(key)
        await storage.purge()
        assert await storage.read(key) is None

    async def test_purging_leaves_what_lives(self, storage: SessionStorage) -> None:
        """Expired records go, others stay."""
        dead, alive = _key(), _key()
        await storage.create(dead, _data(), time.time() + 0.05)
        await storage.create(alive, _data(), time.time() + 60)
        await asyncio.sleep(0.1)
        await storage.purge()
        assert await storage.purge() == 0
        assert await storage.read(dead) is None
        assert await storage.read(alive) is not None

    async def test_touching_moves_the_expiry_alone(self, storage: SessionStorage) -> None:
        """Later, and earlier."""
        key = _key()
        await storage.create(key, _data(a=1), time.time() + 60)
        for end in (time.time() + 120, time.time() + 30):
            assert await storage.touch(key, end)
            record = await storage.read(key)
            assert record is not None
            assert abs(record.expires_at - end) < 0.01
            assert decode_value(record.data)["data"] == {"a": 1}

    async def test_compare_and_swap(self, storage: SessionStorage) -> None:
        """Only over the content that was read."""
        key, end = _key(), time.time() + 60
        await storage.create(key, _data(a=1), end)
        first = await storage.read(key)
        assert first is not None
        assert await storage.replace(key, _data(a=2), end + 60, expected=first.data)
        assert not await storage.replace(key, _data(a=3), end, expected=first.data)
        second = await storage.read(key)
        assert second is not None
        assert decode_value(second.data)["data"] == {"a": 2}
        assert abs(second.expires_at - end - 60) < 0.01

    async def test_compare_and_swap_for_every_sample(self, storage: SessionStorage) -> None:
        """What `read` gave is recognised, whatever it holds."""
        key, end = _key(), time.time() + 60
        await storage.create(key, _data(), end)
        for sample in SAMPLES:
            record = await storage.read(key)
            assert record is not None
            assert await storage.replace(key, _data(**sample), end, expected=record.data)

    async def test_moving_kills_the_old_key(self, storage: SessionStorage) -> None:
        """And it stays dead for writers that still hold it."""
        old, new, end = _key(), _key(), time.time() + 60
        await storage.create(old, _data(a=1), end)
        record = await storage.read(old)
        assert record is not None
        assert await storage.replace(old, _data(a=2), end, expected=record.data, new_key=new)
        assert await storage.read(old) is None
        assert not await storage.replace(old, _data(a=3), end, expected=record.data)
        assert not await storage.touch(old, end)
        moved = await storage.read(new)
        assert moved is not None
        assert decode_value(moved.data)["data"] == {"a": 2}

    async def test_a_deleted_record_stays_deleted(self, storage: SessionStorage) -> None:
        """A slow request that read it before cannot bring it back."""
        key, end = _key(), time.time() + 60
        await storage.create(key, _data(a=1), end)
        record = await storage.read(key)
        assert record is not None
        assert await storage.delete(key)
        assert not await storage.replace(key, _data(a=2), end, expected=record.data)
        assert not await storage.replace(key, _data(a=2), end, expected=record.data, new_key=_key())
        assert not await storage.touch(key, end)
        assert await storage.read(key) is None

    async def test_one_of_many_swaps_wins(self, storage: SessionStorage) -> None:
        """Twenty writers with the same expectation: exactly one succeeds."""
        key, end = _key(), time.time() + 60
        await storage.create(key, _data(winner=None), end)
        record = await storage.read(key)
        assert record is not None
        swaps = [storage.replace(key, _data(winner=n), end, expected=record.data) for n in range(20)]
        outcomes = await asyncio.gather(*swaps)
        assert sum(outcomes) == 1
        stored = await storage.read(key)
        assert stored is not None
        assert decode_value(stored.data)["data"] == {"winner": outcomes.index(True)}

    async def test_a_hundred_writers_of_different_keys(self, storage: SessionStorage) -> None:
        """All changes are kept."""
        backend, session_id = await self._begin(storage, {"start": 1})

        async def write(number: int) -> None:
            session = await backend.load(session_id)
            await asyncio.sleep(0)
            session[f"key {number}"] = number
            await backend.save(session)

        await asyncio.gather(*(write(number) for number in range(100)))
        final = await backend.load(session_id)
        assert dict(final) == {"start": 1} | {f"key {number}": number for number in range(100)}

    async def test_a_hundred_writers_of_one_key(self, storage: SessionStorage) -> None:
        """Each either counted, or was told that it did not."""
        backend, session_id = await self._begin(storage, {"count": 0})

        async def write() -> bool:
            session = await backend.load(session_id)
            await asyncio.sleep(0)
            session["count"] += 1
            try:
                await backend.save(session)
            except SessionConflict:
                return False
            return True

        outcomes = await asyncio.gather(*(write() for _ in range(100)))
        final = await backend.load(session_id)
        assert 1 <= final["count"] == sum(outcomes)

    async def test_flashes_of_concurrent_requests(self, storage: SessionStorage) -> None:
        """None is lost, and none is shown twice."""
        backend, session_id = await self._begin(storage, {})
        seed = await backend.load(session_id)
        seed.flash("first")
        await backend.save(seed)
        taker, giver = await backend.load(session_id), await backend.load(session_id)
        assert get_flashed_messages(taker) == ["first"]
        giver.flash("second")
        await backend.save(taker)
        await backend.save(giver)
        assert get_flashed_messages(await backend.load(session_id)) == ["second"]

    async def _begin(self, storage: SessionStorage, data: dict[str, Any]) -> tuple[ServerSide, str]:
        storage.timeout = 30.0  # type: ignore[misc]  # a hundred at once on a slow machine: not what is tested here
        backend = ServerSide(storage, Lifetimes(60, 600), MAX_RECORD)
        session = Session()
        session.update(data, nonce=secrets.token_hex(4))
        del session["nonce"]
        session.secret()
        session_id = await backend.save(session)
        assert session_id
        return backend, session_id
