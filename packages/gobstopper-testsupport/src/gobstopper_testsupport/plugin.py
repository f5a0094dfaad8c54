"""The fixtures.

A server that is not installed skips the tests that need it, unless `GOBSTOPPER_TEST_REQUIRE_SERVERS=1`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .postgres import PostgresServer
from .redis import RedisServer
from .server import Server, ServerMissing


def _serve(make: type[RedisServer | PostgresServer]) -> Iterator[Server]:
    try:
        server = make()
    except ServerMissing as error:
        if os.environ.get("GOBSTOPPER_TEST_REQUIRE_SERVERS"):
            raise
        pytest.skip(str(error))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis or Valkey of this session's own, that tests may stop and start."""
    yield from _serve(RedisServer)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL of this session's own, that tests may stop and start."""
    yield from _serve(PostgresServer)


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """The URL of a Redis: `GOBSTOPPER_TEST_REDIS_URL`, else of `redis_server`."""
    return os.environ.get("GOBSTOPPER_TEST_REDIS_URL") or str(request.getfixturevalue("redis_server").url)


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """The URL of a PostgreSQL: `GOBSTOPPER_TEST_POSTGRES_URL`, else of `postgres_server`."""
    return os.environ.get("GOBSTOPPER_TEST_POSTGRES_URL") or str(request.getfixturevalue("postgres_server").url)
