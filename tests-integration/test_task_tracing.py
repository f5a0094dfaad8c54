"""The hooks carry OpenTelemetry: the example with the real SDK."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gobstopper_tasks import TaskQueue, current_task

EXAMPLE = Path(__file__).parents[1] / "examples" / "tasks" / "tracing.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("tracing_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Spans:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.hook = load().Tracing(self.provider, MeterProvider([self.reader]))
        self.tracer = self.provider.get_tracer("test")

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def spans() -> Spans:
    return Spans()


def ids(span: Any) -> tuple[int, int]:
    return span.get_span_context().trace_id, span.get_span_context().span_id


async def test_a_run_is_a_span_in_the_trace_of_who_added_it(spans: Spans) -> None:
    inside: list[tuple[str, tuple[int, int]]] = []
    async with TaskQueue("memory://") as queue:
        queue.add_hook(spans.hook)

        @queue.task("child")
        def child() -> None:
            inside.append((threading.current_thread().name, ids(trace.get_current_span())))

        @queue.task("parent", category="families")
        async def parent() -> str:
            return await queue.enqueue("child")

        await queue.start_workers("default", 1)
        await queue.start_workers("families", 1)
        with spans.tracer.start_as_current_span("request") as request:
            id_ = await queue.add("parent")
        await queue.result(await queue.result(id_, 5), 5)
        assert not trace.get_current_span().get_span_context().is_valid
    (first,), (second,) = spans.named("run parent"), spans.named("run child")
    trace_id, root = ids(request)
    assert first.parent is not None
    assert second.parent is not None
    assert (first.parent.trace_id, first.parent.span_id) == (trace_id, root)
    assert (second.parent.trace_id, second.parent.span_id) == (trace_id, ids(first)[1])
    assert first.attributes == {
        "messaging.message.id": id_, "gobstopper.task.category": "families", "gobstopper.task.attempt": 1,
    }  # fmt: skip
    assert first.status.is_ok
    assert inside == [("gobstopper task", ids(second))], "the span is the current one in a sync task's thread too"


async def test_every_failed_run_is_an_error_and_its_retries_share_the_parent(spans: Spans) -> None:
    async with TaskQueue("memory://") as queue:
        queue.add_hook(spans.hook)

        @queue.task("fails", max_retries=1, backoff=0.01)
        async def fails() -> None:
            if current_task().attempt == 1:
                raise ValueError("not yet")

        @queue.task("hangs", timeout=0.05, max_retries=0)
        async def hangs() -> None:
            await asyncio.sleep(30)

        await queue.start_workers("default", 2)
        with spans.tracer.start_as_current_span("request") as request:
            retried, hung = await queue.add("fails"), await queue.add("hangs")
        await queue.wait(retried, 5)
        await queue.wait(hung, 5)
    first, second = spans.named("run fails")
    assert not first.status.is_ok
    assert first.status.description == "ValueError: not yet"
    assert [event.name for event in first.events] == ["exception"]
    assert second.status.is_ok
    assert [span.parent and span.parent.span_id for span in (first, second)] == [ids(request)[1]] * 2
    (timed_out,) = spans.named("run hangs")
    assert not timed_out.status.is_ok
    data: Any = spans.reader.get_metrics_data()
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    counts = {(point.attributes["task"], point.attributes["outcome"]): point.count for point in points}
    assert counts == {("fails", "retry"): 1, ("fails", "done"): 1, ("hangs", "dead"): 1}


async def test_a_task_that_nobody_traced_starts_a_trace(spans: Spans) -> None:
    async with TaskQueue("memory://") as queue:
        queue.add_hook(spans.hook)

        @queue.task("t")
        async def t() -> None: ...

        await queue.start_workers()
        await queue.result(await queue.add("t"), 5)
    (span,) = spans.named("run t")
    assert span.parent is None
