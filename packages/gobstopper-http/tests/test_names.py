"""Names of opened files: each leads to one file, and to none when that is closed."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gobstopper_http import FileResponse, Request, send
from gobstopper_http import _names as names_module
from gobstopper_http._names import GRACE, IDLE, MOST, YOUNG, Names, names_of
from gobstopper_http._opened import OpenFile
from gobstopper_http.testing import ClientResponse, TestClient

LONG = 100_000

Give = Callable[[Path], str | None]


class Clock:
    """The time of names, and the calls that wait for it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((self.now + seconds, call))

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((call for call in self.calls if call[0] <= end), key=lambda call: call[0]):
            self.calls.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = end


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(names_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(names_module, "asyncio", SimpleNamespace(get_running_loop=lambda: clock))
    return clock


@pytest.fixture
def names(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    (tmp_path / "names").mkdir()
    monkeypatch.setattr(names_module, "_SHARED", str(tmp_path / "names"))
    return Names()


@pytest.fixture
def give(names: Names) -> Give:
    def give(path: Path) -> str | None:
        status = path.stat()
        found = names.find(str(path), status, True)
        return found or names.give(OpenFile(str(path), status, follow_links=True), str(path), status, True)

    return give


def make(tmp_path: Path, name: str, content: bytes = b"content") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def is_open(path: Path) -> bool:
    return any(
        place.startswith(str(path))
        for number in os.listdir("/proc/self/fd")
        if (place := os.path.realpath(f"/proc/self/fd/{number}"))
    )


def test_a_name_leads_to_one_version(give: Give, tmp_path: Path) -> None:
    path = make(tmp_path, "a")
    first = give(path)
    assert first is not None
    assert give(path) == first
    make(tmp_path, "b", b"another").replace(path)
    second = give(path)
    assert second is not None
    assert second != first
    path.unlink()
    assert [Path(name).read_bytes() for name in (first, second, first)] == [b"content", b"another", b"content"]


def test_a_name_ends_before_its_descriptor(give: Give, names: Names, clock: Clock, tmp_path: Path) -> None:
    path = make(tmp_path, "a")
    first = give(path)
    assert first is not None
    for _ in range(3):
        clock.sleep(IDLE - 5)
        assert give(path) == first  # in use
    clock.sleep(IDLE + 2.5)
    assert not Path(first).exists()
    assert is_open(path)
    second = give(path)
    assert second not in {first, None}
    clock.sleep(IDLE + GRACE + 10)
    assert not is_open(path)
    assert (len(names), clock.calls, list((tmp_path / "names").iterdir())) == (0, [], [])
    # And anew.
    assert give(path) not in {first, second, None}


def test_there_are_never_too_many(give: Give, names: Names, clock: Clock, tmp_path: Path) -> None:
    paths = [make(tmp_path, str(number)) for number in range(MOST + 40)]
    given = [give(path) for path in paths]
    assert (given.count(None), len(names)) == (40, MOST)
    assert None not in given[:MOST]
    clock.sleep(YOUNG - 1)
    assert give(paths[-1]) is None
    assert give(paths[0]) == given[0]
    clock.sleep(2)
    # The oldest make room, but their numbers are not free at once; the one that was asked for again stays.
    assert give(paths[-1]) is None
    assert len(names) == MOST
    assert [Path(given[number] or "").exists() for number in (0, 1, 32, 33)] == [True, False, False, True]
    clock.sleep(GRACE + 2.5)
    assert len(names) == MOST - 32
    assert give(paths[-1]) is not None


def test_a_folder_that_somebody_cleaned_up(give: Give, clock: Clock, tmp_path: Path) -> None:
    path, other = make(tmp_path, "a"), make(tmp_path, "b")
    first = give(path)
    assert first is not None
    Path(first).unlink()
    clock.sleep(3)
    second = give(path)
    assert second not in {first, None}
    shutil.rmtree(tmp_path / "names" / Path(first).parent.name)
    clock.sleep(3)
    for file in (path, other):
        name = give(file)
        assert name is not None
        assert Path(name).read_bytes() == b"content"


def test_where_names_cannot_be(give: Give, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, "a")
    shutil.rmtree(tmp_path / "names")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert give(path) is None
    assert names.works
    monkeypatch.setattr("tempfile.tempdir", os.fsdecode(b"/tmp/\xff"))
    assert give(path) is None
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert give(path) is not None
    # As /dev/fd is elsewhere: one position for all.
    monkeypatch.setattr(names_module, "_is_apart", lambda *_: False)
    assert give(make(tmp_path, "b")) is None
    assert not names.works
    assert give(make(tmp_path, "c")) is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not Names().works


DIE = """
import asyncio, os, sys
from gobstopper_http import _names
from gobstopper_http._opened import OpenFile

_names._SHARED = sys.argv[1]

async def main():
    path, status = sys.argv[2], os.stat(sys.argv[2])
    names = _names.names_of(asyncio.get_running_loop())
    assert names.give(OpenFile(path, status, follow_links=True), path, status, True)
    if sys.argv[3] == "kill":
        os._exit(0)
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    assert len(os.listdir(sys.argv[1])) == 1

asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_a_process_that_ends_leaves_nothing_for_long(names: Names, give: Give, tmp_path: Path, end: str) -> None:
    path, folder = make(tmp_path, "a"), tmp_path / "names"
    subprocess.run([sys.executable, "-c", DIE, str(folder), str(path), end], check=True, timeout=60)
    assert len(list(folder.iterdir())) == (1 if end == "kill" else 0)
    (folder / "gobstopper-files-a-file").touch()
    (folder / "another").mkdir()
    name = give(path)
    assert name is not None
    assert {entry.name for entry in folder.iterdir()} == {
        Path(name).parent.name, "gobstopper-files-a-file", "another",
    }  # fmt: skip
    assert Names().give(OpenFile(str(path), path.stat(), follow_links=True), str(path), path.stat(), True)
    assert Path(name).exists()  # of somebody who lives


class App:
    """Answers with a file."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.options = options
        self.paths: list[str] = []
        self.names: Names | None = None

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        self.names = names_of(asyncio.get_running_loop())
        await send(Request.from_rsgi(scope, Recorder(proto, self.paths)), FileResponse(self.path, **self.options))


class Recorder:
    """Notes the paths that the server gets."""

    def __init__(self, proto: Any, paths: list[str]) -> None:
        self._proto = proto
        self._paths = paths

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proto, name)

    def response_file(self, status: int, headers: Any, path: str) -> None:
        self._paths.append(path)
        self._proto.response_file(status, headers, path)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return make(tmp_path, "long.bin", os.urandom(LONG))


def fetch(app: App, setting: Callable[[Names], None] | None = None) -> ClientResponse:
    with TestClient(app) as client:
        if setting is not None:
            client.get("/", headers={"range": "bytes=0-0"})
            assert app.names is not None
            setting(app.names)
        return client.get("/")


def test_the_server_gets_a_name(long: Path) -> None:
    app = App(long)
    assert fetch(app).content == long.read_bytes()
    assert app.paths != [str(long)]
    assert len(app.paths) == 1
    big = App(long, status=404)
    assert (fetch(big).status, len(big.paths)) == (404, 1)


def test_where_names_do_not_work_the_server_gets_the_path(long: Path) -> None:
    def off(names: Names) -> None:
        names.works = False

    app = App(long)
    assert fetch(app, off).content == long.read_bytes()
    assert app.paths == [str(long)]
    kept = App(long, headers={"cache-control": "max-age=31536000, immutable"})
    assert fetch(kept, off).content == long.read_bytes()
    assert kept.paths == []
    odd = Path(os.fsdecode(os.fsencode(long) + b"\xff"))
    long.rename(odd)
    app = App(odd)
    assert fetch(app, off).content == odd.read_bytes()
    assert app.paths == []
    assert fetch(app).content == odd.read_bytes()
    assert len(app.paths) == 1


def test_with_too_many_names_it_is_streamed(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "MOST", 0)
    app = App(long)
    response = fetch(app)
    assert (response.content, response.headers["content-length"]) == (long.read_bytes(), str(LONG))
    assert app.paths == []
