"""The owner's beginning and end, when others are quick and threads are slow."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from pathlib import Path

import msgspec
import pytest

from gobstopper_tasks import TaskQueue, TaskSpec, TaskStoreUnavailable
from gobstopper_tasks.engines._broker import Broker
from gobstopper_tasks.engines.duckdb import redo
from gobstopper_tasks.engines.duckdb.election import socket_path
from gobstopper_tasks.engines.duckdb.journal import DuckDBJournal
from gobstopper_tasks.engines.duckdb.owner import Owner, OwnerOptions
from gobstopper_tasks.ids import task_id
from gobstopper_tasks.task import JSON

# Takes minutes.
LONG = "SELECT count(*) FROM range(1000000000000) AS r WHERE r.range % 7 = 3"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.duckdb"


def owner(path: Path) -> Owner:
    return Owner(path, "session", OwnerOptions())


async def test_an_opening_that_failed_leaves_nothing_in_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: redo.RedoLog, frame: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(redo.RedoLog, "append", full)
    gc.collect()
    before = sum(isinstance(found, Broker) for found in gc.get_objects())
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            await owner(path).open()
    for _ in range(50):
        gc.collect()
        if (after := sum(isinstance(found, Broker) for found in gc.get_objects())) <= before:
            break
        await asyncio.sleep(0.1)
    assert after <= before


async def test_an_opening_that_is_cancelled_closes_what_its_thread_opens(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    load = Owner._load

    def slow(self: Owner) -> None:
        begun.set()
        assert go_on.wait(20)
        load(self)

    monkeypatch.setattr(Owner, "_load", slow)
    opened = owner(path)
    opening = asyncio.create_task(opened.open())
    assert await asyncio.to_thread(begun.wait, 20)
    opening.cancel()
    await asyncio.sleep(0.05)
    assert not opening.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not opened._journal.redo.opened
    assert opened._journal.database.connection is None


async def test_the_socket_of_the_next_owner_stays(path: Path) -> None:
    first = owner(path)
    await first.open()
    socket = socket_path(path)
    await first.listen(socket)

    def release() -> None:  # another process is as quick as can be
        socket.unlink(missing_ok=True)
        socket.touch()

    await first.close(release)
    assert socket.exists()


async def test_what_comes_while_it_closes_is_answered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closing = owner(path)
    await closing.open()
    begun, go_on = threading.Event(), threading.Event()
    close = DuckDBJournal.close

    def slow(self: DuckDBJournal) -> None:
        close(self)
        begun.set()
        assert go_on.wait(20)

    monkeypatch.setattr(DuckDBJournal, "close", slow)
    end = asyncio.create_task(closing.close(lambda: None))
    assert await asyncio.to_thread(begun.wait, 20)
    answer = asyncio.get_running_loop().create_future()
    spec = TaskSpec(id=task_id(), name="t", args=msgspec.Raw(b"{}"))
    closing.broker.add([spec], [JSON.encode(spec).decode()], answer.set_result)
    await asyncio.sleep(0.05)
    assert not answer.done(), "a process that asked over the socket asks the next owner"
    go_on.set()
    await end
    assert isinstance(await asyncio.wait_for(answer, 10), TaskStoreUnavailable)


async def test_a_long_statement_holds_up_nobody(path: Path) -> None:
    queue = TaskQueue(path)
    await queue.open()
    asked = asyncio.create_task(queue.sql(LONG))
    await asyncio.sleep(0.3)
    assert await asyncio.wait_for(queue.get_task_status(task_id()), 20) is None
    begun = time.monotonic()
    await asyncio.wait_for(queue.close(), 30)
    with pytest.raises(TaskStoreUnavailable, match="closed"):
        await asyncio.wait_for(asked, 10)
    assert time.monotonic() - begun < 30


async def test_a_statement_that_nobody_waits_for_ends(path: Path) -> None:
    async with TaskQueue(path) as queue:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await queue.sql(LONG)
        assert await asyncio.wait_for(queue.sql("SELECT 1 AS n"), 20) == [{"n": 1}]
