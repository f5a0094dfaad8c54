"""Keeps the file small and quick to open, beside the owner thread: compaction, retention, checkpoints."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import TaskStoreUnavailable

if TYPE_CHECKING:
    import duckdb

    from .journal import DuckDBJournal

log = logging.getLogger("gobstopper.tasks")

_PERIOD = 0.5  # seconds between looks
_IDLE_LOG = 256 << 10  # bytes of write-ahead log worth a checkpoint when nothing is written
_BUSY_LOG = 32 << 20  # bytes, and commits, after which one is made in any case: whoever takes over has to read them
_BUSY_COMMITS = 2_000
_BUSY_ENDED = 20_000  # ended tasks after which the journal is compacted although it is written to,
_BUSY_SECONDS = 3.0  # or this time, if there are some
_SOME_ENDED = 1_000
_COMPACT = 20_000  # tasks moved into the history in one transaction


class Tidier:
    """A thread with a connection of its own, so that adds do not wait for it.

    `retention` is in seconds, `max_history` in ended tasks. `removed` is told what retention dropped, by category
    and status.
    """

    def __init__(self, journal: DuckDBJournal, retention: float, max_history: int) -> None:
        self.removed: Callable[[Counter[tuple[str, str]]], None] = lambda _: None
        self.wants_checkpoint = False
        self.cursor: duckdb.DuckDBPyConnection | None = None
        self._journal = journal
        self._retention = retention
        self._max_history = max_history
        self._ended = 0
        self._commits = 0
        self._compacted = 0
        self._compacted_at = 0.0
        self._checkpointed = 0
        self._retired_at = 0.0
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="gobstopper-tidier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._ended = _BUSY_ENDED + 1  # what an earlier owner left: soon, an owner may be short-lived
        self._commits = _BUSY_COMMITS + 1 if self._journal.log_size() > _IDLE_LOG else 0
        self._thread.start()

    def stop(self) -> None:
        """End, after what is under way (blocking)."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def written(self, ended: int) -> None:
        """The owner thread committed; `ended` tasks ended by that."""
        self._ended += ended
        self._commits += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While this is held, nothing is tidied."""
        with self._lock:
            yield

    def _run(self) -> None:
        seen = -1
        while not self._stopping.wait(_PERIOD):
            idle, seen = seen == self._commits, self._commits
            with self._lock:
                try:
                    self._tidy(idle)
                except TaskStoreUnavailable:
                    continue
                except Exception as error:  # noqa: BLE001 - it can wait; the next write tells if the file is broken
                    log.warning("the task journal could not be tidied: %s", error)
                    self._compacted = self._ended

    def _tidy(self, idle: bool) -> None:
        cursor = self.cursor = self._journal.cursor()
        try:
            # Nothing moves but what ended, and looking for it reads the whole journal: tasks that pile up cost nothing.
            fresh = self._ended - self._compacted
            due = fresh > _SOME_ENDED and time.monotonic() - self._compacted_at > _BUSY_SECONDS
            if fresh and (idle or due or fresh > _BUSY_ENDED):
                ended, self._compacted_at = self._ended, time.monotonic()
                while compact(cursor) == _COMPACT and not self._stopping.is_set():
                    pass
                self._compacted = ended
            if time.monotonic() - self._retired_at > 60:
                self._retired_at = time.monotonic()
                counts = retire(cursor, time.time() - self._retention, self._max_history)
                if counts:
                    self.removed(counts)
            size, commits = self._journal.log_size(), self._commits - self._checkpointed
            if size > _BUSY_LOG or commits > _BUSY_COMMITS or (idle and size > _IDLE_LOG):
                self._checkpoint(cursor)
        finally:
            self.cursor = None
            cursor.close()

    def _checkpoint(self, cursor: duckdb.DuckDBPyConnection) -> None:
        import duckdb

        try:
            cursor.execute("CHECKPOINT")
        except duckdb.TransactionException:
            self.wants_checkpoint = True  # before DuckDB 2.0 it must be made between two writes
        else:
            self._checkpointed = self._commits

    def checkpoint_inline(self, connection: duckdb.DuckDBPyConnection | None) -> None:
        """Make the checkpoint in the owner thread."""
        import duckdb

        self.wants_checkpoint = False
        try:
            if connection is not None:
                connection.execute("CHECKPOINT")
                self._checkpointed = self._commits
        except duckdb.TransactionException as error:
            log.debug("a checkpoint has to wait: %s", error)


def compact(cursor: duckdb.DuckDBPyConnection) -> int:
    """Move ended tasks from the journal into the history; the number moved."""
    cursor.execute("BEGIN")
    try:
        cursor.execute(
            f"""CREATE OR REPLACE TEMP TABLE ended AS SELECT id FROM journal WHERE id <> '' GROUP BY id
            HAVING arg_max(kind, seq) FILTER (kind BETWEEN 1 AND 7) = 3 LIMIT {_COMPACT}"""  # noqa: S608 - a number of ours
        )
        row = cursor.execute("SELECT count(*) FROM ended").fetchone()
        if row and row[0]:
            cursor.execute(
                """INSERT INTO history SELECT id, name, category, status, priority, attempt, added_at, started_at,
                    finished_at,                error, result, args, worker, idempotency_key, spec FROM live WHERE id
                    IN (SELECT id FROM ended)"""
            )
            cursor.execute("DELETE FROM journal WHERE id IN (SELECT id FROM ended)")
        cursor.execute("COMMIT")
    except BaseException:
        _roll_back(cursor)
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


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        log.debug("there was nothing to roll back", exc_info=True)
