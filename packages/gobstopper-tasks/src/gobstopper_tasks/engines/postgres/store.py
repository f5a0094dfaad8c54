"""Tasks in PostgreSQL.

PgQueuer's jobs carry the tickets, `gobstopper.task` everything else, in the same transactions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from ...engine import Filter
from ...errors import InvalidTask, TaskStoreUnavailable
from ...task import JSON, Cancelled, Claim, Dead, Done, Enqueued, Outcome, Retry, TaskInfo, TaskSpec, TaskStatus
from .._remote import Begun, Limits
from .schema import AGAIN, BEGIN, COLUMNS, CREATE, END, INSERT, VERSION

CHANNEL = "gobstopper_tasks"
_SPEC = msgspec.json.Decoder(TaskSpec)
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
        with _unavailable():
            return await asyncpg.connect(self._url, timeout=self._timeout)

    async def open(self) -> None:
        """Connect, and create the tables if they are not there."""
        with _unavailable():
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
                if found is None:
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
            waiting = await self._link(session, list(unique.values()), now)
            # In the order of ids, so that two transactions never wait for each other.
            rows = [self._row(unique[id_], waiting.get(id_, 0), now) for id_ in sorted(unique)]
            created = {row["id"] for row in await session.fetch(INSERT, *zip(*rows, strict=True))}
            known = await self._known(session, [spec for spec in unique.values() if spec.id not in created])
            missing = [waiting.keys() - created]
            if any(missing):
                await session.execute("DELETE FROM gobstopper.link WHERE after = ANY($1)", list(missing[0]))
            fresh = [unique[id_] for id_ in unique if id_ in created and not waiting.get(id_)]
            await self._publish(session, [(s.id, 1, s.category, s.priority, s.due) for s in fresh], now)
            doomed = [id_ for id_, count in waiting.items() if count < 0 and id_ in created]
            if doomed:
                await self._cancel_rows(session, doomed, "a task it comes after did not succeed", now)
        return [Enqueued(spec.id) if spec.id in created else Enqueued(known[spec.id], created=False) for spec in specs]

    @staticmethod
    def _row(spec: TaskSpec, waiting: int, now: float) -> tuple[Any, ...]:
        status = TaskStatus.SCHEDULED if waiting or spec.due > now else TaskStatus.PENDING
        return (
            spec.id, spec.name, spec.category, status.value, spec.priority, max(waiting, 0), spec.added_at, spec.due,
            spec.unique_key, spec.idempotency_key, JSON.encode(spec).decode(),
        )  # fmt: skip

    @staticmethod
    async def _link(session: Any, specs: list[TaskSpec], now: float) -> dict[str, int]:
        """Links of the specs that come after others.

        For each how many it waits for, or -1 if one of them ended badly.
        """
        linked = [spec for spec in specs if spec.after]
        if not linked:
            return {}
        ids = {spec.id for spec in specs}
        outside = sorted({id_ for spec in linked for id_ in spec.after if id_ not in ids})
        statement = "SELECT id, status FROM gobstopper.task WHERE id = ANY($1) ORDER BY id FOR UPDATE"
        state = (
            {row["id"]: TaskStatus(row["status"]) for row in await session.fetch(statement, outside)} if outside else {}
        )
        waiting: dict[str, int] = {}
        links: list[tuple[str, str, bool]] = []
        for spec in linked:
            open_ = [id_ for id_ in spec.after if id_ in ids or (id_ in state and not state[id_].final)]
            bad = [id_ for id_ in spec.after if state.get(id_) in (TaskStatus.FAILED, TaskStatus.CANCELLED)]
            waiting[spec.id] = -1 if bad and not spec.always else len(open_)
            links += [(id_, spec.id, spec.always) for id_ in open_]
        await session.executemany("INSERT INTO gobstopper.link VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", links)
        return waiting

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
        return {
            spec.id: spec.id
            if spec.id in ids
            else keys.get(spec.idempotency_key) or unique.get((spec.name, spec.unique_key)) or spec.id
            for spec in specs
        }

    @staticmethod
    async def _publish(session: Any, tickets: list[tuple[str, int, str, int, float]], now: float) -> None:
        """Give `(id, number, category, priority, due)` to PgQueuer."""
        if tickets:
            await Queries(AsyncpgDriver(session)).enqueue(
                [category for _, _, category, _, _ in tickets],
                [f"{id_}/{number}".encode() for id_, number, _, _, _ in tickets],
                [priority for _, _, _, priority, _ in tickets],
                [timedelta(seconds=max(0.0, due - now)) for _, _, _, _, due in tickets],
            )

    # -- running

    async def begin(self, id: str, number: int, session: str, limits: Limits) -> Begun:  # noqa: A002 - the field's own name
        """See `Store`."""
        now = time.time()
        async with self._connection() as connection:
            if limits and (wait := await self._limited(connection, id, number, limits, now)) is not None:
                return Begun(wait=wait)
            row = await connection.fetchrow(BEGIN, id, number, session, now)
        if row is None:
            return Begun()
        spec = _SPEC.decode(row["spec"])
        claim = Claim(spec=spec, number=number, attempt=row["attempt"], crashes=row["crashes"])
        return Begun(claim=claim, cancelled=row["cancelling"])

    @staticmethod
    async def _limited(connection: Any, id_: str, number: int, limits: Limits, now: float) -> float | None:
        found = await connection.fetchrow(
            "SELECT name, category FROM gobstopper.task WHERE id = $1 AND number = $2 AND status <> 'running'",
            id_,
            number,
        )
        if found is None:
            return None
        for column in ("category", "name"):
            scope = f"{'task' if column == 'name' else column}:{found[column]}"
            if scope not in limits:
                continue
            concurrency, rate, per = limits[scope]
            await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", 0x676F6273, scope)
            running, started, oldest = await connection.fetchrow(
                f"""SELECT count(*) FILTER (WHERE status = 'running'), count(*) FILTER (WHERE started_at > $2),
                min(started_at) FILTER (WHERE started_at > $2) FROM gobstopper.task
                WHERE {column} = $1 AND (status = 'running' OR started_at > $2)""",  # noqa: S608 - one of two names above
                found[column],
                now - per,
            )
            if concurrency is not None and running >= concurrency:
                return 0.05
            if rate is not None and started >= rate:
                return max(0.01, float(oldest) + per - now)
        return None

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """See `Store`."""
        now = time.time()
        id_, number = claim.spec.id, claim.number
        async with self._connection() as session:
            if isinstance(outcome, Retry):
                due = now + outcome.delay if outcome.delay else 0.0
                unclaimed = not claim.spec.name
                row = await session.fetchrow(AGAIN, id_, number, due, outcome.error, unclaimed, outcome.counted, now)
                if row is not None:
                    await self._publish(session, [(id_, row["number"], row["category"], row["priority"], due)], now)
                    return
                outcome = Cancelled("cancelled while it ran")
            status, result, error = ending(outcome)
            if await session.fetchval(END, id_, number, status.value, result, error, now) is not None:
                await self._ended(session, [(id_, status)], now)

    async def _ended(self, session: Any, ended: list[tuple[str, TaskStatus]], now: float) -> None:
        """Tell whoever waits, and release or cancel what comes after."""
        while ended:
            await session.execute(
                "SELECT pg_notify($1, 'final:' || id) FROM unnest($2::text[]) AS id", CHANNEL, [id_ for id_, _ in ended]
            )
            good = [id_ for id_, status in ended if status is TaskStatus.SUCCEEDED]
            links = await session.fetch(
                "DELETE FROM gobstopper.link WHERE before = ANY($1) RETURNING before, after, always",
                [id_ for id_, _ in ended],
            )
            released: dict[str, int] = {}
            for link in links:
                if link["always"] or link["before"] in good:
                    released[link["after"]] = released.get(link["after"], 0) + 1
            doomed = sorted({link["after"] for link in links if not link["always"] and link["before"] not in good})
            for id_, count in sorted(released.items()):
                row = await session.fetchrow(
                    """UPDATE gobstopper.task SET waiting = greatest(waiting - $2, 0),
                    status = CASE WHEN waiting <= $2 THEN 'pending' ELSE status END
                    WHERE id = $1 AND status = 'scheduled' RETURNING waiting, number, category, priority""",
                    id_,
                    count,
                )
                if row is not None and row["waiting"] == 0:
                    await self._publish(session, [(id_, row["number"], row["category"], row["priority"], 0.0)], now)
            ended = [
                (id_, TaskStatus.CANCELLED)
                for id_ in await self._cancel_waiting(session, doomed, "a task it comes after did not succeed", now)
            ]

    @staticmethod
    async def _cancel_waiting(session: Any, ids: list[str], error: str, now: float) -> list[str]:
        rows = await session.fetch(
            """UPDATE gobstopper.task SET status = 'cancelled', error = $2, finished_at = $3, number = number + 1
            WHERE id = ANY($1) AND status IN ('pending', 'scheduled', 'retrying') RETURNING id""",
            ids,
            error,
            now,
        )
        return [row["id"] for row in rows]

    async def _cancel_rows(self, session: Any, ids: list[str], error: str, now: float) -> int:
        cancelled = await self._cancel_waiting(session, sorted(ids), error, now)
        await self._ended(session, [(id_, TaskStatus.CANCELLED) for id_ in cancelled], now)
        return len(cancelled)

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
            reached = await self._cancel_rows(session, list(ids), "cancelled before it ran", now)
            rows = await session.fetch(
                """UPDATE gobstopper.task SET cancelling = true
                WHERE id = ANY($1) AND status = 'running' AND NOT cancelling
                RETURNING pg_notify($2, 'cancel:' || id)""",
                list(ids),
                CHANNEL,
            )
        return reached + len(rows)

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `Store`."""
        now = time.time()
        async with self._connection() as session:
            rows = await session.fetch(
                """UPDATE gobstopper.task SET number = number + 1, due = 0, cancelling = false, finished_at = NULL,
                    attempt = CASE WHEN status IN ('failed', 'cancelled') THEN 0 ELSE attempt END,
                    crashes = CASE WHEN status IN ('failed', 'cancelled') THEN 0 ELSE crashes END, status = 'pending'
                WHERE id = ANY($1) AND (status IN ('failed', 'cancelled') OR (status IN ('scheduled', 'retrying') AND
                waiting = 0)) RETURNING id, number, category, priority""",
                sorted(set(ids)),
            )
            tickets = [(row["id"], row["number"], row["category"], row["priority"], 0.0) for row in rows]
            await self._publish(session, tickets, now)
        return len(rows)

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
                except asyncpg.PostgresConnectionError:
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
        async with self._connection() as session:
            await session.execute(
                """DELETE FROM gobstopper.task WHERE id IN (SELECT id FROM gobstopper.task
                WHERE finished_at < $1 ORDER BY finished_at LIMIT 10000 FOR UPDATE SKIP LOCKED)""",
                time.time() - self._retention,
            )


def ending(outcome: Outcome) -> tuple[TaskStatus, str | None, str | None]:
    """Status, result and error of a final outcome."""
    if isinstance(outcome, Done):
        return TaskStatus.SUCCEEDED, bytes(outcome.result).decode(), None
    if isinstance(outcome, Dead):
        return TaskStatus.FAILED, None, outcome.error.replace("\0", "\\0")
    return TaskStatus.CANCELLED, None, (outcome.error or "").replace("\0", "\\0") or None


def info_of(row: Any, now: float) -> TaskInfo:
    """What is told of a row."""
    spec = _SPEC.decode(row["spec"])
    fresh = row["result"] is not None and (row["finished_at"] or now) + spec.result_ttl > now
    return TaskInfo(
        id=row["id"],
        name=row["name"],
        category=row["category"],
        status=TaskStatus(row["status"]),
        priority=row["priority"],
        attempt=row["attempt"],
        max_retries=spec.max_retries,
        crashes=row["crashes"],
        added_at=spec.added_at,
        run_at=row["due"] or None,
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        result=msgspec.json.decode(row["result"]) if fresh else None,
        error=row["error"],
        progress=row["progress"],
        note=row["note"],
        worker=row["worker"],
        unique_key=spec.unique_key,
        args=msgspec.json.decode(spec.args),
    )


class _unavailable:  # noqa: N801 - reads as a statement
    """Turns the errors of a server that is away into `TaskStoreUnavailable`."""

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
