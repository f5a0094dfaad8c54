"""Limits over the whole fleet: counted under a lock for each scope, within the transaction that begins the task.

What a limit holds back is parked: its ticket is done with, so it takes no worker's slot, and a new one is published
when there is room. `parked.wake` is NULL while it waits, else when its new ticket is due: one with a ticket has its
place reserved until it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .._store import WOKEN, Limits
from .links import publish

_LOCK = 0x676F6273  # "gobs"
_NOW = "extract(epoch FROM clock_timestamp())::float8"  # the server's clock: one for the whole fleet
_ALL = 1000  # so many are woken at once at the most
_WAITS = "('pending', 'scheduled', 'retrying')"


class Room(NamedTuple):
    """How many more may start now; if none may because of the rate, the seconds until one may."""

    free: int
    wait: float | None
    reserved: int


async def limited(session: Any, id_: str, number: int, limits: Limits) -> bool:
    """True: the task may not start now and is parked. False: it may, and counts from now on."""
    task = await session.fetchrow(
        f"SELECT name, category, priority FROM gobstopper.task WHERE id = $1 AND number = $2 AND status IN {_WAITS}",  # noqa: S608
        id_,
        number,
    )
    if task is None:
        return False
    scopes = [scope for scope in (f"category:{task['category']}", f"task:{task['name']}") if scope in limits]
    for scope in scopes:
        await _lock(session, scope)
    own = await session.fetchrow("DELETE FROM gobstopper.parked WHERE id = $1 RETURNING scope, wake", id_)
    rooms = {scope: await _room(session, scope, limits) for scope in scopes}
    blocked: str | None = None
    for scope, room in rooms.items():
        free = room.free
        if own is None or own["scope"] != scope or own["wake"] is None:
            # A newcomer goes behind those that wait already, and takes no place that is reserved.
            free -= room.reserved + await _before(session, scope, task["priority"], id_)
        if free <= 0:
            blocked = scope
            break
    if blocked is None:
        for scope in scopes:
            if limits[scope][1] is not None:
                await session.execute(f"INSERT INTO gobstopper.start VALUES ($1, {_NOW})", scope)  # noqa: S608
            await _wake(session, scope, await _room(session, scope, limits, starting=1))
        return False
    await session.execute(
        "INSERT INTO gobstopper.parked VALUES ($1, $2, $3, $4, $5, $6, NULL)",
        id_, number, blocked, task["priority"], task["name"], task["category"],
    )  # fmt: skip
    for scope, room in rooms.items():
        if scope == blocked:
            await _wake(session, scope, room)
        else:  # its place here is free for another that the same limit does not hold back
            column = "category" if blocked.startswith("category:") else "name"
            await _wake(session, scope, room, f"AND p.{column} <> $3", task[column])
    return True


async def unpark(session: Any, scope: str, limits: Limits) -> None:
    """Publish those of a scope that may start now."""
    await _lock(session, scope)
    # Later than the rate would have it: that was another one when the ticket was published.
    await session.execute(
        f"UPDATE gobstopper.parked SET wake = NULL WHERE scope = $1 AND wake > {_NOW} + $2",  # noqa: S608
        scope,
        (limits[scope][2] if scope in limits else 0.0) + WOKEN,
    )
    await _wake(session, scope, await _room(session, scope, limits) if scope in limits else Room(_ALL, None, 0))


async def parked(session: Any) -> Sequence[str]:
    """The scopes that hold tasks back, after those are gone that do not wait any more."""
    await session.execute(
        f"""DELETE FROM gobstopper.parked WHERE id IN (SELECT p.id FROM gobstopper.parked p
        LEFT JOIN gobstopper.task t ON t.id = p.id AND t.number = p.number AND t.status IN {_WAITS}
        WHERE t.id IS NULL FOR UPDATE OF p SKIP LOCKED)"""  # noqa: S608
    )
    return [row["scope"] for row in await session.fetch("SELECT DISTINCT scope FROM gobstopper.parked")]


async def _lock(session: Any, scope: str) -> None:
    await session.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, scope)


async def _before(session: Any, scope: str, priority: int, id_: str) -> int:
    count = await session.fetchval(
        """SELECT count(*) FROM gobstopper.parked WHERE scope = $1 AND wake IS NULL
        AND (priority > $2 OR (priority = $2 AND id < $3))""",
        scope,
        priority,
        id_,
    )
    return int(count)


async def _room(session: Any, scope: str, limits: Limits, starting: int = 0) -> Room:
    concurrency, rate, per = limits[scope]
    kind, _, value = scope.partition(":")
    reserved = await session.fetchval(
        f"SELECT count(*) FROM gobstopper.parked WHERE scope = $1 AND wake > {_NOW} - $2 AND wake <= {_NOW} + $3",  # noqa: S608
        scope,
        WOKEN,
        per + WOKEN,
    )
    free, wait = _ALL, None
    if concurrency is not None:
        column = "category" if kind == "category" else "name"
        count = f"SELECT count(*) FROM gobstopper.task WHERE {column} = $1 AND status = 'running'"  # noqa: S608 - one of two names
        free = concurrency - starting - await session.fetchval(count, value)
    if rate is not None and free > 0:
        await session.execute(f"DELETE FROM gobstopper.start WHERE scope = $1 AND at <= {_NOW} - $2", scope, per)  # noqa: S608
        # A start in the future is from before the server's clock was set back.
        count = f"SELECT count(*), min(at) + $2 - {_NOW} FROM gobstopper.start WHERE scope = $1 AND at <= {_NOW} + 1"  # noqa: S608
        started, left = await session.fetchrow(count, scope, per)
        free = min(free, rate - started)
        wait = max(0.01, float(left)) if free <= 0 else None
    return Room(free, wait, reserved)


async def _wake(session: Any, scope: str, room: Room, others: str = "", value: str = "") -> None:
    count = (0 if room.reserved else 1) if room.wait is not None else room.free - room.reserved
    if count <= 0:
        return
    # Who changes one of these tasks at this moment is not waited for: the sweep finds what was left out.
    rows = await session.fetch(
        f"""UPDATE gobstopper.task SET number = number + 1 WHERE id IN (SELECT t.id FROM gobstopper.parked p
        JOIN gobstopper.task t ON t.id = p.id AND t.number = p.number AND t.status IN {_WAITS}
        WHERE p.scope = $1 AND p.wake IS NULL {others} ORDER BY p.priority DESC, p.id LIMIT $2
        FOR UPDATE OF t SKIP LOCKED) RETURNING id, number, category, priority""",  # noqa: S608
        scope,
        min(count, _ALL),
        *([value] if others else []),
    )
    delay = room.wait or 0.0
    await session.execute(
        f"UPDATE gobstopper.parked SET number = number + 1, wake = {_NOW} + $2 WHERE id = ANY($1)",  # noqa: S608
        [row["id"] for row in rows],
        delay,
    )
    rows.sort(key=lambda row: row["id"])
    await publish(session, [(row["id"], row["number"], row["category"], row["priority"], delay) for row in rows], 0.0)
