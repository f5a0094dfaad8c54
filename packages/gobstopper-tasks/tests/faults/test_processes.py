"""Forks, clocks that jump, SIGTERM, poison, tasks that do not stop."""

from __future__ import annotations

import asyncio
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from gobstopper_tasks import TaskQueue, TaskStoreClosed, current_task
from gobstopper_tasks import worker as worker_module


async def run(code: str, *arguments: str, expect: int | None = 0, seconds: float = 60.0) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert expect is None or done.returncode == expect, done.stderr
    return done.stdout


FORKER = """
import asyncio, gc, os, sys, time
from gobstopper_tasks import TaskQueue, TaskStoreClosed

async def main(path):
    queue = TaskQueue(path)
    @queue.task("t")
    async def t(n): return n
    await queue.open()
    await queue.add("t", n=1)
    child = os.fork()
    if child == 0:
        try:
            coroutine = queue.add("t", n=2)
            coroutine.send(None)
        except TaskStoreClosed as error:
            print("child:", "fork" in str(error), flush=True)
        if sys.argv[2] == "leave":
            os.closerange(0, 3)
            time.sleep(30)  # lives on, with copies of every descriptor
            os._exit(0)
        queue.__dict__.clear()  # not sys.exit: closing the copied loop would break the parent's
        gc.collect()
        os._exit(0)
    if sys.argv[2] != "leave":
        os.waitpid(child, 0)
    for n in range(50):
        await queue.add("t", n=n)
    print("added", flush=True)
    if sys.argv[2] == "leave":
        os._exit(0)
    await queue.start_workers("default", 2)
    while (await queue.stats())["default"].get("succeeded") != 51:
        await asyncio.sleep(0.01)
    await queue.close()
    print("done", flush=True)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_forked_child_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    out = await run(FORKER, str(tmp_path / "tasks.duckdb"), "exit", expect=None)
    assert "child: True" in out
    assert "done" in out
    queue = TaskQueue(tmp_path / "tasks.duckdb")
    async with queue:
        assert (await queue.stats())["default"]["succeeded"] == 51


async def test_a_child_that_outlives_the_owner_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    out = await run(FORKER, str(path), "leave")
    assert "added" in out
    queue = TaskQueue(path)
    begun = time.monotonic()
    async with queue:
        assert time.monotonic() - begun < 15
        assert (await queue.stats())["default"]["pending"] == 51


async def test_a_queue_may_be_made_before_a_fork_and_opened_after_it(tmp_path: Path) -> None:
    out = await run(
        """
import asyncio, os, sys
from gobstopper_tasks import TaskQueue
queue = TaskQueue(sys.argv[1], patience=10)
@queue.task("t")
async def t(n): return os.getpid()
async def main():
    async with queue:
        await queue.start_workers("default", 1)
        id = await queue.add("t", n=1)
        assert await queue.result(id, 20)
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        asyncio.run(main())
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
assert "duckdb" not in sys.modules
print("ok")
""",
        str(tmp_path / "tasks.duckdb"),
    )
    assert out == "ok\n"


# -- clocks


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_clock_that_jumps_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    queue = TaskQueue(tmp_path / "tasks.duckdb")
    began: dict[str, float] = {}

    @queue.task("t", max_retries=1, backoff=0.6)
    async def t(tag: str, fail: bool = False) -> None:
        began[tag] = time.monotonic()
        if fail and current_task().attempt == 1:
            raise ValueError

    async with queue:
        await queue.start_workers("default", 4)
        begun = time.monotonic()
        delayed = await queue.add("t", tag="delayed", delay=1.0)
        retried = await queue.add("t", tag="retried", fail=True)
        absolute = await queue.add("t", tag="absolute", run_at=time.time() + 1800)
        await asyncio.sleep(0.2)
        true_time = time.time
        monkeypatch.setattr(time, "time", lambda: true_time() + jump)
        at_once = await queue.add("t", tag="at once")
        for id_ in (delayed, retried, at_once):
            assert (await queue.wait(id_, 10)).status == "succeeded"
        assert 0.9 <= began["delayed"] - begun < 4, "a delay is neither cut short nor drawn out"
        assert 0.5 <= began["retried"] - begun < 4
        assert began["at once"] - begun < 1
        if jump > 0:
            assert (await queue.wait(absolute, 10)).status == "succeeded"  # its moment has come
        else:
            assert await queue.get_task_status(absolute) == "scheduled"
        ids = [await queue.add("t", tag=str(n)) for n in range(3)]
        assert len({*ids}) == 3
        assert sorted(ids) == ids, "ids go on rising"


async def test_cron_over_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = TaskQueue(tmp_path / "tasks.duckdb")
    fired: list[float] = []

    @queue.task("tick", cron="* * * * * *")
    async def tick() -> None:
        fired.append(time.time())

    async with queue:
        await queue.start_workers("default", 1)
        while len(fired) < 2:
            await asyncio.sleep(0.02)
        true_time = time.time
        monkeypatch.setattr(time, "time", lambda: true_time() + 3600)
        seen = len(fired)
        await asyncio.sleep(2.5)
        assert 1 <= len(fired) - seen <= 5, "skipped ticks are not made up for"
        monkeypatch.setattr(time, "time", true_time)
        seen = len(fired)
        await asyncio.sleep(2.5)
        assert len(fired) - seen <= 4, "a tick never fires twice"
    stamps = [int(at) for at in fired]
    assert len(stamps) - len(set(stamps)) <= 1


# -- stopping

WORKER = """
import asyncio, os, signal, sys
from gobstopper_tasks import TaskQueue, current_task

async def main(path, grace):
    queue = TaskQueue(path)
    @queue.task("nap", max_crashes=20, max_retries=0)
    async def nap(seconds):
        print("begin", current_task().attempt, flush=True)
        await asyncio.sleep(seconds)
        print("end", flush=True)
        return "slept"
    @queue.task("poison", max_crashes=3)
    async def poison():
        print("poison", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await queue.open()
    await queue.start_workers("default", 4)
    print("ready", flush=True)
    await stop.wait()
    await queue.close(grace)

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


def start(path: Path, grace: float = 1.0) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(path), str(grace)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("owner", [True, False])
async def test_sigterm_finishes_or_gives_back(tmp_path: Path, owner: bool) -> None:
    path = tmp_path / "tasks.duckdb"
    queue = TaskQueue(path)

    @queue.task("nap")
    async def nap(seconds: float) -> str:
        return "by another"

    if not owner:
        await queue.open()
    process = await asyncio.to_thread(start, path)
    short = await queue.add("nap", seconds=0.6)
    long = await queue.add("nap", seconds=60)
    for _ in range(2):
        assert (await asyncio.to_thread(process.stdout.readline)).startswith("begin 1")  # type: ignore[union-attr]
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 20) == 0
    assert time.monotonic() - begun < 20, "not the minute that a task takes"
    process.stdout.close()  # type: ignore[union-attr]
    assert (await queue.wait(short, 10)).result == "slept"
    await queue.start_workers("default", 1)
    info = await queue.wait(long, 10)
    assert (info.result, info.attempt, info.crashes) == ("by another", 1, 0)
    await queue.close()


async def test_a_task_that_kills_its_process_becomes_a_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    async with TaskQueue(path) as queue:
        poison = await queue.add("poison", category="default")
        harmless = await queue.add("nap", category="default", args={"seconds": 0.1})
        for _ in range(3):
            process = await asyncio.to_thread(start, path)
            await asyncio.to_thread(process.wait, 20)
            assert process.returncode == -signal.SIGKILL
            process.stdout.close()  # type: ignore[union-attr]
        process = await asyncio.to_thread(start, path)
        info = await queue.wait(poison, 20)
        assert info.status == "failed"
        assert "3 times" in str(info.error)
        assert (await queue.wait(harmless, 20)).result == "slept"
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


async def readable(stream: IO[str], seconds: float) -> bool:
    return bool((await asyncio.to_thread(select.select, [stream], [], [], seconds))[0])


async def test_a_task_that_kills_the_owner_becomes_a_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    async with TaskQueue(path) as queue:
        poison = await queue.add("poison", category="default")
    # The first kill may come before the start is in the journal; from then on tasks that were there at a crash start
    # with care, and are counted.
    kills = 0
    while kills < 5:
        process = await asyncio.to_thread(start, path)
        begun = process.stdout.readline() if (await readable(process.stdout, 8.0)) else ""  # type: ignore[union-attr]
        if not begun:
            break
        assert begun == "poison\n"
        assert await asyncio.to_thread(process.wait, 20) == -signal.SIGKILL
        process.stdout.close()  # type: ignore[union-attr]
        kills += 1
    assert kills in (3, 4)
    async with TaskQueue(path) as queue:
        assert (await queue.wait(poison, 20)).status == "failed"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0
        process.stdout.close()  # type: ignore[union-attr]


async def test_a_silent_worker_loses_its_tasks_and_a_busy_one_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    queue = TaskQueue(path, lease=1.0)

    @queue.task("nap")
    async def nap(seconds: float) -> str:
        return "by another"

    await queue.open()
    process = await asyncio.to_thread(start, path)
    try:
        long = await queue.add("nap", seconds=2.5)  # longer than the lease, renewed by heartbeats
        assert (await queue.wait(long, 20)).result == "slept"
        stuck = await queue.add("nap", seconds=3600)
        while await queue.get_task_status(stuck) != "running":
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        await queue.start_workers("default", 1)
        info = await queue.wait(stuck, 20)
        assert (info.result, info.crashes) == ("by another", 1)
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.5)
        assert (await queue.get_task(stuck)).result == "by another"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        await queue.close()


async def test_tasks_that_ignore_being_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_STUBBORN", 0.2)
    queue = TaskQueue(tmp_path / "tasks.duckdb")
    free = asyncio.Event()

    @queue.task("stubborn", timeout=0.2, max_retries=0)
    async def stubborn() -> None:
        while not free.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    @queue.task("deaf", timeout=0.2, max_retries=0)
    def deaf() -> None:
        time.sleep(1.0)

    @queue.task("fine")
    async def fine() -> str:
        return "fine"

    async with queue:
        await queue.start_workers("default", 1)
        ids = [await queue.add("stubborn"), await queue.add("deaf")]
        for id_ in ids:
            info = await queue.wait(id_, 10)
            assert info.status == "failed"
            assert "timed out" in str(info.error)
        assert await queue.result(await queue.add("fine"), 10) == "fine"
        free.set()
        await asyncio.sleep(1.2)


async def test_no_store_is_an_error_within_a_second(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    process = await asyncio.to_thread(start, path)
    queue = TaskQueue(path)
    await queue.open()
    process.send_signal(signal.SIGSTOP)  # it has the lock, and answers nobody
    process.kill()
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]
    begun = time.monotonic()
    await queue.add("nap", category="default")
    assert time.monotonic() - begun < 15, "this process has taken over"
    await queue.close()
    with pytest.raises(TaskStoreClosed):
        await queue.add("nap", category="default")
