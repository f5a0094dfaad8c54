"""gobstopper-tasks alone: a bare RSGI callable that leaves work to a durable queue, with any number of workers.

`curl -X POST localhost:8000/counts/5` answers with an id, `curl localhost:8000/tasks/ID` tells how far the task is.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec

from gobstopper_tasks import TaskQueue, current_task

queue = TaskQueue(os.environ.get("TASKS", "instance/tasks.duckdb"))


@queue.task("count", category="counting", max_retries=2)
async def count(to: int) -> dict[str, int]:
    for number in range(1, to + 1):
        await asyncio.sleep(0.05)
        current_task().progress(number / to, f"{number} of {to}")
    return {"counted": to}


class Application:
    """What Granian calls: `granian --interface rsgi --workers 2 app:app`."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(queue.start_workers("counting", 2))

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(queue.close(grace=5))

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        _, folder, name = f"{scope.path}/".split("/")[:3]
        if (scope.method, folder) == ("POST", "counts") and name.isdecimal():
            answer: Any = {"id": await queue.add("count", to=int(name))}
            status = 202
        elif (scope.method, folder) == ("GET", "tasks") and name:
            status, answer = await self.tell(name)
        else:
            status, answer = 404, {"detail": "POST /counts/5, or GET /tasks/ID"}
        proto.response_bytes(status, [("content-type", "application/json")], msgspec.json.encode(answer))

    async def tell(self, task_id: str) -> tuple[int, Any]:
        """The state of a task."""
        task = await queue.get_task(task_id)
        if task is None:
            return 404, {"detail": "There is no such task."}
        return 200, {"status": task.status, "note": task.note, "result": task.result}


app = Application()
