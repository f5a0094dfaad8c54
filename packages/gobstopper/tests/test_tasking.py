"""Background tasks, joined to the application."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from gobstopper import Gobstopper, current_app
from gobstopper.tasks.queue import TaskPriority
from gobstopper_http import Request
from gobstopper_http.testing import TestClient
from gobstopper_tasks import current_task


def test_add_run_and_ask(tmp_path: Path) -> None:
    app = Gobstopper("tasks", tasks=f"duckdb://{tmp_path}/tasks.duckdb", config={"EXTERNAL_URL": "https://x.example"})
    log: list[str] = []

    @app.task("greet", category="notifications")
    async def greet(name: str, priority: str) -> dict[str, Any]:
        log.append("task")
        return {"name": name, "app": current_app() is app}

    @app.post("/greet")
    async def add(request: Request) -> dict[str, str]:
        data = await request.json()
        task_id = await app.add_background_task(
            "greet", priority=TaskPriority.HIGH, max_retries=1, name=data["name"], args={"priority": "argument"}
        )
        return {"task_id": task_id}

    @app.get("/status/<task_id>")
    async def status(request: Request, task_id: str) -> list[str | None]:
        return [await app.task_queue.get_task_status(task_id)]

    @app.get("/result/<task_id>")
    async def result(request: Request, task_id: str) -> Any:
        return await app.task_queue.result(task_id, timeout=5)

    @app.on_startup
    async def start() -> None:
        await app.start_task_workers("notifications", worker_count=2)

    @app.on_shutdown
    def stop() -> None:
        log.append(f"stop {app.task_queue.is_open}")

    with TestClient(app, timeout=15) as client:
        task_id = client.post("/greet", json={"name": "ada"}).json()["task_id"]
        assert client.get(f"/result/{task_id}").json() == {"name": "ada", "app": True}
        assert client.get(f"/status/{task_id}").json() == ["succeeded"]
        assert client.get("/status/unknown").json() == [None]
    assert log == ["task", "stop False"]


def test_the_default_file_is_below_the_instance_folder(tmp_path: Path) -> None:
    app = Gobstopper("tasks", config={"EXTERNAL_URL": "https://x.example"})
    app.root_path = tmp_path
    app.task("nothing")(lambda: None)
    assert not app.instance_path.exists()
    assert Path(app.task_queue.target) == tmp_path / "instance" / "tasks.duckdb"

    @app.get("/")
    async def add(request: Request) -> str:
        return await app.add_background_task("nothing")

    with TestClient(app, timeout=15) as client:
        assert client.get("/").status == 200
    assert app.instance_path.stat().st_mode & 0o777 == 0o700


def test_the_target_may_be_a_setting_and_costs_nothing_unused() -> None:
    app = Gobstopper("tasks", config={"TASKS": "memory://", "EXTERNAL_URL": "https://x.example"})
    with TestClient(app):
        assert not app.has_tasks
    assert app.task_queue.target == "memory://"
    began = time.monotonic()
    with TestClient(app):
        pass
    assert time.monotonic() - began < 15


def test_an_application_that_starts_again_has_its_tasks_again(tmp_path: Path) -> None:
    """As in a suite that makes a client for each test."""
    app = Gobstopper("tasks", tasks=f"duckdb://{tmp_path}/tasks.duckdb", config={"EXTERNAL_URL": "https://x.example"})
    app.task("greet")(lambda: "hello")

    @app.on_startup
    async def start() -> None:
        await app.start_task_workers()

    @app.get("/")
    async def add() -> Any:
        return await app.task_queue.result(await app.add_background_task("greet"), timeout=20)

    for _ in range(2):
        with TestClient(app, timeout=30) as client:
            assert client.get("/").text == "hello"


def test_a_task_continues_the_trace_of_the_request_that_added_it(app: Gobstopper) -> None:
    """In the same trace, as a child of the server's own span; a task that no request adds has none of it."""
    app.config["TASKS"] = "memory://"

    @app.task("look")
    async def look() -> str | None:
        task = current_task()
        return task.headers.get("traceparent")

    @app.on_startup
    async def start() -> None:
        await app.start_task_workers()
        alone = await app.add_background_task("look")
        assert await app.task_queue.result(alone, timeout=20) is None

    @app.get("/")
    async def add(request: Request) -> list[Any]:
        task_id = await app.add_background_task("look")
        return [await app.task_queue.result(task_id, timeout=20), request.trace.traceparent]

    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with TestClient(app, timeout=30) as client:
        of_task, of_request = client.get("/", headers={"traceparent": f"00-{trace}-{parent}-01"}).json()
    assert of_task == of_request
    assert of_task.split("-")[1] == trace
    assert of_task.split("-")[2] != parent


def test_the_target_that_is_given_goes_before_the_setting() -> None:
    config = {"TASKS": "memory://setting"}
    assert Gobstopper("tasks", tasks="memory://given", config=config).task_queue.target == "memory://given"
