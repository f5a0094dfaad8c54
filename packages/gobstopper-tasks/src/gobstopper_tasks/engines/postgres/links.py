"""What follows what: tickets to PgQueuer, and tasks that come after others. All within a caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from ...task import TaskSpec, TaskStatus

CHANNEL = "gobstopper_tasks"

HOPELESS = "a task it comes after did not succeed"


async def publish(session: Any, tickets: list[tuple[str, int, str, int, float]], now: float) -> None:
    """Give `(id, number, category, priority, due)` to PgQueuer."""
    if tickets:
        await Queries(AsyncpgDriver(session)).enqueue(
            [category for _, _, category, _, _ in tickets],
            [f"{id_}/{number}".encode() for id_, number, _, _, _ in tickets],
            [priority for _, _, _, priority, _ in tickets],
            [timedelta(seconds=max(0.0, due - now)) for _, _, _, _, due in tickets],
        )


async def link(session: Any, specs: list[TaskSpec]) -> dict[str, int]:
    """Links of the specs that come after others.

    For each how many it waits for, or -1 if one of them ended badly.
    """
    linked = [spec for spec in specs if spec.after]
    if not linked:
        return {}
    new = {spec.id for spec in specs}
    rows = await session.fetch(
        "SELECT id, status FROM gobstopper.task WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        sorted({id_ for spec in linked for id_ in spec.after}),
    )
    state = {row["id"]: TaskStatus(row["status"]) for row in rows}
    waiting: dict[str, int] = {}
    links: list[tuple[str, str, bool]] = []
    for spec in linked:
        open_ = [id_ for id_ in spec.after if (not state[id_].final if id_ in state else id_ in new)]
        bad = [id_ for id_ in spec.after if state.get(id_) in (TaskStatus.FAILED, TaskStatus.CANCELLED)]
        waiting[spec.id] = -1 if bad and not spec.always else len(open_)
        links += [(id_, spec.id, spec.always) for id_ in open_]
    await session.executemany("INSERT INTO gobstopper.link VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", links)
    return waiting


async def follow(session: Any, ended: list[tuple[str, TaskStatus]], now: float) -> None:
    """Tell whoever waits for what ended, and release or cancel what comes after."""
    while ended:
        ids = [id_ for id_, _ in ended]
        await session.execute("SELECT pg_notify($1, 'final:' || id) FROM unnest($2::text[]) AS id", CHANNEL, ids)
        good = {id_ for id_, status in ended if status is TaskStatus.SUCCEEDED}
        links = await session.fetch(
            "DELETE FROM gobstopper.link WHERE before = ANY($1) RETURNING before, after, always", ids
        )
        released: dict[str, int] = {}
        doomed: set[str] = set()
        for one in links:
            if one["always"] or one["before"] in good:
                released[one["after"]] = released.get(one["after"], 0) + 1
            else:
                doomed.add(one["after"])
        await _release(session, released, now)
        ended = [(id_, TaskStatus.CANCELLED) for id_ in await _cancel(session, sorted(doomed), HOPELESS, now)]


async def cancel_waiting(session: Any, ids: Sequence[str], error: str, now: float) -> int:
    """Cancel those of the tasks that do not run, and what comes after them; the number of these tasks."""
    cancelled = await _cancel(session, sorted(ids), error, now)
    await follow(session, [(id_, TaskStatus.CANCELLED) for id_ in cancelled], now)
    return len(cancelled)


async def _release(session: Any, released: dict[str, int], now: float) -> None:
    for id_, count in sorted(released.items()):
        row = await session.fetchrow(
            """UPDATE gobstopper.task SET waiting = greatest(waiting - $2, 0),
            status = CASE WHEN waiting <= $2 AND due <= $3 THEN 'pending' ELSE status END
            WHERE id = $1 AND status = 'scheduled' RETURNING waiting, number, category, priority, due""",
            id_,
            count,
            now,
        )
        if row is not None and row["waiting"] == 0:
            await publish(session, [(id_, row["number"], row["category"], row["priority"], row["due"])], now)


async def _cancel(session: Any, ids: list[str], error: str, now: float) -> list[str]:
    rows = await session.fetch(
        """UPDATE gobstopper.task SET status = 'cancelled', error = $2, finished_at = $3, number = number + 1
        WHERE id = ANY($1) AND status IN ('pending', 'scheduled', 'retrying') RETURNING id""",
        ids,
        error,
        now,
    )
    return [row["id"] for row in rows]
