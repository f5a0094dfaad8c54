"""Runs one claim: decode, call, time out, cancel, and turn whatever happens into an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import msgspec

from ._text import storable
from .calls import MOST_BYTES
from .context import TaskContext, _current
from .errors import AbandonTask, RetryTask, TaskStoreUnavailable
from .hooks import Hook, traceparent_id
from .registry import Registry, TaskDefinition
from .task import JSON, Cancelled, Claim, Dead, Done, Outcome, Retry, TaskInfo

log = logging.getLogger("gobstopper.tasks")

_STUBBORN = 5.0  # seconds that a cancelled run may take to unwind before its outcome is decided without it
_MAX_STUCK = 32  # such runs left behind in one process; beyond, a run that does not end keeps its slot
_ERROR_SIZE = 4000

Lookup = Callable[[tuple[str, ...]], Awaitable[list[TaskInfo | None]]]
Report = Callable[[str, float | None, str | None], None]


class Runner:
    """The handler that `TaskQueue` gives to its engine.

    `counters` counts ended runs by `(category, outcome)`, for this process.
    """

    def __init__(self, registry: Registry, lookup: Lookup, report: Report, hooks: list[Hook]) -> None:
        self.registry = registry
        self.lookup = lookup
        self.report = report
        self.hooks = hooks
        self.counters: Counter[tuple[str, str]] = Counter()
        self.stuck = 0

    def start(self, claim: Claim, finished: Callable[[Outcome], None]) -> Run:
        """See `engine.Handler`."""
        return Run(self, claim, finished)


class Run:
    """One claim under way."""

    __slots__ = ("_begun", "_claim", "_context", "_finished", "_reason", "_runner", "_task", "_timer")

    def __init__(self, runner: Runner, claim: Claim, finished: Callable[[Outcome], None]) -> None:
        spec = claim.spec
        self._runner = runner
        self._claim = claim
        self._finished: Callable[[Outcome], None] | None = finished
        self._reason: Outcome | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begun = time.perf_counter()
        self._context = TaskContext(spec.id, spec.name, spec.category, claim.attempt, spec.headers, self._progress)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._execute(), context=contextvars.Context())
        self._task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """See `engine.Running`."""
        self._stop(Cancelled("cancelled while it ran"))

    def give_back(self) -> None:
        """See `engine.Running`."""
        self._stop(Retry(0.0, "given back: its worker stopped", counted=False))

    def _progress(self, value: float | None, note: str | None) -> None:
        self._runner.report(self._claim.spec.id, value, note)

    def _stop(self, reason: Outcome) -> None:
        if self._reason is None:
            self._reason = reason
            self._context._cancelled = True
            self._task.cancel()
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(_STUBBORN, self._leave, reason)

    def _leave(self, reason: Outcome) -> None:
        if self._runner.stuck >= _MAX_STUCK:
            log.error(
                "task %s does not stop, and %d others neither: its slot stays taken", self._claim.spec.id, _MAX_STUCK
            )
            return
        self._runner.stuck += 1
        self._task.add_done_callback(self._left)
        log.error("task %s does not stop; it is left behind", self._claim.spec.id)
        self._finish(reason)

    def _left(self, _: object) -> None:
        self._runner.stuck -= 1

    def _time_out(self, definition: TaskDefinition) -> None:
        text = f"timed out after {definition.timeout:g} s"
        self._stop(self._failed(definition, TimeoutError(text), text))

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        try:
            outcome = task.result()
        except asyncio.CancelledError:
            outcome = self._reason or Cancelled("it cancelled itself")
        except BaseException as error:
            log.exception("task %s: the worker failed", self._claim.spec.id)
            outcome = Dead(f"the worker failed: {error!r}")
        self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        if self._timer:
            self._timer.cancel()
        if self._finished is None:
            return
        finished, self._finished = self._finished, None
        seconds = time.perf_counter() - self._begun
        spec, kind = self._claim.spec, type(outcome).__name__.lower()
        self._runner.counters[spec.category, kind] += 1
        level = {"done": logging.DEBUG, "dead": logging.ERROR, "retry": logging.WARNING}.get(kind, logging.INFO)
        if log.isEnabledFor(level):
            log.log(
                level, "task %s %s: %s in %.3f s%s", spec.name, spec.id, kind, seconds,
                f": {error}" if (error := getattr(outcome, "error", None)) else "",
                extra={
                    "task_id": spec.id, "task": spec.name, "category": spec.category, "attempt": self._claim.attempt,
                    "outcome": kind, "seconds": seconds, "trace_id": traceparent_id(spec.headers),
                },
            )  # fmt: skip
        for hook in self._runner.hooks:
            try:
                hook.finished(self._context, outcome, seconds)
            except Exception:
                log.exception("a task hook failed")
        finished(outcome)

    async def _execute(self) -> Outcome:
        claim = self._claim
        try:
            definition = self._runner.registry.tasks.get(claim.spec.name)
            if definition is None:
                return Dead(f"no task is registered as {claim.spec.name!r} in this worker")
            if claim.crashes >= definition.crashes:
                return Dead(f"it ended its worker {claim.crashes} times")
            args = await self._arguments(definition)
        except TaskStoreUnavailable as error:
            return Retry(1.0, str(error), counted=False)
        except Exception as error:  # noqa: BLE001 - whatever the payload is, the worker goes on
            return Dead(storable(f"its payload does not fit: {error}"))
        return await self._call(definition, args)

    async def _arguments(self, definition: TaskDefinition) -> dict[str, Any]:
        spec = self._claim.spec
        args = msgspec.json.decode(spec.args, type=dict[str, Any])
        if spec.into is not None:
            found = [info.result if info else None for info in await self._runner.lookup(spec.after)]
            args[spec.into] = found if spec.gathered else found[0]
        definition.check(args)
        return args

    async def _call(self, definition: TaskDefinition, args: dict[str, Any]) -> Outcome:
        if definition.timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(definition.timeout, self._time_out, definition)
        _current.set(self._context)
        try:
            with ExitStack() as stack:
                for hook in self._runner.hooks:
                    stack.enter_context(hook.running(self._context))
                if definition.is_async:
                    value = await definition.function(**args)
                else:
                    value = await _in_thread(definition.function, args, lambda: self._reason is not None)
                    if asyncio.iscoroutine(value):
                        value = await value
        except asyncio.CancelledError:
            return self._reason or Cancelled("it cancelled itself")
        except BaseException as error:  # noqa: BLE001 - SystemExit in a task must not end the worker
            if self._reason is not None:
                return self._reason
            return self._failed(definition, error, _describe(error))
        if self._reason is not None and not isinstance(self._reason, Cancelled):
            return self._reason  # it timed out, or was given back, although it then returned
        try:
            encoded = JSON.encode(value)
        except Exception as error:  # noqa: BLE001 - __str__ and the like of the user's objects may raise anything
            return Dead(storable(f"its result cannot be stored as JSON: {error}"))
        if len(encoded) > MOST_BYTES:  # the journal could not take it in, now or later
            return Dead(
                f"its result is {len(encoded):,} bytes of JSON, more than {MOST_BYTES:,}: store it elsewhere, and "
                "return where it is"
            )
        return Done(msgspec.Raw(encoded))

    def _failed(self, definition: TaskDefinition, error: BaseException, text: str) -> Outcome:
        claim = self._claim
        if isinstance(error, AbandonTask):
            return Dead(text)
        if claim.attempt > claim.spec.max_retries:
            return Dead(text)
        asked = error.delay if isinstance(error, RetryTask) else None
        return Retry(definition.backoff.delay(claim.attempt) if asked is None else asked, text)


def _describe(error: BaseException) -> str:
    lines = [f"{type(error).__name__}: {error}"]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        lines.append(f"at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
    return storable(" ".join(lines)[:_ERROR_SIZE])


async def _in_thread(function: Callable[..., Any], args: dict[str, Any], stopping: Callable[[], bool]) -> Any:
    # A daemon thread per run rather than a pool: a thread cannot be interrupted, so one that never ends must hold up
    # neither the others nor the exit of the process. Its slot of the worker stays taken until it ends: the number stays
    # bounded.
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)

    def work() -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = context.run(function, **args)
        except StopIteration as stop:  # a future cannot carry it
            error = RuntimeError(f"the task raised StopIteration({stop})")
        except BaseException as caught:  # noqa: BLE001 - handed over whole
            error = caught
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            log.warning("a task's thread ended after its event loop was closed")

    threading.Thread(target=work, name="gobstopper task", daemon=True).start()
    while True:
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # Stopped by us: wait for the thread's real end, only then is the slot free. By anyone else: the loop ends.
            if not stopping() or future.done():
                raise
