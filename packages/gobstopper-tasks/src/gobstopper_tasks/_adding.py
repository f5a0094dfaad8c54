"""Adding tasks: one, many, one after the other, side by side."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ._working import Working
from .calls import Call, Chain, Delay, Group, Options, gathered, make_spec
from .context import running_task
from .cron import CronEntry
from .errors import TaskError, TaskStoreUnavailable
from .hooks import trace_of
from .ids import derived_id
from .task import TaskPriority, TaskSpec

log = logging.getLogger("gobstopper.tasks")

_TICK_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds between attempts to add the task of a cron tick


class Adding(Working):
    """Makes calls, and gives them to the engine."""

    def call(
        self,
        name: str,
        /,
        *,
        args: Mapping[str, Any] | None = None,
        category: str | None = None,
        priority: int = TaskPriority.NORMAL,
        max_retries: int | None = None,
        delay: Delay = None,
        run_at: datetime | float | None = None,
        unique_key: str | None = None,
        idempotency_key: str | None = None,
        always: bool = False,
        into: str | None = None,
        **kwargs: Any,
    ) -> Call:
        """A call for `add_many`, `chain` and `gather`; the options are those of `add`.

        In a chain or as `then` of a group, `into` names the parameter that takes the result before it (a list for a
        group), and with `always` it runs although something before it failed.
        """
        options = Options(
            category, priority, max_retries, delay, run_at, unique_key, idempotency_key, always=always, into=into
        )
        return Call(make_spec(self.registry, name, args, kwargs, options))

    async def add(
        self,
        name: str,
        /,
        *,
        args: Mapping[str, Any] | None = None,
        category: str | None = None,
        priority: int = TaskPriority.NORMAL,
        max_retries: int | None = None,
        delay: Delay = None,
        run_at: datetime | float | None = None,
        unique_key: str | None = None,
        idempotency_key: str | None = None,
        connection: Any = None,
        **kwargs: Any,
    ) -> str:
        """Add a task and return its id once it is durable.

        The keyword arguments are the task's; one that shares its name with an option goes through `args={…}`.
        `category` and `max_retries` default to what it was registered with. It starts at once, `delay` seconds (or a
        timedelta) from now, or at `run_at` (an aware datetime or seconds since the epoch). `unique_key`: while a
        task of this name with that key is not final, its id is returned instead. `idempotency_key`: the same key
        always gives the same task. `connection` (PostgreSQL): an asyncpg connection whose transaction the task
        belongs to.

        Raises `UnknownTask` (no such name registered, and no `category` given), `InvalidTask` (arguments that do not
        fit), `TaskStoreUnavailable` (nothing was acknowledged).
        """
        options = Options(category, priority, max_retries, delay, run_at, unique_key, idempotency_key)
        return (await self._add((make_spec(self.registry, name, args, kwargs, options),), connection))[0]

    enqueue = add

    async def add_many(self, calls: Iterable[Call | Chain], *, connection: Any = None) -> list[str]:
        """Add all of them or none, in one go; the id of each (of a chain: of its last task)."""
        specs: list[TaskSpec] = []
        last: list[int] = []
        for item in calls:
            specs.extend(item.specs() if isinstance(item, Chain) else (item.spec,))
            last.append(len(specs) - 1)
        if not specs:
            return []
        ids = await self._add(specs, connection)
        return [ids[index] for index in last]

    async def chain(self, *calls: Call, connection: Any = None) -> list[str]:
        """Run tasks one after the other; their ids in order."""
        return await self._add(Chain(calls).specs(), connection) if calls else []

    async def gather(self, *calls: Call, then: Call | None = None, connection: Any = None) -> Group:
        """Run tasks side by side, and `then` once all of them are final.

        If one of them did not succeed, `then` is cancelled, unless its call was made with `always`.
        """
        if then is None:
            return Group(await self.add_many(calls, connection=connection))
        ids = await self._add(gathered(list(calls), then), connection)
        return Group(ids[:-1], ids[-1])

    async def _add(self, specs: Sequence[TaskSpec], connection: Any = None) -> list[str]:
        engine = self._engine
        if engine is None or self._pid != os.getpid():
            engine = await self._ready()
        inside = running_task()
        for spec in specs if self._hooks or inside is not None else ():
            spec.headers = {**trace_of(inside), **spec.headers}
            for hook in self._hooks:
                _guarded(hook.inject, spec.headers)
        answers = await engine.enqueue(specs, connection)
        for hook in self._hooks:
            for spec, answer in zip(specs, answers, strict=True):
                _guarded(hook.added, spec, answer.created)
        if self.mode == "eager":
            await self.drain()
        return [answer.id for answer in answers]

    async def _fire(self, entry: CronEntry, tick: float) -> None:
        id_ = derived_id("cron", entry.key, f"{tick:.0f}")
        if not await self._add_tick(entry, id_, log.warning):
            self._spawn(self._fire_again(entry, id_))

    async def _fire_again(self, entry: CronEntry, id_: str) -> None:
        # The id is the tick's own, so that trying again, here and in all other processes, makes one task of it.
        for attempt, pause in enumerate(_TICK_PAUSES, 1):
            await asyncio.sleep(pause)
            if await self._add_tick(entry, id_, log.error if attempt == len(_TICK_PAUSES) else log.debug):
                return

    async def _add_tick(self, entry: CronEntry, id_: str, say: Callable[..., None]) -> bool:
        """False if the store was away: another attempt may do better."""
        try:
            category = None if entry.task in self.registry else "default"
            spec = make_spec(self.registry, entry.task, entry.args, {}, Options(category, id=id_))
            spec.headers = {"cron": entry.key}
            await self._add((spec,))
        except TaskStoreUnavailable as error:
            say("cron %s: the tick could not be added: %s", entry.key, error)
            return False
        except TaskError as error:
            log.error("cron %s: the tick could not be added: %s", entry.key, error)
        except Exception:  # the schedule has to go on, whatever went wrong with one tick
            log.exception("cron %s: the tick could not be added", entry.key)
        return True


def _guarded(function: Callable[..., Any], *args: Any) -> None:
    try:
        function(*args)
    except Exception:
        log.exception("a task hook failed")
