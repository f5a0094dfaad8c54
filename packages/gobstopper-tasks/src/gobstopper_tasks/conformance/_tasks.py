"""The tasks that the suite runs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .. import AbandonTask, RetryTask, TaskQueue, current_task


class Log(list[Any]):
    """What the test's tasks did, in order."""


def register(queue: TaskQueue, log: Log) -> TaskQueue:  # noqa: C901 - one small task after the other
    """The tasks that the suite runs."""

    @queue.task("add_up", backoff=0.05)
    async def add_up(a: int, b: int = 0) -> int:
        log.append(("add_up", a, b))
        return a + b

    @queue.task("total")
    def total(values: list[int | None]) -> int:
        return sum(value or 0 for value in values)

    @queue.task("twice")
    async def twice(value: int) -> int:
        log.append(("twice", value))
        return value * 2

    @queue.task("slow", backoff=0.05)
    async def slow(seconds: float = 30.0, tag: str = "") -> str:
        log.append(("begin", tag))
        try:
            await asyncio.sleep(seconds)
        finally:
            log.append(("end", tag))
        return tag

    @queue.task("blocking")
    def blocking(seconds: float = 30.0) -> str:
        task = current_task()
        log.append("begin")
        end = time.monotonic() + seconds
        while time.monotonic() < end and not task.cancelled:
            time.sleep(0.01)
        log.append("end")
        return "stopped" if task.cancelled else "done"

    @queue.task("fails", max_retries=2, backoff=0.05)
    async def fails() -> None:
        log.append(("fails", current_task().attempt))
        raise ValueError("it always fails")

    @queue.task("once", max_retries=3, backoff=0.05)
    async def once() -> int:
        attempt = current_task().attempt
        log.append(("once", attempt))
        if attempt == 1:
            raise RetryTask(0.05, "not yet")
        return attempt

    @queue.task("hopeless", max_retries=5)
    async def hopeless() -> None:
        log.append("hopeless")
        raise AbandonTask("no use")

    @queue.task("endless", timeout=0.2, max_retries=0)
    async def endless() -> None:
        await asyncio.sleep(3600)

    @queue.task("odd_names")
    async def odd_names(name: str, priority: str, delay: str) -> list[str]:
        return [name, priority, delay]

    @queue.task("strange")
    async def strange() -> object:
        return object()

    @queue.task("exits", max_retries=0)
    async def exits() -> None:
        raise SystemExit(3)

    @queue.task("reports")
    async def reports() -> str:
        current_task().progress(0.25, "a quarter")
        while ("go",) not in log:  # noqa: ASYNC110 - a list is all that the test and its tasks share
            await asyncio.sleep(0.01)
        return "reported"

    @queue.task("alone", concurrency=1)
    async def alone(tag: int) -> None:
        log.append(("in", tag))
        await asyncio.sleep(0.05)
        log.append(("out", tag))

    @queue.task("each", unique=True)
    async def each(key: str) -> str:
        return key

    @queue.task("tick")
    async def tick() -> None:
        log.append(("tick", time.time()))

    return queue
