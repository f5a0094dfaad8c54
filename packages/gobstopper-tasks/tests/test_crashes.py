"""Worker processes that end badly, or are told to stop, on each durable engine."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gobstopper_tasks import TaskQueue

# Takes SIGTERM as a program of its own would; Redis' library takes it as well, whatever it is told.
WORKER = """
import asyncio, os, signal, sys
from gobstopper_tasks import TaskQueue, cli, current_task

queue = TaskQueue(sys.argv[1], grace=1.0, lease=2.0)

@queue.task("number")
async def number(n): return n

@queue.task("nap", max_crashes=20)
async def nap(seconds):
    print("begin", flush=True)
    await asyncio.sleep(seconds)
    return "slept"

@queue.task("total")
async def total(values): return sum(values)

@queue.task("poison", max_crashes=2)
async def poison():
    print("poison", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def say(text): print("cli", text.splitlines()[0], flush=True)
sys.exit(asyncio.run(cli.work(queue, ["default"], 2, out=say)))
"""


class Worker:
    def __init__(self, target: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", WORKER, target], stdout=subprocess.PIPE, text=True)

    def until(self, start: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(start):
                return
        raise AssertionError(f"it ended without a line {start!r}")

    def end(self) -> int:
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@pytest.fixture(params=["duckdb", "postgres", "redis"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return str(tmp_path / "tasks.duckdb")
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def queue(target: str):
    """Adds and asks; works only when told to."""
    queue = TaskQueue(target, lease=2.0)

    @queue.task("number")
    async def number(n: int) -> int:
        return n

    @queue.task("nap")
    async def nap(seconds: float) -> str:
        return "by another"

    @queue.task("total")
    async def total(values: list[int]) -> int:
        return sum(values)

    @queue.task("poison", max_crashes=2)
    async def poison() -> None: ...

    async with queue:
        yield queue


async def test_sigterm_finishes_what_is_short_and_gives_back_what_is_long(queue: TaskQueue, target: str) -> None:
    worker = await asyncio.to_thread(Worker, target)
    short, long = await queue.add("nap", seconds=0.5), await queue.add("nap", seconds=600)
    for _ in range(2):
        await asyncio.to_thread(worker.until, "begin")
    begun = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(worker.until, "cli stopping")
    assert await asyncio.to_thread(worker.end) == 0
    assert time.monotonic() - begun < 15, "not the six hundred seconds that the task takes"
    assert await queue.result(short, 10) == "slept"
    assert await queue.get_task_status(long) in {"pending", "retrying"}
    await queue.start_workers("default", 1)
    info = await queue.wait(long, 20)
    assert info is not None
    assert (info.result, info.attempt, info.crashes) == ("by another", 1, 0)


async def test_chains_and_groups_survive_a_kill(queue: TaskQueue, target: str) -> None:
    worker = await asyncio.to_thread(Worker, target)
    call = queue.call
    members = [call("number", n=n) for n in range(3)]
    chain = await queue.chain(call("nap", seconds=600), call("number", n=7), call("number", into="n"))
    group = await queue.gather(*members, call("nap", seconds=600), then=call("nap", into="seconds", always=True))
    for _ in range(2):  # both naps run: nothing behind them may have started
        await asyncio.to_thread(worker.until, "begin")
    worker.process.kill()
    await asyncio.to_thread(worker.end)
    assert group.then is not None
    for id_ in (chain[1], chain[2], group.then):
        assert await queue.get_task_status(id_) == "scheduled"
    await queue.start_workers("default", 4)
    assert await queue.result(chain[0], 30) == "by another"
    assert await queue.result(chain[2], 30) == 7
    assert await queue.result(group.then, 30) == "by another"


async def test_a_task_that_kills_its_worker_becomes_a_dead_letter(queue: TaskQueue, target: str) -> None:
    poison, harmless = await queue.add("poison"), await queue.add("number", n=1)
    for _ in range(2):
        worker = await asyncio.to_thread(Worker, target)
        await asyncio.to_thread(worker.until, "poison")
        assert await asyncio.to_thread(worker.end) == -signal.SIGKILL
    worker = await asyncio.to_thread(Worker, target)
    info = await queue.wait(poison, 40)
    assert info is not None
    assert (info.status, info.crashes) == ("failed", 2)
    assert "2 times" in str(info.error)
    assert await queue.result(harmless, 20) == 1
    worker.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.end) == 0


async def test_what_was_cancelled_before_its_worker_died_does_not_run_again(queue: TaskQueue, target: str) -> None:
    worker = await asyncio.to_thread(Worker, target)
    id_ = await queue.add("nap", seconds=600)
    await asyncio.to_thread(worker.until, "begin")
    worker.process.send_signal(signal.SIGSTOP)  # it hears nothing any more
    assert await queue.cancel(id_) == 1
    worker.process.kill()
    await asyncio.to_thread(worker.end)
    await queue.start_workers("default", 1)
    info = await queue.wait(id_, 40)
    assert info is not None
    assert (info.status, info.result) == ("cancelled", None)
