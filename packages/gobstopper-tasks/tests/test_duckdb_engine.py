from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gobstopper_tasks import TaskQueue
from gobstopper_tasks.conformance import EngineConformance, MakeQueue

OWNER = """
import asyncio, sys
from gobstopper_tasks import TaskQueue

async def main():
    async with TaskQueue(sys.argv[1]) as queue:
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class TestOwner(EngineConformance):
    @pytest.fixture
    def make_queue(self, tmp_path: Path) -> MakeQueue:
        return lambda **options: TaskQueue(tmp_path / "tasks.duckdb", **options)


class TestPeer(EngineConformance):
    """Every queue of the tests goes through the socket: another process owns the file."""

    @pytest.fixture
    def make_queue(self, tmp_path: Path) -> Iterator[MakeQueue]:
        path = tmp_path / "tasks.duckdb"
        with subprocess.Popen([sys.executable, "-c", OWNER, str(path)], stdout=subprocess.PIPE) as owner:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"ready\n"
            yield lambda **options: TaskQueue(path, **options)
            owner.send_signal(signal.SIGINT)
