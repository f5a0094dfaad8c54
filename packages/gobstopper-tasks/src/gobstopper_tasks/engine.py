"""The contract between the queue and what stores, hands out and remembers its tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, Protocol

import msgspec

from .cron import CronEntry
from .registry import Registry
from .task import Claim, Enqueued, Outcome, TaskInfo, TaskSpec, TaskStatus


class Cap(Enum):
    """What not every engine can do."""

    STRICT_PRIORITY = "a higher priority always starts first, also against tasks fetched ahead"
    LIMITS = "per-category and per-task concurrency and rate limits hold over all processes"
    DURABLE = "tasks survive the end of every process"
    SHARED = "several processes may open the same store"
    SQL = "the history answers SQL"
    TRANSACTION = "add(connection=…) joins the caller's transaction"


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks `query` gives, newest first; None means any."""

    status: TaskStatus | None = None
    category: str | None = None
    name: str | None = None
    limit: int = 50


class Running(Protocol):
    """A claim that is being worked on."""

    def cancel(self) -> None:
        """Ask it to stop; its outcome will tell whether it did."""
        ...

    def give_back(self) -> None:
        """Stop it; its outcome is `Retry(counted=False)`."""
        ...


class Handler(Protocol):
    """Runs claims. `start` must call `finished` exactly once, on the event loop, and must not raise."""

    def start(self, claim: Claim, finished: Callable[[Outcome], None]) -> Running:
        """Begin to run `claim`."""
        ...


class TaskEngine(Protocol):
    """An engine owns its claim loop: the seam is above claiming.

    Every method but `open` may raise `TaskStoreUnavailable`, within about a second, when the store cannot be
    reached; calls recover by themselves when it is back. Delivery is at least once, with a stable id; enqueueing is
    idempotent by id.
    """

    caps: frozenset[Cap]

    async def open(self, registry: Registry) -> None:
        """Connect; create what must exist. `registry` may gain tasks later."""
        ...

    async def close(self, grace: float) -> None:
        """Claim nothing more, let running tasks finish for `grace` seconds, give the others back, disconnect."""
        ...

    async def enqueue(self, specs: Sequence[TaskSpec], connection: Any = None) -> list[Enqueued]:
        """Store all of them or none. Durable on return (with `connection`: when its transaction commits)."""
        ...

    async def run(self, category: str, concurrency: int, handler: Handler) -> None:
        """Claim and run tasks of a category, at most `concurrency` at once, until cancelled or closed."""
        ...

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """What is known, in the order asked for; None for an unknown id."""
        ...

    async def wait(self, id: str, timeout: float | None) -> TaskInfo | None:  # noqa: A002, ASYNC109 - the contract's names
        """Its info once it is final, or what is known when `timeout` seconds are over; None for an unknown id."""
        ...

    async def cancel(self, ids: Sequence[str]) -> int:
        """Cancel what waits, ask what runs to stop; the number of tasks this reached."""
        ...

    async def requeue(self, ids: Sequence[str]) -> int:
        """Make dead letters and cancelled tasks pending again with their attempts at 0, and retries due now."""
        ...

    async def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """Note how far a running task is."""
        ...

    async def schedules(self, entries: Sequence[CronEntry]) -> None:
        """Set this process's cron entries: one fire per tick in the whole fleet."""
        ...

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """One page, newest first, and the cursor of the next (None at the end)."""
        ...

    async def stats(self) -> dict[str, dict[str, int]]:
        """Number of tasks by category and status."""
        ...

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one SELECT over the history (`Cap.SQL`)."""
        ...


Fire = Callable[[CronEntry, float], Awaitable[object]]
EngineFactory = Callable[[Fire], TaskEngine]
