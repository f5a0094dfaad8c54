"""Starts every contender on the same Granian: one worker, one runtime thread, uvloop, no access log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gobstopper_testsupport import free_port

ROOT = Path(__file__).resolve().parents[1]
FLAGS = [
    *("--host", "127.0.0.1", "--workers", "1", "--runtime-threads", "1", "--loop", "uvloop", "--http", "1"),
    *("--no-access-log", "--log-level", "error", "--backpressure", "1024", "--workers-kill-timeout", "3"),
]


class StartError(Exception):
    """A contender did not start; the message has the end of its log."""


def cores() -> tuple[int, int] | None:
    """The core for servers and the one for the load generator; None where a process cannot be pinned to two."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else None


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keeps the process, and what it starts in the meantime, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """One Granian with one contender."""

    def __init__(self, target: str, interface: str, core: int | None, env: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        command = [sys.executable, "-m", "granian", "--interface", interface, "--port", str(self.port), *FLAGS, target]
        with pinned(core):
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                start_new_session=True,
            )

    def wait(self, seconds: float = 30.0) -> None:
        """Returns once it listens; raises StartError if it ends or does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise StartError(f"it did not start (exit {self.process.returncode}):\n{self.log()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise StartError(f"it did not listen within {seconds:g} s:\n{self.log()}")

    def log(self) -> str:
        """The end of what it printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-1500:].strip()

    def cpu_seconds(self) -> float | None:
        """Processor time of its processes so far, user and system; None where /proc is missing."""
        if not Path("/proc/self/stat").exists():
            return None
        ticks, children = _processes()
        family, pending = [], [self.process.pid]
        while pending:
            family.append(pending.pop())
            pending += children.get(family[-1], [])
        return sum(ticks.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends it, kindly at first."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._log.close()


def _processes() -> tuple[dict[int, int], dict[int, list[int]]]:
    """Of every process, its ticks and its children."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The command, in brackets, may hold spaces: what follows the last bracket is regular.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks[int(entry.name)] = int(fields[11]) + int(fields[12])
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return ticks, children
