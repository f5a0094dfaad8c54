from __future__ import annotations

import pytest

from gobstopper_tasks import TaskQueue
from gobstopper_tasks.conformance import EngineConformance, MakeQueue


class TestMemory(EngineConformance):
    @pytest.fixture
    def make_queue(self) -> MakeQueue:
        return lambda **options: TaskQueue("memory://", **options)
