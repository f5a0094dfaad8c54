"""Waiting for the next item of a source without giving up on it: for streams that must not fall silent."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from threading import Lock
from typing import Any, Final

from .threads import STREAMS

__all__ = ["END", "SILENCE", "Pump", "in_threads"]

END: Final = object()
SILENCE: Final = object()


class Pump:
    """Runs a source in one task and hands its items over, one at a time.

    A waiting ``anext`` cannot be interrupted and resumed, so a time-out on it needs a second task. It is one task for
    the whole life of the source, not one for each item: `asyncio.timeout`, task groups and context variables that stay
    open across a ``yield`` then work. Nothing leaves that task: an exception (`SystemExit` too, which would end the
    event loop from there) is kept, and raised by `get` or `close`.

    The source goes on when the next item is asked for, as in a plain ``async for``.

    Args:
        source: an asynchronous iterable, or a plain one, whose items are taken in threads.
    """

    __slots__ = ("_asked", "_error", "_finished", "_item", "_source", "_task", "_waiter")

    def __init__(self, source: AsyncIterable[Any] | Iterable[Any]) -> None:
        self._source = source
        self._item: Any = END
        self._error: BaseException | None = None
        self._finished = False
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._asked = asyncio.Event()

    async def get(self, silence: float | None = None) -> Any:
        """Return the next item, `SILENCE` if there is none for so many seconds (ask again then), or `END`.

        Raises:
            BaseException: what the source raised.
        """
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._task = loop.create_task(self._run())
        if self._item is END and not self._finished:
            self._asked.set()
            self._waiter = loop.create_future()
            timer = None if silence is None else loop.call_later(silence, _wake, self._waiter)
            try:
                await self._waiter
            finally:
                if timer is not None:
                    timer.cancel()
        if self._item is not END:
            item, self._item = self._item, END
            return item
        if not self._finished:
            return SILENCE
        self._raise()
        return END

    async def close(self) -> None:
        """Cancel the source if it is still at work, and return when it is closed.

        Raises:
            BaseException: what the source raised while it was closed, or a cancellation that came meanwhile.
        """
        cancelled: asyncio.CancelledError | None = None
        while self._task is not None and not self._task.done():
            self._task.cancel()
            try:
                await asyncio.wait({self._task})
            except asyncio.CancelledError as error:
                # Not before the source is closed.
                cancelled = error
        if isinstance(self._error, asyncio.CancelledError):
            self._error = None
        self._raise()
        if cancelled is not None:
            raise cancelled

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def _run(self) -> None:
        try:
            source = self._source
            iterator = aiter(source) if isinstance(source, AsyncIterable) else in_threads(iter(source))
            try:
                async for item in iterator:
                    self._asked.clear()
                    self._item = item
                    self._hand_over()
                    await self._asked.wait()
            finally:
                if (aclose := getattr(iterator, "aclose", None)) is not None:
                    await aclose()
        except BaseException as error:  # noqa: BLE001 - raised again by get() or close()
            self._error = error
        self._finished = True
        self._hand_over()

    def _hand_over(self) -> None:
        if self._waiter is not None:
            _wake(self._waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def in_threads(iterator: Iterator[Any]) -> AsyncGenerator[Any, None]:
    """Iterate in threads, one item after the other, with the caller's context variables; closes a generator.

    A cancellation does not wait for an item that is being made: whoever makes it closes the generator then.
    """
    source = _Shared(iterator)
    try:
        while (item := await STREAMS.run(source.next)) is not END:
            yield item
    finally:
        if source.leave():
            await STREAMS.run(source.close)


class _Shared:
    """An iterator between the thread that is at work on it and the loop, which may not wait for that."""

    __slots__ = ("_context", "_iterator", "_left", "_lock", "_working")

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self._context = contextvars.copy_context()
        self._lock = Lock()
        self._working = self._left = False

    def next(self) -> Any:
        with self._lock:
            if self._left:
                return END
            self._working = True
        try:
            return self._context.run(next, self._iterator, END)
        finally:
            if self._stop_working():
                self.close()

    def _stop_working(self) -> bool:
        with self._lock:
            self._working = False
            return self._left

    def leave(self) -> bool:
        """Want no more items; whether the caller has to close it, because nobody is at work on it."""
        with self._lock:
            self._left = True
            return not self._working

    def close(self) -> None:
        if (close := getattr(self._iterator, "close", None)) is not None:
            self._context.run(close)
