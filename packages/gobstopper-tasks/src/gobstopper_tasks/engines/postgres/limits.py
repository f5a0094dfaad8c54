"""Limits over the whole fleet: counted under a lock for each scope, within the transaction that begins the task."""

from __future__ import annotations

from typing import Any

from .._store import Limits

_LOCK = 0x676F6273  # "gobs"
_NOW = "extract(epoch FROM clock_timestamp())::float8"  # the server's clock: one for the whole fleet


async def limited(session: Any, id_: str, number: int, limits: Limits) -> float | None:
    """Seconds to wait before the task may start, or None: it may, and counts from now on."""
    found = await session.fetchrow(
        "SELECT name, category FROM gobstopper.task WHERE id = $1 AND number = $2 AND status <> 'running'", id_, number
    )
    if found is None:
        return None
    rated: list[str] = []
    for column in ("category", "name"):
        scope = f"{'task' if column == 'name' else column}:{found[column]}"
        if scope not in limits:
            continue
        concurrency, rate, per = limits[scope]
        await session.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, scope)
        if concurrency is not None:
            count = f"SELECT count(*) FROM gobstopper.task WHERE {column} = $1 AND status = 'running'"  # noqa: S608 - one of two names
            if await session.fetchval(count, found[column]) >= concurrency:
                return 0.05
        if rate is not None:
            wait = await _rate(session, scope, rate, per)
            if wait is not None:
                return wait
            rated.append(scope)
    if rated:
        await session.execute(f"INSERT INTO gobstopper.start SELECT unnest($1::text[]), {_NOW}", rated)
    return None


async def _rate(session: Any, scope: str, rate: int, per: float) -> float | None:
    await session.execute(f"DELETE FROM gobstopper.start WHERE scope = $1 AND at <= {_NOW} - $2", scope, per)  # noqa: S608
    # A start in the future is from before the server's clock was set back.
    count = f"SELECT count(*), min(at) + $2 - {_NOW} FROM gobstopper.start WHERE scope = $1 AND at <= {_NOW} + 1"  # noqa: S608
    started, left = await session.fetchrow(count, scope, per)
    return max(0.01, float(left)) if started >= rate else None
