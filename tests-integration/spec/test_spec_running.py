"""The command lines of the specification, with the `granian` that installing gobstopper puts on the path."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gobstopper_testsupport import free_port
from spec.test_spec_verbatim import DOCUMENT

BASIC = "granian --interface rsgi app:app"
RELOAD = "granian --interface rsgi --reload app:app"
PRODUCTION = "granian --interface rsgi --workers 4 --host 0.0.0.0 --port 8000 app:app"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an app.py, as a user has it."""
    shutil.copy(Path(__file__).with_name("running") / "app.py", tmp_path)
    return tmp_path


def ask(port: int) -> dict[str, Any]:
    import http.client
    import json

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


@contextmanager
def running(line: str, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `line` in `folder`; tests share a machine, so the port that it does not name comes from the environment."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "GRANIAN_PORT": str(port)}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            shlex.split(line), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    ask(port)
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        pytest.fail(f"{line}: no answer:\n{log.read().decode()}")
                    time.sleep(0.05)
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("line", [BASIC, RELOAD, PRODUCTION])
def test_the_document_has_them(line: str) -> None:
    assert line in DOCUMENT


def test_basic_usage(folder: Path) -> None:
    port = free_port()
    with running(BASIC, folder, port) as process:
        answer = ask(port)
        assert answer["text"] == "first"
        assert answer["pid"] != process.pid


def test_hot_reload(folder: Path) -> None:
    port = free_port()
    with running(RELOAD, folder, port):
        assert ask(port)["text"] == "first"
        source = folder / "app.py"
        source.write_text(source.read_text().replace('"first"', '"second"'))

        def reloaded() -> bool:
            try:
                return bool(ask(port)["text"] == "second")
            except OSError:
                return False

        until(reloaded)


def test_production_configuration(folder: Path) -> None:
    port = free_port()
    # A test listens on the loopback interface only, and on a port that is free.
    line = PRODUCTION.replace("0.0.0.0", "127.0.0.1").replace("8000", str(port))
    with running(line, folder, port):
        seen: set[int] = set()

        def all_four() -> bool:
            seen.add(ask(port)["pid"])
            return len(seen) == 4

        until(all_four)
