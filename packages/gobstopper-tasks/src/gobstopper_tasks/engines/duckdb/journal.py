"""The journal of a DuckDB queue: one thread writes batches to the redo log, another folds them into DuckDB."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...engine import Filter
from ...errors import InvalidTask, JournalDamaged, TaskStoreClosed, TaskStoreUnavailable
from ...task import TaskInfo, TaskSpec
from .._journal import Event, Kind, Written
from . import switching
from .database import Database, events_of, explain
from .forks import forget_on_fork, keep_on_fork
from .redo import RedoLog, decode, encode
from .schema import FINAL, INFO, info_of, spec_of
from .tidy import Tidier

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("gobstopper.tasks")

T = TypeVar("T")

_FINISHED = int(Kind.FINISHED)
_READING_ENDS = 0.5  # seconds for what is read when the journal is closed
# Histories that were written by earlier versions can tell of a requeued task twice.
_LATEST_LAST = "ORDER BY finished_at NULLS LAST"
_MUCH = 32 << 20  # bytes in the redo log after which whoever adds waits until they are folded


class Reading:
    """A statement that is under way, or will be, and can be stopped from any thread."""

    def __init__(self) -> None:
        self.stopped = False
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def run(self, work: Callable[[], T], cursor: duckdb.DuckDBPyConnection) -> T:
        """Do it; DuckDB's error if it was stopped."""
        import duckdb

        with self._lock:
            if self.stopped:
                raise duckdb.InterruptException("stopped before it began")
            self._cursor = cursor
        try:
            return work()
        finally:
            with self._lock:
                self._cursor = None

    def stop(self) -> None:
        """End it soon. Once more does no harm, and is heard if it was just about to begin."""
        with self._lock:
            self.stopped = True
            if self._cursor is not None:
                self._cursor.interrupt()


class DuckDBJournal:
    """See `_journal.Journal`. `retention` is in seconds, `max_history` in ended tasks."""

    def __init__(self, path: Path, retention: float, max_history: int, memory_limit: str = "256MB") -> None:
        self.path = path
        self.database = Database(path, memory_limit)
        self.redo = RedoLog(path)
        self.tidier = Tidier(self, retention, max_history)
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[list[Event], Written] | None] = queue.SimpleQueue()
        self._sequence = 0  # number of the last event that is durable
        self._thread: threading.Thread | None = None
        self._reader = ThreadPoolExecutor(1, "gobstopper-journal-reader")
        self._asker = ThreadPoolExecutor(1, "gobstopper-journal-sql")  # whose statements may take any time
        self._readings: set[Reading] = set()
        self._wanted: set[str] = set()  # ids that the next look is for
        self._look: asyncio.Task[dict[str, tuple[Any, ...]]] | None = None
        self._looking = asyncio.Lock()
        self._folding = threading.Lock()
        keep_on_fork(self)
        forget_on_fork(self.redo)

    # -- opening

    def open(self) -> None:
        """Open or create the DuckDB file (blocking); then `totals` and `events` can be read.

        Raises `JournalDamaged`, or `TaskStoreUnavailable` if it cannot be had.
        """
        self.database.connect()
        self._sequence = self.database.folded

    def start(self) -> None:
        """Begin to write (blocking), after `events` were read to the end: nothing damaged may be changed.

        Raises `TaskStoreUnavailable`.
        """
        try:
            self.redo.open()
        except OSError as error:
            raise TaskStoreUnavailable(f"the redo log of {self.path} cannot be used: {error}") from error
        switching.shorten()
        self._thread = threading.Thread(target=self._work, name="gobstopper-journal", daemon=True)
        self._thread.start()
        self.tidier.start()

    def events(self) -> Iterator[Event]:
        """Every event that is not compacted away, in order: DuckDB's, then those that were not folded (blocking)."""
        import duckdb

        try:
            yield from (Event(*row) for row in events_of(self.database.cursor()))
        except duckdb.Error as error:
            raise explain(error, self.path) from error
        for frame in self.redo.frames(self.database.folded):
            for chunk in frame.chunks:
                yield from (Event(*row) for row in zip(*decode(chunk)[1], strict=True))
            self._sequence = frame.first + frame.events - 1

    def totals(self) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, float]]]:
        """Of the history: `(category, status, count)` and `(idempotency_key, id, added_at)` (blocking)."""
        import duckdb

        cursor = self.database.cursor()
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
        return [held for held in (self.database.connection, self.tidier.cursor) if held is not None]

    # -- writing

    def write(self, events: list[Event], written: Written) -> None:
        """See `Journal`."""
        self._jobs.put((events, written))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            events, written = job
            error = self._store(events) if events else None
            try:
                self._loop.call_soon_threadsafe(written, error)
            except RuntimeError:  # the loop was closed without closing the queue: the files are for others now
                self.tidier.stop()
                with self._folding:
                    self.redo.close()
                    self.database.disconnect()
                break

    def _store(self, events: list[Event]) -> BaseException | None:
        try:
            frame = encode(events, self._sequence + 1)
            if self.redo.size > _MUCH or not self.redo.takes(frame):
                self._relieve()
            self.redo.append(frame)
        except BaseException as error:
            log.debug("a batch of the journal failed", exc_info=True)
            return error
        self._sequence += len(events)
        self.tidier.written(len(events), sum(event.kind == _FINISHED for event in events))
        return None

    def _relieve(self) -> None:
        try:
            self.fold()
        except Exception:
            log.debug("the redo log grows", exc_info=True)  # the tidier says so; it may still have room

    def fold(self) -> None:
        """Take what was written so far into DuckDB (blocking).

        Raises `TaskStoreUnavailable` or `JournalDamaged`; nothing is lost then, and another try can do better.
        """
        import duckdb

        with self._folding:
            while True:
                try:
                    self._fold_once()
                    return
                except duckdb.Error as error:
                    # DuckDB gives an open database to whoever connects in this process, a broken one too.
                    self.database.disconnect()
                    if not self.database.grow(error):
                        raise explain(error, self.path) from error
                except OSError as error:
                    raise TaskStoreUnavailable(f"the redo log of {self.path} cannot be folded: {error}") from error

    def grow(self, error: Exception) -> bool:
        """See `Database`."""
        with self._folding:
            return self.database.grow(error)

    def _fold_once(self) -> None:
        if self.database.connection is None:
            self.database.connect()
        # What is written meanwhile is left for the next time: it may never end.
        for _ in range(2 if self.redo.backlog else 1):
            if (segment := self.redo.sealed()) is not None:
                self.database.fold(self.redo.whole(segment))
                self.redo.folded()

    # -- reading, in threads of its own

    async def _read(
        self, work: Callable[[duckdb.DuckDBPyConnection], T], executor: ThreadPoolExecutor | None = None
    ) -> T:
        reading = Reading()

        def read() -> T:
            import duckdb

            while True:
                try:
                    self.fold()
                    with self.database.cursor() as cursor:
                        return reading.run(lambda: work(cursor), cursor)
                except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
                    raise InvalidTask(f"this SQL does not work: {error}") from error
                except duckdb.Error as error:
                    if reading.stopped:
                        raise TaskStoreClosed(f"{self.path} is closed") from error
                    if not self.grow(error):
                        raise explain(error, self.path) from error

        self._readings.add(reading)
        try:
            return await self._loop.run_in_executor(executor or self._reader, read)
        except RuntimeError as error:
            raise TaskStoreUnavailable(f"{self.path} is closed") from error
        except asyncio.CancelledError:
            reading.stop()  # nobody waits for it
            raise
        finally:
            self._readings.discard(reading)

    def _end_reading(self) -> None:
        last = [executor.submit(int) for executor in (self._reader, self._asker)]
        while wait(last, timeout=_READING_ENDS).not_done:
            for reading in list(self._readings):
                reading.stop()
        self._reader.shutdown()
        self._asker.shutdown()

    async def lookup(self, ids: Sequence[str]) -> dict[str, TaskInfo]:
        """See `Journal`. What is asked for while one look is under way goes together in the next.

        After a fail-over each add that is in doubt asks, and each look reads the ids of the whole history.
        """
        self._wanted.update(ids)
        if self._look is None:
            self._look = self._loop.create_task(self._lookup())
        rows = await asyncio.shield(self._look)
        now = time.time()
        return {id_: info_of(rows[id_], now) for id_ in ids if id_ in rows}

    async def _lookup(self) -> dict[str, tuple[Any, ...]]:
        statement = f"SELECT {INFO} FROM tasks WHERE id IN (SELECT unnest(?::VARCHAR[])) {_LATEST_LAST}"  # noqa: S608 - our own
        async with self._looking:
            wanted, self._wanted, self._look = list(self._wanted), set(), None
            try:
                rows = await self._read(lambda cursor: cursor.execute(statement, [wanted]).fetchall())
            except JournalDamaged as error:  # what happens without the history goes on; whoever needs it is refused
                raise TaskStoreUnavailable(str(error)) from error
        return {row[0]: row for row in rows}

    async def specs(self, ids: Sequence[str]) -> dict[str, TaskSpec]:
        """See `Journal`."""
        statement = f"SELECT id, status, spec FROM tasks WHERE id IN (SELECT unnest(?::VARCHAR[])) {_LATEST_LAST}"  # noqa: S608
        rows = await self._read(lambda cursor: cursor.execute(statement, [list(ids)]).fetchall())
        latest = {id_: (status, text) for id_, status, text in rows}
        return {id_: spec_of(text) for id_, (status, text) in latest.items() if status in ("failed", "cancelled")}

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

        return await self._read(work, self._asker)

    def refuse(self) -> None:
        """Tell whoever wrote since `close` began that it was not stored; on the loop."""
        while not self._jobs.empty():
            if (job := self._jobs.get()) is not None:
                job[1](TaskStoreClosed(f"{self.path} is closed"))

    def close(self) -> None:
        """Write what is queued, fold it and close the files (blocking)."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            switching.restore()
        self.tidier.stop()
        self._end_reading()
        if self.redo.opened:
            try:
                self.fold()
                self.tidier.last_checkpoint()
            except Exception as error:  # noqa: BLE001 - the logs have everything all the same
                log.warning("the task journal was closed without folding its logs: %s", error)
        self.redo.close()
        self.database.disconnect()
