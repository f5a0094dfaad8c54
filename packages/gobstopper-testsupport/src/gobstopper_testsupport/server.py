"""What both servers share: a folder, a free port, a process."""

from __future__ import annotations

import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class ServerMissing(Exception):
    """No binary was found; the message says what to install."""


def free_port() -> int:
    """A port of the loopback address that nobody listens on now.

    Not one that the system would pick (Linux from 32768, others from 49152): until the server listens, an outgoing
    connection of another test may get such a port.
    """
    while True:
        port = random.randint(10_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def package_folder(name: str) -> Path | None:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def unprivileged() -> str | None:
    """A user to run as when the tests run as root, which PostgreSQL refuses; else None."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


class Server:
    """A process with a folder of its own, on a free port."""

    def __init__(self, prefix: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"gobstopper-{prefix}-"))
        self.port = free_port()
        self.user: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The command line."""
        raise NotImplementedError

    def ready(self) -> bool:
        """True if it answers."""
        raise NotImplementedError

    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """The process ids below it now; none where there is no `/proc`."""
        if self._process is None:
            return []
        with suppress(OSError):
            path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            return [int(pid) for pid in path.read_text().split()]
        return []

    def start(self, patience: float = 60.0) -> None:
        """Start it, on the same data as before, and wait until it answers."""
        if self.running():
            return
        log = self.folder / "server.log"
        self._spawn(log)
        deadline = time.monotonic() + patience
        while not self.ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.command()[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
            if not self.running():
                # PostgreSQL refuses while a process of the one that was killed still lives.
                time.sleep(0.2)
                self._spawn(log)

    def _spawn(self, log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self.command(), stdout=output, stderr=output, cwd=self.folder, user=self.user, start_new_session=True
            )

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is not None and self.running():
            if number == signal.SIGKILL:
                # Each child of PostgreSQL is in a group of its own, and goes on for a moment without its parent.
                for pid in (self._process.pid, *self.children()):
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
            else:
                self._process.send_signal(number)
            self._process.wait(30)
        self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of it, as a machine that hangs does; go on at the end."""
        pids = [self._process.pid, *self.children()] if self._process is not None else []
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """End it and delete its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
