"""Makes a damaged journal usable again, from copies.

What cannot be read is cut out and reported, the originals are kept.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...errors import JournalDamaged, TaskStoreUnavailable
from . import redo
from .database import explain, folded_in, take_in
from .election import OwnerLock
from .schema import CREATE, VERSION
from .walcheck import damage, without

if TYPE_CHECKING:
    import duckdb

_STEP = 2048  # rows that are given up together where a block cannot be read


class Recovery(msgspec.Struct, kw_only=True):
    """What was found, kept and lost.

    `kept` are the folders' copies of the damaged files; none if nothing was damaged.
    """

    path: str
    damaged: bool
    copies: list[str] = []
    cut_at: int | None = None
    cut_bytes: int = 0
    cut_entries: int = 0
    rows_kept: int = 0
    rows_lost: int = 0
    notes: list[str] = []


def recover(path: Path) -> Recovery:
    """Check a journal that no process has open and, if it is damaged, put a repaired one in its place (blocking).

    Raises `TaskStoreUnavailable` if a process owns it.
    """
    path = Path(os.path.realpath(path))
    if not path.exists():
        raise TaskStoreUnavailable(f"{path} does not exist")
    lock = OwnerLock(path.with_name(path.name + ".lock"))
    if not lock.acquire():
        raise TaskStoreUnavailable(f"{path} is in use: stop the processes that use it first")
    try:
        return _recover(path)
    finally:
        lock.release()


def _recover(path: Path) -> Recovery:
    report = Recovery(path=str(path), damaged=False)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-recover-") as scratch:
        copy = Path(scratch) / path.name
        shutil.copy2(path, copy)
        for beside, its_copy in zip(_beside(path), _beside(copy), strict=True):
            if beside.exists():
                shutil.copy2(beside, its_copy)
        _cut(copy, report)
        for segment in redo.names(copy):
            _cut_redo(segment, report)
        fresh = Path(scratch) / "repaired.duckdb"
        _copy_rows(copy, fresh, report)
        if report.damaged:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            kept = path.with_name(f"{path.name}.damaged-{stamp}")
            for old, new in zip((path, *_beside(path)), (kept, *_beside(kept)), strict=True):
                if old.exists():
                    old.rename(new)
                    report.copies.append(str(new))
            fresh.rename(path)
    return report


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _beside(path: Path) -> tuple[Path, ...]:
    return _wal(path), *redo.names(path)


def _open(path: Path, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    import duckdb

    try:
        return duckdb.connect(str(path), read_only=read_only, config={"threads": 1})
    except duckdb.Error as error:
        raise explain(error, path) from error


def _cut(copy: Path, report: Recovery) -> None:
    """Take damaged transactions out of the log of the copy until DuckDB reads it."""
    wal = _wal(copy)
    while wal.exists() and wal.stat().st_size:
        position = damage(wal)
        if position is None:
            try:
                _open(copy).close()
            except JournalDamaged as error:
                if not error.path.endswith(".wal"):
                    return
                position = error.position or 0
            else:
                return
        size = wal.stat().st_size
        report.damaged = True
        report.cut_at = position if report.cut_at is None else report.cut_at
        rest, dropped = without(wal, min(position, size - 1))
        if len(rest) >= size:  # nothing was found to cut: give up the log from there on
            rest = rest[: min(position, size - 1)]
        report.cut_entries += dropped
        report.cut_bytes += size - len(rest)
        wal.write_bytes(rest)


def _cut_redo(segment: Path, report: Recovery) -> None:
    """Take damaged frames out of the copy of a segment of the redo log. Each stands for itself: the others are good."""
    while True:
        try:
            for _ in redo.read(segment):
                pass
        except JournalDamaged as error:
            position = error.position or 0
        else:
            return
        report.damaged = True
        report.cut_at = position if report.cut_at is None else report.cut_at
        end = redo.next_frame(segment, position)
        log = segment.read_bytes()
        report.cut_entries += 1
        report.cut_bytes += end - position
        segment.write_bytes(log[:position] + log[end:])


def _copy_rows(copy: Path, fresh: Path, report: Recovery) -> None:
    target = _open(fresh, read_only=False)
    try:
        for statement in CREATE:
            target.execute(statement)
        target.execute("INSERT INTO meta VALUES ('version', ?), ('folded', '0')", [str(VERSION)])
        try:
            source = _open(copy)
        except JournalDamaged as error:
            report.damaged = True
            report.notes.append(f"nothing could be read: {error}")
            _take_redo(target, copy, 0, report)
            return
        try:
            _check_meta(source, report)
            for table, columns in (("journal", 5), ("history", 15)):
                _copy_table(source, target, table, columns, report)
            folded = _folded(source, target)
        finally:
            source.close()
        target.execute("UPDATE meta SET value = ? WHERE name = 'folded'", [str(folded)])
        _take_redo(target, copy, folded, report)
    finally:
        target.close()


def _folded(source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection) -> int:
    import duckdb

    try:
        return folded_in(source)
    except duckdb.Error:  # its rows tell it, but for those that are in the history already, which replay leaves out
        row = target.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()
        return int(row[0]) if row else 0


def _take_redo(target: duckdb.DuckDBPyConnection, copy: Path, after: int, report: Recovery) -> None:
    """What was not folded yet; where a frame was cut out there is a gap."""
    rest = [path for path in redo.in_order(redo.names(copy)) if path.exists()]
    frames = [frame for path in rest for frame in redo.read(path) if frame.first > after]
    if not report.damaged:  # else the gaps are where something was cut out
        expected = after + 1
        for frame in frames:
            if frame.first != expected:
                report.damaged = True
                report.notes.append(f"events {expected} to {frame.first - 1} are missing")
            expected = frame.first + frame.events
    take_in(target, frames, after)
    report.rows_kept += sum(frame.events for frame in frames)


def _check_meta(source: duckdb.DuckDBPyConnection, report: Recovery) -> None:
    import duckdb

    try:
        source.execute("SELECT * FROM meta").fetchall()
    except duckdb.Error as error:
        report.damaged = True
        report.notes.append(f"table meta could not be read, and is written anew: {str(error).splitlines()[0]}")


def _copy_table(
    source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection, table: str, columns: int, report: Recovery
) -> None:
    import duckdb

    try:
        row = source.execute(f"SELECT coalesce(max(rowid), -1) + 1 FROM {table}").fetchone()  # noqa: S608 - one of two names
    except duckdb.Error as error:
        report.damaged = True
        report.notes.append(f"table {table} could not be read: {error}")
        return
    total = int(row[0]) if row else 0
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608
    at, step = 0, _STEP * 60
    target.execute("BEGIN")
    while at < total:
        try:
            rows = source.execute(
                f"SELECT * FROM {table} WHERE rowid >= {at} AND rowid < {at + step} ORDER BY rowid"  # noqa: S608
            ).fetchall()
        except duckdb.Error as error:
            report.damaged = True
            if step > _STEP:
                step = _STEP
                continue
            report.rows_lost += min(step, total - at)
            report.notes.append(f"rows {at} to {min(at + step, total) - 1} of {table}: {str(error).splitlines()[0]}")
        else:
            if rows:
                target.executemany(insert, rows)
            report.rows_kept += len(rows)
        at += step
    target.execute("COMMIT")
