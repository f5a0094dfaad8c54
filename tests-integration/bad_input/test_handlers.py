"""Handlers that return nonsense, raise anything, answer twice or never."""

from __future__ import annotations

import time

import pytest
from bad_input.app import RAISED, RETURNED
from bad_input.conftest import Worker
from bad_input.wire import eventually

FINE = {"huge-int", "cookie-path"}
EXPLAINED = {"int", "true", "float", "set", "object", "class", "function", "exception", "empty-tuple", "long-tuple"}


@pytest.mark.parametrize("route", ["returns", "def-returns"])
@pytest.mark.parametrize("name", sorted(set(RETURNED) - FINE))
def test_nonsense(worker: Worker, name: str, route: str) -> None:
    answer = worker.ask("GET", f"/{route}/{name}")
    assert answer.status == 500
    assert answer.header("x-injected") is None
    assert b"Error" in answer.body
    if name in EXPLAINED:
        worker.took(f"{route.replace('-', '_')} (")
    else:
        worker.took(f"GET /{route}/{name} failed")


@pytest.mark.parametrize("name", sorted(FINE))
def test_what_looks_like_nonsense(worker: Worker, name: str) -> None:
    answer = worker.ask("GET", f"/returns/{name}")
    assert answer.status == 200
    assert answer.header("x-injected") is None


@pytest.mark.parametrize("value", ["a%0d%0aX-Injected:%201", "a%0aX-Injected:%201", "%22;%20Domain=evil", "%c3%a4%7f"])
def test_a_cookie_of_the_visitor_s_own_making(worker: Worker, value: str) -> None:
    answer = worker.ask("GET", f"/cookie-value/{value}")
    assert answer.status == 200
    assert [name for name, _ in answer.headers].count("set-cookie") == 1
    assert answer.header("x-injected") is None
    assert "domain=" not in str(answer.header("set-cookie")).lower().rpartition('"')[2]


@pytest.mark.parametrize("route", ["raises", "def-raises"])
@pytest.mark.parametrize("name", sorted(set(RAISED) - {"GeneratorExit"}))
def test_anything_raised(worker: Worker, name: str, route: str) -> None:
    answer = worker.ask("GET", f"/{route}/{name}")
    assert answer.status == 500
    assert answer.json == {"title": "Internal Server Error", "status": 500}
    worker.took(f"GET /{route}/{name} ")


@pytest.mark.parametrize("route", ["raises", "def-raises"])
def test_generator_exit_is_the_end_of_a_coroutine_and_left_to_the_server(worker: Worker, route: str) -> None:
    assert worker.ask("GET", f"/{route}/GeneratorExit").status == 500
    assert eventually(lambda: worker.printed.rstrip().endswith("GeneratorExit:"))
    worker.mark()


def test_the_log_line_is_one_line_and_holds_no_controls(worker: Worker) -> None:
    before = len(worker.server.log.splitlines())
    worker.ask("GET", "/raises/ValueError")
    worker.took("GET /raises/ValueError failed: ValueError: a\r\nfaked line\x1b[31m")
    lines = worker.server.log.splitlines()[before:]
    assert len(lines) == 1
    assert "\x1b" not in lines[0]


def test_recursion(worker: Worker) -> None:
    assert worker.ask("GET", "/recursion").status == 500
    worker.took("RecursionError")


@pytest.mark.parametrize(
    ("path", "message"),
    [("/twice", "answered, and then returned another answer"), ("/twice/send", "was answered before"),
     ("/twice/raise", "ValueError: after the answer")],
)  # fmt: skip
def test_two_answers(worker: Worker, path: str, message: str) -> None:
    with worker.client() as client:
        assert client.ask("GET", path).body == b"first"
        assert client.ask("GET", "/ok").body == b"ok"
    worker.took(message)


@pytest.mark.parametrize("value", ["1", "10", "x"])
def test_a_wrong_length_does_not_shift_the_next_answer(worker: Worker, value: str) -> None:
    with worker.client() as client:
        assert client.ask("GET", f"/length/{value}").body == b"abc"
        assert client.ask("GET", "/ok").body == b"ok"


@pytest.mark.parametrize("path", ["/never", "/never/def", "/never/awaitable"])
def test_no_answer(worker: Worker, path: str) -> None:
    began = time.monotonic()
    answer = worker.ask("GET", path)
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    assert time.monotonic() - began < 5
    worker.took("did not answer within 0.6 s")


def test_no_answer_and_no_end(worker: Worker) -> None:
    """Its cancellation is swallowed: the request is answered without it."""
    answer = worker.ask("GET", "/never/swallow")
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    worker.took("and cannot be cancelled")


def test_more_hanging_functions_than_threads(worker: Worker) -> None:
    """40 threads are busy for longer than anybody waits; what waited behind them does not run for nobody."""
    clients = [worker.client() for _ in range(60)]
    for client in clients:
        client.send(b"GET /never/def HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [client.read().status for client in clients] == [503] * 60
    for client in clients:
        client.socket.close()
    assert len(worker.logged()) == 60
    worker.mark()
    time.sleep(1.5)
    assert worker.ask("GET", "/def-returns/huge-int").status == 200
