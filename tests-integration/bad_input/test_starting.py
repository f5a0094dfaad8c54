"""Applications that cannot start, and servers that die."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from bad_input.conftest import APP
from bad_input.wire import Client, eventually
from support import GranianStartError, granian_server

HEAD = "import asyncio\nfrom gobstopper import Gobstopper\napp = Gobstopper(__name__)\n"
TWICE = """
@app.get('/a')
async def one(): ...
@app.get('/a')
async def two(): ...
@app.before_request
def hook(): ...
"""
# What is wrong, and what the message has to say of it.
BROKEN = {
    "hook": ("@app.on_startup\nasync def connect():\n    raise RuntimeError('no database')\n", "no database"),
    "exit": ("@app.on_startup\ndef leave():\n    raise SystemExit('no licence')\n", "no licence"),
    "cancelled": ("@app.on_startup\nasync def leave():\n    raise asyncio.CancelledError('given up')\n", "given up"),
    "routes": (TWICE, "app.py:"),
    "middleware": ("class Thing:\n    pass\napp.add_middleware(Thing, nonsense=1)\n", "nonsense"),
}


def write_app(folder: Path, source: str) -> None:
    (folder / "app.py").write_text(HEAD + source)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_start_that_fails_ends_the_server_with_one_message(tmp_path: Path, name: str, loop: str) -> None:
    source, message = BROKEN[name]
    write_app(tmp_path, source)
    with pytest.raises(GranianStartError) as failed, granian_server("app:app", cwd=tmp_path, args=["--loop", loop]):
        pass
    log = str(failed.value)
    assert "Granian ended with code 1" in log
    assert log.count("app cannot start: ") == 1
    assert message in log.partition("app cannot start: ")[2].splitlines()[0]
    assert '"level":"critical"' in log


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    source, _ = BROKEN["routes"]
    write_app(tmp_path, source)
    with pytest.raises(GranianStartError) as failed, granian_server("app:app", cwd=tmp_path):
        pass
    line = str(failed.value).partition("app cannot start: ")[2].splitlines()[0]
    assert "/a" in line
    assert "hook" in line


def test_gobstopper_run_gives_up_on_what_cannot_start(tmp_path: Path) -> None:
    write_app(tmp_path, BROKEN["hook"][0])
    began = time.monotonic()
    with pytest.raises(GranianStartError, match="no database"), granian_server("app:app", cwd=tmp_path, command=RUN):
        pass
    assert time.monotonic() - began < 20


RUN = [sys.executable, "-m", "gobstopper", "run"]


def answers(server: object) -> bool:
    try:
        with Client(server, timeout=2) as client:  # type: ignore[arg-type]
            return client.ask("GET", "/ok").body == b"ok"
    except OSError:
        return False


def test_gobstopper_run_survives_its_worker_and_its_server() -> None:
    with granian_server("bad_input.app:app", cwd=APP.parents[1], command=RUN) as server:
        (first,) = server.pids
        time.sleep(5.5)  # a death within five seconds of the start is one that would only be repeated
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: server.pids != [first] and answers(server), seconds=15), server.log
        (second,) = server.pids

        granian = int(Path(f"/proc/{second}/stat").read_text().rpartition(")")[2].split()[1])
        assert granian != server.pid
        os.kill(granian, signal.SIGKILL)
        os.kill(second, signal.SIGKILL)
        assert eventually(lambda: server.pids != [second] and answers(server), seconds=25), server.log
        assert "the server ended by itself" in server.log
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5


def test_the_specification_s_own_signal_handler_keeps_working(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        """
import signal
from gobstopper import Gobstopper
app = Gobstopper(__name__)

@app.on_startup
async def chain():
    def handler(signum, frame):
        print("own handler", flush=True)
    signal.signal(signal.SIGTERM, handler)

@app.on_shutdown
async def end():
    print("own shutdown", flush=True)

@app.get("/ok")
async def ok():
    return "ok"
"""
    )
    for loop in ("asyncio", "uvloop"):
        with granian_server("app:app", cwd=tmp_path, args=["--loop", loop]) as server:
            assert answers(server)
            assert server.stop() == 0
            assert server.log.count("own handler") == 1
            assert server.log.count("own shutdown") == 1
