"""Damaged bytes, a full disk, an I/O error, another program in the file."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gobstopper_tasks import JournalDamaged, TaskQueue, TaskStoreUnavailable
from gobstopper_tasks.engines.duckdb import redo
from gobstopper_tasks.engines.duckdb.recover import recover

FLIPS = int(os.environ.get("GOBSTOPPER_TASK_FLIPS", "12"))
BATCH, SINGLE = 300, 100
LOGS = ("tasks.duckdb", "tasks.duckdb.wal", "tasks.duckdb.redo-0", "tasks.duckdb.redo-1")

# Ends as a crash does, with a big batch and many small ones in the redo log. With "fold", they were all folded into
# DuckDB (the big one first), and are in its log; with "tidy", the big one after a checkpoint.
WRITER = f"""
import asyncio, os, sys
from gobstopper_tasks import TaskQueue

async def main():
    queue = TaskQueue(sys.argv[1])
    @queue.task("t")
    async def t(x): ...
    await queue.open()
    await queue.add_many([queue.call("t", x="a" * 1000) for n in range({BATCH})])
    if "tidy" in sys.argv:
        while os.path.getsize(sys.argv[1]) < 500_000:
            await asyncio.sleep(0.1)
    elif "fold" in sys.argv:
        await queue.sql("SELECT 1")
    for n in range({SINGLE}):
        await queue.add("t", x=n)
    if "fold" in sys.argv:
        await queue.sql("SELECT 1")
    os._exit(0)

asyncio.run(main())
"""


# Folds, and ends before it is forgotten that this is still to be done.
FOLDER = """
import asyncio, os, sys
from gobstopper_tasks import TaskQueue
from gobstopper_tasks.engines.duckdb.redo import RedoLog

async def main():
    queue = TaskQueue(sys.argv[1])
    await queue.open()
    RedoLog.folded = lambda log: os._exit(0)
    await queue.sql("SELECT 1")

asyncio.run(main())
"""


def write(path: Path, *options: str) -> dict[str, bytes]:
    subprocess.run([sys.executable, "-c", WRITER, str(path), *options], check=True)
    return {file.name: file.read_bytes() for file in path.parent.iterdir() if file.name in LOGS and file.stat().st_size}


async def count(path: Path) -> int:
    queue = TaskQueue(path)
    async with queue:
        return sum((await queue.stats()).get("default", {}).values())


async def outcome(path: Path) -> tuple[int, JournalDamaged | None]:
    try:
        return await count(path), None
    except JournalDamaged as error:
        return 0, error


def restore(folder: Path, files: dict[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "tasks.duckdb"


async def test_a_torn_redo_log_loses_only_what_was_not_acknowledged(tmp_path: Path) -> None:
    files = write(tmp_path / "tasks.duckdb")
    name = max((name for name in files if ".redo-" in name), key=lambda name: len(files[name]))
    for cut in (1, 7, 50):
        path = restore(tmp_path / "case", {**files, name: files[name][:-cut]})
        assert await count(path) == BATCH + SINGLE - 1  # a cut in the last frame is what a crash leaves of one


async def test_a_torn_log_of_duckdb_is_not_taken_for_less(tmp_path: Path) -> None:
    # A crash while folding: DuckDB drops the end of its log, and the redo log still has all of it.
    files = write(tmp_path / "tasks.duckdb")
    path = restore(tmp_path / "case", files)
    copy = subprocess.run([sys.executable, "-c", FOLDER, str(path)], check=False)
    assert copy.returncode == 0
    log = (path.parent / "tasks.duckdb.wal").read_bytes()
    for cut in (1, 7, 50, len(log) // 2):
        path = restore(tmp_path / "case", {**files, "tasks.duckdb.wal": log[:-cut]})
        assert await count(path) == BATCH + SINGLE
    path = restore(tmp_path / "case", {**files, "tasks.duckdb.wal": log})
    assert await count(path) == BATCH + SINGLE, "folded, and not forgotten yet: nothing is there twice"


@pytest.mark.parametrize("options", [(), ("fold",), ("tidy",)])
async def test_flipped_bits_are_never_swallowed(tmp_path: Path, options: tuple[str, ...]) -> None:
    files = write(tmp_path / "tasks.duckdb", *options)
    dice = random.Random(int(os.environ.get("GOBSTOPPER_TASK_SEED", "7")))
    whole = BATCH + SINGLE
    damaged = 0
    for _ in range(FLIPS):
        name = dice.choice(sorted(files))
        content = bytearray(files[name])
        position = dice.randrange(len(content))
        content[position] ^= 1 << dice.randrange(8)
        case = {**files, name: bytes(content)}
        path = restore(tmp_path / "case", case)
        found, error = await outcome(path)
        if error is not None:
            damaged += 1
            assert error.position is not None, error
            assert "recover" in str(error)
            left = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.name in case}
            assert left == case, "a refused journal must not be changed"
            report = await asyncio.to_thread(recover, path)
            assert report.damaged
            assert set(case.values()) <= {Path(copy).read_bytes() for copy in report.copies}
            kept = await count(path)
            if not name.endswith(".duckdb"):
                # A frame; of DuckDB's log, what was folded at once, or nothing if all is in the redo log still.
                lost = (1, BATCH) if ".redo-" in name else (SINGLE, BATCH) if "fold" in options else (0,)
                assert whole - kept in lost, f"flip at {position} of {name}"
                assert report.cut_bytes > 0
        else:
            assert found == whole, f"flip at {position} of {name}: {found}"
    assert damaged


async def test_flipped_lengths_in_the_log(tmp_path: Path) -> None:
    # DuckDB itself takes a wrong length for the end of the log and drops the rest without a word.
    files = write(tmp_path / "tasks.duckdb", "fold")
    log = files["tasks.duckdb.wal"]
    starts = []
    at = len(log)
    mark = b"\x64\x00\x64\xff\xff"
    while (at := log.rfind(mark, 0, at)) != -1 and len(starts) < 5:
        starts.append(at - 16)
    for start in starts:
        for byte in (0, 1, 3):
            content = bytearray(log)
            content[start + byte] ^= 0x10
            path = restore(tmp_path / "case", {**files, "tasks.duckdb.wal": bytes(content)})
            with pytest.raises(JournalDamaged):
                await count(path)


# As `WRITER`, but DuckDB takes nothing in: both segments have something in the end.
STUCK = """
import asyncio, os, sys
import duckdb
from gobstopper_tasks import TaskQueue, TaskStoreUnavailable
from gobstopper_tasks.engines.duckdb import database

def fail(*args):
    raise duckdb.IOException("no")

async def main():
    queue = TaskQueue(sys.argv[1])
    @queue.task("t")
    async def t(x): ...
    await queue.open()
    database.take_in = fail
    for half in range(2):
        for n in range(10):
            await queue.add("t", x=n)
        try:
            await queue.sql("SELECT 1")
        except TaskStoreUnavailable:
            pass
    os._exit(0)

asyncio.run(main())
"""


async def test_events_that_are_missing_between_the_segments_are_recovered_from(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    subprocess.run([sys.executable, "-c", STUCK, str(path)], check=True, stderr=subprocess.DEVNULL)
    older, younger = redo.in_order(redo.names(path))
    assert younger.stat().st_size > 0
    os.truncate(older, older.stat().st_size - 3)
    with pytest.raises(JournalDamaged, match="event 11 is missing"):
        await count(path)
    report = await asyncio.to_thread(recover, path)
    assert report.damaged
    assert report.notes == ["events 11 to 11 are missing"]
    assert await count(path) == 19


async def test_recover_leaves_a_sound_journal_alone(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    files = write(path)
    report = await asyncio.to_thread(recover, path)
    assert (report.damaged, report.copies) == (False, [])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.name in files} == files
    with pytest.raises(TaskStoreUnavailable, match="does not exist"):
        recover(tmp_path / "other.duckdb")
    async with TaskQueue(path):
        with pytest.raises(TaskStoreUnavailable, match="in use"):
            await asyncio.to_thread(recover, path)


async def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(JournalDamaged):
        await count(path)
    assert path.read_bytes() == b"not a database at all" * 1000
    with pytest.raises(TaskStoreUnavailable, match="cannot be made"):
        await count(tmp_path / "nowhere" / "deep" / "tasks.duckdb")


# -- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_refuses_and_comes_back(small_disk: Path) -> None:
    path = small_disk / "tasks.duckdb"
    queue = TaskQueue(path)
    ran: list[int] = []

    @queue.task("t")
    async def t(n: int, ballast: str = "") -> int:
        ran.append(n)
        return n

    await queue.open()
    await queue.start_workers("other", 2)
    acknowledged = [await queue.add("t", n=n) for n in range(10)]
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"x" * 65536)
                file.flush()
        except OSError:
            pass
    refused: list[str] = []
    begun = time.monotonic()
    for n in range(200):
        try:
            acknowledged.append(await queue.add("t", n=1000 + n, ballast="y" * 20_000))
        except TaskStoreUnavailable as error:
            refused.append(str(error))
    assert refused
    assert all("cannot be written" in message for message in refused)
    assert time.monotonic() - begun < 60
    ballast.unlink()
    deadline = time.monotonic() + 10
    while True:
        try:
            acknowledged.append(await queue.add("t", n=5000))
            break
        except TaskStoreUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    await queue.start_workers("default", 4)
    for id_ in acknowledged:
        assert (await queue.wait(id_, 20)).status == "succeeded"
    assert len(ran) == len(acknowledged)
    await queue.close()
    reopened = TaskQueue(path)
    async with reopened:
        assert sum((await reopened.stats())["default"].values()) == len(acknowledged)


async def test_an_io_error_refuses_and_comes_back(tmp_path: Path) -> None:
    # The kernel refuses every write beyond this size: an error of write(2) itself.
    code = f"""
import asyncio, resource, signal, sys
from gobstopper_tasks import TaskQueue, TaskStoreUnavailable

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main():
    queue = TaskQueue({str(tmp_path / "tasks.duckdb")!r})
    @queue.task("t")
    async def t(n, text=""): return n
    await queue.open()
    kept = [await queue.add("t", n=n) for n in range(5)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    refused = 0
    for n in range(40):
        try:
            kept.append(await queue.add("t", n=n, text="z" * 20_000))
        except TaskStoreUnavailable:
            refused += 1
    assert refused, "it was never refused"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for _ in range(200):
        try:
            kept.append(await queue.add("t", n=0))
            break
        except TaskStoreUnavailable:
            await asyncio.sleep(0.05)
    else:
        raise AssertionError("it did not come back")
    await queue.start_workers("default", 4)
    for id in kept:
        assert (await queue.wait(id, 20)).status == "succeeded"
    await queue.close()
    print(len(kept), refused)

asyncio.run(main())
"""
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stderr
    kept = int(run.stdout.split()[0])
    assert await count(tmp_path / "tasks.duckdb") == kept


# -- other programs

HOLDER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(60)
"""


async def test_a_second_program_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    async with TaskQueue(path) as queue:
        second = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", HOLDER, str(path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode != 0
        assert "lock" in second.stderr
        assert await queue.stats() == {}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == b"open\n"
        with pytest.raises(TaskStoreUnavailable, match="another program has"):
            await queue.open()
        holder.kill()
    await queue.open()
    assert await queue.stats() == {}
    await queue.close()
