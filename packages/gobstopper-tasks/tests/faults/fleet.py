"""Several drivers on one file, and what they wrote down."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

DRIVER = Path(__file__).with_name("driver.py")


def lock_holder(lock: Path) -> int | None:
    """The process that has the `flock` of a file, as the kernel says."""
    try:
        inode = lock.stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
            return int(words[4])
    return None


class Fleet:
    """Processes 0 to `size - 1`, each with a log that goes on over its restarts."""

    def __init__(self, folder: Path, size: int, producers: int = 4, workers: int = 8) -> None:
        self.database = folder / "tasks.duckdb"
        self.folder = folder
        self._options = (str(producers), str(workers))
        self.processes: list[subprocess.Popen[bytes]] = [self._start(n) for n in range(size)]

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        log, errors = self.folder / f"log-{number}", self.folder / f"err-{number}"
        with errors.open("ab") as output:
            # Measured for coverage it would be slower, and it is killed before it could report.
            environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
            # With compiled modules, as what is installed has them: without, a new owner compiles duckdb's at its import.
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            environment["PYTHONPYCACHEPREFIX"] = str(self.folder / "bytecode")
            return subprocess.Popen(
                [sys.executable, str(DRIVER), str(self.database), str(log), *self._options],
                stderr=output,
                stdout=output,
                env=environment,
            )

    @property
    def owner(self) -> int | None:
        """The number of the process that owns the file."""
        holder = lock_holder(self.database.with_name(self.database.name + ".lock"))
        return next((n for n, process in enumerate(self.processes) if process.pid == holder), None)

    def kill(self, number: int) -> float:
        """kill -9; the moment it was done."""
        moment = time.monotonic()
        self.processes[number].kill()
        self.processes[number].wait()
        return moment

    def restart(self, number: int) -> None:
        """Start it again."""
        self.processes[number] = self._start(number)

    def end(self) -> None:
        """kill -9 all."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def lines(self) -> list[tuple[float, list[str]]]:
        """Every line of every log, by time."""
        found = []
        for log in self.folder.glob("log-?"):
            for line in log.read_text().splitlines(keepends=True):
                if line.endswith("\n"):  # the last one may be on its way
                    words = line.split()
                    found.append((float(words[-1]), words[:-1]))
        return sorted(found)

    def ups(self) -> int:
        """How many times a process was ready."""
        return sum(len(file.read_bytes()) for file in self.folder.glob("log-*.up"))

    def errors(self) -> str:
        """What the processes printed."""
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("err-*"))
