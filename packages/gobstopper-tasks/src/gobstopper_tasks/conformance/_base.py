"""What every part of the suite has: its fixtures, and patience."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from .. import Cap, TaskQueue
from ._tasks import Log, register

MakeQueue = Callable[..., TaskQueue]

PATIENCE = 15.0


def needs(queue: TaskQueue, cap: Cap) -> None:
    """Skip if the engine says that it cannot."""
    if cap not in queue.caps:
        pytest.skip(f"the engine does not claim: {cap.value}")


async def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


async def reaches(queue: TaskQueue, id: str, status: str, seconds: float = PATIENCE) -> None:  # noqa: A002 - the field's own name
    """Wait for a task to have a status."""
    deadline = time.monotonic() + seconds
    while (have := await queue.get_task_status(id)) != status:
        assert time.monotonic() < deadline, f"it is {have}, not {status}"
        await asyncio.sleep(0.01)


class Suite:
    """The fixtures. See `EngineConformance`."""

    @pytest.fixture
    def make_queue(self) -> MakeQueue:
        """Override me."""
        raise NotImplementedError

    @pytest.fixture
    def log(self) -> Log:
        """What the tasks of the test did."""
        return Log()

    @pytest.fixture
    async def queue(self, make_queue: MakeQueue, log: Log) -> AsyncIterator[TaskQueue]:
        """One open queue without workers."""
        queue = register(make_queue(), log)
        await queue.open()
        yield queue
        await queue.close(0.5)
