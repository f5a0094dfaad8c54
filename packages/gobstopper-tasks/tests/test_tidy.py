"""The journal's threads: what they do under load, and when DuckDB refuses."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

import duckdb
import pytest

from gobstopper_tasks import TaskQueue, TaskStoreUnavailable
from gobstopper_tasks.engines._journal import Event, Kind
from gobstopper_tasks.engines.duckdb import journal as journal_module
from gobstopper_tasks.engines.duckdb import tidy
from gobstopper_tasks.engines.duckdb.journal import DuckDBJournal


async def eventually(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def written(journal: DuckDBJournal, count: int, start: int = 0) -> BaseException | None:
    future = asyncio.get_running_loop().create_future()
    events = [
        Event(Kind.ADDED, time.time(), f"id-{n}", f'{{"id":"id-{n}","name":"t"}}') for n in range(start, start + count)
    ]
    journal.write(events, future.set_result)
    return await future


@pytest.fixture
async def journal(tmp_path: Path):
    made = DuckDBJournal(tmp_path / "tasks.duckdb", 1e9, 10**9)
    await asyncio.to_thread(made.open)
    yield made
    await asyncio.to_thread(made.close)


async def test_a_busy_journal_is_compacted_and_checkpointed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidy, "_BUSY_ENDED", 30)
    monkeypatch.setattr(tidy, "_BUSY_COMMITS", 50)
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
        assert queue._engine._owner._journal.log_size() < 1 << 20


async def test_big_batches_are_one_transaction(journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_ONE_FLUSH", 10)
    assert await written(journal, 25) is None
    assert sum(1 for event in journal.events() if event.id.startswith("id-")) == 25


async def test_a_checkpoint_that_has_to_wait(journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def execute(self, statement: str) -> None:
            raise duckdb.TransactionException("other write transactions are active")

    journal.tidier._checkpoint(Busy())
    assert journal.tidier.wants_checkpoint
    assert await written(journal, 1) is None  # the owner thread makes it after its next batch
    await eventually(lambda: not journal.tidier.wants_checkpoint)
    journal.tidier.wants_checkpoint = True
    journal.tidier.checkpoint_inline(Busy())
    assert not journal.tidier.wants_checkpoint


async def test_tidying_that_fails_is_only_said(journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def fail(_: object) -> int:
        raise duckdb.IOException("no")

    monkeypatch.setattr(tidy, "compact", fail)
    assert await written(journal, 1) is None
    await eventually(lambda: "could not be tidied" in caplog.text)
    assert await written(journal, 1, 1) is None


async def test_a_batch_that_failed_is_not_there_after_all(
    journal: DuckDBJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await written(journal, 3) is None
    append = DuckDBJournal._append

    def fail_after_the_commit(self: DuckDBJournal, events: list[Event]) -> None:
        append(self, events)
        raise duckdb.IOException("the disk said no, but had it")

    monkeypatch.setattr(DuckDBJournal, "_append", fail_after_the_commit)
    assert isinstance(await written(journal, 5, 100), duckdb.IOException)
    with pytest.raises(TaskStoreUnavailable):
        await journal.lookup(["id-0"])
    monkeypatch.setattr(DuckDBJournal, "_append", append)
    assert await written(journal, 1, 200) is None
    ids = [event.id for event in journal.events() if event.id]
    assert ids == ["id-0", "id-1", "id-2", "id-200"]


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
            await asyncio.to_thread(made.open)
            return made

        return asyncio.run(main())

    made = await asyncio.to_thread(forgetful)
    made.write([Event(Kind.PROGRESS, 0.0, "", None)], lambda _: None)
    assert made._thread is not None
    await asyncio.to_thread(made._thread.join, 5)
    assert not made._thread.is_alive()
    await asyncio.to_thread(made.close)
    with pytest.raises(TaskStoreUnavailable):
        made.cursor()
    del made
    gc.collect()
