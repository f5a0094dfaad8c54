from __future__ import annotations

import pytest

from gobstopper_tasks import TaskQueue
from gobstopper_tasks.conformance import EngineConformance, MakeQueue
from gobstopper_tasks.engines.memory import MemoryEngine


class TestMemory(EngineConformance):
    @pytest.fixture
    def make_queue(self) -> MakeQueue:
        return lambda **options: TaskQueue("memory://", **options)


class TestAnEngineOfOnesOwn(EngineConformance):
    """Handed over as a user's would be, and not known by any URL."""

    @pytest.fixture
    def make_queue(self) -> MakeQueue:
        return lambda **options: TaskQueue(engine=MemoryEngine, **options)


async def test_an_engine_that_is_made_already() -> None:
    async def fire(*_: object) -> None: ...

    engine = MemoryEngine(fire)
    async with TaskQueue(engine=engine, mode="eager") as queue:
        id_ = await queue.add("t", category="default")
        assert await queue.get_task_status(id_) == "failed"
        assert (await engine.status([id_]))[0] is not None
