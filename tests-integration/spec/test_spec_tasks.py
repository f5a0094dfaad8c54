"""The specification's task examples, on four workers that share one DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import GranianServer, granian_server

from spec.wire import fetch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GranianServer]:
    target = f"duckdb://{tmp_path_factory.mktemp('tasks')}/tasks.duckdb"
    with granian_server(
        "spec.examples.background_tasks:app", cwd=ROOT, workers=4, env={"EXAMPLE_TASKS": target}
    ) as running:
        yield running


def test_queue_and_status_from_any_worker(server: GranianServer) -> None:
    email = {"email": "ada@example.com", "subject": "Hello", "message": "World"}
    ids = [fetch(server, "/send-email", "POST", json_body=email).json["task_id"] for _ in range(12)]
    assert len(set(ids)) == 12
    pids = set()
    for task_id in ids:
        answer = fetch(server, f"/results/{task_id}").json
        assert answer["result"] == {"status": "sent", "to": "ada@example.com"}
        pids.add(answer["pid"])
    assert len(pids) > 1, "every answer came from one worker"
    for task_id in ids:
        assert fetch(server, f"/tasks/{task_id}").json == {"task_id": task_id, "status": "succeeded"}
    assert fetch(server, "/tasks/unknown").json == {"task_id": "unknown", "status": None}


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("process_image", {"image_path": "a.png"}, {"original": "a.png", "processed": "a.png.small"}),
        ("generate_report", {"user_id": 3, "report_type": "tax"}, {"report_id": "3-tax", "status": "completed"}),
    ],
)
def test_the_other_tasks(
    server: GranianServer, name: str, arguments: dict[str, object], result: dict[str, object]
) -> None:
    task_id = fetch(server, f"/add/{name}", "POST", json_body=arguments).json["task_id"]
    assert fetch(server, f"/results/{task_id}").json["result"] == result
