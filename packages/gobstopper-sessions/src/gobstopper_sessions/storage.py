"""The contract of a session store: records of bytes under hashed keys, with an expiry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

__all__ = ["MAX_RECORD", "Record", "SessionStorage", "SetupContext"]

MAX_RECORD = 256 * 1024
"""Bytes of a record that are written by default; a session is for small things."""


class Record(NamedTuple):
    """A stored session.

    Attributes:
        data: A JSON object in UTF-8. A store may give other bytes back than it got, if they mean the same JSON.
        expires_at: Seconds since 1970.
    """

    data: bytes
    expires_at: float


class SetupContext(Protocol):
    """What an application tells its middleware and stores, once, at start-up."""

    @property
    def app(self) -> Any:
        """The application; `app.on_shutdown(function)` is used if it is there."""
        ...

    @property
    def debug(self) -> bool:
        """Whether this is development."""
        ...

    @property
    def instance_path(self) -> Path:
        """The folder that the application writes to."""
        ...

    @property
    def secret_keys(self) -> list[str | bytes]:
        """Signing keys, the newest first; may be empty."""
        ...

    @property
    def logger(self) -> Any:
        """A logger with `warning` and `error`."""
        ...

    def make_instance(self) -> Path:
        """The folder `instance_path`, made if it is not there."""
        ...


class SessionStorage(ABC):
    """Keeps records under keys. Subclass it for a store of your own, and run `conformance` on it.

    Keys are 64 hexadecimal digits. A record that has expired counts as missing everywhere. Every method that changes a
    record leaves the old or the new one, never a part, whatever happens in between. What goes wrong is raised, as
    any exception: the middleware answers 503.
    """

    timeout: ClassVar[float | None] = 0.8
    """Seconds that one call may take until the answer is 503; `None` for a store that never waits."""

    exact: ClassVar[bool] = False
    """Whether `read` gives the very bytes that were written; where it does not, JSON is compared by its meaning."""

    @abstractmethod
    async def read(self, key: str) -> Record | None:
        """The record, `None` if it is missing or has expired."""

    @abstractmethod
    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        """Write a record under a key that is new (it was drawn from 256 bits)."""

    @abstractmethod
    async def replace(
        self, key: str, data: bytes, expires_at: float, *, expected: bytes, new_key: str | None = None
    ) -> bool:
        """Compare and swap.

        Args:
            key: Of the record.
            data: What is to be written.
            expires_at: When it shall expire.
            expected: The `data` that `read` gave. If the record has other content by now, or is missing, nothing
                is done.
            new_key: Move the record to this key, which is new. The old key is dead at once.

        Returns:
            Whether it was written. `False` says that nothing was done: what is not known (the connection broke before
            the answer came) has to be raised, and a write that is sent again must not take its first try for another
            writer's.
        """

    @abstractmethod
    async def touch(self, key: str, expires_at: float) -> bool:
        """Set the expiry alone. Returns whether there is such a record; it is never made."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Remove a record. Returns whether there was one."""

    async def purge(self) -> int:
        """Remove what has expired, and return how many; for stores that do not do it by themselves."""
        return 0

    def setup(self, context: SetupContext) -> None:  # noqa: B027 - optional
        """Called once at start-up by an application."""

    async def close(self) -> None:  # noqa: B027 - optional
        """Release what the store itself opened; called at shutdown."""
