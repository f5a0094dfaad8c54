"""The worker side of an engine that is handed its claims: handlers by category, and what runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..engine import Handler, Running
from ..task import Claim, Outcome, Retry

log = logging.getLogger("gobstopper.tasks")

Report = Callable[[Claim, Outcome], None]


class Slots:
    """Runs claims through the handlers of their categories and reports each outcome once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._handlers: dict[str, Handler] = {}
        self.capacity: dict[str, int] = {}
        self.runs: dict[str, tuple[Claim, Running]] = {}
        self._idle: asyncio.Future[None] | None = None

    def add(self, category: str, concurrency: int, handler: Handler) -> int:
        """Serve a category with `concurrency` more slots; gives their new number."""
        self._handlers[category] = handler
        self.capacity[category] = self.capacity.get(category, 0) + concurrency
        return self.capacity[category]

    def remove(self, category: str, concurrency: int) -> int:
        """Take slots away again; what runs goes on."""
        self.capacity[category] = max(0, self.capacity.get(category, 0) - concurrency)
        return self.capacity[category]

    def start(self, claim: Claim) -> None:
        """Run a claim."""
        handler = self._handlers.get(claim.spec.category)
        if handler is None or claim.spec.id in self.runs:
            self._report(claim, Retry(1.0, counted=False))
            return
        self.runs[claim.spec.id] = (claim, handler.start(claim, lambda outcome: self._ended(claim, outcome)))

    def cancel(self, id: str) -> None:  # noqa: A002 - the field's own name
        """Ask a run to stop."""
        if (found := self.runs.get(id)) is not None:
            found[1].cancel()

    def _ended(self, claim: Claim, outcome: Outcome) -> None:
        self.runs.pop(claim.spec.id, None)
        self._report(claim, outcome)
        if not self.runs and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def finish(self, grace: float) -> None:
        """Let what runs end within `grace` seconds, then stop it and give it back."""
        if not await self._until_idle(grace):
            log.warning("%d tasks did not end within %.1f s and are given back", len(self.runs), grace)
            for _, running in list(self.runs.values()):
                running.give_back()
            # A run that ignores being stopped is left to its time limit in the worker.
            await self._until_idle(6.0)

    async def _until_idle(self, seconds: float) -> bool:
        if not self.runs:
            return True
        self._idle = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._idle
        except TimeoutError:
            return not self.runs
        return True
