from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from brokers import Journal
from gobstopper_tasks.engines._broker import Broker
from gobstopper_tasks.engines._ledger import Ledger

pytest.register_assert_rewrite("gobstopper_tasks.conformance")


def pytest_configure(config: pytest.Config) -> None:
    # streaq does not close its streams when Redis goes away while a worker starts.
    config.addinivalue_line("filterwarnings", "ignore:Unclosed <MemoryObject:ResourceWarning")


@pytest.fixture(scope="session", autouse=True)
def last_streams() -> Iterator[None]:
    """Drops such streams while they are still expected: at the very end pytest counts each as an error."""
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unclosed <MemoryObject", ResourceWarning)
        gc.collect()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def broker(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    monkeypatch.setattr("gobstopper_tasks.engines._outbox.AFTER_FAILURE", 0.05)
    monkeypatch.setattr("gobstopper_tasks.engines._broker.AFTER_FAILURE", 0.05)
    monkeypatch.setattr("gobstopper_tasks.engines._dispatcher._REJOIN", 0.05)
    broker = Broker(Ledger(), journal, lease=60.0)
    yield broker
    broker.stop()
