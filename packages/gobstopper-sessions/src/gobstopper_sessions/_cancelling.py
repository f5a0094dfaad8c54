"""Cancels what does not always notice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["cancellable", "stop"]

_T = TypeVar("_T")

_AGAIN = 0.04  # seconds; what did notice has long put its connection back by then


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

    Seen twice, as for a moment a time-out within the task looks the same. A task of its own for every command would
    be simpler, and costs a lone read a quarter of its time.
    """

    __slots__ = ("_again", "_before", "_seen", "_task", "_timer")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._before = task.cancelling()
        self._seen = False
        self._again = 0
        self._timer = task.get_loop().call_later(_AGAIN, self._look)

    def _look(self) -> None:
        is_cancelled = self._task.cancelling() > self._before
        if is_cancelled and self._seen:
            self._again += 1
            self._task.cancel()
        self._seen = is_cancelled
        self._timer = self._task.get_loop().call_later(_AGAIN, self._look)

    def end(self) -> None:
        self._timer.cancel()
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
