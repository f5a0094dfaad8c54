from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gobstopper_tasks import TaskQueue
from gobstopper_tasks.engines.duckdb import election, forks
from gobstopper_tasks.engines.duckdb.election import OwnerLock, socket_path


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = OwnerLock(tmp_path / "lock"), OwnerLock(tmp_path / "lock")
    assert first.acquire()
    assert first.held
    assert not second.acquire()
    first.release()
    first.release()
    assert second.acquire()
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
    second.release()


def test_the_kernel_frees_it_when_the_holder_is_killed(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from gobstopper_tasks.engines.duckdb.election import OwnerLock
lock = OwnerLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
time.sleep(60)
"""
    lock = OwnerLock(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", code, str(lock.path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not lock.acquire()
        holder.kill()
        holder.wait()
    assert lock.acquire()
    lock.release()


def test_a_lock_file_that_is_replaced_or_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = OwnerLock(tmp_path / "lock")
    other = tmp_path / "other"
    other.touch()
    status = other.stat()
    monkeypatch.setattr(Path, "stat", lambda self: status)
    assert not lock.acquire(), "the file that was locked is not the one that others see"
    monkeypatch.undo()
    with pytest.raises(OSError, match="directory"):
        OwnerLock(tmp_path).acquire()


def test_a_forked_child_drops_its_copies(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path / "lock")
    assert lock.acquire()
    election._after_fork()  # what os.register_at_fork calls in the child
    assert not lock.held
    read, write = os.pipe()

    class Holder:
        _connection = object()

        def descriptors(self) -> list[int]:
            return [write]

        def duckdb_objects(self) -> list[object]:
            return [self._connection]

    holder = Holder()
    forks.forget_on_fork(holder)
    forks.keep_on_fork(holder)
    references = sys.getrefcount(holder._connection)
    forks._after_fork()
    assert sys.getrefcount(holder._connection) > references
    assert os.read(read, 1) == b"", "the pipe's last writer is gone"
    assert os.fstat(write).st_rdev == Path(os.devnull).stat().st_rdev
    for descriptor in (read, write):
        os.close(descriptor)


@pytest.mark.parametrize("length", range(60, 120))
def test_the_name_under_which_a_socket_is_made_fits_on_macos_too(
    tmp_path: Path, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = Path("/" + "d" * (length - 9) + "/x.duckdb")
    found = socket_path(path)
    assert found.parent != path.parent or len(f"{found}.4194304") <= 103


async def test_a_path_too_long_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert socket_path(Path("/short/tasks.duckdb")) == Path("/short/tasks.duckdb.sock")
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    long = tmp_path / ("d" * 120) / "tasks.duckdb"
    found = socket_path(long)
    assert found.parent.parent == temporary
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    assert found == socket_path(long) != socket_path(long.with_name("other"))
    found.parent.chmod(0o777)
    with pytest.raises(PermissionError, match="only its owner"):
        socket_path(long)
    found.parent.chmod(0o700)
    if len(str(temporary)) < 60:
        async with TaskQueue(long) as owner, TaskQueue(long) as peer:
            assert await peer.get_task_status(await owner.add("t", category="c")) == "pending"


async def test_the_same_file_by_other_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    async with TaskQueue("real/tasks.duckdb") as one, TaskQueue(tmp_path / "link" / "tasks.duckdb") as two:
        assert await two.get_task_status(await one.add("t", category="c")) == "pending"


async def test_owners_that_leave_in_order_are_followed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    queues = [TaskQueue(path) for _ in range(3)]
    ran: list[int] = []
    for queue in queues:

        @queue.task("t")
        async def t(n: int) -> int:
            ran.append(n)
            return n

        await queue.open()
        await queue.start_workers("default", 1)
    assert [queue._engine.is_owner for queue in queues] == [True, False, False]
    numbers = iter(range(100))
    for leaving in queues[:2]:
        await leaving.close(1.0)
        begun = time.monotonic()
        last = queues[-1]
        assert await last.result(await last.add("t", n=next(numbers)), 10) in range(100)
        assert time.monotonic() - begun < 8, "not the ten seconds that a new process waits for an owner"
    await queues[-1].close(1.0)
    assert ran == [0, 1]
