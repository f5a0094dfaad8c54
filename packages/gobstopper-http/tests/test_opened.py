"""Opened files: one version, at one place."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

import pytest

from gobstopper_http._opened import ExchangedError, OpenFile, open_version, read_version


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = Path(os.path.realpath(tmp_path)) / "sub" / "data.bin"
    path.parent.mkdir()
    path.write_bytes(b"content")
    return str(path)


def opened(path: str) -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(str(Path(f"/proc/self/fd/{number}").readlink()))
        except FileNotFoundError:
            continue
    return [place for place in found if place.startswith(path)]


def test_what_is_another_version_is_not_opened(path: str) -> None:
    status = Path(path).stat()
    for change in (
        lambda: os.utime(path, ns=(1, 1)),
        lambda: Path(path).write_bytes(b"more content"),
        lambda: Path(path).unlink(),
        lambda: os.mkfifo(path),
        lambda: Path(path).rename(path + ".pipe"),
        lambda: Path(path).mkdir(),
    ):
        assert (change(), open_version(path, status))[1] is None
        with pytest.raises(ExchangedError):
            OpenFile(path, status, follow_links=True)
        with pytest.raises(ExchangedError):
            read_version(path, status, 0, 1, follow_links=True)
    assert open_version("a\0b", status) is None
    gc.collect()
    assert opened(path) == []


def test_what_lies_elsewhere_is_not_opened(path: str) -> None:
    status, folder = Path(path).stat(), Path(path).parent
    number = open_version(path, status)
    assert number is not None
    os.close(number)
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))
    assert open_version(path, status) is None
    number = open_version(path, status, follow_links=True)
    assert number is not None
    os.close(number)


def test_a_file_that_is_deleted_once_it_is_open_lies_where_it_lay(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.fstat

    def fstat(file: int) -> os.stat_result:
        Path(path).unlink(missing_ok=True)
        return original(file)

    status = Path(path).stat()
    monkeypatch.setattr(os, "fstat", fstat)
    assert read_version(path, status, 0, 7, follow_links=False) == b"content"


def test_a_file_system_that_fails_once_it_is_open(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fstat(file: int) -> os.stat_result:
        raise OSError(116, "stale file handle")

    status = Path(path).stat()
    monkeypatch.setattr(os, "fstat", fstat)
    assert open_version(path, status) is None
    monkeypatch.undo()
    assert opened(path) == []


def test_where_nobody_can_tell_the_place(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def readlink(path: str) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "readlink", readlink)
    assert open_version(path, Path(path).stat()) is None
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    assert read_version(path, Path(path).stat(), 0, 1, follow_links=False) == b"c"
    monkeypatch.setattr("sys.platform", "darwin")
    assert read_version(path, Path(path).stat(), 0, 1, follow_links=False) == b"c"


async def test_what_is_read(path: str) -> None:
    file = OpenFile(path, Path(path).stat(), follow_links=True)
    assert read_version(path, Path(path).stat(), 1, 3, follow_links=True) == b"ont"
    parts = [chunk async for chunk in file.chunks([(b"<", 0, 3), (b"><", 4, 7)], b">")]
    assert b"".join(parts) == b"<con><ent>"
    Path(path).write_bytes(b"con")
    with pytest.raises(ExchangedError):
        read_version(path, Path(path).stat(), 0, 7, follow_links=True)
    with pytest.raises(OSError, match="became shorter"):
        [chunk async for chunk in file.chunks([(b"", 0, 7)])]


async def test_it_is_closed_with_the_last_who_knows_it(path: str) -> None:
    file = OpenFile(path, Path(path).stat(), follow_links=True)
    unread = file.chunks([(b"", 0, 7)])
    begun = file.chunks([(b"", 0, 7)])
    assert await anext(begun) == b"content"  # type: ignore[call-overload]
    del file
    assert len(opened(path)) == 1
    del unread, begun
    await asyncio.sleep(0.01)  # the loop closes the generator that was begun
    assert opened(path) == []
