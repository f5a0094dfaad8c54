"""The two servers that every case runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from parity import probe_app
from parity.drivers import Driver, FakeDriver, GranianDriver
from support import granian_server

from gobstopper_http.testing import FakeServer

PROBE = Path(__file__).with_name("probe_app.py")


@contextmanager
def running(name: str, app: Any = probe_app.app, file: Path = PROBE) -> Iterator[Driver]:
    """An application, which is `app` of `file`, on one of the two; the probe unless another is named."""
    if name == "granian":
        with granian_server(f"{file}:app") as server:
            yield GranianDriver(server)
    else:
        probe_app.NOTES.clear()
        fake = FakeServer(app)
        fake.start()
        try:
            yield FakeDriver(fake)
        finally:
            fake.stop()


@pytest.fixture(scope="module", params=["fake", "granian"])
def server(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """The probe application, on the fake and on a real Granian."""
    with running(request.param) as driver:
        yield driver


@pytest.fixture(params=["fake", "granian"])
def own_server(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """One that the test may kill."""
    with running(request.param) as driver:
        yield driver
