"""What an application gets wrong about a body's length does not reach the wire of the fake server or a real Granian."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from parity import answers_app
from parity.conftest import running
from parity.drivers import Driver


@pytest.fixture(scope="module", params=["fake", "granian"])
def server(request: pytest.FixtureRequest) -> Iterator[Driver]:
    with running(request.param, answers_app.app, Path(answers_app.__file__)) as driver:
        yield driver


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("kind", ["whole", "tuple", "stream", "file"])
def test_a_reset_has_no_content(server: Driver, method: str, kind: str) -> None:
    """RFC 9110 15.3.6: no body, and a length that says so."""
    wire = server.request(method, f"/reset/{kind}")
    assert (wire.status, wire.body, wire.complete) == (205, b"", True)
    assert wire.header("content-length") == (None if method == "HEAD" else "0")
    assert wire.header("transfer-encoding") is None


@pytest.mark.parametrize("lengths", ["is=x", "is=-3", "is=3&is=3", "is=3&is=4", "is=18446744073709551616"])
def test_a_stream_with_a_length_that_is_none_is_500(server: Driver, lengths: str) -> None:
    """The server itself would close the connection without an answer, or let both lengths out."""
    wire = server.get(f"/length?{lengths}")
    assert (wire.status, wire.complete) == (500, True)
    assert server.request("HEAD", f"/length?{lengths}").status == 500
    assert server.get("/fine").body == b"fine"


def test_a_stream_with_its_true_length(server: Driver) -> None:
    wire = server.get("/length?is=3")
    assert (wire.status, wire.body, wire.header("content-length"), wire.complete) == (200, b"abc", "3", True)
