"""Request bodies and clients that leave: the fake server and a real Granian agree."""

from __future__ import annotations

import time
import uuid

import pytest
from parity.drivers import Driver

TAKEN = "RSGIProtocolError: RSGI protocol error"
EXHAUSTED = "StopAsyncIteration: stream exhausted"
CLOSED = "RSGIProtocolClosed: RSGI transport is closed"


@pytest.mark.parametrize(
    ("chunks", "cut", "body"),
    [
        (None, False, "b''"),
        ([], False, "b''"),
        ([b"ab", b"cde"], False, "b'abcde'"),
        ([b"ab"], True, CLOSED),
        ([], True, CLOSED),
    ],
)
def test_whole_body(server: Driver, chunks: list[bytes] | None, cut: bool, body: str) -> None:
    assert server.request("POST", "/body", chunks=chunks, cut=cut).json() == [body, TAKEN, TAKEN, EXHAUSTED]


@pytest.mark.parametrize(
    ("chunks", "cut", "seen"),
    [
        (None, False, [""]),
        ([], False, [""]),
        ([b"ab", b"cde"], False, ["ab", "cde", ""]),
        ([b"ab"], True, ["ab", "", ""]),
        ([], True, ["", ""]),
    ],
)
def test_chunks(server: Driver, chunks: list[bytes] | None, cut: bool, seen: list[str]) -> None:
    """A clean end is one empty chunk; an error is an empty chunk more."""
    wire = server.request("POST", "/chunks", chunks=chunks, cut=cut, pause=0.05)
    assert wire.json() == [EXHAUSTED, True, [TAKEN, TAKEN], seen, EXHAUSTED]


@pytest.mark.parametrize(("cut", "empty"), [(False, 1), (True, 2)])
def test_async_for(server: Driver, cut: bool, empty: int) -> None:
    wire = server.request("POST", "/async-for", chunks=[b"some", b"thing"], cut=cut)
    assert wire.json() == ["something", empty]


def test_a_read_that_is_cancelled_loses_nothing(server: Driver) -> None:
    wire = server.request("POST", "/cancelled-read", chunks=[b"some", b"thing"], pause=0.25)
    assert wire.json() == [True, "something"]


def test_a_read_is_like_a_future(server: Driver) -> None:
    assert server.request("POST", "/future", chunks=[b"body"]).json() == [True, "body", "body"]


def test_the_body_can_be_read_after_the_answer(server: Driver) -> None:
    assert server.request("POST", "/early", chunks=[b"body"]).body == b"early"
    assert server.notes("early") == "b'body'"


def key(how: str) -> str:
    return f"{how}-{uuid.uuid4().hex}"


def leave(server: Driver, how: str, **options: int | bytes) -> str:
    note = key(how)
    drop = server.open("POST", f"/leave?{note}", **options)  # type: ignore[arg-type]
    name = note.partition("-")[2]
    assert server.notes(name) == "waiting"
    time.sleep(0.1)
    drop()
    return name


@pytest.mark.parametrize("how", ["plain", "body", "stream"])
def test_a_client_that_leaves_while_it_waits_is_noticed(server: Driver, how: str) -> None:
    name = leave(server, how)
    assert server.notes(name, lambda value: value == "gone") == "gone"
    if how == "stream":
        assert server.notes(f"{name}-send") == CLOSED
    if how == "body":
        assert server.notes(f"{name}-body") == "b''"


def test_a_client_that_leaves_after_its_body_was_read_is_noticed(server: Driver) -> None:
    name = leave(server, "body", length=2, sent=b"ab")
    assert server.notes(name, lambda value: value == "gone") == "gone"
    assert server.notes(f"{name}-body") == "b'ab'"


@pytest.mark.parametrize("how", ["plain", "body"])
def test_a_client_that_leaves_in_its_upload_is_not_noticed(server: Driver, how: str) -> None:
    name = leave(server, how, length=10, sent=b"ab")
    assert server.notes(f"{name}-ended") is True
    assert server.notes(name) == "waiting"
    if how == "body":
        assert server.notes(f"{name}-body") == CLOSED


def test_a_client_that_leaves_after_the_answer_is_not_noticed(server: Driver) -> None:
    name = leave(server, "answer")
    assert server.notes(f"{name}-ended") is True
    assert server.notes(name) == "waiting"
