"""Joins calls that are made at the same time into one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Batches"]

_Call = TypeVar("_Call")


class Batches(Generic[_Call]):
    """Collects what the tasks of an event loop ask for, and has it done by one call for all of them.

    A call that finds nothing under way goes at once and alone; what else one turn of the loop brings goes together.
    While `open_at_most` batches are under way the next one gathers.

    Args:
        run: Does a batch, and gives the result of each call in their order; one that is an exception is raised to
            whoever made the call.
        size: Calls in one batch.
        open_at_most: Batches at the same time.
        timeout: Gives the seconds that a batch of several may take; who is alone has a time-out of its own.
    """

    def __init__(
        self,
        run: Callable[[list[_Call]], Awaitable[Sequence[Any]]],
        *,
        size: int = 64,
        open_at_most: int = 4,
        timeout: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._run = run
        self._size = size
        self._open_at_most = open_at_most
        self._timeout = timeout
        self._queue: _Queue[_Call] | None = None

    async def call(self, call: _Call) -> Any:
        """Have a call done. If the caller is cancelled before its batch has begun, it is not done."""
        loop = asyncio.get_running_loop()
        queue = self._queue
        if queue is None or queue.loop is not loop:  # another loop, as in tests: the old one finishes nothing
            queue = self._queue = _Queue(loop)
        if queue.open == 0 and not queue.waiting:
            return await self._alone(queue, call)
        future: asyncio.Future[Any] = loop.create_future()
        queue.waiting.append((call, future))
        self._schedule(queue)
        return await future

    async def _alone(self, queue: _Queue[_Call], call: _Call) -> Any:
        queue.open += 1
        try:
            result = (await self._run([call]))[0]
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
        waiting = [pair for pair in queue.waiting if not pair[1].done()]
        batch, queue.waiting = waiting[: self._size], waiting[self._size :]
        if batch:
            queue.open += 1
            task = queue.loop.create_task(self._together(queue, batch))
            queue.tasks.add(task)
            task.add_done_callback(queue.tasks.discard)
        self._schedule(queue)

    async def _together(self, queue: _Queue[_Call], batch: list[tuple[_Call, asyncio.Future[Any]]]) -> None:
        results: Sequence[Any]
        try:
            async with asyncio.timeout(self._timeout()):
                results = await self._run([call for call, _ in batch])
        except Exception as error:  # noqa: BLE001 - raised where the calls were made
            results = [error] * len(batch)
        except BaseException:  # the loop ends
            for _, future in batch:
                future.cancel()
            raise
        finally:
            queue.open -= 1
            self._schedule(queue)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


class _Queue(Generic[_Call]):
    """What waits in one event loop."""

    __slots__ = ("loop", "open", "scheduled", "tasks", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.open = 0
        self.scheduled = False
        self.tasks: set[asyncio.Task[None]] = set()  # an event loop holds them but weakly
        self.waiting: list[tuple[_Call, asyncio.Future[Any]]] = []
