"""What a broker needs of its journal, and the journal that remembers nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from ..engine import Filter
from ..errors import Unsupported
from ..task import TaskInfo, TaskSpec, TaskStatus


class Kind(IntEnum):
    """The kinds of events. Their numbers are in journals: never reuse one."""

    OPENED = 0
    ADDED = 1
    STARTED = 2
    FINISHED = 3
    RETRYING = 4
    RETURNED = 5
    REVIVED = 6
    DUE = 7
    PROGRESS = 8
    CANCELLING = 9
    CLOSED = 10


class Event(NamedTuple):
    """One row: what happened (`kind`) to which task (`id`), when, and `data`, a JSON object or None."""

    kind: int
    at: float
    id: str
    data: str | None


class Started(msgspec.Struct, array_like=True):
    """Data of STARTED: the claim's number and the session that took it."""

    number: int
    session: str


class Finished(msgspec.Struct, omit_defaults=True):
    """Data of FINISHED.

    `result` is the value's JSON. `started_at`, `number` and `session` repeat a STARTED event that this one saved.
    """

    status: TaskStatus
    result: str | None = None
    error: str | None = None
    attempt: int = 0
    started_at: float | None = None
    session: str | None = None
    number: int = 0
    progress: float | None = None
    note: str | None = None


class Returned(msgspec.Struct, omit_defaults=True):
    """Data of RETRYING (`delay` and `error`) and of RETURNED (`crashed` as well)."""

    delay: float = 0.0
    error: str | None = None
    crashed: bool = False
    number: int = 0


class Progress(msgspec.Struct, array_like=True):
    """Data of PROGRESS."""

    value: float | None
    note: str | None


Written = Callable[[BaseException | None], None]


class Journal(Protocol):
    """An append-only store of events; methods are called on the event loop and never block it."""

    def write(self, events: list[Event], written: Written) -> None:
        """Store a batch, all or nothing, durably; then call `written` on the loop. One batch at a time."""
        ...

    async def lookup(self, ids: Sequence[str]) -> dict[str, TaskInfo]:
        """What is stored about tasks that are not in memory any more."""
        ...

    async def specs(self, ids: Sequence[str]) -> dict[str, TaskSpec]:
        """The specs of such tasks, if they failed or were cancelled."""
        ...

    async def query(self, filter: Filter, cursor: str | None) -> list[TaskInfo] | None:  # noqa: A002
        """Ended tasks with ids below the cursor, newest first, `filter.limit` at most.

        None if only memory knows them.
        """
        ...

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine.sql`."""
        ...


class NullJournal:
    """Keeps nothing: for tests."""

    def write(self, events: list[Event], written: Written) -> None:
        """See `Journal`."""
        written(None)

    async def lookup(self, ids: Sequence[str]) -> dict[str, TaskInfo]:
        """See `Journal`."""
        return {}

    async def specs(self, ids: Sequence[str]) -> dict[str, TaskSpec]:
        """See `Journal`."""
        return {}

    async def query(self, filter: Filter, cursor: str | None) -> list[TaskInfo] | None:  # noqa: A002
        """See `Journal`."""
        return None

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `Journal`."""
        raise Unsupported("the memory engine has no SQL history; use a DuckDB or PostgreSQL queue")
