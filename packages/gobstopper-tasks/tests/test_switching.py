from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gobstopper_tasks import TaskQueue
from gobstopper_tasks.engines.duckdb import switching
from gobstopper_tasks.engines.duckdb.switching import INTERVAL


@pytest.fixture(autouse=True)
def interval(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A test before, of owners that are killed or lost, may have left a journal open in this process.
    monkeypatch.setattr(switching, "_users", 0)
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


async def test_a_journal_that_stayed_open_is_counted(tmp_path: Path) -> None:
    switching.shorten()
    try:
        async with TaskQueue(tmp_path / "tasks.duckdb"):
            assert sys.getswitchinterval() == pytest.approx(INTERVAL)
        assert sys.getswitchinterval() == pytest.approx(INTERVAL)
    finally:
        switching.restore()
    assert sys.getswitchinterval() == pytest.approx(0.005)
