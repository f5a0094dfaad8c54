"""The way between `Session` objects and a cookie that holds everything."""

from __future__ import annotations

import time

from ._lifetimes import Lifetimes
from .cookie_storage import CookieSessionStorage
from .session import Session

__all__ = ["ClientSide"]


class ClientSide:
    """The same as `ServerSide`, for `CookieSessionStorage`.

    Args:
        storage: What seals the cookies.
        lifetimes: When sessions expire.
        purpose: Binds a sealed session to its use, so that no other sealed text passes for one.
    """

    def __init__(self, storage: CookieSessionStorage, lifetimes: Lifetimes, purpose: str) -> None:
        self.storage = storage
        self.lifetimes = lifetimes
        self._purpose = purpose.encode()

    async def load(self, value: str) -> Session:
        """The session in a cookie; a new one if it is not valid."""
        return self.storage.load(value, self._purpose, self.lifetimes)

    def is_due(self, session: Session) -> bool:
        """Whether the cookie of a session that nobody touched has to be renewed."""
        stored, created = session._stored, session._created
        if stored is None or created is None:
            return False
        return self.lifetimes.is_due(time.time(), created, stored.expires_at)

    async def save(self, session: Session) -> str | None:
        """The value to set in the cookie, `""` to remove the cookie, `None` to leave it."""
        return self.storage.save(session, self._purpose, self.lifetimes)
