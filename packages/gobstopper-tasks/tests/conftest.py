from __future__ import annotations

import pytest

pytest.register_assert_rewrite("gobstopper_tasks.conformance")


def pytest_configure(config: pytest.Config) -> None:
    # streaq does not close its streams when Redis goes away while a worker starts.
    config.addinivalue_line("filterwarnings", "ignore:Unclosed <MemoryObject:ResourceWarning")
