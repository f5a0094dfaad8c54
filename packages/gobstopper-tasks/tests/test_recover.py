"""Recovering a damaged journal, when that is cut off, cannot be written, or has much to do."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path

import duckdb
import pytest

from gobstopper_tasks import InvalidTask, JournalDamaged, TaskStoreUnavailable
from gobstopper_tasks.engines._journal import Event, Kind
from gobstopper_tasks.engines.duckdb import recover as recover_module
from gobstopper_tasks.engines.duckdb import redo
from gobstopper_tasks.engines.duckdb.journal import DuckDBJournal
from gobstopper_tasks.engines.duckdb.recover import recover

COUNT = 3000


class Killed(BaseException):
    pass


def frame(first: int, id_: str = "id") -> bytearray:
    return bytearray(redo.encode([Event(Kind.ADDED, 1.0, id_, '{"id":"id","name":"t"}')], first))


def damage(path: Path) -> None:
    segment = redo.names(path)[0]
    broken = frame(COUNT + 1)
    broken[40] ^= 1
    segment.write_bytes(broken + frame(COUNT + 2))


async def events(path: Path) -> int:
    journal = DuckDBJournal(path, 1e9, 10**9)

    def read() -> int:
        journal.open()
        return len(list(journal.events()))

    try:
        return await asyncio.to_thread(read)
    finally:
        await asyncio.to_thread(journal.close)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.duckdb"
    journal = DuckDBJournal(path, 1e9, 10**9)

    def opened() -> None:
        journal.open()
        assert list(journal.events()) == []
        journal.start()

    await asyncio.to_thread(opened)
    written = asyncio.get_running_loop().create_future()
    journal.write([Event(Kind.ADDED, 1.0, f"id-{n}", None) for n in range(COUNT)], written.set_result)
    assert await written is None
    await asyncio.to_thread(journal.close)
    damage(path)
    return path


@pytest.mark.parametrize("step", range(1, 5))
async def test_a_recovery_that_is_cut_off_is_made_up_for(
    path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path.parent / "tasks.duckdb.wal").touch()
    before = {file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".lock"}
    real, steps = Path.rename, 0

    def rename(self: Path, target: Path) -> Path:
        nonlocal steps
        steps += 1
        if steps == step:
            raise Killed
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(Killed):
        recover(path)
    monkeypatch.undo()
    with pytest.raises(JournalDamaged):
        await events(path)
    assert recover(path).damaged
    assert await events(path) == COUNT + 1
    assert not recover(path).damaged
    assert before <= {file.read_bytes() for file in path.parent.iterdir()}, "the damaged files are kept"
    assert not [file for file in path.parent.iterdir() if file.name.startswith(".") or file.suffix == ".repaired"]


async def test_two_recoveries_in_one_second_keep_all_copies(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "20260101-000000")
    copies = [Path(copy) for copy in recover(path).copies]
    contents = [copy.read_bytes() for copy in copies]
    damage(path)
    more = [Path(copy) for copy in recover(path).copies]
    assert more
    assert not set(copies) & set(more)
    assert [copy.read_bytes() for copy in copies] == contents


async def test_a_repaired_journal_that_cannot_be_written_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".lock"}
    real = recover_module._open

    def opened(file: Path, read_only: bool = True) -> duckdb.DuckDBPyConnection:
        connection = real(file, read_only)
        if not read_only:  # as on a full disk: closing says nothing of it
            connection.execute("SET debug_checkpoint_abort = 'before_header'")
        return connection

    monkeypatch.setattr(recover_module, "_open", opened)
    with pytest.raises(TaskStoreUnavailable, match="nothing was changed"):
        recover(path)
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".lock"} == before
    recover(path)
    assert await events(path) == COUNT + 1


async def test_no_room_for_a_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copy2", full)
    with pytest.raises(TaskStoreUnavailable, match="make room"):
        recover(path)
    monkeypatch.undo()
    assert recover(path).damaged


async def test_many_damaged_frames_take_no_longer_than_few(path: Path) -> None:
    broken = bytearray()
    for n in range(6000):
        one = frame(COUNT + 10 + n, "x" * 500)
        if n % 2 == 0:
            one[50] ^= 1
        broken += one
    redo.names(path)[0].write_bytes(broken)
    begun = time.monotonic()
    report = recover(path)
    assert time.monotonic() - begun < 60, "it took minutes when each cut read and wrote all of it"
    assert report.cut_entries == 3000
    assert await events(path) == COUNT + 3000


async def test_a_torn_end_behind_damage_is_no_damage(path: Path) -> None:
    broken = frame(COUNT + 1)
    broken[50] ^= 1
    redo.names(path)[0].write_bytes(broken + frame(COUNT + 2) + frame(COUNT + 3)[:-4])
    report = recover(path)
    assert (report.cut_entries, report.notes) == (1, [])
    assert await events(path) == COUNT + 1


async def test_the_repaired_journal_belongs_to_whoever_used_it(path: Path) -> None:
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 4321, 4322)
    recover(path)
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    if os.geteuid() == 0:
        assert (found.st_uid, found.st_gid) == (4321, 4322)


async def test_a_newer_journal_is_not_taken_for_damaged(path: Path) -> None:
    redo.names(path)[0].unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    damage(path)
    with pytest.raises(InvalidTask, match="newer"):
        recover(path)


async def test_what_duckdb_keeps_beside_its_log_goes_with_it(path: Path) -> None:
    left = path.parent / "tasks.duckdb.wal.recovery"
    left.touch()
    recover(path)
    assert not left.exists(), "it would be replayed on the repaired journal"
    assert await events(path) == COUNT + 1
