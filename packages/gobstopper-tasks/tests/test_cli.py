from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gobstopper_tasks import InvalidTask, TaskQueue, cli, current_task
from gobstopper_tasks.engines.memory import MemoryEngine


@pytest.fixture
async def queue():
    queue = TaskQueue("memory://")
    go = asyncio.Event()

    @queue.task("add_up", category="sums")
    async def add_up(a: int) -> int:
        return a + 1

    @queue.task("fails", max_retries=0)
    async def fails() -> None:
        raise ValueError("with\nline feed and \x1b[31mcolour")

    @queue.task("half")
    async def half() -> None:
        current_task().progress(0.5, "half done")
        await go.wait()

    async with queue:
        await queue.start_workers("default", 2)
        yield queue
        go.set()


class Out(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self)


def test_tables_are_aligned_cut_and_safe() -> None:
    shown = cli.table([("a", 1), ("long\nname", None)], ("NAME", "N"), width=100)
    assert shown == "NAME        N\na           1\nlong\\nname  -"
    assert cli.table([("x" * 50,)], ("H",), width=10).splitlines()[1] == "x" * 9 + "…"
    assert "\x1b" not in cli.table([("\x1b[2J",)], ("H",), width=50)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, "-"), (100.0, "0 s ago"), (95.0, "5 s ago"), (40.0, "1 min ago"), (100.0 - 7200, "2 h ago"),
        (103.0, "in 3 s"), (100.0 - 259_200, "3 d ago"),
    ],
)  # fmt: skip
def test_times_are_said_as_people_do(moment: float | None, text: str) -> None:
    assert cli.ago(moment, 100.0) == text


def test_bars() -> None:
    assert cli.bar(None) == ""
    assert cli.bar(0.5, 4) == "[##..]  50%"
    assert cli.bar(7.0, 4) == "[####] 100%"


async def test_list_show_stats_retry_cancel(queue: TaskQueue) -> None:
    out = Out()
    waiting = await queue.add("add_up", a=1)
    failed = await queue.add("fails")
    await queue.wait(failed, 5)
    running = await queue.add("half")
    while (await queue.get_task(running)).progress is None:
        await asyncio.sleep(0.01)

    assert await cli.list_tasks(queue, out=out) == 0
    lines = out.text.splitlines()
    assert lines[0].split()[:4] == ["ID", "TASK", "CATEGORY", "STATUS"]
    assert [line.split()[0] for line in lines[1:4]] == [running, failed, waiting]
    assert "[#####.....]  50% half done" in out.text or "…" in out.text
    out.clear()
    assert await cli.list_tasks(queue, status="failed", limit=1, out=out) == 0
    assert failed in out.text
    assert running not in out.text
    out.clear()
    assert await cli.list_tasks(queue, limit=2, out=out) == 0
    assert "newest 2" in out.text

    out.clear()
    assert await cli.show(queue, failed, out=out) == 0
    assert "with\\nline feed and \\x1b[31mcolour" in out.text
    assert await cli.show(queue, running, out=out) == 0
    assert "50%" in out.text
    assert await cli.show(queue, "nothing", out=out) == 1

    out.clear()
    assert await cli.stats(queue, out=out) == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.text.splitlines()}
    assert rows["sums"] == ["1", "0", "0", "0", "0", "0", "0"]
    assert rows["default"] == ["0", "0", "1", "0", "0", "1", "0"]

    out.clear()
    assert await cli.retry(queue, [failed], out=out) == 0
    await queue.wait(failed, 5)
    assert await cli.retry(queue, [], out=out) == 0
    await queue.wait(failed, 5)
    assert await cli.retry(queue, ["nothing"], out=out) == 1
    assert await cli.cancel(queue, [waiting], out=out) == 0
    assert await cli.cancel(queue, [waiting], out=out) == 1
    assert out.text.splitlines() == [
        "1 of 1 task will run again",
        "1 dead letter will run again",
        "0 of 1 task will run again",
        "no task has the id nothing",
        "1 of 1 task is stopped, or asked to stop",
        "0 of 1 task is stopped, or asked to stop",
        f"{waiting} is cancelled",
    ]


async def test_watching(queue: TaskQueue) -> None:
    out = Out()
    assert await cli.watch(lambda: cli.stats(queue, out=out), 0.01, rounds=2, out=out) == 0
    assert sum("CATEGORY" in text for text in out) == 2
    assert await cli.watch(lambda: out("plain"), 0.0, rounds=1, out=out) == 0
    assert out[-1] == "plain"


async def test_a_worker_runs_until_it_is_told_to_stop() -> None:
    out = Out()
    queue = TaskQueue("memory://")
    stop = asyncio.Event()

    @queue.task("t", category="mine")
    async def t() -> None:
        stop.set()

    working = asyncio.create_task(cli.work(queue, [], 2, stop=stop, live=True, out=out))
    await asyncio.sleep(0.05)
    await queue.add("t")
    assert await asyncio.wait_for(working, 5) == 0
    assert "working on mine, 2 at once" in out.text
    assert "CATEGORY" in out.text
    assert not queue.is_open
    assert await cli.work(TaskQueue("memory://"), [], out=out) == 2


def test_a_worker_process_stops_at_sigterm(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from gobstopper_tasks import TaskQueue, cli
queue = TaskQueue(sys.argv[1])
@queue.task("t")
async def t(): ...
sys.exit(asyncio.run(cli.work(queue, ["default"], out=lambda text: print(text, flush=True))))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "tasks.duckdb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "working on default" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert "may finish" in process.stdout.readline()
        assert process.wait(20) == 0


async def test_recover(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    async with TaskQueue(path) as queue:
        await queue.add("t", category="c")
        out = Out()
        assert await asyncio.to_thread(cli.recover, str(path), out=out) == 1
        assert "in use" in out.text
    out.clear()
    assert cli.recover(f"duckdb://{path}", out=out) == 0
    assert "is sound" in out.text
    with path.open("r+b") as file:
        file.seek(20_000)
        byte = file.read(1)
        file.seek(20_000)
        file.write(bytes([byte[0] ^ 0xFF]))
    out.clear()
    assert cli.recover(str(path), out=out) == 1
    assert "nothing of it could be read" in out.text
    assert "lost rows     all" in out.text
    assert [file for file in tmp_path.iterdir() if ".damaged-" in file.name]
    with pytest.raises(InvalidTask):
        cli.recover("redis://localhost", out=out)


async def test_several_ids_of_which_some_are_wrong(queue: TaskQueue) -> None:
    out = Out()
    waiting = await queue.add("add_up", a=1)
    assert await cli.cancel(queue, [waiting, "odd\x1b"], out=out) == 0
    assert out == ["1 of 2 tasks are stopped, or asked to stop", "no task has the id odd\\x1b"]


async def test_nothing_to_list_is_said(queue: TaskQueue) -> None:
    out = Out()
    assert await cli.list_tasks(queue, out=out) == 0
    assert await cli.list_tasks(queue, status="failed", category="typo", out=out) == 0
    assert out == ["no task in memory://", "no task in memory:// has status failed, category typo"]
    with pytest.raises(InvalidTask, match="succeeded, failed, cancelled"):
        await cli.list_tasks(queue, status="odd", out=out)
    with pytest.raises(InvalidTask, match="1 to 1000"):
        await cli.list_tasks(queue, limit=5000, out=out)


async def test_a_worker_says_what_looks_wrong() -> None:
    out = Out()
    queue = TaskQueue("memory://")
    stop = asyncio.Event()
    stop.set()

    @queue.task("t", category="mine")
    async def t() -> None: ...

    assert await cli.work(queue, ["mine", "typo"], stop=stop, out=out) == 0
    assert out[0] == "no task is registered under the category typo: only what is added with it will run"
    assert "working on mine, typo" in out[1]
    assert await cli.work(queue, [], grace=-1.0, out=out) == 2
    assert await cli.work(queue, [], grace=float("nan"), out=out) == 2


def test_recover_leaves_alone_what_is_no_task_file(tmp_path: Path) -> None:
    out = Out()
    program = tmp_path / "app.py"
    program.write_text("print('not a task file')\n")
    for target in (program, tmp_path):
        assert cli.recover(str(target), out=out) == 1
        assert "is no DuckDB file" in out.pop()
    assert [file.name for file in tmp_path.iterdir()] == ["app.py"]
    assert cli.recover(str(tmp_path / "missing.duckdb"), out=out) == 1
    assert out == [f"{tmp_path}/missing.duckdb does not exist"]
    assert [file.name for file in tmp_path.iterdir()] == ["app.py"]


async def test_a_queue_with_an_engine_of_its_own_is_not_looked_for_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Out()
    for queue in (TaskQueue(engine=MemoryEngine), TaskQueue(engine=lambda fire: MemoryEngine(fire))):
        cli.check_there(queue.target)
        async with queue:
            assert await cli.list_tasks(queue, out=out) == 0
        with pytest.raises(InvalidTask, match="recover is for DuckDB"):
            cli.recover(queue.target)
    assert out[0] == "no task in engine://MemoryEngine"
    assert list(tmp_path.iterdir()) == []
