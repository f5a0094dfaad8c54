"""Middleware, hooks, start-up and errors of the specification."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from support import GranianServer, GranianStartError, granian_server

from spec.wire import fetch

Example = Callable[..., GranianServer]


def events(server: GranianServer) -> list[str]:
    """The application's log lines so far."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in server.log.splitlines() if line.startswith('{"')]
    return [str(line["event"]) for line in lines]


def test_higher_priorities_are_outermost_and_ties_keep_their_order(example: Example) -> None:
    answer = fetch(example("custom_middleware"), "/trail")
    assert answer.json == ["a", "b", "c", "d"]
    assert answer.headers["x-outward"] == "dcba"


@pytest.mark.parametrize(("path", "status"), [("/trail", 200), ("/fails", 500), ("/nowhere", 404)])
def test_custom_middleware_sees_every_answer(example: Example, path: str, status: int) -> None:
    server = example("custom_middleware")
    answer = fetch(server, path)
    assert (answer.status, answer.headers["x-outward"]) == (status, "dcba")
    pattern = rf"Request {path} took \d\.\d{{3}}s"
    server.wait_for(lambda: any(re.fullmatch(pattern, event) for event in events(server)), what="the log line")


def test_before_and_after_request(example: Example) -> None:
    server = example("hooks")
    known = fetch(server, "/me", headers={"Authorization": "Bearer good"})
    assert known.json == {"user": {"name": "Ada"}, "timed": True}
    assert fetch(server, "/me", headers={"authorization": "Bearer bad"}).json == {"user": None, "timed": True}
    assert fetch(server, "/me").json == {"user": None, "timed": True}
    assert any(re.fullmatch(r"Request completed in \d\.\d{3}s", event) for event in events(server))


@pytest.mark.parametrize(("path", "status"), [("/me", 200), ("/fails", 500), ("/nowhere", 404)])
def test_after_request_runs_on_the_final_answer(example: Example, path: str, status: int) -> None:
    answer = fetch(example("hooks"), path)
    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


def test_startup_hooks_ran_before_the_first_request(example: Example) -> None:
    assert fetch(example("startup"), "/").json == {
        "done": ["connect", "create_tables"],
        "config": {"LOADED_FROM": "config.yaml", "DEBUG": False},
    }


def test_a_signal_handler_of_ones_own_works_and_granian_still_stops() -> None:
    from spec.conftest import ROOT

    with granian_server("spec.examples.startup:app", cwd=ROOT) as server:
        assert fetch(server, "/").status == 200
        began = time.monotonic()
        assert server.stop(timeout=10) == 0
        assert time.monotonic() - began < 8, "it was killed"
        assert "graceful_shutdown was called" in server.log
        assert server.log.index("last registered") < server.log.index("first registered")


def test_a_startup_hook_that_fails_stops_the_worker() -> None:
    from spec.conftest import ROOT

    with (
        pytest.raises(GranianStartError, match="the configuration is missing"),
        granian_server("spec.examples.startup:broken", cwd=ROOT, timeout=10),
    ):
        pass


def test_error_handlers_by_status(example: Example) -> None:
    server = example("error_handlers")
    missing = fetch(server, "/a%3Cb")
    assert (missing.status, missing.text.strip()) == (404, "<h1>/a&lt;b is not here</h1>")
    assert missing.headers["content-type"] == "text/html; charset=utf-8"
    failed = fetch(server, "/fails")
    assert (failed.status, failed.text.strip()) == (500, "<h1>Something broke</h1>")
    denied = fetch(server, "/private")
    assert (denied.status, denied.json) == (403, {"error": "Access denied"})
    assert "Internal error: the inside" in events(server)


def test_the_error_handler_reads_the_configuration(example: Example) -> None:
    server = example("error_handlers", env={"EXAMPLE_DEBUG": "1"})
    failed = fetch(server, "/fails")
    assert (failed.status, failed.json) == (500, {"error": "the inside"})


@pytest.mark.parametrize(
    ("user", "status", "detail"),
    [
        ("2", 404, "User not found"),
        ("x", 400, "Invalid user ID format"),
        ("13", 500, "Database error"),
    ],
)
def test_exceptions_in_routes(example: Example, user: str, status: int, detail: str) -> None:
    answer = fetch(example("exceptions"), f"/users/{user}")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json["status"], answer.json["detail"]) == (status, detail)
    assert "the disk is full" not in answer.text


def test_no_exception_in_routes(example: Example) -> None:
    assert fetch(example("exceptions"), "/users/1").json == {"user": {"id": 1}}
    fetch(example("exceptions"), "/users/13")
    assert "Database error: the disk is full" in events(example("exceptions"))
