"""Makes a damaged journal usable again, from copies.

What cannot be read is cut out and reported, the originals are kept.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...errors import JournalDamaged, TaskStoreUnavailable
from . import redo
from .database import explain, folded_in, refuse_newer, repaired, take_in
from .election import OwnerLock
from .redo import Frame
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

    Raises `TaskStoreUnavailable` if a process owns it, or if the repaired one cannot be written; `InvalidTask` for a
    journal of a newer version.
    """
    path = Path(os.path.realpath(path))
    if not path.exists() and not repaired(path).exists():
        raise TaskStoreUnavailable(f"{path} does not exist")
    lock = OwnerLock(path.with_name(path.name + ".lock"))
    if not lock.acquire():
        raise TaskStoreUnavailable(f"{path} is in use: stop the processes that use it first")
    try:
        return _recover(path)
    except OSError as error:
        raise TaskStoreUnavailable(
            f"{path} cannot be repaired now: {error}. Nothing is lost: make room for a copy, and run it again"
        ) from error
    finally:
        lock.release()


def _recover(path: Path) -> Recovery:
    report = Recovery(path=str(path), damaged=False)
    if repaired(path).exists():
        _put_in_place(path, report)
        report.damaged = True
        report.notes.append("an earlier recovery was cut off when its repaired journal was complete: it is in place")
    for left in path.parent.glob(f".{glob.escape(path.name)}-recover-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-recover-") as scratch:
        copy = Path(scratch) / path.name
        shutil.copy2(path, copy)
        for beside, its_copy in zip(_beside(path), _beside(copy), strict=True):
            if beside.exists():
                shutil.copy2(beside, its_copy)
        before, report.damaged = report.damaged, False
        _cut(copy, report)
        fresh = Path(scratch) / "repaired.duckdb"
        _copy_rows(copy, fresh, report)
        if report.damaged:
            _as(path, fresh)
            fresh.rename(repaired(path))
            redo.sync_folder(path.parent)
            _put_in_place(path, report)
        report.damaged = report.damaged or before
    return report


def _put_in_place(path: Path, report: Recovery) -> None:
    # Nobody opens the journal while there is a repaired one: a crash in between is made up for by the next recovery.
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept, number = path.with_name(f"{path.name}.damaged-{stamp}"), 1
    while any(name.exists() for name in (kept, *_beside(kept))):
        number += 1
        kept = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for old, new in zip((path, *_beside(path)), (kept, *_beside(kept)), strict=True):
        if old.exists():
            old.rename(new)
            report.copies.append(str(new))
    redo.sync_folder(path.parent)
    repaired(path).rename(path)
    redo.sync_folder(path.parent)


def _as(old: Path, new: Path) -> None:
    # Who repairs it may be another user than who uses it.
    was = old.stat()
    new.chmod(stat.S_IMODE(was.st_mode))
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(new, was.st_uid, was.st_gid)


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _beside(path: Path) -> tuple[Path, ...]:
    # The second and third: what DuckDB 2.0 writes beside its log during a checkpoint, and after a crash in one.
    logs = (path.with_name(f"{path.name}.wal{end}") for end in ("", ".checkpoint", ".recovery"))
    return *logs, *redo.names(path)


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


def _copy_rows(copy: Path, fresh: Path, report: Recovery) -> None:
    import duckdb

    try:
        target = _open(fresh, read_only=False)
        try:
            _fill(target, copy, report)
            target.execute("CHECKPOINT")  # closing makes one as well, and says nothing if it cannot
        finally:
            target.close()
        left = _wal(fresh)
        if left.exists() and left.stat().st_size:
            raise TaskStoreUnavailable("DuckDB left a part of it in its log")
    except (duckdb.Error, TaskStoreUnavailable) as error:
        reason = str(error).splitlines()[0]
        raise TaskStoreUnavailable(f"the repaired journal cannot be written, nothing was changed: {reason}") from error


def _fill(target: duckdb.DuckDBPyConnection, copy: Path, report: Recovery) -> None:
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
        _check_meta(source, Path(report.path), report)
        for table in ("journal", "history"):
            _copy_table(source, target, table, report)
        folded = _folded(source, target)
    finally:
        source.close()
    target.execute("UPDATE meta SET value = ? WHERE name = 'folded'", [str(folded)])
    _take_redo(target, copy, folded, report)


def _folded(source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection) -> int:
    import duckdb

    try:
        return folded_in(source)
    except duckdb.Error:  # its rows tell it, but for those that are in the history already, which replay leaves out
        row = target.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()
        return int(row[0]) if row else 0


def _take_redo(target: duckdb.DuckDBPyConnection, copy: Path, after: int, report: Recovery) -> None:
    """What was not folded yet, but for the damaged frames."""
    take_in(target, _frames(copy, after, report), after)


def _frames(copy: Path, after: int, report: Recovery) -> Iterator[Frame]:
    cut = report.damaged  # then a gap is where something was cut out

    def damaged(begin: int, end: int) -> None:
        nonlocal cut
        cut = report.damaged = True
        report.cut_at = begin if report.cut_at is None else report.cut_at
        report.cut_entries += 1
        report.cut_bytes += end - begin

    expected = after + 1
    for segment in redo.in_order(redo.names(copy), lambda *_: None):
        for frame in redo.read(segment, damaged):
            if frame.first > after:
                if frame.first != expected and not cut:
                    report.damaged = True
                    report.notes.append(f"events {expected} to {frame.first - 1} are missing")
                expected = frame.first + frame.events
                report.rows_kept += frame.events
                yield frame
            cut = False


def _check_meta(source: duckdb.DuckDBPyConnection, path: Path, report: Recovery) -> None:
    import duckdb

    try:
        values = dict(source.execute("SELECT name, value FROM meta").fetchall())
    except duckdb.Error as error:
        report.damaged = True
        report.notes.append(f"table meta could not be read, and is written anew: {str(error).splitlines()[0]}")
    else:
        refuse_newer(int(found) if (found := str(values.get("version"))).isdecimal() else None, path)


def _copy_table(
    source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection, table: str, report: Recovery
) -> None:
    import duckdb

    try:
        row = source.execute(f"SELECT coalesce(max(rowid), -1) + 1 FROM {table}").fetchone()  # noqa: S608 - one of two names
    except duckdb.Error as error:
        report.damaged = True
        report.notes.append(f"table {table} could not be read: {error}")
        return
    total = int(row[0]) if row else 0
    types = target.execute("SELECT data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [table])
    columns = ", ".join(f"unnest(?::{kind}[])" for (kind,) in types.fetchall())
    insert = f"INSERT INTO {table} SELECT {columns}"
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
            for begin in range(0, len(rows), _STEP):  # columns and not `executemany`, which takes a minute for 100,000
                target.execute(insert, [list(column) for column in zip(*rows[begin : begin + _STEP], strict=True)])
            report.rows_kept += len(rows)
        at += step
    target.execute("COMMIT")
