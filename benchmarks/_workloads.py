"""What is asked of the contenders, and what a right answer is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from ._load import Answer, request

ECHO = {"id": 1234, "name": "Ada Lovelace", "email": "ada@example.org", "tags": ["a", "b", "c"], "active": True}


@dataclass(frozen=True)
class Workload:
    """One request, the same for all."""

    name: str
    about: str
    message: bytes
    check: Callable[[Answer], str | None]
    app: str = "app"  # the attribute of a contender's module that answers it
    target: float | None = None  # the share of raw RSGI that Gobstopper in pure Python has to reach


def text(expected: str) -> Callable[[Answer], str | None]:
    """A check for a text, plain or HTML, as the framework is used to: returns what is wrong, or None."""

    def check(answer: Answer) -> str | None:
        kind = answer.headers.get("content-type", "")
        if answer.status != 200 or not kind.startswith(("text/plain", "text/html")) or answer.body != expected.encode():
            return f"wanted 200 text/* {expected!r}, got {answer.status} {kind} {answer.body[:80]!r}"
        return None

    return check


def data(expected: object) -> Callable[[Answer], str | None]:
    """A check for JSON of any spacing."""

    def check(answer: Answer) -> str | None:
        kind = answer.headers.get("content-type", "")
        if answer.status == 200 and kind.startswith("application/json"):
            try:
                if json.loads(answer.body) == expected:
                    return None
            except ValueError:
                pass
        return f"wanted 200 application/json {expected!r}, got {answer.status} {kind} {answer.body[:80]!r}"

    return check


def _get(path: str) -> bytes:
    return request("GET", path)


_ECHO = json.dumps(ECHO, separators=(",", ":")).encode()

WORKLOADS = {
    workload.name: workload
    for workload in [
        Workload("plaintext", "a constant text", _get("/plaintext"), text("Hello, World!"), target=0.88),
        Workload("json", "a small object as JSON", _get("/json"), data({"message": "Hello, World!"}), target=0.87),
        Workload("parameter", "a path parameter, answered as text", _get("/users/1234"), text("1234"), target=0.88),
        Workload(
            "echo",
            "a JSON body, decoded and answered as JSON",
            request("POST", "/echo", _ECHO, "application/json"),
            data(ECHO),
            target=0.88,
        ),
        Workload(
            "stack",
            "plaintext, through three pass-through middlewares and one hook of each kind",
            _get("/plaintext"),
            text("Hello, World!"),
            app="stack",
            target=0.77,
        ),
        Workload(
            "routes-10",
            "a path parameter, one of 10 such routes",
            _get("/area7/users/1234"),
            text("1234"),
            app="routes_10",
        ),
        Workload(
            "routes-1000",
            "a path parameter, one of 1,000 such routes",
            _get("/area777/users/1234"),
            text("1234"),
            app="routes_1000",
        ),
    ]
}
