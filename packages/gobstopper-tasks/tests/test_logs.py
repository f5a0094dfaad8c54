from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gobstopper_tasks import TaskQueue
from gobstopper_tasks.hooks import Hook
from gobstopper_tasks.logs import TaskLogFilter, add_task, task_fields

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Traced(Hook):
    def inject(self, headers: dict[str, str]) -> None:
        headers["traceparent"] = f"00-{TRACE}-00f067aa0ba902b7-01"


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[logging.LogRecord] = []
        self.addFilter(TaskLogFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)


@pytest.fixture
def records() -> Iterator[Records]:
    handler = Records()
    logger = logging.getLogger("shop.mail")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def ids(record: logging.LogRecord) -> tuple[object, ...]:
    return tuple(getattr(record, name) for name in ("task_id", "task", "category", "attempt", "trace_id"))


async def test_lines_of_a_tasks_own_code_name_it_also_in_threads(records: Records) -> None:
    log = logging.getLogger("shop.mail")
    async with TaskQueue("memory://") as queue:
        queue.add_hook(Traced())

        @queue.task("sends", category="mail")
        async def sends() -> None:
            await asyncio.sleep(0.01)
            log.info("from a coroutine")
            await asyncio.to_thread(log.info, "from a thread of its own")

        @queue.task("blocks", category="mail")
        def blocks() -> None:
            log.info("from a sync task")

        await queue.start_workers("mail", 2)
        first, second = await queue.add("sends"), await queue.add("blocks")
        await queue.result(first, 5)
        await queue.result(second, 5)
    log.info("outside")
    found = {record.getMessage(): ids(record) for record in records.lines}
    assert found == {
        "from a coroutine": (first, "sends", "mail", 1, TRACE),
        "from a thread of its own": (first, "sends", "mail", 1, TRACE),
        "from a sync task": (second, "blocks", "mail", 1, TRACE),
        "outside": (None,) * 5,
    }


async def test_tasks_at_the_same_time_keep_their_lines_apart(records: Records) -> None:
    log = logging.getLogger("shop.mail")
    async with TaskQueue("memory://") as queue:

        @queue.task("t")
        def t(n: int) -> None:
            for _ in range(20):
                log.info("%d", n)

        await queue.start_workers("default", 4)
        tasks = {str(n): await queue.add("t", n=n) for n in range(8)}
        for id_ in tasks.values():
            await queue.result(id_, 5)
    assert len(records.lines) == 160
    assert all(record.task_id == tasks[record.getMessage()] for record in records.lines)  # type: ignore[attr-defined]


async def test_structlog_lines_have_the_fields_too() -> None:
    lines: list[str] = []
    logger = structlog.wrap_logger(
        type("Sink", (), {"info": staticmethod(lines.append)})(), [add_task, structlog.processors.JSONRenderer()]
    )
    async with TaskQueue("memory://") as queue:

        @queue.task("t")
        def t() -> None:
            logger.info("one")
            logger.info("two", task="my own word")

        await queue.start_workers()
        id_ = await queue.add("t")
        await queue.result(id_, 5)
    logger.info("outside")
    one, two, outside = map(json.loads, lines)
    assert (one["task_id"], one["task"], one["attempt"]) == (id_, "t", 1)
    assert "trace_id" not in one
    assert two["task"] == "my own word"
    assert outside == {"event": "outside"}


def test_a_record_keeps_what_it_has(records: Records) -> None:
    logging.getLogger("shop.mail").info("ended", extra={"task_id": "known", "trace_id": "t"})
    assert ids(records.lines[0]) == ("known", None, None, None, "t")
    assert task_fields() == {}
