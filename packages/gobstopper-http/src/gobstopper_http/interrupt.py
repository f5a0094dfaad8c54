"""Cancelling a task for a reason, and the registry of what a stopping server has to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakKeyDictionary

from .errors import ClientDisconnected

if TYPE_CHECKING:
    from .request import Request

__all__ = ["Drain", "Interrupt", "drain_of", "watch_client"]


class Interrupt:
    """Cancels the task that entered it, once, and turns that cancellation into another exception.

    A cancellation that came from elsewhere goes through unchanged, even if it came at the same time.
    """

    __slots__ = ("_cancelling", "_error", "_task")

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    @property
    def fired(self) -> bool:
        """Whether it was fired, and what runs inside has not ended yet."""
        return self._error is not None

    def fire(self, error: BaseException) -> None:
        """Cancel what runs inside; it ends with `error`. A second call, or one after the end, does nothing."""
        if self._task is not None and self._error is None:
            self._error = error
            self._task.cancel()

    def __enter__(self) -> Self:
        self._task = task = asyncio.current_task()
        self._cancelling = 0 if task is None else task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        fired, self._error = self._error, None
        if fired is not None and task is not None:
            alone = task.uncancel() <= self._cancelling
            if alone and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise fired from None


async def watch_client(request: Request, gone: Interrupt) -> None:
    """Fire `gone` when the client of `request` goes away."""
    await request.proto.client_disconnect()
    gone.fire(ClientDisconnected(f"the client of {request.method} {request.path} has gone"))


class Drain:
    """What has to be told when the server stops: server-sent event streams and WebSockets, which end only when told.

    `begin` calls every callback that was added, once; what is added afterwards is called at once.
    """

    __slots__ = ("__weakref__", "_callbacks", "draining")

    def __init__(self) -> None:
        self.draining = False
        self._callbacks: dict[int, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._callbacks)

    def add(self, owner: object, callback: Callable[[], None]) -> None:
        """Call `callback` when draining begins, until `discard(owner)`."""
        self._callbacks[id(owner)] = callback
        if self.draining:
            callback()

    def discard(self, owner: object) -> None:
        """Forget the callback of `owner`."""
        self._callbacks.pop(id(owner), None)

    def begin(self) -> None:
        """Tell everyone that the server stops."""
        self.draining = True
        for callback in list(self._callbacks.values()):
            callback()


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Drain] = WeakKeyDictionary()


def drain_of(loop: asyncio.AbstractEventLoop) -> Drain:
    """The `Drain` of `loop`, made when first asked for."""
    if (found := _of_loop.get(loop)) is None:
        found = _of_loop[loop] = Drain()
    return found
