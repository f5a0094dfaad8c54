"""The journal's threads: what they do under load, and when DuckDB refuses."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

import duckdb
import pytest

from gobstopper_tasks import JournalDamaged, TaskQueue, TaskStoreUnavailable
from gobstopper_tasks.engines._journal import Event, Kind
from gobstopper_tasks.engines.duckdb import database, redo, tidy
from gobstopper_tasks.engines.duckdb.journal import DuckDBJournal


async def eventually(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def opened(made: DuckDBJournal) -> DuckDBJournal:
    made.open()
    assert list(made.events()) == []
    made.start()
    return made


async def written(journal: DuckDBJournal, count: int, start: int = 0) -> BaseException | None:
    future = asyncio.get_running_loop().create_future()
    events = [
        Event(Kind.ADDED, time.time(), f"id-{n}", f'{{"id":"id-{n}","name":"t","args":{{}}}}')
        for n in range(start, start + count)
    ]
    journal.write(events, future.set_result)
    return await future


@pytest.fixture
async def journal(tmp_path: Path):
    made = DuckDBJournal(tmp_path / "tasks.duckdb", 1e9, 10**9)
    await asyncio.to_thread(opened, made)
    yield made
    await asyncio.to_thread(made.close)


async def test_a_busy_journal_is_compacted_and_checkpointed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidy, "_BUSY_ENDED", 30)
    monkeypatch.setattr(tidy, "_BUSY_EVENTS", 50)
    monkeypatch.setattr(tidy, "_BUSY_LOG", 1 << 18)
    monkeypatch.setattr(tidy, "_PERIOD", 0.05)
    async with TaskQueue(tmp_path / "tasks.duckdb") as queue:

        @queue.task("t")
        async def t() -> None: ...

        await queue.start_workers("default", 4)
        end = time.monotonic() + 2.0
        count = 0
        while time.monotonic() < end:
            await asyncio.gather(*(queue.add("t") for _ in range(5)))
            count += 5
        rows = await queue.sql("SELECT (SELECT count(*) FROM history) AS ended, (SELECT count(*) FROM tasks) AS all")
        assert rows[0]["all"] == count
        assert rows[0]["ended"] > 0, "the history fills while tasks are added"
        assert queue._engine._owner._journal.database.log_size() < 1 << 20


async def test_big_batches_are_one_frame_of_many_chunks(
    journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redo, "_CHUNK_EVENTS", 10)
    monkeypatch.setattr(database, "_AT_ONCE", 1000)
    assert await written(journal, 25) is None
    await asyncio.to_thread(journal.fold)
    assert [event.id for event in journal.events() if event.id] == [f"id-{n}" for n in range(25)]


async def test_a_checkpoint_that_has_to_wait() -> None:
    class Busy:
        def execute(self, statement: str) -> None:
            raise duckdb.TransactionException("other write transactions are active")

    tidy.checkpoint(Busy())  # before DuckDB 2.0; the next one will do


async def test_what_is_read_has_what_was_just_written(journal: DuckDBJournal) -> None:
    assert await written(journal, 3) is None
    names, rows = await journal.sql("SELECT id FROM tasks ORDER BY id", [])
    assert (names, rows) == (["id"], [("id-0",), ("id-1",), ("id-2",)])


async def test_what_is_written_is_folded_soon_without_being_asked_for(journal: DuckDBJournal) -> None:
    assert await written(journal, 3) is None
    assert journal.redo.size > 0
    await eventually(lambda: journal.redo.size == 0)
    assert journal.database.folded == 3


async def test_tidying_that_fails_is_only_said(journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def fail(_: object) -> int:
        raise duckdb.IOException("no")

    monkeypatch.setattr(tidy, "compact", fail)
    assert await written(journal, 1) is None
    await eventually(lambda: "could not be tidied" in caplog.text)
    assert await written(journal, 1, 1) is None


async def test_a_fold_that_failed_is_made_again(
    journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    # DuckDB's commit can report an error and have reached the file all the same: nothing may be there twice.
    take_in = database.take_in

    def fail_after_the_commit(*args: object) -> int:
        take_in(*args)
        raise duckdb.IOException("the disk said no, but had it")

    monkeypatch.setattr(database, "take_in", fail_after_the_commit)
    assert await written(journal, 3) is None  # that is durable already
    with pytest.raises(TaskStoreUnavailable, match="the disk said no"):
        await journal.lookup(["id-0"])
    await eventually(lambda: "could not be tidied" in caplog.text)
    assert await written(journal, 2, 100) is None
    monkeypatch.setattr(database, "take_in", take_in)
    _, rows = await journal.sql("SELECT id FROM journal WHERE id <> '' ORDER BY seq", [])
    assert [id_ for (id_,) in rows] == ["id-0", "id-1", "id-2", "id-100", "id-101"]


async def test_what_a_disk_lost_of_the_redo_log_is_not_forgotten(
    journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "fold", lambda: None)  # the tidier's
    for n in range(3):
        assert await written(journal, 1, n) is None
    segment = next(name for name in redo.names(journal.path) if name.stat().st_size)
    content = segment.read_bytes()
    os.truncate(segment, len(content) - 5)
    monkeypatch.undo()
    with pytest.raises(JournalDamaged, match="the rest is not there"):
        await asyncio.to_thread(journal.fold)
    with pytest.raises(TaskStoreUnavailable, match="the rest is not there"):
        await journal.lookup(["id"])
    segment.write_bytes(content)
    await asyncio.to_thread(journal.fold)
    assert await journal.sql("SELECT count(*) AS n FROM journal", []) == (["n"], [(3,)])


async def test_the_name_of_duckdbs_log_is_durable_before_the_redo_log_is_forgotten(
    journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    folded = journal.redo.folded
    monkeypatch.setattr(database, "sync_folder", lambda folder: done.append(str(folder)))
    monkeypatch.setattr(journal.redo, "folded", lambda: (done.append("folded"), folded()))
    assert await written(journal, 1) is None
    await asyncio.to_thread(journal.fold)
    assert done[:2] == [str(journal.path.parent), "folded"]


async def test_looks_into_the_history_at_once_are_few(journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    read = journal._read

    async def counted(work, *rest):
        looks.append(work)
        return await read(work, *rest)

    monkeypatch.setattr(journal, "_read", counted)
    assert await written(journal, 20) is None
    found = await asyncio.gather(*(journal.lookup([f"id-{n}", "other"]) for n in range(50)))
    assert [sorted(one) for one in found] == [[f"id-{n}"] if n < 20 else [] for n in range(50)]
    assert len(looks) < 5
    leaving = asyncio.create_task(journal.lookup(["id-1"]))
    staying = asyncio.create_task(journal.lookup(["id-2"]))
    await asyncio.sleep(0)
    leaving.cancel()
    assert list(await staying) == ["id-2"]
    assert list(await journal.lookup(["id-1"])) == ["id-1"]


async def test_adding_stops_when_nothing_can_be_folded_for_long(
    journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> int:
        raise duckdb.IOException("no")

    take_in = database.take_in
    monkeypatch.setattr(database, "take_in", fail)
    monkeypatch.setattr(redo, "FULL", 4_000)
    stored, error = 0, None
    while error is None:
        error = await written(journal, 10, stored)
        stored += 10 if error is None else 0
    assert "is full" in str(error)
    assert stored > 30
    monkeypatch.setattr(database, "take_in", take_in)
    await asyncio.to_thread(journal.fold)
    assert await written(journal, 10, stored) is None
    _, rows = await journal.sql("SELECT count(*) FROM tasks", [])
    assert rows == [(stored + 10,)]


async def test_one_batch_that_is_bigger_than_a_segment(journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redo, "FULL", 4_000)
    monkeypatch.setattr(tidy, "_PERIOD", 60.0)
    assert await written(journal, 1) is None
    assert await written(journal, 200, 1) is None, "what is in its way can be folded"
    assert await written(journal, 1, 201) is None
    _, rows = await journal.sql("SELECT count(*) FROM tasks", [])
    assert rows == [(202,)]


@pytest.mark.timeout(100)
async def test_big_arguments_get_the_memory_that_they_need(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with TaskQueue(tmp_path / "tasks.duckdb", memory_limit="48MB") as queue:

        @queue.task("t")
        async def t(text: str) -> int:
            return len(text)

        ids = [await queue.add("t", text="x" * 1_000_000) for _ in range(60)]
        for _ in range(2):
            found = await queue.sql("SELECT count(*) AS n FROM tasks")
            assert found == [{"n": 60}]
        await queue.start_workers("default", 4)
        for id_ in ids:
            assert await queue.result(id_, 20) == 1_000_000
        for _ in range(300):
            if (await queue.sql("SELECT count(*) AS n FROM history"))[0]["n"] == 60:
                break
            await asyncio.sleep(0.1)
        assert await queue.sql("SELECT count(*) AS n FROM history") == [{"n": 60}]
    assert "needs more memory than memory_limit=48MB" in caplog.text


async def test_retention_is_told_to_the_counts(tmp_path: Path) -> None:
    async with TaskQueue(tmp_path / "tasks.duckdb", retention=0.0) as queue:

        @queue.task("t")
        async def t() -> None: ...

        await queue.start_workers()
        await queue.wait(await queue.add("t"), 5)
        tidier = queue._engine._owner._journal.tidier
        tidier._retired_at = -1000.0
        for _ in range(200):
            if await queue.stats() == {}:
                break
            tidier._retired_at = -1000.0
            await asyncio.sleep(0.05)
        assert await queue.stats() == {}


async def test_a_loop_that_ends_without_closing_ends_the_threads(tmp_path: Path) -> None:
    def forgetful() -> DuckDBJournal:
        async def main() -> DuckDBJournal:
            made = DuckDBJournal(tmp_path / "other.duckdb", 1e9, 10**9)
            return await asyncio.to_thread(opened, made)

        return asyncio.run(main())

    made = await asyncio.to_thread(forgetful)
    made.write([Event(Kind.PROGRESS, 0.0, "", None)], lambda _: None)
    assert made._thread is not None
    await asyncio.to_thread(made._thread.join, 5)
    assert not made._thread.is_alive()
    await asyncio.to_thread(made.close)
    with pytest.raises(TaskStoreUnavailable):
        made.database.cursor()
    del made
    gc.collect()
