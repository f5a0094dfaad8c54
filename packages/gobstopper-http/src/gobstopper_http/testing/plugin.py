"""The pytest plugin: test clients as fixtures, and a line that says which implementation is tested.

pytest imports this at every start, also in projects that only have the package installed: so nothing is imported here
that is not needed to define the fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .async_client import AsyncTestClient
    from .client import TestClient

__all__ = ["async_client_factory", "client_factory", "gobstopper_client"]


def pytest_report_header() -> str:
    """Say whether the Python or the Rust implementation is used."""
    from .._impl import IMPL

    return f"gobstopper-http: {IMPL} implementation"


@pytest.fixture
def client_factory() -> Iterator[Callable[..., TestClient]]:
    """A function that makes and starts a `TestClient`, given an application and settings; stopped after the test."""
    from .client import TestClient

    with ExitStack() as stack:

        def start(app: Any, **settings: Any) -> TestClient:
            return stack.enter_context(TestClient(app, **settings))

        yield start


@pytest.fixture
def async_client_factory() -> Iterator[Callable[..., AsyncTestClient]]:
    """A function that makes and starts an `AsyncTestClient`, given an application and settings; stopped after the test.

    It is no asynchronous fixture, so it works with every asynchronous pytest plugin.
    """
    from .async_client import AsyncTestClient

    with ExitStack() as stack:

        def start(app: Any, **settings: Any) -> AsyncTestClient:
            client = AsyncTestClient(app, **settings)
            client.start_now()
            stack.callback(client.stop_now)
            return client

        yield start


@pytest.fixture
def gobstopper_client(request: pytest.FixtureRequest, client_factory: Callable[..., TestClient]) -> TestClient:
    """A started client for the application that the fixture `app` of your tests gives."""
    return client_factory(request.getfixturevalue("app"))
