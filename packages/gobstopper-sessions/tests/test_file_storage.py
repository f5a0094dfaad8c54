from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gobstopper_sessions import FileSessionStorage
from gobstopper_sessions.conformance import SessionStorageConformance
from gobstopper_sessions.ids import new_id, storage_key


def key() -> str:
    return storage_key(new_id())


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[FileSessionStorage]:
    storage = FileSessionStorage(tmp_path / "sessions")
    yield storage
    await storage.close()


class TestConformance(SessionStorageConformance):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[FileSessionStorage]:
        storage = FileSessionStorage(tmp_path / "sessions")
        yield storage
        await storage.close()


async def test_only_the_owner_can_read(storage: FileSessionStorage) -> None:
    old = os.umask(0)
    try:
        name = key()
        await storage.create(name, b"{}", time.time() + 60)
    finally:
        os.umask(old)
    assert stat.S_IMODE(storage.directory.stat().st_mode) == 0o700
    for file in storage.directory.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (storage.directory / name).read_bytes() == b"{}"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
async def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    storage = FileSessionStorage(folder)
    with pytest.raises(PermissionError, match="chmod 700"):
        await storage.create(key(), b"{}", time.time() + 60)
    with pytest.raises(PermissionError, match="others can write"):
        storage.setup(context(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
async def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    with pytest.raises(PermissionError, match="owner 65534"):
        await FileSessionStorage(folder).read(key())


async def test_planted_files_are_neither_read_nor_removed(storage: FileSessionStorage, tmp_path: Path) -> None:
    await storage.create(key(), b"{}", time.time() + 60)
    folder = storage.directory
    outside = tmp_path / "outside"
    outside.write_bytes(b'{"created":1,"data":{"admin":true}}')
    os.utime(outside, (time.time() - 9999, time.time() + 9999))
    link, pipe, directory, dangling = key(), key(), key(), key()
    (folder / link).symlink_to(outside)
    (folder / dangling).symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / pipe)
    (folder / directory).mkdir()
    hostile = ["-rf", "a\nb", "\x1b[31m", "$(id)", "..x", ".hidden", "x" * 255, key().upper(), key() + ".tmp"]
    for name in hostile:
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (0, 0))
    for name in (link, pipe, directory, dangling):
        assert await storage.read(name) is None
    await storage.purge()
    for name in [*hostile, link, pipe, directory, dangling]:
        assert os.path.lexists(folder / name), name
    assert outside.read_bytes().startswith(b"{")


async def test_a_planted_link_is_replaced_and_not_followed(storage: FileSessionStorage, tmp_path: Path) -> None:
    await storage.create(key(), b"{}", time.time() + 60)
    outside, name = tmp_path / "outside", key()
    outside.write_bytes(b"precious")
    (storage.directory / name).symlink_to(outside)
    await storage.create(name, b"{}", time.time() + 60)
    assert outside.read_bytes() == b"precious"
    assert not (storage.directory / name).is_symlink()
    record = await storage.read(name)
    assert record is not None
    assert record.data == b"{}"


async def test_a_lock_that_is_a_link_is_refused(storage: FileSessionStorage, tmp_path: Path) -> None:
    name = key()
    await storage.create(name, b"{}", time.time() + 60)
    (storage.directory / f".lock-{name[:2]}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        await storage.delete(name)
    assert not (tmp_path / "elsewhere").exists()


async def test_left_over_temporary_files_go_when_they_are_old(
    storage: FileSessionStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.create(key(), b"{}", time.time() + 60)
    left = storage.directory / f"{key()}.0123456789abcdef.tmp"
    left.write_bytes(b'{"half')
    await storage.purge()
    assert left.exists()
    now = time.time()
    monkeypatch.setattr("gobstopper_sessions.file_storage.time.time", lambda: now + 3700)
    await storage.purge()
    assert not left.exists()


async def test_a_directory_that_was_removed_is_made_again(storage: FileSessionStorage) -> None:
    name = key()
    await storage.create(name, b"{}", time.time() + 60)
    shutil.rmtree(storage.directory)
    assert await storage.read(name) is None
    await storage.create(name, b"{}", time.time() + 60)
    assert await storage.read(name) is not None


async def test_a_file_of_absurd_size_is_not_read(storage: FileSessionStorage) -> None:
    name = key()
    await storage.create(name, b"{}", time.time() + 60)
    with (storage.directory / name).open("wb") as file:
        file.truncate(10**12)
    os.utime(storage.directory / name, (time.time(), time.time() + 60))
    assert await storage.read(name) is None


async def test_an_error_while_writing_keeps_the_old_content(
    storage: FileSessionStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, end = key(), time.time() + 60
    await storage.create(name, b'{"a":1}', end)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("gobstopper_sessions.file_storage.os.write", full)
        with pytest.raises(OSError, match="No space"):
            await storage.replace(name, b'{"a":2}', end, expected=b'{"a":1}')
    record = await storage.read(name)
    assert record is not None
    assert record.data == b'{"a":1}'
    assert not list(storage.directory.glob("*.tmp"))


async def test_a_really_full_disk(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs", str(mount)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        storage = FileSessionStorage(mount / "sessions")
        first, end = key(), time.time() + 60
        await storage.create(first, b"[1]", end)

        async def fill() -> None:
            for _ in range(10):
                await storage.create(key(), b"x" * 30_000, end)

        with pytest.raises(OSError, match="No space"):
            await fill()
        with pytest.raises(OSError, match="No space"):
            await storage.replace(first, b"y" * 60_000, end, expected=b"[1]")
        record = await storage.read(first)
        assert record is not None
        assert record.data == b"[1]"
        assert not list((mount / "sessions").glob("*.tmp"))
        for file in (mount / "sessions").glob("[0-9a-f]*"):
            if file.name != first:
                file.unlink()
        assert await storage.replace(first, b"[2]", end, expected=b"[1]")  # recovers by itself
        await storage.close()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


WRITE_FOR_EVER = """
import asyncio, sys, time
from gobstopper_sessions import FileSessionStorage

async def run(directory, name, size):
    storage, number = FileSessionStorage(directory), 0
    while True:
        record = await storage.read(name)
        number = (number + 1) % 256
        await storage.replace(name, bytes([number]) * size, time.time() + 600, expected=record.data)

asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

COUNT = """
import asyncio, sys, time
from gobstopper_sessions import FileSessionStorage

async def run(directory, name, times):
    storage, done = FileSessionStorage(directory), 0
    while done < times:
        record = await storage.read(name)
        value = str(int(record.data) + 1).encode()
        done += await storage.replace(name, value, time.time() + 600, expected=record.data)
    await storage.close()

asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def script(source: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", source, *map(str, arguments)])


async def test_kill_while_writing_leaves_a_whole_record(storage: FileSessionStorage) -> None:
    name, size = key(), 200_000
    await storage.create(name, b"\0" * size, time.time() + 600)
    changed = 0
    before = b"\0" * size
    for _ in range(4):
        writers = [script(WRITE_FOR_EVER, storage.directory, name, size) for _ in range(2)]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            record = await storage.read(name)
            assert record is not None
            assert record.data == record.data[:1] * size  # also while they write
            if record.data != before:
                changed += 1
                before = record.data
                break
        for writer in writers:
            writer.kill()
            assert writer.wait() == -signal.SIGKILL
        record = await storage.read(name)
        assert record is not None
        assert record.data == record.data[:1] * size
        before = record.data
    assert changed == 4
    # The locks of the dead are free.
    assert await asyncio.wait_for(storage.delete(name), 5)


async def test_processes_exclude_each_other(storage: FileSessionStorage) -> None:
    name = key()
    await storage.create(name, b"0", time.time() + 600)
    workers = [script(COUNT, storage.directory, name, 100) for _ in range(3)]
    for worker in workers:
        assert await asyncio.to_thread(worker.wait, 60) == 0
    record = await storage.read(name)
    assert record is not None
    assert record.data == b"300"


def context(root: Path) -> Any:
    def make() -> Path:
        (root / "instance").mkdir(mode=0o700, exist_ok=True)
        return root / "instance"

    return SimpleNamespace(root_path=root, instance_path=root / "instance", make_instance=make)


async def test_the_default_is_below_the_instance_folder_and_made_late(tmp_path: Path) -> None:
    storage = FileSessionStorage()
    assert storage.directory == Path("instance/sessions")
    storage.setup(context(tmp_path))
    assert storage.directory == tmp_path / "instance" / "sessions"
    assert not (tmp_path / "instance").exists()
    await storage.create(key(), b"{}", time.time() + 60)
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o700
    assert len(list(storage.directory.iterdir())) == 1
    await storage.close()


async def test_a_relative_directory_counts_from_the_application(tmp_path: Path) -> None:
    storage = FileSessionStorage("data")
    storage.setup(context(tmp_path))
    assert storage.directory == tmp_path / "data"


async def test_a_far_expiry_fits_the_file_system(storage: FileSessionStorage) -> None:
    name = key()
    await storage.create(name, b"{}", 1e11)
    record = await storage.read(name)
    assert record is not None
    assert record.expires_at > time.time() + 10**9
