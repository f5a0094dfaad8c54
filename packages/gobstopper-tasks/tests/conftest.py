from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest

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
