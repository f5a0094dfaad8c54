"""A queue's life in one process: made, opened, closed."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, Literal, Self

from ._reports import Reports
from .cron import CronEntry
from .engine import Cap, EngineFactory, TaskEngine
from .errors import InvalidTask, TaskStoreClosed, TaskStoreUnavailable
from .hooks import Hook
from .registry import Registry
from .targets import engine_for, shown
from .task import TaskInfo
from .worker import Runner

Mode = Literal["normal", "manual", "eager"]


def _name(engine: TaskEngine | EngineFactory) -> str:
    return str(getattr(engine, "__qualname__", type(engine).__qualname__)).rpartition(".")[2]


class Opening(ABC):
    """Opens its engine when it is first needed, once for a process and event loop."""

    def __init__(
        self,
        target: str | os.PathLike[str] = "tasks.duckdb",
        *,
        registry: Registry | None = None,
        grace: float = 10.0,
        mode: Mode = "normal",
        engine: TaskEngine | EngineFactory | None = None,
        **options: Any,
    ) -> None:
        # A given engine keeps its tasks where it likes: nobody may look for them where `target` would be.
        self.target = os.fspath(target) if engine is None else f"engine://{_name(engine)}"
        if mode != "normal" and not (self.target == "memory://" or engine is not None):
            raise InvalidTask(f"mode={mode!r} is for tests and needs memory://, not {shown(self.target)!r}")
        self.registry = registry if registry is not None else Registry()
        self.grace = grace
        self.mode: Mode = mode
        self._options = options
        self._given = engine
        self._engine: TaskEngine | None = None
        self._opening: asyncio.Task[TaskEngine] | None = None
        self._closed = False
        self._pid = 0
        self._hooks: list[Hook] = []
        self._reports = Reports(self._flush_soon)
        self._runner = Runner(self.registry, self._results, self._reports.report, self._hooks)
        self._background: set[asyncio.Task[Any]] = set()

    @abstractmethod
    async def _fire(self, entry: CronEntry, tick: float) -> None:
        """Add the task of a cron tick."""

    async def open(self) -> None:
        """Open the store for this process and event loop; a second call does nothing.

        Raises what makes that impossible.
        """
        self._closed = False
        await self._ready()

    async def close(self, grace: float | None = None) -> None:
        """Stop taking tasks, let running ones finish for `grace` seconds, give back the others, and close the store."""
        self._closed = True
        engine, self._engine = self._engine, None
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if engine is None or self._pid != os.getpid():
            return
        await self._reports.flush(engine)
        try:
            await engine.close(self.grace if grace is None else grace)
        finally:
            leftover = list(self._background)
            for task in leftover:
                task.cancel()
            await asyncio.gather(*leftover, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        """True if this process has the store open."""
        return self._engine is not None and self._pid == os.getpid()

    @property
    def caps(self) -> frozenset[Cap]:
        """What the engine can do (once open)."""
        return self._engine.caps if self._engine is not None else frozenset()

    async def _ready(self) -> TaskEngine:
        if self._engine is not None:
            if self._pid != os.getpid():
                raise TaskStoreClosed(
                    "this task queue was opened before a fork; it may be made before, but must be opened in the child"
                )
            return self._engine
        if self._closed:
            raise TaskStoreClosed("this task queue is closed; open() opens it again")
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        finally:
            if opening.done() and self._opening is opening:
                self._opening = None

    async def _open(self) -> TaskEngine:
        engine = self._make_engine()
        self._reports.loop = asyncio.get_running_loop()
        try:
            await engine.open(self.registry)
        except OSError as error:
            raise TaskStoreUnavailable(f"the tasks in {shown(self.target)} cannot be opened: {error}") from error
        self._engine, self._pid = engine, os.getpid()
        if self.registry.schedules and self.mode == "normal":
            await engine.schedules(list(self.registry.schedules.values()))
        return engine

    def _make_engine(self) -> TaskEngine:
        given = self._given
        if given is None:
            return engine_for(self.target, self._fire, dict(self._options))
        return given(self._fire) if callable(given) else given

    async def _results(self, ids: tuple[str, ...]) -> list[TaskInfo | None]:
        return await (await self._ready()).status(list(ids))

    def _flush_soon(self) -> None:
        if self._engine is not None:
            self._spawn(self._reports.flush(self._engine))

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> None:
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
