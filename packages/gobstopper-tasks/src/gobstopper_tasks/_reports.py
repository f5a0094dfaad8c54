"""Progress on its way to the store: of each running task only the last report waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .engine import TaskEngine
from .errors import TaskStoreUnavailable

log = logging.getLogger("gobstopper.tasks")

Latest = tuple[float | None, str | None]


class Reports:
    """Gathers what tasks report, from any thread, and wants to be flushed when it holds something.

    `wanted` is called on the event loop once for each batch.
    """

    def __init__(self, wanted: Callable[[], None]) -> None:
        self._wanted = wanted
        self._latest: dict[str, Latest] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def report(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002 - the field's own name
        """From any thread; never waits."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._note, id, value, note)

    def _note(self, id_: str, value: float | None, note: str | None) -> None:
        idle = not self._latest
        old = self._latest.get(id_, (None, None))
        self._latest[id_] = (old[0] if value is None else value, old[1] if note is None else note)
        if idle:
            self._wanted()

    async def flush(self, engine: TaskEngine) -> None:
        """Tell the engine; what a task reported meanwhile is the next batch."""
        told = dict(self._latest)
        for id_, (value, note) in told.items():
            try:
                await engine.progress(id_, value, note)
            except TaskStoreUnavailable:
                log.debug("progress of %s could not be stored", id_)
        again = {id_: latest for id_, latest in self._latest.items() if told.get(id_) != latest}
        self._latest.clear()
        for id_, (value, note) in again.items():
            self._note(id_, value, note)
