"""A real Granian (`--interface rsgi`) in a subprocess, on a free loopback port.

    with granian_server("package.module:app", workers=2, args=["--http", "1"]) as server:
        server.url          # "http://127.0.0.1:40123"
        server.pids         # worker process ids, in worker order (a respawned worker's new id)
        server.log          # everything that Granian and the application printed so far
        server.raw(b"GET / HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n")

The target is `module:attribute` or `/path/to/file.py:attribute` (attribute defaults to `app`).
The pytest fixture of the same name (in `conftest.py`) takes the same arguments and stops the server at the test's end.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gobstopper_testsupport import free_port

__all__ = ["GranianServer", "GranianStartError", "granian_server"]

# Granian itself refuses a target with a space in it (400), so asking "are you there?" never reaches the application.
_PROBE = b"GET /not a target HTTP/1.1\r\nhost: probe\r\n\r\n"


class GranianStartError(RuntimeError):
    """Granian ended, or did not answer in time; the message holds its log."""


class GranianServer:
    """One running Granian; made by :func:`granian_server`."""

    host = "127.0.0.1"

    def __init__(
        self,
        target: str | Path,
        *,
        workers: int = 1,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        timeout: float = 30.0,
        command: Sequence[str] | None = None,
    ) -> None:
        self.workers = workers
        self.port = free_port()
        with tempfile.NamedTemporaryFile(prefix="granian-", suffix=".log", delete=False) as log:
            self._log_path = Path(log.name)
            self.process = subprocess.Popen(
                [
                    *(command or [sys.executable, "-m", "granian", "--interface", "rsgi"]),
                    *("--host", self.host, "--port", str(self.port), "--workers", str(workers)),
                    *args,
                    str(target),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                start_new_session=True,  # so that stop() reaches workers whose parent is gone
            )
        try:
            self.wait_for(self._ready, timeout=timeout, what="an answer")
        except BaseException:
            self.kill()
            raise

    @property
    def url(self) -> str:
        """`http://host:port`, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Granian's main process, the parent of the workers."""
        return self.process.pid

    @property
    def log(self) -> str:
        """What was printed so far, application included."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers, by worker number; of a respawned worker, the latest."""
        spawned = re.findall(r"Spawning worker-(\d+) with PID: (\d+)", self.log)
        return [int(pid) for _, pid in sorted({int(number): pid for number, pid in spawned}.items())]

    @property
    def running(self) -> bool:
        """Whether the main process is alive."""
        return self.process.poll() is None

    def wait_for(self, condition: Callable[[], bool], *, timeout: float = 10.0, what: str = "the condition") -> None:
        """Poll until `condition()` is true; :exc:`GranianStartError` with the log after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if not self.running:
                raise GranianStartError(f"Granian ended with code {self.process.returncode}:\n{self.log}")
            if time.monotonic() > deadline:
                raise GranianStartError(f"Granian did not give {what} within {timeout} s:\n{self.log}")
            time.sleep(0.02)

    def raw(self, request: bytes, *, timeout: float = 10.0, half_close: bool = False) -> bytes:
        """Send bytes on a new connection and read until the server closes it (so ask for `connection: close`)."""
        with self.connect(timeout=timeout) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            received = bytearray()
            while chunk := connection.recv(65536):
                received += chunk
            return bytes(received)

    def connect(self, *, timeout: float = 10.0) -> socket.socket:
        """A new TCP connection to the server."""
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def stop(self, *, timeout: float = 10.0) -> int:
        """SIGTERM, then SIGKILL after `timeout` seconds; the main process's exit code."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL for every process of the server that is left; the exit code."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def close(self) -> None:
        """Stop, and remove the log file."""
        self.stop()
        self._log_path.unlink(missing_ok=True)

    def _ready(self) -> bool:
        if len(re.findall(r"Started worker-\d+(?!\d| runtime)", self.log)) < self.workers:
            return False
        try:
            return self.raw(_PROBE, timeout=2.0).startswith(b"HTTP/1.1 400")
        except OSError:
            return False


@contextmanager
def granian_server(
    target: str | Path,
    workers: int = 1,
    args: Sequence[str] = (),
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    timeout: float = 30.0,
    command: Sequence[str] | None = None,
) -> Iterator[GranianServer]:
    """Run `target` on Granian until the block ends.

    Args:
        target: `module:attribute`, or a file's path with or without `:attribute`.
        workers: number of worker processes.
        args: more command line arguments, such as `["--respawn-failed-workers"]`.
        env: variables on top of this process's own.
        cwd: working directory, which is also on the server's import path.
        timeout: seconds until every worker must have started and one must answer.
        command: another program that takes Granian's arguments, in place of `python -m granian --interface rsgi`.

    Raises:
        GranianStartError: it ended or did not answer in time.
    """
    server = GranianServer(target, workers=workers, args=args, env=env, cwd=cwd, timeout=timeout, command=command)
    try:
        yield server
    finally:
        server.close()
