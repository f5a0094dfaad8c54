"""OpenTelemetry for tasks: a span for each run, in the trace of whoever added the task.

`queue.add_hook(Tracing())`; needs opentelemetry-api, and the SDK with an exporter where spans are to go somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gobstopper_tasks import Hook, Outcome, TaskContext

_CARRIER = TraceContextTextMapPropagator()


class Tracing(Hook):
    """Spans `run <task>` with the task's ids, and a histogram of the seconds they took by outcome.

    `tracers` and `meters` are OpenTelemetry's providers; default: the global ones.
    """

    def __init__(
        self, tracers: trace.TracerProvider | None = None, meters: metrics.MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer("gobstopper.tasks", tracer_provider=tracers)
        meter = metrics.get_meter("gobstopper.tasks", meter_provider=meters)
        self._seconds = meter.create_histogram("gobstopper.task.duration", unit="s")

    def inject(self, headers: dict[str, str]) -> None:
        """The span in which the task is added becomes the parent of its runs; without one, nothing is changed."""
        _CARRIER.inject(headers)

    @contextmanager
    def running(self, task: TaskContext) -> Iterator[None]:
        """A span around the run. What the task raises is recorded on it, and makes it an error."""
        fields: dict[str, str | int] = {
            "messaging.message.id": task.id,
            "gobstopper.task.category": task.category,
            "gobstopper.task.attempt": task.attempt,
        }
        parent = _CARRIER.extract(task.headers)
        with self._tracer.start_as_current_span(f"run {task.name}", parent, SpanKind.CONSUMER, fields) as span:
            try:
                yield
            except Exception:
                raise  # the SDK records it
            except BaseException as stopped:  # cancelled, timed out, or given back: the SDK sees no error there
                span.set_status(Status(StatusCode.ERROR, type(stopped).__name__))
                raise

    def finished(self, task: TaskContext, outcome: Outcome, seconds: float) -> None:
        """Count the run."""
        kind = type(outcome).__name__.lower()
        self._seconds.record(seconds, {"task": task.name, "category": task.category, "outcome": kind})
