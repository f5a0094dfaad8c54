"""The command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from gobstopper.cli import main
from gobstopper.cli.supervisor import supervise

APP = """
from gobstopper import Gobstopper
app = Gobstopper(__name__)
other = 3
@app.get("/users/<int:id>", name="user")
async def user(request, id): return "x"
app.mount("/sub", Gobstopper("sub"))
def make(): return Gobstopper("made")
def fails(): raise LookupError("no settings")
async def rsgi(scope, proto): ...
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"cli_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(APP)
    (tmp_path / f"broken_{name}.py").write_text("import not_there_at_all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_routes(project: str) -> None:
    result = CliRunner().invoke(main, ["routes", f"{project}:app"])
    assert result.exit_code == 0
    assert "GET      /users/<int:id>  user" in result.output
    assert f"{project}.py:" in result.output
    assert "/sub/…" in result.output
    assert CliRunner().invoke(main, ["routes", f"{project}:make", "--factory"]).output == "no routes\n"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nope_nope:app", "there is no module 'nope_nope'"),
        ("{}:nope", "has no 'nope'"),
        ("{}:nope", "; it has {}:app"),
        ("{}:app.nope", "has no 'app.nope'"),
        ("{}:other", "is of type int"),
        ("{}:make", "--factory"),
        ("{}:rsgi", "not a Gobstopper"),
        ("{}.py:nope", "the module '{}' has no 'nope'"),
        (":app", "names no module"),
        ("", "names no module"),
    ],
)
def test_wrong_targets(project: str, target: str, message: str) -> None:
    result = CliRunner().invoke(main, ["routes", target.format(project)])
    assert result.exit_code == 1
    assert message.format(project) in result.output
    assert "Traceback" not in result.output


def test_what_a_module_raises_is_shown_from_its_own_code_on(project: str) -> None:
    result = CliRunner().invoke(main, ["routes", f"broken_{project}:app"])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == f"Error: the module 'broken_{project}' cannot be imported:"
    assert lines[2] == "Traceback (most recent call last):"
    assert f"broken_{project}.py" in lines[3]
    assert lines[-1] == "ModuleNotFoundError: No module named 'not_there_at_all'"


def test_what_a_factory_raises_is_shown(project: str) -> None:
    result = CliRunner().invoke(main, ["routes", "--factory", f"{project}:fails"])
    assert result.exit_code == 1
    assert f"the factory {project}:fails failed:" in result.output
    assert f"{project}.py" in result.output.splitlines()[3]
    assert "LookupError: no settings" in result.output


def test_a_file_name_is_a_target(project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (f"{project}.py", f"./{project}.py", f"{project}.py:app"):
        assert "/users/<int:id>" in CliRunner().invoke(main, ["routes", name]).output
    package = tmp_path / f"in_{project}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "site.py").write_text("from gobstopper import Gobstopper\nsite = Gobstopper(__name__)\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    target = f"{package / 'site.py'}:site"
    assert CliRunner().invoke(main, ["routes", target]).output == "no routes\n"
    assert f"in_{project}.site" in sys.modules


def test_doctor() -> None:
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0
    assert "gobstopper-http" in result.output
    assert "gobstopper-routing" in result.output


def test_debug_is_refused_beyond_loopback() -> None:
    result = CliRunner().invoke(main, ["run", "app:app", "--debug", "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "others can reach" in result.output


def _supervise(child: str, *, settled: float) -> subprocess.Popen[str]:
    """A supervisor of a Python program that counts as started after `settled` seconds."""
    script = (
        f"import sys; from gobstopper.cli import supervisor; supervisor._SETTLED = {settled}\n"
        f"sys.exit(supervisor.supervise([sys.executable, '-c', {child!r}], dict({dict(os.environ)!r}), "
        f"restart=True, grace=0.5))"
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=10)[0]
    finally:
        process.kill()


def test_the_supervisor_starts_a_dead_server_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = f"import os, time; open({str(log)!r}, 'a').write('x'); time.sleep(0.6); os._exit(7)"
    process = _supervise(child, settled=0.2)
    end = time.monotonic() + 15
    while time.monotonic() < end and (not log.exists() or len(log.read_text()) < 2):
        time.sleep(0.05)
    output = _stop(process)
    assert len(log.read_text()) >= 2
    assert "ended by itself (exit code 7); again in 2 s" in output
    assert process.returncode == 0


def test_a_server_that_cannot_start_is_not_started_again() -> None:
    process = _supervise("import os; os._exit(4)", settled=60)
    assert process.wait(30) == 4
    process.communicate()


def test_the_supervisor_kills_what_does_not_stop(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    child = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({str(ready)!r}, 'w').close(); time.sleep(60)"
    )
    process = _supervise(child, settled=0.2)
    end = time.monotonic() + 15
    while time.monotonic() < end and not ready.exists():
        time.sleep(0.05)
    began = time.monotonic()
    _stop(process)
    assert process.returncode == 0
    assert time.monotonic() - began < 20


def test_supervise_returns_the_code_without_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        assert supervise([sys.executable, "-c", "raise SystemExit(3)"], os.environ, restart=False, grace=1) == 3
        assert supervise([sys.executable, "-c", "pass"], os.environ, restart=False, grace=1) == 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


TASKS = """
import os
from gobstopper import Gobstopper, current_app
app = Gobstopper(__name__)

@app.task("greet", category="letters")
async def greet(name: str) -> str:
    return f"{name} from {current_app().name}"
"""


def test_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    name = f"tasks_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def command(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["tasks", "--app", f"{name}:app", *words])
        return result.exit_code, result.output

    from gobstopper.cli.loading import load_app

    async def add() -> str:
        app = load_app(f"{name}:app")
        try:
            return await app.add_background_task("greet", name="ada")
        finally:
            await app.task_queue.close()

    code, output = command("list")
    assert code == 1
    assert "does not exist: nothing was added yet" in output
    assert not list(tmp_path.glob("**/*.duckdb")), "looking makes no queue"
    task_id = asyncio.run(add())
    code, output = command("list")
    assert code == 0
    assert task_id in output
    assert "pending" in output
    assert command("list", "--status", "failed")[1].count("greet") == 0
    code, output = command("stats")
    assert code == 0
    assert "letters" in output

    worker = subprocess.Popen(
        [sys.executable, "-m", "gobstopper", "tasks", "--app", f"{name}:app", "worker"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert worker.stdout is not None
        assert "working on letters" in worker.stdout.readline()
        end = time.monotonic() + 15
        while time.monotonic() < end and "succeeded" not in (output := command("show", task_id)[1]):
            time.sleep(0.1)
        assert f"ada from {name}" in output
    finally:
        worker.send_signal(signal.SIGTERM)
        rest, _ = worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert "stopping" in rest
    assert command("show", "nothing") == (1, "no task has the id nothing\n")
    assert command("cancel", task_id)[0] == 1
    assert command("retry")[0] == 0
    code, output = command("recover")
    assert code == 0
    assert "is sound" in output
