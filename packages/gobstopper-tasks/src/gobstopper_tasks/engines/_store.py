"""What an engine on a server keeps beside its queue, and how that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ..engine import Filter
from ..task import Cancelled, Claim, Dead, Done, Enqueued, Outcome, TaskInfo, TaskSpec, TaskStatus

Limits = dict[str, tuple[int | None, int | None, float]]

WOKEN = 5.0  # seconds that a parked task's new ticket has its place reserved for, once it is due

_SPEC = msgspec.json.Decoder(TaskSpec)


class Begun(msgspec.Struct, frozen=True):
    """The store's answer to a ticket: a claim, or none: the ticket is done with.

    It is out of date, or a limit holds its task back: that one is parked, and gets a new ticket when there is room.
    """

    claim: Claim | None = None
    cancelled: bool = False


class Store(Protocol):
    """Statuses, results, keys, links and limits of all tasks."""

    async def open(self) -> None:
        """Connect, and create what must exist."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def add(self, specs: Sequence[TaskSpec], connection: Any) -> list[Enqueued]:
        """Store and publish all of them or none."""
        ...

    async def begin(self, id: str, number: int, session: str, limits: Limits) -> Begun:  # noqa: A002 - the field's own name
        """A worker got the ticket."""
        ...

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """What came of it. For a `Retry` it is published anew."""
        ...

    async def unpark(self, scopes: Sequence[str], limits: Limits) -> None:
        """Publish those parked in these scopes for which there is room now."""
        ...

    async def sweep(self, limits: Limits) -> None:
        """The same for all scopes: what a process did not do before it ended, and for limits that are changed."""
        ...

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `TaskEngine`."""
        ...

    async def cancel(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`; running ones are told through `notify`."""
        ...

    async def cancelling(self, ids: Sequence[str]) -> list[str]:
        """Those of the running ones that were asked to stop."""
        ...

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `TaskEngine`."""
        ...

    async def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """See `TaskEngine`."""
        ...

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `TaskEngine`."""
        ...

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `TaskEngine`."""
        ...

    async def clean(self) -> None:
        """Drop what is older than the retention."""
        ...


def begun(text: str, number: int, attempt: int, crashes: int, *, cancelled: bool) -> Begun:
    """The claim of a stored spec."""
    spec = _SPEC.decode(text)
    return Begun(claim=Claim(spec=spec, number=number, attempt=attempt, crashes=crashes), cancelled=cancelled)


def ending(outcome: Outcome) -> tuple[TaskStatus, str | None, str | None]:
    """Status, result as JSON, and error of a final outcome."""
    if isinstance(outcome, Done):
        return TaskStatus.SUCCEEDED, bytes(outcome.result).decode(), None
    if isinstance(outcome, Dead):
        return TaskStatus.FAILED, None, outcome.error or "failed"
    return TaskStatus.CANCELLED, None, (outcome.error if isinstance(outcome, Cancelled) else None) or None


def info_of(row: Mapping[str, Any], now: float) -> TaskInfo:
    """What is told of a row: `spec` and `result` are JSON, `due` is 0 for at once, the others as in `TaskInfo`."""
    spec = _SPEC.decode(row["spec"])
    result, finished_at = row["result"], row["finished_at"]
    if result is not None and (finished_at or now) + spec.result_ttl <= now:
        result = None
    return TaskInfo(
        id=spec.id,
        name=spec.name,
        category=spec.category,
        status=TaskStatus(row["status"]),
        priority=spec.priority,
        attempt=row["attempt"],
        max_retries=spec.max_retries,
        crashes=row["crashes"],
        added_at=spec.added_at,
        run_at=row["due"] or None,
        started_at=row["started_at"],
        finished_at=finished_at,
        result=None if result is None else msgspec.json.decode(result),
        error=row["error"],
        progress=row["progress"],
        note=row["note"],
        worker=row["worker"],
        unique_key=spec.unique_key,
        args=msgspec.json.decode(spec.args),
    )
