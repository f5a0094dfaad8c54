"""One coarse timer for every time-out: of handlers, of bodies that do not arrive, of idle WebSockets.

`asyncio.timeout` costs two microseconds a use; this costs one entry in a dict. The price is precision: a deadline is
noticed up to one tick late. Nothing runs in a child task for it (a `SystemExit` in a child task ends the server).
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["EXPIRED", "TICK", "Cancellable", "Deadlines", "Timed", "deadlines_of"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

TICK = 0.5
"""Seconds between two looks at the clock."""

EXPIRED = -1.0
"""The deadline of what was cancelled for it."""


class Timed(Protocol):
    """What can have a deadline: a request, a WebSocket, a block of code."""

    deadline: float
    """Loop time in seconds at which the task is cancelled; `math.inf` for never, `EXPIRED` once it was."""

    def overdue(self) -> None:
        """Called once, if the task still runs one tick after it was cancelled: it swallowed the cancellation."""


class Cancellable(Protocol[_T_co]):
    """A future, or what stands for one: the awaitables of the server, which can be cancelled as futures can."""

    def __await__(self) -> Generator[Any, Any, _T_co]: ...
    def cancel(self) -> bool:
        """Cancel it, and so wake who awaits it; `False` if it is done."""
        ...


class _Block:
    __slots__ = ("deadline",)

    def __init__(self) -> None:
        self.deadline = inf

    def overdue(self) -> None:
        """Nothing to answer for a block of code."""


class Deadlines:
    """The deadlines of one event loop: `entries[task]` says until when `task` may run.

    The timer runs while there is an entry, or while it is pinned. `now` is the loop time of the last tick, good enough
    to compute a deadline from and cheaper than asking the loop; true only while the timer runs.
    """

    __slots__ = ("__weakref__", "_handle", "_loop", "_waits", "entries", "now", "pinned")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self.entries: dict[asyncio.Task[Any], Timed] = {}
        self._waits: dict[Cancellable[Any], float] = {}
        self.pinned = False
        self.now = loop.time()

    def start(self) -> None:
        """Start the timer if it stands still; costs nothing if it runs."""
        if self._handle is None:
            self.now = self._loop.time()
            self._handle = self._loop.call_later(TICK, self._tick)

    def pin(self) -> None:
        """Keep the timer running, for a server that sets a deadline with every request."""
        self.pinned = True
        self.start()

    def stop(self) -> None:
        """Stop the timer, pinned or not; the entries stay and wait for `start`."""
        self.pinned = False
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _tick(self) -> None:
        self.now = now = self._loop.time()
        # First, so that nothing that goes wrong below stops the clock.
        lives = self.entries or self._waits or self.pinned
        self._handle = self._loop.call_later(TICK, self._tick) if lives else None
        for task, timed in list(self.entries.items()):
            deadline = timed.deadline
            if deadline == EXPIRED:
                timed.deadline = inf
                timed.overdue()
            elif deadline <= now:
                timed.deadline = EXPIRED
                task.cancel()
        for awaitable, deadline in list(self._waits.items()):
            # Nothing is left to cancel of what is there already, or whose task was cancelled.
            if EXPIRED < deadline <= now and awaitable.cancel():
                self._waits[awaitable] = EXPIRED

    async def wait(self, awaitable: Cancellable[_T], seconds: float) -> _T:
        """Await for at most `seconds` what can be cancelled by itself: a future, or what the server returned.

        Cheaper than `within`, and the task may be any: it is the awaitable that is cancelled, not the task.

        Raises:
            TimeoutError: when the time is over. In a task that is being cancelled, that goes through unchanged.
        """
        if self._handle is None:
            self.start()
        self._waits[awaitable] = self._loop.time() + seconds
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._waits[awaitable] == EXPIRED and not _is_cancelled():
                raise TimeoutError(f"nothing happened for {seconds:g} seconds") from None
            raise
        finally:
            del self._waits[awaitable]
            # Granian's awaitable keeps its exception where the collector does not look: a frame of the traceback that
            # held the awaitable would never be freed, nor the request.
            del awaitable

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give the current task `seconds` for what is inside, or what is left of a deadline around it.

        Raises:
            TimeoutError: when the time of this block is over. If a deadline around it passes, the cancellation goes
                through unchanged.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("Deadlines.within is for code that runs in a task of this loop")
        self.start()
        timed = self.entries.get(task)
        if owned := timed is None:
            timed = self.entries[task] = _Block()
        outer = timed.deadline
        timed.deadline = min(outer, self._loop.time() + seconds)
        inner = timed.deadline < outer
        cancelling = task.cancelling()
        try:
            yield
        except asyncio.CancelledError:
            if inner and timed.deadline == EXPIRED and task.uncancel() <= cancelling:
                raise TimeoutError(f"nothing happened for {seconds:g} seconds") from None
            raise
        finally:
            if owned:
                del self.entries[task]
            elif inner:
                timed.deadline = outer


def _is_cancelled() -> bool:
    """Whether somebody wants the current task to end: that must not be lost if it comes with a time-out."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Deadlines] = WeakKeyDictionary()


def deadlines_of(loop: asyncio.AbstractEventLoop) -> Deadlines:
    """The `Deadlines` of `loop`, made when first asked for."""
    if (found := _of_loop.get(loop)) is None:
        found = _of_loop[loop] = Deadlines(loop)
    return found
