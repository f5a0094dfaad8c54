"""Cancels what does not always notice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["cancellable", "stop"]

_T = TypeVar("_T")

_AGAIN = 0.04  # seconds; what did notice has long put its connection back by then
_LOOKS = 8  # rounds of the loop; a time-out within the task has ended its own cancellation by then


async def cancellable(work: Coroutine[Any, Any, _T]) -> _T:
    """Await `work`, and end it if the caller is cancelled.

    Before Python 3.12 `asyncio.wait_for` may lose a cancellation that comes while its task ends
    (https://github.com/python/cpython/issues/86296). redis-py sends with it: the command would go on to wait for its
    answer as long as the client's own time-outs and retries allow, far beyond the store's. So somebody has to look,
    and cancel again.
    """
    if sys.version_info >= (3, 12):
        return await work
    task = asyncio.current_task()
    assert task is not None
    watch = _Watch(task)
    try:
        return await work
    finally:
        watch.end()


class _Watch:
    """Cancels a task again that has been cancelled and goes on.

    For a moment a time-out within the task looks the same. So it counts if it was seen through `_LOOKS` rounds of the
    loop, and `_AGAIN` later once more: in a loop that was held up, timer after timer of both may come in one round. A
    task of its own for every command would be simpler, and costs a lone read a quarter of its time.
    """

    __slots__ = ("_again", "_before", "_loop", "_next", "_seen", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._loop = task.get_loop()
        self._before = task.cancelling()
        self._seen = 0
        self._again = 0
        self._next: asyncio.Handle = self._loop.call_later(_AGAIN, self._look)

    def _look(self) -> None:
        self._seen = self._seen + 1 if self._task.cancelling() > self._before else 0
        if self._seen == 2 * _LOOKS:
            self._again += 1
            self._task.cancel()
            self._seen = _LOOKS
        if self._seen % _LOOKS:
            self._next = self._loop.call_soon(self._look)
        else:
            self._next = self._loop.call_later(_AGAIN, self._look)

    def end(self) -> None:
        self._next.cancel()
        for _ in range(self._again):  # or the caller's time-out would take it for somebody else's cancellation
            self._task.uncancel()


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task, again if need be, and let it put its connection away: for `_AGAIN` seconds at most."""
    _cancel(task)
    if not task.done():
        await asyncio.wait([task], timeout=_AGAIN)


def _cancel(task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        task.get_loop().call_later(_AGAIN, _cancel, task)
