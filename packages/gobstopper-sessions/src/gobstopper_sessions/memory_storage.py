"""Sessions in this process, for tests and development."""

from __future__ import annotations

import time
from typing import ClassVar

from ._options import check_whole
from .storage import Record, SessionStorage

__all__ = ["MemorySessionStorage"]


class MemorySessionStorage(SessionStorage):
    """Sessions in a dict: gone with the process, and not shared with other workers.

    Args:
        max_sessions: How many are kept. One more drops the one that was written longest ago; those that have expired
            are dropped now and then.
    """

    timeout: ClassVar[float | None] = None
    exact: ClassVar[bool] = True

    def __init__(self, max_sessions: int = 10_000) -> None:
        self.max_sessions = check_whole("max_sessions", max_sessions)
        self._records: dict[str, Record] = {}
        self._until_purge = 0

    def __len__(self) -> int:
        return len(self._records)

    async def read(self, key: str) -> Record | None:
        """See `SessionStorage`."""
        # `_get` in line: each request with a session comes this way.
        found = self._records.get(key)
        return found if found is None or found.expires_at > time.time() else None

    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        """See `SessionStorage`."""
        if len(self._records) >= self.max_sessions:
            await self._make_room()
        self._records[key] = Record(data, expires_at)

    async def replace(
        self, key: str, data: bytes, expires_at: float, *, expected: bytes, new_key: str | None = None
    ) -> bool:
        """See `SessionStorage`."""
        records = self._records
        found = records.get(key)
        if found is None or found.data != expected or found.expires_at <= time.time():
            return False
        # Out and in again: the dict is in the order of the last write.
        del records[key]
        # What Record(data, expires_at) does, without the Python function in between: half of the time.
        records[new_key or key] = tuple.__new__(Record, (data, expires_at))
        return True

    async def touch(self, key: str, expires_at: float) -> bool:
        """See `SessionStorage`."""
        found = self._get(key)
        return found is not None and await self.replace(key, found.data, expires_at, expected=found.data)

    async def delete(self, key: str) -> bool:
        """See `SessionStorage`."""
        return self._get(key) is not None and self._records.pop(key, None) is not None

    async def purge(self) -> int:
        """See `SessionStorage`."""
        now = time.time()
        expired = [key for key, record in self._records.items() if record.expires_at <= now]
        for key in expired:
            del self._records[key]
        return len(expired)

    async def _make_room(self) -> None:
        # Looking through all of them for each new one would be slow just when somebody makes very many.
        self._until_purge -= 1
        if self._until_purge <= 0:
            self._until_purge = self.max_sessions // 10
            if await self.purge():
                return
        del self._records[next(iter(self._records))]

    def _get(self, key: str) -> Record | None:
        found = self._records.get(key)
        return found if found is None or found.expires_at > time.time() else None
