"""Log lines: structure, ids, secrets, control characters."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from gobstopper import Gobstopper
from gobstopper.logging import AppLogger
from gobstopper_http import FileResponse, Request
from gobstopper_http.testing import TestClient

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Capture:
    # pytest's own handlers sit on the root logger, and with them there nothing is written to stderr.
    monkeypatch.setattr(logging.Logger, "hasHandlers", lambda self: bool(self.handlers))
    return capsys


def test_json_lines_with_fields_and_request_ids(lines: Capture) -> None:
    app = Gobstopper("logs-json", config={"EXTERNAL_URL": "https://x.example"})

    @app.get("/")
    async def index(request: Request) -> list[str]:
        app.logger.info("ordered %s", "now", order=7)
        return [request.id, request.trace.trace_id]

    app.logger.info("outside")
    with TestClient(app) as client:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        ids = client.get(
            "/", headers={"X-Request-ID": "abc-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        ).json()
    outside, line = (json.loads(text) for text in lines.readouterr().err.splitlines())
    assert "request_id" not in outside
    assert ids == ["abc-1", trace]
    assert (line["event"], line["order"], line["level"], line["logger"]) == ("ordered now", 7, "info", "logs-json")
    assert [line["request_id"], line["trace_id"]] == ids


def test_secrets_are_masked_and_controls_escaped(lines: Capture) -> None:
    logger = AppLogger("logs-secrets", lambda: True)
    logger.debug(
        "x\x1b[31m\ny", authorization="Bearer s3cret", headers={"Cookie": "s3cret", "Accept": "a"}, odd=object()
    )
    text = lines.readouterr().err
    assert "s3cret" not in text
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert json.loads(text)["headers"] == {"Cookie": "***", "Accept": "a"}


def test_a_terminal_gets_key_value_lines(lines: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    logger = AppLogger("logs-terminal", lambda: False)
    logger.info("hello\nworld\x07", order=7)
    logger.debug("not shown")
    text = lines.readouterr().err
    assert "hello\\nworld\\x07" in text
    assert "order" in text
    assert "7" in text
    assert "not shown" not in text
    assert text.count("\n") == 1


def test_exceptions_and_levels(lines: Capture) -> None:
    logger = AppLogger("logs-exceptions", lambda: False)
    try:
        raise ValueError("inner")
    except ValueError:
        logger.error("failed", exc_info=True)
    assert "ValueError: inner" in json.loads(lines.readouterr().err)["exception"]
    with pytest.raises(AttributeError):
        logger.__wrapped__  # noqa: B018


def test_access_log(lines: Capture, tmp_path: Path) -> None:
    app = Gobstopper("logs-access", config={"EXTERNAL_URL": "https://x.example", "ACCESS_LOG": True})
    file = tmp_path / "file.txt"
    file.write_text("hello")
    app.get("/")(lambda request: "x")
    app.get("/file", name="file")(lambda request: FileResponse(file))
    with TestClient(app) as client:
        client.get("/")
        client.get("/nope?secret=1")
        etag = client.get("/file").headers["etag"]
        client.get("/file", headers={"If-None-Match": etag})
    logged = [json.loads(text) for text in lines.readouterr().err.splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in logged] == [
        ("GET", "/", 200), ("GET", "/nope", 404), ("GET", "/file", 200), ("GET", "/file", 304),
    ]  # fmt: skip
    assert all(line["client"] == "127.0.0.1" and line["ms"] > 0 for line in logged)


@pytest.mark.parametrize("threaded", [False, True])
def test_lines_of_a_task_name_it_and_the_trace_of_who_added_it(lines: Capture, *, threaded: bool) -> None:
    config = {"EXTERNAL_URL": "https://x.example"}
    app = Gobstopper(f"logs-task-{threaded}", tasks="memory://", config=config)

    def write() -> None:
        app.logger.info("packed", order=7)

    async def pack() -> None:
        write()

    app.task("pack")(write if threaded else pack)

    @app.post("/")
    async def order() -> str | None:
        id_ = await app.add_background_task("pack")
        await app.task_queue.result(id_, 5)
        return id_

    @app.on_startup
    async def work() -> None:
        await app.start_task_workers()

    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with TestClient(app) as client:
        id_ = client.post("/", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}).text
    found = [line for text in lines.readouterr().err.splitlines() if (line := json.loads(text))["event"] == "packed"]
    assert [(line["task_id"], line["task"], line["attempt"], line["trace_id"]) for line in found] == [
        (id_, "pack", 1, trace)
    ]
    assert "request_id" not in found[0], "it is not the request that adds it which writes the line"
