"""Keeps a server running: starts it again, with back-off, when it ended without being told to."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import click

from .worker import REPORTS

__all__ = ["supervise"]

_SETTLED = 5.0
"""Seconds after which a start counts as a success."""

_LONGEST_PAUSE = 30.0

_FAREWELL = 2.0
"""Seconds that a server gets to stop of which no worker could start: nothing is in flight."""


def supervise(command: Sequence[str], environment: Mapping[str, str], *, restart: bool, grace: float) -> int:
    """Run `command` until it is told to stop, and pass SIGTERM, SIGINT and SIGHUP on to it.

    Args:
        command: The server.
        environment: Its environment.
        restart: Whether to start it again when it ends by itself. A server that never ran for five seconds, or whose
            workers say that they cannot start, is not started again: its last lines say why.
        grace: Seconds that it gets to stop before it is killed.

    Returns:
        The exit code: 0 after a stop that was asked for.
    """
    with tempfile.TemporaryDirectory(prefix="gobstopper-") as folder:
        # With --reload a worker that cannot start is no reason to end, and the next one is to try again.
        told = {**environment, REPORTS: folder} if restart else environment
        return _Supervisor(command, told, Path(folder), restart=restart, grace=grace).run()


class _Supervisor:
    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], reports: Path, *, restart: bool, grace: float
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._reports = reports
        self._restart = restart
        self._grace = grace
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._asked_at = 0.0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._forward)
        pause, settled = 1.0, False
        while True:
            began = time.monotonic()
            # Its own process group: a Ctrl-C in the terminal reaches it once, through us.
            self._child = subprocess.Popen(self._command, env=self._environment, start_new_session=True)  # noqa: S603 - composed by `run`
            if self._stopping.is_set():  # between the signal and the start there was nobody to pass it to
                self._child.send_signal(signal.SIGTERM)
            code = self._wait(self._child)
            lived = time.monotonic() - began
            if self._stopping.is_set():
                return 0
            settled = settled or (lived >= _SETTLED and not self._cannot_start())
            if not self._restart or not settled:
                return code if code > 0 else 1
            pause = 1.0 if lived >= 60 else min(pause * 2, _LONGEST_PAUSE)
            click.echo(f"[gobstopper] the server ended by itself (exit code {code}); again in {pause:g} s", err=True)
            if self._stopping.wait(pause):
                return 0

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                if self._stopping.is_set():
                    if time.monotonic() - self._asked_at > self._grace:
                        _kill(child)
                elif self._cannot_start():
                    # Granian would go on starting workers, each with the same message.
                    return self._give_up(child)

    def _cannot_start(self) -> bool:
        """Whether a worker failed to start before any other ever did."""
        return (self._reports / "failed").exists() and not (self._reports / "started").exists()

    def _give_up(self, child: subprocess.Popen[bytes]) -> int:
        child.terminate()
        try:
            child.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            _kill(child)  # a worker that still loads the application does not hear of it
            child.wait()
        return 1

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if not self._stopping.is_set():
            self._asked_at = time.monotonic()
            self._stopping.set()
        self._forward(signal.SIGTERM, None)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the server and its workers, which would go on without it."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
