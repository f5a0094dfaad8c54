"""Fixtures of the application's tests: an application, and clients that start it."""

from __future__ import annotations

import pytest

from gobstopper import Gobstopper


@pytest.fixture
def app() -> Gobstopper:
    return Gobstopper("tests", config={"EXTERNAL_URL": "https://example.com"})
