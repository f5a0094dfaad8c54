"""Sessions in PostgreSQL."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import TYPE_CHECKING, Any

from ._options import check_flag, check_text, check_url, kind_of
from .storage import Record, SessionStorage

if TYPE_CHECKING:
    from asyncpg import Pool

__all__ = ["SCHEMA", "PostgresSessionStorage"]

SCHEMA = """\
CREATE TABLE IF NOT EXISTS sessions (
    session_id TEXT PRIMARY KEY,
    data JSONB NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_sessions_expires_at ON sessions (expires_at);
"""
"""The table, for the default name."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,50}")
_NOT_FOR_JSONB = re.compile(rb"\\u0000|[0-9]e[+-]?[0-9]")
_BATCH = 1000
_PATIENCE = 0.625  # of the store's time-out, for the pool and for the statement: half a second of 0.8
_RELEASE = 0.1


class PostgresSessionStorage(SessionStorage):
    """Sessions in a table; what has expired is never read, and removed by its index every few minutes.

    Args:
        pool: An `asyncpg` pool. It stays yours: close it when you stop.
        dsn: Instead of a pool: `postgresql://user@host/database`. A pool is opened when first needed and closed at
            shutdown. Needs the extra `postgres`.
        create_table: Create the table and its index (`SCHEMA`) if they are not there.
        table: Its name.

    Raises:
        TypeError: for what is no pool, or neither or both of `pool` and `dsn`.
        ValueError: for a URL of something else, or a table name that is no plain identifier.
        ImportError: for `dsn` without the extra.
    """

    def __init__(
        self,
        pool: Pool | Any = None,
        *,
        dsn: str | None = None,
        create_table: bool = False,
        table: str = "sessions",
    ) -> None:
        if (pool is None) == (dsn is None):
            raise TypeError("give either pool=, an asyncpg pool, or dsn=")
        if pool is not None and not (hasattr(pool, "acquire") and hasattr(pool, "release")):
            hint = (
                ": a URL goes into dsn=" if isinstance(pool, str) else "; make one with `await asyncpg.create_pool()`"
            )
            raise TypeError(f"pool= is {kind_of(pool)}{hint}")
        if dsn is not None:
            check_url("dsn", dsn, ("postgresql", "postgres"), "postgresql://user@host/database")
            _create_pool()  # so that a missing package is told now
        check_flag("create_table", create_table)
        if not _NAME.fullmatch(check_text("table", table)):
            raise ValueError(f"table={table!r}: a name of letters, digits and _, at most 51 of them")
        self._given = pool
        self._dsn = dsn
        self._table = table
        self._create_table = create_table
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self._schema = re.sub(r"\bsessions\b|(?<=idx_)sessions(?=_)", table, SCHEMA)
        live = "expires_at > now()"
        # S608: the name was checked above.
        self._select = (
            f"SELECT data::text, extract(epoch FROM expires_at)::float8 FROM {table} WHERE session_id = $1 AND {live}"  # noqa: S608
        )
        self._insert = f"INSERT INTO {table} (session_id, data, expires_at) VALUES ($1, $2::jsonb, to_timestamp($3))"  # noqa: S608
        self._update = f"UPDATE {table} SET session_id = $5, data = $2::jsonb, expires_at = to_timestamp($3) WHERE session_id = $1 AND data = $4::jsonb AND {live}"  # noqa: S608, E501
        self._extend = f"UPDATE {table} SET expires_at = to_timestamp($2) WHERE session_id = $1 AND {live}"  # noqa: S608
        self._remove = f"DELETE FROM {table} WHERE session_id = $1 RETURNING {live}"  # noqa: S608
        self._expire = f"DELETE FROM {table} WHERE session_id IN (SELECT session_id FROM {table} WHERE expires_at <= now() LIMIT {_BATCH})"  # noqa: S608, E501

    async def read(self, key: str) -> Record | None:
        """See `SessionStorage`."""
        row = await self._run("fetchrow", self._select, key)
        return None if row is None else Record(_from_jsonb(row[0]), row[1])

    async def create(self, key: str, data: bytes, expires_at: float) -> None:
        """See `SessionStorage`."""
        await self._run("execute", self._insert, key, _to_jsonb(data), expires_at)

    async def replace(
        self, key: str, data: bytes, expires_at: float, *, expected: bytes, new_key: str | None = None
    ) -> bool:
        """See `SessionStorage`."""
        done = await self._run(
            "execute", self._update, key, _to_jsonb(data), expires_at, _to_jsonb(expected), new_key or key
        )
        return bool(done == "UPDATE 1")

    async def touch(self, key: str, expires_at: float) -> bool:
        """See `SessionStorage`."""
        return bool(await self._run("execute", self._extend, key, expires_at) == "UPDATE 1")

    async def delete(self, key: str) -> bool:
        """See `SessionStorage`."""
        return bool(await self._run("fetchval", self._remove, key))

    async def purge(self) -> int:
        """See `SessionStorage`; a thousand at a time, so that nothing is locked for long."""
        removed = 0
        while True:
            count = int((await self._run("execute", self._expire)).removeprefix("DELETE "))
            removed += count
            if count < _BATCH:
                return removed

    async def close(self) -> None:
        """Close the pool, if the store has opened it."""
        pool, self._pool = self._pool, None
        if pool is not None and self._given is None:
            await pool.close()

    async def _run(self, method: str, statement: str, *arguments: Any) -> Any:
        pool = self._pool or await self._open()
        patience = None if self.timeout is None else self.timeout * _PATIENCE
        try:
            connection = await pool.acquire(timeout=patience)
        except Exception as error:
            _explain(error)
            raise
        try:
            return await getattr(connection, method)(statement, *arguments, timeout=patience)
        except Exception as error:
            if getattr(error, "sqlstate", None) == "42P01":
                raise RuntimeError(
                    f"the table {self._table!r} is missing: pass create_table=True, or run\n{self._schema}"
                ) from error
            raise
        finally:
            # Limited too: after a time-out the pool waits for a server that may be the reason for it.
            await pool.release(connection, timeout=_RELEASE)

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                pool = self._given
                if pool is None:
                    pool = await _create_pool()(self._dsn, min_size=1, max_size=10)
                if self._create_table:
                    try:
                        await _create(pool, self._schema)
                    except Exception as error:
                        _explain(error)
                        raise
                self._pool = pool
            return self._pool


def _explain(error: Exception) -> None:
    if "not initialized" in str(error):
        raise RuntimeError(
            "pool= was not opened: `await` it when the application starts, or pass dsn= instead"
        ) from error


def _create_pool() -> Any:
    try:
        from asyncpg import create_pool
    except ImportError as error:
        raise ImportError(
            "PostgresSessionStorage(dsn=...) needs the package asyncpg: install gobstopper-sessions[postgres]"
        ) from error
    return create_pool


async def _create(pool: Any, schema: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        # Two workers that start at once: IF NOT EXISTS alone still fails for the later one.
        await connection.execute("SELECT pg_advisory_xact_lock(7304113990126)")
        await connection.execute(schema)


def _to_jsonb(data: bytes) -> str:
    # jsonb has no NUL, and makes 1.5e300 an integer of 301 digits; such data goes in as one base64 string instead.
    if _NOT_FOR_JSONB.search(data):
        return f'"{base64.b64encode(data).decode()}"'
    return data.decode()


def _from_jsonb(text: str) -> bytes:
    return base64.b64decode(text) if text.startswith('"') else text.encode()
