"""Joins calls that are made at the same time into one."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from ._cancelling import cancellable, stop

__all__ = ["Batches"]

_Call = TypeVar("_Call")


class Batches(Generic[_Call]):
    """Collects what the tasks of an event loop ask for, and has it done by one call for all of them.

    A call that finds nothing under way goes at once and alone; what else one turn of the loop brings goes together.
    While `open_at_most` batches are under way the next one gathers. A batch ends at the latest when the last of its
    callers has given up: it has no time-out of its own, and leaves nothing at work that nobody waits for.

    Args:
        run: Does a batch, and gives the result of each call in their order; one that is an exception is raised to
            whoever made the call.
        size: Calls in one batch.
        open_at_most: Batches at the same time.
    """

    def __init__(
        self,
        run: Callable[[list[_Call]], Coroutine[Any, Any, Sequence[Any]]],
        *,
        size: int = 64,
        open_at_most: int = 4,
    ) -> None:
        self._run = run
        self._size = size
        self._open_at_most = open_at_most
        self._queue: _Queue[_Call] | None = None

    async def call(self, call: _Call) -> Any:
        """Have a call done. If the caller is cancelled before its batch has begun, it is not done."""
        loop = asyncio.get_running_loop()
        queue = self._queue
        if queue is None or queue.loop is not loop:  # another loop, as in tests: the old one finishes nothing
            queue = self._queue = _Queue(loop)
        if queue.open == 0 and not queue.waiting:
            return await self._alone(queue, call)
        caller = _Caller(call, loop.create_future())
        queue.waiting.append(caller)
        self._schedule(queue)
        try:
            return await caller.future
        except asyncio.CancelledError:
            batch = caller.batch
            if batch is not None:
                batch.left -= 1
                if batch.left == 0 and batch.task is not None:
                    await stop(batch.task)
            raise

    async def _alone(self, queue: _Queue[_Call], call: _Call) -> Any:
        queue.open += 1
        try:
            result = (await cancellable(self._run([call])))[0]
        finally:
            queue.open -= 1
            self._schedule(queue)
        if isinstance(result, Exception):
            raise result
        return result

    def _schedule(self, queue: _Queue[_Call]) -> None:
        if queue.waiting and not queue.scheduled and queue.open < self._open_at_most:
            queue.scheduled = True
            queue.loop.call_soon(self._start, queue)

    def _start(self, queue: _Queue[_Call]) -> None:
        queue.scheduled = False
        # Whoever gave up in the meantime is not served: a write that was answered 503 must not happen later.
        waiting = [caller for caller in queue.waiting if not caller.future.done()]
        callers, queue.waiting = waiting[: self._size], waiting[self._size :]
        if callers:
            queue.open += 1
            batch = _Batch(callers)
            batch.task = task = queue.loop.create_task(self._together(callers))
            queue.tasks.add(task)
            # Not in the task itself, which may be cancelled before its first step.
            task.add_done_callback(functools.partial(self._end, queue))
        self._schedule(queue)

    def _end(self, queue: _Queue[_Call], task: asyncio.Task[None]) -> None:
        queue.tasks.discard(task)
        queue.open -= 1
        if not queue.loop.is_closed():
            self._schedule(queue)

    async def _together(self, callers: list[_Caller[_Call]]) -> None:
        results: Sequence[Any]
        try:
            results = await self._run([caller.call for caller in callers])
        except Exception as error:  # noqa: BLE001 - raised where the calls were made
            results = [error] * len(callers)
        except BaseException:  # all have given up, or the loop ends
            for caller in callers:
                caller.future.cancel()
            raise
        for caller, result in zip(callers, results, strict=True):
            if caller.future.done():
                continue
            if isinstance(result, Exception):
                caller.future.set_exception(result)
            else:
                caller.future.set_result(result)


class _Caller(Generic[_Call]):
    """Who waits for a call."""

    __slots__ = ("batch", "call", "future")

    def __init__(self, call: _Call, future: asyncio.Future[Any]) -> None:
        self.call = call
        self.future = future
        self.batch: _Batch | None = None


class _Batch:
    """Calls that are under way together, and how many of their callers still wait."""

    __slots__ = ("left", "task")

    def __init__(self, callers: Sequence[_Caller[Any]]) -> None:
        self.left = len(callers)
        self.task: asyncio.Task[None] | None = None
        for caller in callers:
            caller.batch = self


class _Queue(Generic[_Call]):
    """What waits in one event loop."""

    __slots__ = ("loop", "open", "scheduled", "tasks", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.open = 0
        self.scheduled = False
        self.tasks: set[asyncio.Task[None]] = set()  # an event loop holds them but weakly
        self.waiting: list[_Caller[_Call]] = []
