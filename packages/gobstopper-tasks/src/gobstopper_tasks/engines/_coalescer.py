"""Calls of `add` that are made while one is under way go together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ..errors import TaskStoreClosed, TaskStoreUnavailable
from ..task import Enqueued, TaskSpec

_BATCH = 1000  # calls that go together at the most
_WRITERS = 2  # round trips under way at once

Add = Callable[[Sequence[TaskSpec]], Awaitable[list[Enqueued]]]
Waiting = tuple[Sequence[TaskSpec], "asyncio.Future[list[Enqueued]]"]


class Coalescer:
    """Gathers what many callers add; `add` stores all that it is given, or none."""

    def __init__(self, add: Add) -> None:
        self._add = add
        self._waiting: list[Waiting] = []
        self._writers: set[asyncio.Task[None]] = set()

    async def add(self, specs: Sequence[TaskSpec]) -> list[Enqueued]:
        """As `add`; what one caller does wrong is told to that caller alone."""
        future: asyncio.Future[list[Enqueued]] = asyncio.get_running_loop().create_future()
        self._waiting.append((specs, future))
        if len(self._writers) < _WRITERS:
            writer = asyncio.create_task(self._write())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await future

    async def close(self) -> None:
        """Refuse what was not stored yet: nobody may wait for ever."""
        for writer in list(self._writers):
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)
        self._refuse(self._waiting)
        self._waiting = []

    @staticmethod
    def _refuse(batch: list[Waiting]) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(TaskStoreClosed("the task queue was closed before the task was stored"))

    async def _write(self) -> None:
        await asyncio.sleep(0)  # the other callers of this tick
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                await self._store(batch)
            except asyncio.CancelledError:
                self._refuse(batch)
                raise

    async def _store(self, batch: list[Waiting]) -> None:
        try:
            answers = await self._add([spec for specs, _ in batch for spec in specs])
        except Exception as error:  # noqa: BLE001 - raised again in the callers
            if len(batch) > 1 and not isinstance(error, TaskStoreUnavailable):
                for one in batch:
                    await self._store([one])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        at = 0
        for specs, future in batch:
            if not future.done():
                future.set_result(answers[at : at + len(specs)])
            at += len(specs)
