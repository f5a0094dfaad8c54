"""What a queue is told once, when the program starts: tasks, schedules, limits, hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ._opening import Opening
from .cron import CronEntry
from .hooks import Hook
from .registry import DEFAULT_TIMEOUT, Limit, TaskDefinition
from .retry import Backoff

F = TypeVar("F", bound=Callable[..., Any])


class Registering(Opening):
    """Takes tasks, and what belongs to them."""

    def task(
        self,
        name: str | None = None,
        category: str = "default",
        *,
        max_retries: int = 3,
        timeout: float | None = DEFAULT_TIMEOUT,
        backoff: Backoff | float | None = None,
        unique: bool | Callable[..., str] = False,
        cron: str | None = None,
        timezone: str = "UTC",
        concurrency: int | None = None,
        rate: int | None = None,
        per: float = 1.0,
        result_ttl: float = 86_400.0,
        max_crashes: int = 3,
    ) -> Callable[[F], F]:
        """Register a function, sync or async, as a task; it stays callable.

        `name` defaults to the function's. After a failure it is tried again `max_retries` times, waiting as
        `backoff` says (a `Backoff`, or a constant number of seconds). `timeout` is in seconds for one run (None: no
        limit). With `unique`, no second task with the same arguments (or the same text that a function makes of
        them) is added while one is not final. `cron` adds it without arguments at those times. `concurrency` limits
        how many run at once, `rate` how many start within `per` seconds. The result is kept for `result_ttl`
        seconds. A task that ended its worker `max_crashes` times is a dead letter.
        """

        def register(function: F) -> F:
            limit = Limit(concurrency, rate, per) if concurrency is not None or rate is not None else None
            label = name if name is not None else function.__name__
            definition = TaskDefinition(
                function, label, category, max_retries, timeout, backoff, unique, limit, result_ttl, max_crashes
            )
            self.registry.add(definition)
            if cron is not None:
                definition.check({})
                self.schedule(label, cron, timezone=timezone)
            return function

        return register

    def schedule(
        self,
        task: str,
        expression: str,
        *,
        timezone: str = "UTC",
        args: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> CronEntry:
        """Add the task at the times of a cron expression, in an IANA time zone: each tick once in the whole fleet.

        The same `key` replaces an entry. Every process that opens the queue should register the same schedules.
        """
        if task in self.registry:
            self.registry[task].check(args or {})
        made = self.registry.schedule(task, expression, timezone, args or {}, key)
        if self._engine is not None:
            self._spawn(self._engine.schedules(list(self.registry.schedules.values())))
        return made

    def limit(
        self, category: str, *, concurrency: int | None = None, rate: int | None = None, per: float = 1.0
    ) -> None:
        """Limit a category in the whole fleet (`Cap.LIMITS`); call it before `start_workers`."""
        self.registry.category_limits[category] = Limit(concurrency, rate, per)

    def add_hook(self, hook: Hook) -> None:
        """Join in logging, tracing or metrics."""
        self._hooks.append(hook)

    @property
    def counters(self) -> Mapping[tuple[str, str], int]:
        """Runs that ended in this process by `(category, outcome)`; outcomes are done, retry, dead and cancelled."""
        return self._runner.counters
