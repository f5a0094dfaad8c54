"""Pages, counts, SQL and hooks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .. import Cap, Hook, TaskContext, TaskQueue, TaskStoreClosed, Unsupported, current_task
from ._base import PATIENCE, Suite, needs, reaches, until


class Asking(Suite):
    """What is told about tasks."""

    async def test_query_gives_pages(self, queue: TaskQueue) -> None:
        await queue.start_workers("other", 2)
        waiting = [await queue.add("add_up", a=n) for n in range(5)]
        ended = [await queue.add("twice", value=n, category="other") for n in range(3)]
        for id_ in ended:
            await queue.wait(id_, PATIENCE)
        found, cursor = await queue.query(limit=3)
        pages = [info.id for info in found]
        while cursor is not None:
            found, cursor = await queue.query(limit=3, cursor=cursor)
            pages += [info.id for info in found]
        assert pages == sorted(waiting + ended, reverse=True)
        assert {i.id for i in (await queue.query(status="pending"))[0]} == set(waiting)
        assert {i.id for i in (await queue.query(status="succeeded"))[0]} == set(ended)
        assert {i.id for i in (await queue.query(category="other"))[0]} == set(ended)
        assert {i.id for i in (await queue.query(name="twice"))[0]} == set(ended)
        stats = await queue.stats()
        assert stats["default"]["pending"] == 5
        assert stats["other"]["succeeded"] == 3

    async def test_history_answers_sql(self, queue: TaskQueue) -> None:
        needs(queue, Cap.SQL)
        await queue.start_workers("default", 2)
        ids = [await queue.add("add_up", a=n) for n in range(3)] + [await queue.add("hopeless")]
        for id_ in ids:
            await queue.wait(id_, PATIENCE)
        rows = await queue.sql("SELECT name, status, count(*) AS n FROM tasks GROUP BY name, status ORDER BY name")
        assert rows == [
            {"name": "add_up", "status": "succeeded", "n": 3},
            {"name": "hopeless", "status": "failed", "n": 1},
        ]
        for bad in ("DELETE FROM tasks", "SELECT 1; SELECT 2", "DROP VIEW tasks"):
            with pytest.raises(ValueError, match="SELECT"):
                await queue.sql(bad)
        with pytest.raises(ValueError, match="does not work"):
            await queue.sql("SELECT nothing FROM nowhere")

    async def test_who_waits_is_told_when_the_queue_closes(self, queue: TaskQueue) -> None:
        id_ = await queue.add("add_up", a=1)
        waiting = [asyncio.create_task(queue.wait(id_)), asyncio.create_task(queue.wait(id_, 600))]
        await asyncio.sleep(0.3)
        await queue.close()
        for outcome in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE):
            assert isinstance(outcome, TaskStoreClosed)

    async def test_what_it_cannot_do_it_says(self, queue: TaskQueue) -> None:
        if Cap.SQL not in queue.caps:
            with pytest.raises(Unsupported):
                await queue.sql("SELECT 1")
        if Cap.TRANSACTION not in queue.caps:
            with pytest.raises(Unsupported):
                await queue.add("add_up", a=1, connection=object())

    async def test_hooks_see_each_run(self, queue: TaskQueue) -> None:
        seen: list[Any] = []

        class Trace(Hook):
            def inject(self, headers: dict[str, str]) -> None:
                headers["traceparent"] = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

            def finished(self, task: TaskContext, outcome: Any, seconds: float) -> None:
                seen.append((task.name, task.headers["traceparent"][3:35], type(outcome).__name__))

        queue.add_hook(Trace())
        await queue.start_workers("default", 1)
        await queue.wait(await queue.add("add_up", a=1), PATIENCE)
        assert seen == [("add_up", "a" * 32, "Done")]
        assert queue.counters["default", "done"] == 1

    async def test_a_trace_goes_on_in_what_a_task_adds(self, queue: TaskQueue) -> None:
        traces: list[dict[str, str]] = []

        @queue.task("inner")
        async def inner() -> None:
            traces.append(dict(current_task().headers))

        @queue.task("outer")
        async def outer() -> None:
            traces.append(dict(current_task().headers))
            await queue.add("inner")

        given = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": "vendor=1"}

        class Trace(Hook):
            def inject(self, headers: dict[str, str]) -> None:
                if not traces:
                    headers.update(given)

        queue.add_hook(Trace())
        await queue.start_workers("default", 2)
        await queue.add("outer")
        await until(lambda: len(traces) == 2)
        assert traces == [given, given]

    async def test_runs_are_counted_by_category_and_outcome(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 2)
        await queue.start_workers("other", 2)
        for name, category in (("add_up", "other"), ("fails", "default"), ("slow", "other")):
            id_ = await queue.add(name, args={"a": 1} if name == "add_up" else {}, category=category)
            if name == "slow":
                await reaches(queue, id_, "running")
                await queue.cancel(id_)
            await queue.wait(id_, PATIENCE)
        await until(lambda: ("other", "cancelled") in queue.counters)
        assert dict(queue.counters) == {
            ("other", "done"): 1, ("default", "retry"): 2, ("default", "dead"): 1, ("other", "cancelled"): 1,
        }  # fmt: skip
