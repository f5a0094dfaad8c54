"""The journal in a DuckDB file: one thread owns the connection and writes batch after batch, one commit each."""

from __future__ import annotations

import asyncio
import errno
import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...engine import Filter
from ...errors import InvalidTask, JournalDamaged, TaskStoreUnavailable
from ...task import JSON, TaskInfo, TaskSpec
from .._journal import Event, Kind, Written
from . import switching
from .forks import keep_on_fork
from .schema import CREATE, FINAL, INFO, VERSION, info_of, spec_of
from .tidy import Tidier
from .walcheck import damage

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("gobstopper.tasks")

T = TypeVar("T")

_FINISHED = int(Kind.FINISHED)
_ONE_FLUSH = 20_000  # rows; DuckDB's appender flushes by itself at 204,800
_JSON_ROWS = """INSERT INTO journal SELECT unnest(from_json(?,
    '[{"seq":"BIGINT","kind":"UTINYINT","ts":"DOUBLE","id":"VARCHAR","data":"VARCHAR"}]'), recursive := true)"""


class DuckDBJournal:
    """See `_journal.Journal`. `retention` is in seconds, `max_history` in ended tasks.

    `appender=False` writes as DuckDB before 2.0 must, which has no appender in Python.
    """

    def __init__(
        self, path: Path, retention: float, max_history: int, appender: bool | None = None, memory_limit: str = "256MB"
    ) -> None:
        self.path = path
        self.wal = path.with_name(path.name + ".wal")
        self.tidier = Tidier(self, retention, max_history)
        self._use_appender = appender
        self._memory_limit = memory_limit
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[list[Event], Written] | None] = queue.SimpleQueue()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._appender: Any = None
        self._sequence = 0
        self._written = False
        self._thread: threading.Thread | None = None
        self._reader = ThreadPoolExecutor(1, "gobstopper-journal-reader")
        keep_on_fork(self)

    # -- opening

    def open(self) -> None:
        """Open or create the file (blocking).

        Raises `JournalDamaged`, or `TaskStoreUnavailable` if it cannot be had.
        """
        self._connect()
        switching.shorten()
        self._thread = threading.Thread(target=self._work, name="gobstopper-journal", daemon=True)
        self._thread.start()
        self.tidier.start()

    def _connect(self) -> None:
        position = damage(self.wal)
        if position is not None:
            raise JournalDamaged(str(self.wal), position, "the length of an entry is not what was written")
        import duckdb

        options: dict[str, Any] = {
            "threads": 1,
            "checkpoint_threshold": "1TB",
            "memory_limit": self._memory_limit,
            "autoinstall_known_extensions": False,
            "enable_external_access": False,
        }
        connection: duckdb.DuckDBPyConnection | None = None
        try:
            connection = duckdb.connect(str(self.path), config=options)
            # Closing must not touch a file whose blocks turn out to be damaged; a clean close makes its own checkpoint.
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            connection.execute("PRAGMA disable_optimizer")  # of this connection, which appends: planning is half of it
            found = _version(connection)
            if found is None:
                connection.execute("BEGIN")
                for statement in CREATE:
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('version', ?)", [str(VERSION)])
                connection.execute("COMMIT")
            elif found > VERSION:
                raise InvalidTask(
                    f"{self.path} was written by a newer gobstopper-tasks (journal version {found}): upgrade"
                )
            rows = connection.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchall()
        except duckdb.Error as error:
            if connection is not None:
                connection.close()
            raise explain(error, self.path) from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        self._connection = connection
        last = int(rows[0][0])
        if self._sequence and last > self._sequence:
            # A commit that reported an error, and was refused to whoever asked for it, can still have reached the file.
            connection.execute("DELETE FROM journal WHERE seq > ?", [self._sequence])
        self._sequence = self._sequence or last
        if self._use_appender is None:
            self._use_appender = hasattr(connection, "appender")
        self._appender = None

    def events(self) -> Iterator[Event]:
        """Every event that is not compacted away, in order (blocking)."""
        import duckdb

        try:
            cursor = self.cursor().execute("SELECT kind, ts, id, data FROM journal ORDER BY seq")
            while rows := cursor.fetchmany(10_000):
                yield from (Event(*row) for row in rows)
        except duckdb.Error as error:
            raise explain(error, self.path) from error

    def totals(self) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, float]]]:
        """Of the history: `(category, status, count)` and `(idempotency_key, id, added_at)` (blocking)."""
        import duckdb

        cursor = self.cursor()
        try:
            counts = cursor.execute("SELECT category, status, count(*) FROM history GROUP BY ALL").fetchall()
            keys = cursor.execute(
                "SELECT idempotency_key, id, added_at FROM history WHERE idempotency_key IS NOT NULL ORDER BY added_at"
            ).fetchall()
        except duckdb.Error as error:
            raise explain(error, self.path) from error
        return counts, keys

    def duckdb_objects(self) -> list[Any]:
        """What a forked child must leave alone."""
        return [held for held in (self._connection, self._appender, self.tidier.cursor) if held is not None]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Another connection to the open file."""
        connection = self._connection
        if connection is None:
            raise TaskStoreUnavailable(f"{self.path} cannot be read now")
        return connection.cursor()

    # -- writing

    def write(self, events: list[Event], written: Written) -> None:
        """See `Journal`."""
        self._jobs.put((events, written))

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                self._final_checkpoint()
                break
            events, written = job
            error = self._store(events) if events else None
            try:
                self._loop.call_soon_threadsafe(written, error)
            except RuntimeError:  # the loop was closed without closing the queue
                break
        self._disconnect()

    def _final_checkpoint(self) -> None:
        if self._connection is not None and self._written:
            try:
                self._connection.execute("CHECKPOINT")
            except Exception as error:  # noqa: BLE001 - the log has everything all the same
                log.warning("the task journal was closed without a checkpoint: %s", error)

    def _store(self, events: list[Event]) -> BaseException | None:
        try:
            if self._connection is None:
                self._connect()
            self._append(events)
        except BaseException as error:
            log.debug("a batch of the journal failed", exc_info=True)
            self._disconnect()
            return error
        self._sequence += len(events)
        self._written = True
        self.tidier.written(sum(event.kind == _FINISHED for event in events))
        if self.tidier.wants_checkpoint:
            self.tidier.checkpoint_inline(self._connection)
        return None

    def _append(self, events: list[Event]) -> None:
        connection = self._connection
        assert connection is not None
        rows = [(seq, kind, at, id_, data) for seq, (kind, at, id_, data) in enumerate(events, self._sequence + 1)]
        # A flush is a transaction of its own, unless the appender has to flush in between.
        whole = len(rows) <= _ONE_FLUSH
        if not whole:
            connection.execute("BEGIN")
        if self._use_appender:
            if self._appender is None:
                self._appender = connection.appender("journal")
            self._appender.append_rows(rows)
            self._appender.flush()
        else:
            names = ("seq", "kind", "ts", "id", "data")
            text = JSON.encode([dict(zip(names, row, strict=True)) for row in rows]).decode()
            connection.execute(_JSON_ROWS, [text])
        if not whole:
            connection.execute("COMMIT")

    def _disconnect(self) -> None:
        # DuckDB gives an open database to whoever connects in this process, a broken one too: nobody may hold on to it.
        with self.tidier.paused():
            connection, self._connection, self._appender = self._connection, None, None
            if connection is not None:
                try:
                    connection.close()
                except Exception:
                    log.debug("closing the journal failed", exc_info=True)

    def log_size(self) -> int:
        """Bytes in the write-ahead log."""
        try:
            return self.wal.stat().st_size
        except OSError:
            return 0

    # -- reading, in a thread of its own

    async def _read(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        def read() -> T:
            import duckdb

            try:
                return work(self.cursor())
            except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
                raise InvalidTask(f"this SQL does not work: {error}") from error
            except duckdb.Error as error:
                raise explain(error, self.path) from error

        try:
            return await self._loop.run_in_executor(self._reader, read)
        except RuntimeError as error:
            raise TaskStoreUnavailable(f"{self.path} is closed") from error

    async def lookup(self, ids: Sequence[str]) -> dict[str, TaskInfo]:
        """See `Journal`."""
        statement = f"SELECT {INFO} FROM tasks WHERE id IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608 - our own
        rows = await self._read(lambda cursor: cursor.execute(statement, [list(ids)]).fetchall())
        now = time.time()
        return {row[0]: info_of(row, now) for row in rows}

    async def specs(self, ids: Sequence[str]) -> dict[str, TaskSpec]:
        """See `Journal`."""
        statement = (
            "SELECT id, spec FROM tasks WHERE status IN ('failed', 'cancelled') AND id IN (SELECT unnest(?::VARCHAR[]))"
        )
        rows = await self._read(lambda cursor: cursor.execute(statement, [list(ids)]).fetchall())
        return {id_: spec_of(text) for id_, text in rows}

    async def query(self, filter: Filter, cursor: str | None) -> list[TaskInfo]:  # noqa: A002
        """Ended tasks, newest first."""
        statement = f"""SELECT {INFO} FROM tasks WHERE status IN {FINAL} AND (? IS NULL OR status = ?)
            AND (? IS NULL OR category = ?) AND (? IS NULL OR name = ?) AND (? IS NULL OR id < ?)
            ORDER BY id DESC LIMIT ?"""  # noqa: S608 - our own
        wanted = [
            filter.status,
            filter.status,
            filter.category,
            filter.category,
            filter.name,
            filter.name,
            cursor,
            cursor,
        ]
        parameters = [*(None if value is None else str(value) for value in wanted), filter.limit]
        rows = await self._read(lambda reader: reader.execute(statement, parameters).fetchall())
        now = time.time()
        return [info_of(row, now) for row in rows]

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `Journal`."""

        def work(cursor: duckdb.DuckDBPyConnection) -> tuple[list[str], list[tuple[Any, ...]]]:
            import duckdb

            parts = cursor.extract_statements(statement)
            if len(parts) != 1 or parts[0].type != duckdb.StatementType.SELECT:
                raise InvalidTask("sql() takes exactly one SELECT; the history can be read, never changed")
            found = cursor.execute(statement, list(parameters))
            names = [column[0] for column in found.description or ()]
            return names, found.fetchall()

        return await self._read(work)

    def close(self) -> None:
        """Write what is queued and close the file (blocking)."""
        self.tidier.stop()
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            switching.restore()
        self._reader.shutdown(wait=True)
        self._disconnect()


def _version(connection: duckdb.DuckDBPyConnection) -> int | None:
    tables = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'meta'").fetchall()
    if not tables:
        return None
    rows = connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchall()
    return int(rows[0][0]) if rows else None


_DAMAGE = re.compile(
    r"corrupt|checksum|replaying WAL|not a valid DuckDB|serializ|deserializ|magic bytes|INTERNAL", re.IGNORECASE
)
_POSITION = re.compile(r"(?:byte position|location|offset|block) (\d+)")


def explain(error: Exception, path: Path) -> Exception:
    """What DuckDB's error means for the caller."""
    text = str(error).split("\n")[0]
    if "lock" in text.lower() and "conflicting" in text.lower():
        return TaskStoreUnavailable(f"another program has {path} open: {text}; close it, or give each its own file")
    full = f"os error {errno.ENOSPC}" in text or "No space left" in text
    if _DAMAGE.search(text) and not full:
        place = path.with_name(path.name + ".wal") if "WAL" in text else path
        position = _POSITION.search(text)
        return JournalDamaged(str(place), int(position.group(1)) if position else None, text)
    return TaskStoreUnavailable(f"{path} cannot be used: {text}")
