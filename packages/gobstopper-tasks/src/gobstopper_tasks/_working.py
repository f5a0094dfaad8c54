"""Running a queue's tasks in this process."""

from __future__ import annotations

import asyncio
import logging

from ._opening import Opening
from .engine import TaskEngine
from .errors import InvalidTask, TaskStoreUnavailable

log = logging.getLogger("gobstopper.tasks")


class Working(Opening):
    """Keeps workers going, whatever happens to the store."""

    async def start_workers(self, category: str = "default", worker_count: int = 1) -> None:
        """Run tasks of a category in this process, `worker_count` at once (added to what was started before)."""
        if worker_count < 1:
            raise InvalidTask(f"worker_count={worker_count} for {category!r}: at least 1")
        engine = await self._ready()
        if self.mode != "normal":
            return
        self._spawn(self._work(engine, category, worker_count), f"tasks {category}")
        await asyncio.sleep(0)

    async def _work(self, engine: TaskEngine, category: str, count: int) -> None:
        pause = 0.1
        while True:
            try:
                await engine.run(category, count, self._runner)
            except TaskStoreUnavailable as error:
                log.warning("workers of %s wait for the store: %s", category, error)
            except Exception:
                log.exception("workers of %s failed and start again in %.1f s", category, pause)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def drain(self) -> int:
        """Run what is ready now, in this process, and whatever becomes ready by it; for tests. The number of runs."""
        engine = await self._ready()
        before = sum(self._runner.counters.values())
        served: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                stats = await engine.stats()
                for category, counts in stats.items():
                    if counts.get("pending") and category not in served:
                        served[category] = asyncio.create_task(engine.run(category, 1, self._runner))
                if not any(counts.get("pending") or counts.get("running") for counts in stats.values()):
                    return sum(self._runner.counters.values()) - before
                await asyncio.sleep(0.0005)
        finally:
            for task in served.values():
                task.cancel()
            await asyncio.gather(*served.values(), return_exceptions=True)
