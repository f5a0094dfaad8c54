"""The settings of coverage count what runs inside a server's worker, spawned by a process that pytest spawned."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from support.workspace import ROOT

APP = """
class App:
    async def __rsgi__(self, scope, proto):
        if scope.path == "/asked":
            proto.response_str(200, [], "yes")
        else:
            proto.response_str(404, [], "no")


app = App()
"""
SERVE = """
import http.client, pathlib, subprocess, sys, time

from gobstopper_testsupport import free_port

port = free_port()
server = subprocess.Popen([sys.executable, "-m", "granian", "--interface", "rsgi", "--port", str(port), "measured:app"])
try:
    for _ in range(200):
        time.sleep(0.05)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/asked")
        except ConnectionRefusedError:
            continue
        assert connection.getresponse().read() == b"yes"
        break
    else:
        sys.exit("the server did not start")
finally:
    server.terminate()
    server.wait(20)
"""


def test_lines_of_a_server_worker_are_counted(tmp_path: Path) -> None:
    (tmp_path / "measured.py").write_text(APP)
    (tmp_path / "serve.py").write_text(SERVE)
    settings, count = re.subn(
        r"source_pkgs = \[.*?\]", 'source_pkgs = ["measured"]', (ROOT / "pyproject.toml").read_text(), flags=re.DOTALL
    )
    assert count == 1
    (tmp_path / "pyproject.toml").write_text(settings)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_"))}
    environment |= {"COVERAGE_FILE": str(tmp_path / "data"), "PYTHONPATH": str(tmp_path)}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def coverage(*arguments: str, cwd: Path = tmp_path) -> None:
        command = [sys.executable, "-m", "coverage", *arguments, f"--rcfile={tmp_path / 'pyproject.toml'}"]
        subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, timeout=60)

    run = [
        sys.executable,
        "-m",
        "coverage",
        "run",
        f"--rcfile={tmp_path / 'pyproject.toml'}",
        str(tmp_path / "serve.py"),
    ]
    done = subprocess.run(run, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    coverage("combine")
    coverage("json", "-o", str(tmp_path / "report.json"))

    measured = json.loads((tmp_path / "report.json").read_text())["files"]["measured.py"]
    assert measured["executed_branches"] == [[4, 5]]
    assert measured["missing_branches"] == [[4, 7]]
    assert not list(elsewhere.iterdir()), "data went to the folder that the process was started in"
