"""The DuckDB file: opening it, what its errors mean, and taking in what the redo log has."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidTask, JournalDamaged, TaskStoreUnavailable
from .._journal import Kind
from .redo import Frame, decode, sync_folder
from .schema import CREATE, VERSION
from .walcheck import damage

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("gobstopper.tasks")

# JSON and not an appender: DuckDB 1.4 has none in Python, and reading the text needs no turn at the GIL for each row.
_FOLD = """INSERT INTO journal
    SELECT c.seq + generate_subscripts(c.kind, 1) - 1, unnest(c.kind), unnest(c.ts), unnest(c.id), unnest(c.data)
    FROM (SELECT unnest(from_json(?,
        '[{"seq":"BIGINT","kind":["UTINYINT"],"ts":["DOUBLE"],"id":["VARCHAR"],"data":["VARCHAR"]}]')) AS c)"""
_AT_ONCE = 2 << 20  # bytes of JSON for one statement
_MOST_TIMES = 16


def repaired(path: Path) -> Path:
    """The name of a repaired journal that is complete, but not in its place yet."""
    return path.with_name(path.name + ".repaired")


class Database:
    """One process has it open. `folded` is the number of the last event that is in it."""

    def __init__(self, path: Path, memory_limit: str) -> None:
        self.path = path
        self.wal = path.with_name(path.name + ".wal")
        self.folded = 0
        self.connection: duckdb.DuckDBPyConnection | None = None
        self._memory_limit = memory_limit
        self._times = self._allowed = 1  # the memory limit: of the next connection, and of this one
        self._base = ""  # what DuckDB made of the memory limit

    def connect(self) -> None:
        """Open or create the file.

        Raises `JournalDamaged`, `TaskStoreUnavailable`, or `InvalidTask` for a newer one.
        """
        if repaired(self.path).exists():
            raise JournalDamaged(str(self.path), None, "a recovery of it was cut off, and has to be run again")
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
            self._set_memory(connection)
            self.folded = _prepare(connection, self.path)
        except duckdb.Error as error:
            if connection is not None:
                connection.close()
            raise explain(error, self.path) from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        self.connection = connection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Another connection to the open file."""
        connection = self.connection
        if connection is None:
            raise TaskStoreUnavailable(f"{self.path} cannot be read now")
        return connection.cursor()

    def fold(self, frames: Iterable[Frame]) -> None:
        """Take in frames in one transaction; those that are in already are left out.

        Raises DuckDB's errors; then nothing of them is in, or all of it (which the next connection knows).
        """
        with self.cursor() as cursor:
            self.folded = take_in(cursor, frames, self.folded)
        sync_folder(self.path.parent)  # DuckDB makes a new log after each checkpoint, and syncs that, but not its name

    def grow(self, error: Exception) -> bool:
        """If this was too little memory, allow more, up to 16 times `memory_limit`; False if that is no remedy.

        DuckDB has to hold the last 122,880 rows of a table, and big arguments can be more than any limit that is right
        for all others. It says so in the log.
        """
        if not out_of_memory(error):
            return False
        if self._allowed < self._times:
            return True  # another thread was here first
        if self._times >= _MOST_TIMES:
            return False
        self._times *= 2
        log.warning(
            "the task journal needs more memory than memory_limit=%s for what is in it: it may have %d times that now",
            self._memory_limit,
            self._times,
        )
        self.disconnect()  # a checkpoint that ran out of memory breaks an open database; the next one has the new limit
        return True

    def _set_memory(self, connection: duckdb.DuckDBPyConnection) -> None:
        if not self._base:
            row = connection.execute("SELECT current_setting('memory_limit')").fetchone()
            self._base = str(row[0]) if row else "256 MiB"
        number, unit = self._base.split()
        connection.execute(f"SET memory_limit = '{float(number) * self._times}{unit}'")
        self._allowed = self._times

    def log_size(self) -> int:
        """Bytes in DuckDB's write-ahead log."""
        try:
            return self.wal.stat().st_size
        except OSError:
            return 0

    def disconnect(self) -> None:
        """Close it."""
        connection, self.connection = self.connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                log.debug("closing the journal failed", exc_info=True)


def take_in(connection: duckdb.DuckDBPyConnection, frames: Iterable[Frame], last: int) -> int:
    """Add the events after number `last` to the journal, in one transaction; the number of the last one then."""
    waiting: list[bytes] = []
    before, size = last, 0
    connection.execute("BEGIN")
    try:
        for frame in frames:
            if frame.first <= last:
                continue
            for chunk in frame.chunks:
                if waiting and size + len(chunk) > _AT_ONCE:
                    _insert(connection, waiting)
                    waiting, size = [], 0
                waiting.append(chunk)
                size += len(chunk)
            last = frame.first + frame.events - 1
        if last > before:
            _insert(connection, waiting)
            _forget_endings(connection, before)
            connection.execute("UPDATE meta SET value = ? WHERE name = 'folded'", [str(last)])
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
    return last


def _forget_endings(connection: duckdb.DuckDBPyConnection, after: int) -> None:
    """What began anew has not ended: what failed first and then succeeded is told of once, and as no failure."""
    ids = f"SELECT id FROM journal WHERE seq > {after} AND kind = {int(Kind.REVIVED)}"  # noqa: S608 - numbers of ours
    if connection.execute(f"{ids} LIMIT 1").fetchone() is not None:
        connection.execute(f"DELETE FROM history WHERE id IN ({ids})")  # noqa: S608


def _insert(connection: duckdb.DuckDBPyConnection, chunks: list[bytes]) -> None:
    if len(chunks[0]) > 2 * _AT_ONCE:  # one big event: reading it as JSON would take a multiple of its size
        seq, columns = decode(chunks[0])
        for offset, row in enumerate(zip(*columns, strict=True)):
            connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?)", [seq + offset, *row])
        return
    connection.execute(_FOLD, [f"[{b','.join(chunks).decode()}]"])


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Make or upgrade the tables; the number of the last event that is in."""
    found = _version(connection)
    refuse_newer(found, path)
    if found != VERSION:
        connection.execute("BEGIN")
        for statement in CREATE:
            connection.execute(statement)
        connection.execute("DELETE FROM meta")
        connection.execute(
            "INSERT INTO meta SELECT 'folded', coalesce(max(seq), 0)::VARCHAR FROM journal "
            "UNION ALL SELECT 'version', ?",
            [str(VERSION)],
        )
        connection.execute("COMMIT")
    return folded_in(connection)


def refuse_newer(version: int | None, path: Path) -> None:
    """Raise `InvalidTask` for a version of the journal that is not known yet."""
    if version is not None and version > VERSION:
        raise InvalidTask(f"{path} was written by a newer gobstopper-tasks (journal version {version}): upgrade")


def folded_in(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the last event that is in an open file."""
    rows = connection.execute("SELECT value::BIGINT FROM meta WHERE name = 'folded'").fetchall()
    if not rows:  # a file of the first version
        rows = connection.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchall()
    return int(rows[0][0])


def _version(connection: duckdb.DuckDBPyConnection) -> int | None:
    tables = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'meta'").fetchall()
    if not tables:
        return None
    rows = connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchall()
    return int(rows[0][0]) if rows else None


def events_of(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """All rows of the journal, in order: kind, time, id, data."""
    found = cursor.execute("SELECT kind, ts, id, data FROM journal ORDER BY seq")
    while rows := found.fetchmany(10_000):
        yield from rows


def roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    """End a transaction that failed."""
    import duckdb

    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        log.debug("there was nothing to roll back", exc_info=True)


_NO_MEMORY = re.compile(r"Out of Memory|failed to (pin|allocate)", re.IGNORECASE)
_DAMAGE = re.compile(
    r"corrupt|checksum|replaying WAL|not a valid DuckDB|serializ|deserializ|magic bytes|INTERNAL", re.IGNORECASE
)
_POSITION = re.compile(r"(?:byte position|location|offset|block) (\d+)")


def out_of_memory(error: Exception) -> bool:
    """True if `memory_limit` was too little for what was done."""
    return _NO_MEMORY.search(str(error)) is not None


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
