from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gobstopper_tasks import TaskQueue
from gobstopper_tasks.engines.duckdb.switching import INTERVAL


@pytest.fixture(autouse=True)
def interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    yield
    sys.setswitchinterval(before)


async def test_while_a_journal_is_open_threads_change_sooner(tmp_path: Path) -> None:
    async with TaskQueue(tmp_path / "one.duckdb"):
        async with TaskQueue(tmp_path / "two.duckdb"):
            assert sys.getswitchinterval() == pytest.approx(INTERVAL)
        assert sys.getswitchinterval() == pytest.approx(INTERVAL)
    assert sys.getswitchinterval() == pytest.approx(0.005)


@pytest.mark.parametrize(("before", "within"), [(0.005, 0.02), (0.0001, 0.0001)])
async def test_what_the_program_sets_itself_stays(tmp_path: Path, before: float, within: float) -> None:
    sys.setswitchinterval(before)
    async with TaskQueue(tmp_path / "tasks.duckdb"):
        assert sys.getswitchinterval() == pytest.approx(min(before, INTERVAL))
        sys.setswitchinterval(within)
    assert sys.getswitchinterval() == pytest.approx(within)
