"""Keeps the files small and quick to open, beside the thread that writes: folds, compacts, retires, checkpoints."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from .database import out_of_memory, roll_back
from .schema import LIVE

if TYPE_CHECKING:
    import duckdb

    from .journal import DuckDBJournal

log = logging.getLogger("gobstopper.tasks")

_PERIOD = 0.5  # seconds between looks
_IDLE_LOG = 256 << 10  # bytes of write-ahead log worth a checkpoint when nothing is written
_BUSY_LOG = 32 << 20  # bytes after which one is made in any case: whoever takes over has to read them
_BUSY_EVENTS = 32_768  # events in the redo log after which they are folded although it is written to,
_LATE = 10.0  # or seconds
_BUSY_ENDED = 20_000  # ended tasks after which the journal is compacted although it is written to,
_BUSY_SECONDS = 3.0  # or this time, if there are some
_SOME_ENDED = 1_000
_COMPACT = 20_000  # tasks moved into the history in one transaction
_ENDED = LIVE.format(journal="(FROM journal WHERE id IN (SELECT id FROM ended))")  # what else waits is not looked at


class Tidier:
    """A thread with a connection of its own, so that adds do not wait for it.

    `retention` is in seconds, `max_history` in ended tasks. `removed` is told what retention dropped, by category
    and status.
    """

    def __init__(self, journal: DuckDBJournal, retention: float, max_history: int) -> None:
        self.removed: Callable[[Counter[tuple[str, str]]], None] = lambda _: None
        self.cursor: duckdb.DuckDBPyConnection | None = None
        self._journal = journal
        self._retention = retention
        self._max_history = max_history
        self._batches = self._unfolded = 0
        self._ended = self._foldable = 0  # tasks that ended, and those of them that are in DuckDB
        self._folded_at = 0.0
        self._compacted = 0
        self._compacted_at = 0.0
        self._retired_at = 0.0
        self._at_once = _COMPACT
        self._wrote = False
        self._complained = ""
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gobstopper-tidier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._ended = self._foldable = _BUSY_ENDED + 1  # what an earlier owner left: soon, an owner may be short-lived
        self._thread.start()

    def stop(self) -> None:
        """End, after what is under way (blocking)."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def written(self, events: int, ended: int) -> None:
        """A batch is in the redo log; `ended` tasks ended by that."""
        self._batches += 1
        self._unfolded += events
        self._ended += ended
        self._wrote = True
        if self._unfolded > _BUSY_EVENTS and not self._wake.is_set():
            self._wake.set()

    def _run(self) -> None:
        seen, looked_at = -1, time.monotonic()
        while not self._stopping:
            self._wake.wait(max(0.0, looked_at + _PERIOD - time.monotonic()))
            self._wake.clear()
            look = time.monotonic() >= looked_at + _PERIOD
            idle = look and seen == self._batches
            if look:
                seen, looked_at = self._batches, time.monotonic()
            try:
                self._fold(idle)
                if look:
                    self._tidy(idle)
            except Exception as error:  # noqa: BLE001 - it can wait: nothing is lost
                if not self._journal.grow(error):
                    self._complain(error)
            else:
                self._complained = ""

    def _fold(self, idle: bool) -> None:
        ended = self._ended
        late = time.monotonic() - self._folded_at > _LATE
        due = self._journal.redo.size and (idle or late or self._unfolded > _BUSY_EVENTS)
        if due or self._journal.database.connection is None:
            self._unfolded, self._folded_at = 0, time.monotonic()
            self._journal.fold()
            self._foldable = ended
        elif not self._journal.redo.size:
            self._foldable = ended

    def _complain(self, error: Exception) -> None:
        if self._complained != str(error):  # once, not twice a second
            self._complained = str(error)
            log.warning("the task journal could not be tidied: %s", error)

    def _tidy(self, idle: bool) -> None:
        cursor = self.cursor = self._journal.database.cursor()
        try:
            # Nothing moves but what ended, and looking for it reads the whole journal: tasks that pile up cost nothing.
            fresh = self._foldable - self._compacted
            due = fresh > _SOME_ENDED and time.monotonic() - self._compacted_at > _BUSY_SECONDS
            if fresh and (idle or due or fresh > _BUSY_ENDED):
                ended, self._compacted_at = self._foldable, time.monotonic()
                self._compact(cursor)
                self._compacted = ended
            if time.monotonic() - self._retired_at > 60:
                self._retired_at = time.monotonic()
                counts = retire(cursor, time.time() - self._retention, self._max_history)
                if counts:
                    self.removed(counts)
            size = self._journal.database.log_size()
            if size > _BUSY_LOG or (idle and size > _IDLE_LOG):
                checkpoint(cursor)
        finally:
            self.cursor = None
            cursor.close()

    def _compact(self, cursor: duckdb.DuckDBPyConnection) -> None:
        while not self._stopping:
            try:
                if compact(cursor, self._at_once) < self._at_once:
                    break
            except Exception as error:
                if self._at_once == 1 or not out_of_memory(error):
                    raise
                self._at_once = max(1, self._at_once // 8)  # they are big: fewer in one transaction
        self._at_once = min(2 * self._at_once, _COMPACT)

    def last_checkpoint(self) -> None:
        """Leave no log behind, if anything was written."""
        if self._wrote:
            with self._journal.database.cursor() as cursor:
                checkpoint(cursor)


def checkpoint(cursor: duckdb.DuckDBPyConnection) -> None:
    """Make one, or leave it to the next time: before DuckDB 2.0 nobody else may be in a transaction."""
    import duckdb

    try:
        cursor.execute("CHECKPOINT")
    except duckdb.TransactionException as error:
        log.debug("a checkpoint has to wait: %s", error)


def compact(cursor: duckdb.DuckDBPyConnection, most: int = _COMPACT) -> int:
    """Move at most so many ended tasks from the journal into the history; the number moved."""
    cursor.execute("BEGIN")
    try:
        cursor.execute(
            f"""CREATE OR REPLACE TEMP TABLE ended AS SELECT id FROM journal WHERE id <> '' GROUP BY id
            HAVING arg_max(kind, seq) FILTER (kind BETWEEN 1 AND 7) = 3 LIMIT {most}"""  # noqa: S608 - a number of ours
        )
        row = cursor.execute("SELECT count(*) FROM ended").fetchone()
        if row and row[0]:
            # `fold` forgot how a requeued task ended before, unless that was on its way into the history just then.
            again = "SELECT id FROM journal WHERE kind = 6 AND id IN (SELECT id FROM ended)"
            if cursor.execute(f"{again} LIMIT 1").fetchone() is not None:
                cursor.execute(f"DELETE FROM history WHERE id IN ({again})")  # noqa: S608 - our own
            cursor.execute(
                f"""INSERT INTO history SELECT id, name, category, status, priority, attempt, added_at, started_at,
                    finished_at, error, result, args, worker, idempotency_key, spec FROM ({_ENDED})"""  # noqa: S608
            )
            cursor.execute("DELETE FROM journal WHERE id IN (SELECT id FROM ended)")
        cursor.execute("COMMIT")
    except BaseException:
        roll_back(cursor)
        raise
    return int(row[0]) if row else 0


def retire(cursor: duckdb.DuckDBPyConnection, oldest: float, most: int) -> Counter[tuple[str, str]]:
    """Drop what ended before `oldest`, and of the rest all but the last `most`; how many by category and status."""
    excess = cursor.execute(
        "SELECT finished_at FROM history ORDER BY finished_at DESC LIMIT 1 OFFSET ?", [most]
    ).fetchone()
    limit = max(oldest, excess[0]) if excess else oldest
    rows = cursor.execute(
        "SELECT category, status, count(*) FROM history WHERE finished_at <= ? GROUP BY ALL", [limit]
    ).fetchall()
    if rows:
        cursor.execute("DELETE FROM history WHERE finished_at <= ?", [limit])
    return Counter({(category, status): int(count) for category, status, count in rows})
