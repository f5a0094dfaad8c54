"""`gobstopper run`: what it starts, what it refuses to start, and how a start that fails is told."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from gobstopper import Gobstopper
from gobstopper.cli import main, worker
from gobstopper.cli.run import granian_command

RUN = [sys.executable, "-m", "gobstopper", "run"]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_granian_command() -> None:
    command = granian_command(host="::1", port=80, workers=3, reload=False, kill_timeout=9)
    text = " ".join(command)
    for part in ("--interface rsgi", "--host ::1", "--port 80", "--workers 3", "--respawn-failed-workers",
                 "--workers-kill-timeout 9", "--no-access-log", "--task-impl asyncio"):  # fmt: skip
        assert part in text
    reloading = granian_command(host="h", port=1, workers=1, reload=True, kill_timeout=9)
    assert "--reload-ignore-worker-failure" in reloading
    assert "--respawn-failed-workers" not in reloading


def test_a_reload_is_for_sources_and_not_for_what_the_application_writes() -> None:
    command = granian_command(host="h", port=1, workers=1, reload=True, kill_timeout=9)
    assert command[command.index("--reload-ignore-dirs") + 1] == "instance"
    ignored = re.compile(command[command.index("--reload-ignore-patterns") + 1])
    assert [name for name in ("app.py", "page.html", "app.toml", "a.jinja", "b.yml") if ignored.search(name)] == []
    written = ("app.log", "tasks.duckdb", "data.sqlite3-journal", "17", "me.png", "x.py.tmp", "py")
    assert [name for name in written if not ignored.search(name)] == []


def test_a_port_that_is_taken_is_refused_even_if_it_could_be_shared(port: int) -> None:
    with socket.socket() as other:
        if hasattr(socket, "SO_REUSEPORT"):
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        result = CliRunner().invoke(main, ["run", "app:app", "--port", str(port)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: cannot listen on 127.0.0.1 port {port}: another process listens there")


def test_a_host_that_is_not_this_machine_s_is_refused(port: int) -> None:
    result = CliRunner().invoke(main, ["run", "app:app", "--host", "192.0.2.1", "--port", str(port)])
    assert result.exit_code == 1
    assert f"Error: cannot listen on 192.0.2.1 port {port}: " in result.output


def test_tasks_of_granian_s_own_are_refused() -> None:
    for words in (["--task-impl", "rust"], ["--task-impl=rust"]):
        result = CliRunner().invoke(main, ["run", "app:app", "--", *words])
        assert result.exit_code == 2
        assert "no time-out works" in result.output


FAILS_AT_START = """
from gobstopper import Gobstopper
app = Gobstopper(__name__)
@app.on_startup
async def connect():
    raise RuntimeError("no database")
"""
BROKEN = {
    "syntax": ("def f(:\n", "SyntaxError"),
    "import": ("import not_there_at_all\n", "No module named 'not_there_at_all'"),
    "exit": ("import sys\nsys.exit('no licence')\n", "no licence"),
    "name": ("application = 1\n", "has no 'app'"),
    "startup": (FAILS_AT_START, "app cannot start: no database"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_cannot_start_ends_it_with_the_reason(tmp_path: Path, port: int, name: str) -> None:
    source, message = BROKEN[name]
    (tmp_path / "app.py").write_text(source)
    command = [*RUN, "app:app", "--port", str(port), "--workers", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    log = done.stdout + done.stderr
    assert done.returncode == 1, log
    assert 1 <= log.count(message) <= 2, "once for each of the first workers"
    assert "granian-worker" not in log, "Granian's own traceback is on top of the message"
    assert "Worker crash loop" not in log


def test_with_reload_a_mistake_is_told_and_its_repair_noticed(tmp_path: Path, port: int) -> None:
    app, log = tmp_path / "app.py", tmp_path / "server.log"
    good = "from gobstopper import Gobstopper\nprint('version', {}, flush=True)\napp = Gobstopper(__name__)\n"
    app.write_text("def f(:\n")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*RUN, "--reload", "--port", str(port)], cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _until(log, "SyntaxError")
        app.write_text(good.format(1))
        _until(log, "version 1")
        _until(log, "Started worker-1 runtime-1")
        app.write_text("def f(:  # again\n")
        _until(log, "# again")
        app.write_text(good.format(2))
        _until(log, "version 2")
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def _until(log: Path, text: str) -> None:
    end = time.monotonic() + 60
    while text not in log.read_text():
        assert time.monotonic() < end, f"no {text!r} in:\n{log.read_text()}"
        time.sleep(0.05)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Granian has tasks of its own only below Python 3.12")
@pytest.mark.parametrize("flag", [True, False])
def test_granian_s_own_tasks_are_noticed_at_the_start(tmp_path: Path, port: int, flag: bool) -> None:
    (tmp_path / "app.py").write_text("from gobstopper import Gobstopper\napp = Gobstopper(__name__)\n")
    log = tmp_path / "server.log"
    granian = [sys.executable, "-m", "granian", "--interface", "rsgi", "--port", str(port), "app:app"]
    with log.open("w") as output:
        command = [*granian, "--task-impl", "rust"] if flag else granian
        process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
    try:
        _until(log, "no time-out of a handler works" if flag else "Started worker-1 runtime-1")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert log.read_text().count("--task-impl rust") == flag


class Loop:
    """Stands for an event loop: what is called with it only has to get it."""


def test_a_worker_loads_what_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"rsgi_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "calls = []\nclass App:\n"
        "    def __rsgi_init__(self, loop): calls.append(('init', loop))\n"
        "    def __rsgi_del__(self, loop): calls.append(('del', loop))\n"
        "    def __rsgi__(self, scope, proto): calls.append((scope, proto))\n"
        "app = App()\nasync def plain(scope, proto): ...\n"
        "class Bad(App):\n    def __rsgi_init__(self, loop): raise OSError('bad')\nbad = Bad()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    reports = tmp_path / "reports"
    reports.mkdir()
    monkeypatch.setenv(worker.REPORTS, str(reports))
    monkeypatch.setenv(worker.TARGET, f"{name}:app")
    loop = Loop()
    app = worker.application()
    app.__rsgi_init__(loop)
    app.__rsgi__("scope", "proto")
    app.__rsgi_del__(loop)
    assert sys.modules[name].calls == [("init", loop), ("scope", "proto"), ("del", loop)]
    assert [one.name for one in reports.iterdir()] == ["started"]

    monkeypatch.setenv(worker.TARGET, f"{name}:plain")
    plain = worker.application()
    plain.__rsgi_init__(loop)
    assert plain.__rsgi__ is sys.modules[name].plain
    assert not hasattr(plain, "__rsgi_del__")

    monkeypatch.setenv(worker.TARGET, f"{name}:bad")
    with pytest.raises(OSError, match="bad"):  # another framework's: nobody has logged it
        worker.application().__rsgi_init__(loop)
    assert sorted(one.name for one in reports.iterdir()) == ["failed", "started"]


def test_a_worker_that_cannot_load_says_so_and_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(worker.REPORTS, str(tmp_path / "gone"))
    monkeypatch.setenv(worker.TARGET, "nowhere_at_all:app")
    with pytest.raises(SystemExit, match="1"):
        worker.application()
    assert "Error: there is no module 'nowhere_at_all'" in capsys.readouterr().err


def test_a_worker_of_ours_that_cannot_start_exits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Gobstopper):
        def __rsgi_init__(self, loop: object) -> None:
            raise LookupError("it has logged this")

    monkeypatch.setenv(worker.REPORTS, str(tmp_path))
    monkeypatch.setattr(worker, "load_target", lambda *_args, **_options: Failing("failing"))
    monkeypatch.setenv(worker.TARGET, "any:app")
    with pytest.raises(SystemExit):
        worker.application().__rsgi_init__(Loop())
    assert [one.name for one in tmp_path.iterdir()] == ["failed"]
