"""Tasks in PostgreSQL.

PgQueuer's jobs carry the tickets, `gobstopper.task` everything else, in the same transactions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from ...engine import Filter
from ...errors import InvalidTask, TaskStoreUnavailable
from ...task import JSON, Cancelled, Claim, Enqueued, Outcome, Retry, TaskInfo, TaskSpec, TaskStatus
from .._store import Begun, Limits, begun, ending, info_of
from .limits import limited, parked, unpark
from .links import CHANNEL, HOPELESS, cancel_waiting, follow, link, publish
from .schema import AGAIN, BEGIN, COLUMNS, CREATE, END, FORGET_RESULTS, INSERT, MIGRATE, REQUEUE, VERSION

_ATTEMPTS = 10
_LOCK = 0x676F6273746F70  # "gobstop": who creates the tables does so alone


class PostgresStore:
    """See `Store`. `retention` in seconds."""

    def __init__(self, url: str, retention: float, pool_size: int, timeout: float) -> None:
        self._url = url
        self._retention = retention
        self._pool_size = pool_size
        self._timeout = timeout
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    # -- connections

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own, for listening."""
        with _unavailable(connecting=True):
            return await asyncpg.connect(self._url, timeout=self._timeout)

    async def open(self) -> None:
        """Connect, and create the tables if they are not there."""
        with _unavailable(connecting=True):
            self._pool = await asyncpg.create_pool(
                self._url, min_size=1, max_size=self._pool_size, timeout=self._timeout, command_timeout=60
            )
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                queries = Queries(AsyncpgDriver(connection))  # type: ignore[arg-type]
                if not await queries.schema_is_installed():
                    await queries.install()
                await connection.execute(CREATE)
                found = await connection.fetchval("SELECT max(version) FROM gobstopper.version")
                if found is None or found < VERSION:
                    await connection.execute(MIGRATE)
                    await connection.execute("INSERT INTO gobstopper.version VALUES ($1)", VERSION)
                elif found > VERSION:
                    raise InvalidTask(f"the tables are of a newer gobstopper-tasks (version {found}): upgrade")

    async def close(self) -> None:
        """Disconnect."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(2.0):
                    await pool.close()
            except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                pool.terminate()

    @asynccontextmanager
    async def _connection(self, given: Any = None) -> AsyncIterator[Any]:
        """A connection in a transaction: the caller's own, or one of the pool."""
        if given is not None:
            async with given.transaction():
                yield given
            return
        if self._pool is None:
            raise TaskStoreUnavailable("the PostgreSQL pool is closed")
        with _unavailable():
            async with self._pool.acquire(timeout=self._timeout) as connection, connection.transaction():
                yield connection

    # -- adding

    async def add(self, specs: Sequence[TaskSpec], connection: Any) -> list[Enqueued]:
        """See `Store`."""
        now = time.time()
        unique = {spec.id: spec for spec in specs}
        async with self._connection(connection) as session:
            waiting = await link(session, list(unique.values()))
            # In the order of ids, so that two transactions never wait for each other.
            rows = [self._row(unique[id_], waiting.get(id_, 0), now) for id_ in sorted(unique)]
            created: set[str] = set()
            known: dict[str, str] = {}
            # Who had a key may have ended between the two statements: then it is free, and the row has to be made.
            for _ in range(_ATTEMPTS):
                created |= {row["id"] for row in await session.fetch(INSERT, *zip(*rows, strict=True))}
                known = await self._known(session, [spec for spec in unique.values() if spec.id not in created])
                rows = [row for row in rows if row[0] not in created and row[0] not in known]
                if not rows:
                    break
            else:
                raise TaskStoreUnavailable("PostgreSQL: the keys of these tasks change hands all the time; try again")
            if known_already := waiting.keys() - created:
                await session.execute("DELETE FROM gobstopper.link WHERE after = ANY($1)", list(known_already))
            fresh = [unique[id_] for id_ in unique if id_ in created and not waiting.get(id_)]
            await publish(session, [(s.id, 1, s.category, s.priority, s.due) for s in fresh], now)
            doomed = [id_ for id_, count in waiting.items() if count < 0 and id_ in created]
            if doomed:
                await cancel_waiting(session, doomed, HOPELESS, now)
        return [Enqueued(spec.id) if spec.id in created else Enqueued(known[spec.id], created=False) for spec in specs]

    @staticmethod
    def _row(spec: TaskSpec, waiting: int, now: float) -> tuple[Any, ...]:
        status = TaskStatus.SCHEDULED if waiting or spec.due > now else TaskStatus.PENDING
        return (
            spec.id, spec.name, spec.category, status.value, spec.priority, max(waiting, 0), spec.added_at, spec.due,
            spec.unique_key, spec.idempotency_key, JSON.encode(spec).decode(),
        )  # fmt: skip

    @staticmethod
    async def _known(session: Any, specs: list[TaskSpec]) -> dict[str, str]:
        if not specs:
            return {}
        rows = await session.fetch(
            """SELECT id, name, unique_key, idempotency_key, status FROM gobstopper.task WHERE id = ANY($1)
            OR idempotency_key = ANY($2) OR (unique_key = ANY($3) AND status NOT IN ('succeeded', 'failed',
            'cancelled'))""",
            [spec.id for spec in specs],
            [spec.idempotency_key for spec in specs if spec.idempotency_key is not None],
            [spec.unique_key for spec in specs if spec.unique_key is not None],
        )
        ids = {row["id"] for row in rows}
        keys = {row["idempotency_key"]: row["id"] for row in rows if row["idempotency_key"] is not None}
        unique = {
            (row["name"], row["unique_key"]): row["id"]
            for row in rows
            if row["unique_key"] is not None and not TaskStatus(row["status"]).final
        }
        found: dict[str, str] = {}
        for spec in specs:
            by_key = keys.get(spec.idempotency_key) or unique.get((spec.name, spec.unique_key))
            if known := spec.id if spec.id in ids else by_key:
                found[spec.id] = known
        return found

    # -- running

    async def begin(self, id: str, number: int, session: str, limits: Limits) -> Begun:  # noqa: A002 - the field's own name
        """See `Store`."""
        now = time.time()
        async with self._connection() as connection:
            if limits and await limited(connection, id, number, limits):
                return Begun()
            row = await connection.fetchrow(BEGIN, id, number, session, now)
        if row is None:
            return Begun()
        return begun(row["spec"], number, row["attempt"], row["crashes"], cancelled=row["cancelling"])

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """See `Store`."""
        now = time.time()
        id_, number = claim.spec.id, claim.number
        async with self._connection() as session:
            if isinstance(outcome, Retry):
                due = now + outcome.delay if outcome.delay else 0.0
                row = await session.fetchrow(AGAIN, id_, number, due, outcome.error, outcome.counted, now)
                if row is not None:
                    await publish(session, [(id_, row["number"], row["category"], row["priority"], due)], now)
                    return
                outcome = Cancelled("cancelled while it ran")
            status, result, error = ending(outcome)
            until = None if result is None else now + claim.spec.result_ttl
            if await session.fetchval(END, id_, number, status.value, result, error, now, until) is not None:
                await follow(session, [(id_, status)], now)

    async def unpark(self, scopes: Sequence[str], limits: Limits) -> None:
        """See `Store`."""
        for scope in scopes:
            async with self._connection() as session:
                await unpark(session, scope, limits)

    async def sweep(self, limits: Limits) -> None:
        """See `Store`."""
        async with self._connection() as session:
            scopes = await parked(session)
        await self.unpark(scopes, limits)

    # -- asking and changing

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `Store`."""
        async with self._connection() as session:
            rows = await session.fetch(f"SELECT {COLUMNS} FROM gobstopper.task WHERE id = ANY($1)", list(ids))  # noqa: S608
        now = time.time()
        found = {row["id"]: info_of(row, now) for row in rows}
        return [found.get(id_) for id_ in ids]

    async def cancel(self, ids: Sequence[str]) -> int:
        """See `Store`."""
        now = time.time()
        async with self._connection() as session:
            reached = await cancel_waiting(session, list(ids), "cancelled before it ran", now)
            rows = await session.fetch(
                """UPDATE gobstopper.task SET cancelling = true
                WHERE id = ANY($1) AND status = 'running' AND NOT cancelling
                RETURNING pg_notify($2, 'cancel:' || id)""",
                list(ids),
                CHANNEL,
            )
        return reached + len(rows)

    async def cancelling(self, ids: Sequence[str]) -> list[str]:
        """See `Store`."""
        async with self._connection() as session:
            rows = await session.fetch("SELECT id FROM gobstopper.task WHERE id = ANY($1) AND cancelling", list(ids))
        return [row["id"] for row in rows]

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `Store`."""
        now = time.time()
        async with self._connection() as session:
            try:
                async with session.transaction():
                    rows = await session.fetch(REQUEUE, sorted(set(ids)))
            except asyncpg.UniqueViolationError:
                # Of those with keys only the ones may come back whose key is free: one after the other.
                rows = [row for id_ in dict.fromkeys(ids) for row in await self._requeue_one(session, id_)]
            tickets = [(row["id"], row["number"], row["category"], row["priority"], 0.0) for row in rows]
            await publish(session, tickets, now)
        return len(rows)

    @staticmethod
    async def _requeue_one(session: Any, id_: str) -> list[Any]:
        try:
            async with session.transaction():
                return list(await session.fetch(REQUEUE, [id_]))
        except asyncpg.UniqueViolationError:
            return []

    async def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002
        """See `Store`."""
        async with self._connection() as session:
            await session.execute(
                "UPDATE gobstopper.task SET progress = coalesce($2, progress), note = coalesce($3, note) WHERE id = $1",
                id,
                value,
                note,
            )

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `Store`."""
        async with self._connection() as session:
            rows = await session.fetch(
                f"""SELECT {COLUMNS} FROM gobstopper.task WHERE ($1::text IS NULL OR status = $1)
                AND ($2::text IS NULL OR category = $2) AND ($3::text IS NULL OR name = $3) AND ($4::text IS NULL OR
                id < $4) ORDER BY id DESC LIMIT $5""",  # noqa: S608
                None if filter.status is None else filter.status.value,
                filter.category,
                filter.name,
                cursor,
                filter.limit + 1,
            )
        now = time.time()
        page = [info_of(row, now) for row in rows[: filter.limit]]
        return page, page[-1].id if len(rows) > filter.limit else None

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `Store`."""
        async with self._connection() as session:
            rows = await session.fetch(
                "SELECT category, status, count(*) AS n FROM gobstopper.task GROUP BY category, status ORDER BY 1, 2"
            )
        table: dict[str, dict[str, int]] = {}
        for row in rows:
            table.setdefault(row["category"], {})[row["status"]] = row["n"]
        return table

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine`; parameters are written $1, $2 and so on."""
        if self._pool is None:
            raise TaskStoreUnavailable("the PostgreSQL pool is closed")
        with _unavailable():
            async with self._pool.acquire(timeout=self._timeout) as connection, connection.transaction(readonly=True):
                await connection.execute("SET LOCAL search_path = gobstopper, public")
                try:
                    prepared = await connection.prepare(statement)
                    rows = await prepared.fetch(*parameters)
                except (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError):
                    raise
                except (asyncpg.ReadOnlySQLTransactionError, asyncpg.PostgresSyntaxError) as error:
                    raise InvalidTask(
                        f"sql() takes exactly one SELECT; the history can be read, never changed: {error}"
                    ) from error
                except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    raise InvalidTask(f"this SQL does not work: {error}") from error
                return [attribute.name for attribute in prepared.get_attributes()], [tuple(row) for row in rows]

    async def clean(self) -> None:
        """See `Store`."""
        now = time.time()
        async with self._connection() as session:
            await session.execute(FORGET_RESULTS, now)
            await session.execute(
                """DELETE FROM gobstopper.task WHERE id IN (SELECT id FROM gobstopper.task
                WHERE finished_at < $1 ORDER BY finished_at LIMIT 10000 FOR UPDATE SKIP LOCKED)""",
                now - self._retention,
            )


class _unavailable:  # noqa: N801 - reads as a statement
    """Turns the errors of a server that is away into `TaskStoreUnavailable`."""

    def __init__(self, *, connecting: bool = False) -> None:
        self._connecting = connecting

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        away = (
            OSError,
            TimeoutError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
            asyncpg.OperatorInterventionError,
            asyncpg.InsufficientResourcesError,
            asyncpg.InternalClientError,
        )
        gone = isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)
        if isinstance(error, away) or gone:
            raise TaskStoreUnavailable(f"PostgreSQL cannot be reached: {error or type(error).__name__}") from error
        if self._connecting and isinstance(error, asyncpg.PostgresError):
            raise TaskStoreUnavailable(f"PostgreSQL refuses: {error}") from error
        if self._connecting and isinstance(error, (asyncpg.InterfaceError, ValueError)):
            raise InvalidTask(f"tasks='postgresql://…' is no URL of a PostgreSQL database: {error}") from error
