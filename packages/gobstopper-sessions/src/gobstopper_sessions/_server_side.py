"""Loads and saves sessions whose data is in a store and whose id is in the cookie."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from gobstopper_http import HTTPException

from ._codec import decode, encode
from ._lifetimes import Lifetimes
from ._merge import merge
from .errors import SessionConflict, SessionStoreUnavailable
from .ids import is_id, new_id, storage_key
from .session import Session, Stored
from .storage import SessionStorage

__all__ = ["ServerSide", "logger"]

_T = TypeVar("_T")

logger = logging.getLogger("gobstopper.sessions")

_ATTEMPTS = 20
_PURGE_EVERY = 300.0


class ServerSide:
    """The way between `Session` objects and a store.

    Args:
        storage: The store.
        lifetimes: When sessions expire.
        max_size: Bytes of a record that may be written.
    """

    def __init__(self, storage: SessionStorage, lifetimes: Lifetimes, max_size: int) -> None:
        self.storage = storage
        self.lifetimes = lifetimes
        self._max_size = max_size
        self._timeout = storage.timeout
        # Whoever loses a race for one session queues here, so that many of them do not fight in the store.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._purging: asyncio.Task[None] | None = None
        self._next_purge = time.monotonic() + _PURGE_EVERY * random.random()  # noqa: S311 - spreads the load

    async def load(self, value: str) -> Session:
        """The session of a cookie; a new one if the id is malformed, unknown or expired: it is never adopted."""
        if not is_id(value):
            return Session()
        key = storage_key(value)
        # `_call` in line: one coroutine less for every request that has a session.
        try:
            if self._timeout is None:
                record = await self.storage.read(key)
            else:
                async with asyncio.timeout(self._timeout):
                    record = await self.storage.read(key)
        except HTTPException:
            raise
        except Exception as error:
            raise self._unavailable("read", error) from error
        if record is None:
            return Session()
        envelope = decode(record.data)
        if envelope is None:
            logger.warning("a stored session is not readable and was ignored")
            return Session()
        now = time.time()
        if record.expires_at <= now or envelope.created + self.lifetimes.absolute <= now:
            return Session()
        stored = Stored(value, key, record.data, record.expires_at)
        return Session(envelope.data, stored=stored, created_at=envelope.created)

    def is_due(self, session: Session) -> bool:
        """Whether `save` has something to do for a session that nobody touched: to renew it."""
        stored, created = session._stored, session._created
        if stored is None or created is None:
            return False
        return self.lifetimes.is_due(time.time(), created, stored.expires_at)

    async def save(self, session: Session) -> str | None:
        """Store what has changed.

        Returns:
            The id to set in the cookie, `""` to remove the cookie, `None` to leave it.

        Raises:
            SessionConflict: if another request changed the same key, or ended the session.
            SessionStoreUnavailable: if the store fails.
            TypeError, ValueError: for data that cannot be stored.
        """
        stored = session._stored
        if session._dropped:
            if stored is not None:
                await self._call(self.storage.delete, stored.key)
            return await self._create(session) or ""
        if stored is None:
            return await self._create(session)
        created = session._created or 0.0
        moved = session._id != stored.id
        data = encode(created, session._data, unless=stored.data) if session.touched else stored.data
        if not moved and (data == stored.data or (not self.storage.exact and _is_same(data, stored.data))):
            await self._renew(session, stored, created)
            return None
        moved_to = session._id if moved else None
        new_key = storage_key(moved_to) if moved_to is not None else None
        if not await self._swap(stored.key, data, created, stored.data, new_key):
            await self._merge(session, stored, created, new_key)
        return moved_to

    async def _create(self, session: Session) -> str | None:
        if not session._data and session._id is None:
            return None
        now = time.time()
        session_id = session._id or new_id()
        data = encode(now, session._data)
        self._check(data)
        await self._call(self.storage.create, storage_key(session_id), data, self.lifetimes.end(now, now))
        session._id, session._created = session_id, now
        self._purge_soon()
        return session_id

    async def _renew(self, session: Session, stored: Stored, created: float) -> None:
        if not self.is_due(session):
            return
        with suppress(SessionStoreUnavailable):  # logged; nothing is lost, and the next request tries again
            await self._call(self.storage.touch, stored.key, self.lifetimes.end(time.time(), created))

    async def _merge(self, session: Session, stored: Stored, created: float, new_key: str | None) -> None:
        """Save after another request has: both changes, if they are of different keys."""
        key = stored.key
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            for attempt in range(_ATTEMPTS):
                record = await self._call(self.storage.read, key)
                theirs = decode(record.data) if record is not None else None
                if record is None or theirs is None:
                    raise SessionConflict("The session ended while the request was at work; nothing was saved.")
                base = decode(stored.data)
                merged, clash = merge(base.data if base is not None else {}, theirs.data, session._data)
                if clash is not None:
                    raise SessionConflict(f"Another request changed {clash!r} of this session in the meantime.")
                if await self._swap(key, encode(created, merged), created, record.data, new_key):
                    return
                await asyncio.sleep(random.random() * 0.002 * (attempt + 1))  # noqa: S311 - other processes' turn
        raise SessionConflict

    async def _swap(self, key: str, data: bytes, created: float, expected: bytes, new_key: str | None) -> bool:
        end = self.lifetimes.end(time.time(), created)
        self._check(data)
        storage = self.storage
        # `_call` in line: one coroutine less for every write, and no packing of its arguments.
        try:
            if self._timeout is None:
                return await storage.replace(key, data, end, expected=expected, new_key=new_key)
            async with asyncio.timeout(self._timeout):
                return await storage.replace(key, data, end, expected=expected, new_key=new_key)
        except HTTPException:
            raise
        except Exception as error:
            raise self._unavailable("replace", error) from error

    def _check(self, data: bytes) -> None:
        if len(data) > self._max_size:
            raise ValueError(
                f"the session has {len(data):,} bytes of {self._max_size:,}: keep large things elsewhere and their key "
                "in the session, or raise max_size"
            )

    async def _call(self, method: Callable[..., Awaitable[_T]], *arguments: Any, **options: Any) -> _T:
        """Call the store; whatever goes wrong with it is a 503, soon."""
        try:
            if self._timeout is None:
                return await method(*arguments, **options)
            async with asyncio.timeout(self._timeout):
                return await method(*arguments, **options)
        except HTTPException:
            raise
        except Exception as error:
            raise self._unavailable(method.__name__, error) from error

    def _unavailable(self, method: str, error: Exception) -> SessionStoreUnavailable:
        what = "did not answer in time" if isinstance(error, TimeoutError) else f"failed: {error!r}"
        logger.error("session store %s: %s() %s", type(self.storage).__name__, method, what)
        return SessionStoreUnavailable()

    def _purge_soon(self) -> None:
        if time.monotonic() < self._next_purge or self._purging is not None:
            return
        self._next_purge = time.monotonic() + _PURGE_EVERY
        self._purging = asyncio.get_running_loop().create_task(self._purge())

    async def _purge(self) -> None:
        try:
            await self.storage.purge()
        except Exception as error:  # noqa: BLE001 - the next purge may succeed
            logger.error("session store %s: purge() failed: %r", type(self.storage).__name__, error)
        finally:
            self._purging = None


def _is_same(data: bytes, stored: bytes) -> bool:
    # PostgreSQL, for one, gives JSON back in a form of its own.
    envelope = decode(stored)
    return envelope is not None and encode(envelope.created, envelope.data) == data
