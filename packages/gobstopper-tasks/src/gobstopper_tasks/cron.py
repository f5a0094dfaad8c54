"""Cron schedules with time zones, and the loop that fires each tick once in the whole fleet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from .errors import InvalidTask


class CronEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule.

    `expression` has five fields, or six with seconds first; `zone` is an IANA name; `args` go to the task.
    """

    key: str
    task: str
    expression: str
    zone: str = "UTC"
    args: dict[str, Any] = {}

    def next_after(self, moment: float) -> float | None:
        """The first tick after `moment` (seconds since the epoch), or None if there will be none.

        Daylight saving follows Debian's cron, as `cronsim` has it: a job whose hour is skipped runs right after the
        change, one whose hour comes twice runs once, wildcard hours excepted.
        """
        start = datetime.fromtimestamp(moment, UTC).astimezone(zone(self.zone))
        try:
            return next(CronSim(self.expression, start)).timestamp()
        except StopIteration:
            return None


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name; an unknown one raises `InvalidTask`."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidTask(
            f"cron: {name!r} is not a known time zone; use an IANA name such as 'Europe/Vienna'"
        ) from error


def entry(key: str, task: str, expression: str, timezone: str, args: dict[str, Any]) -> CronEntry:
    """A checked entry; a bad expression or time zone raises `InvalidTask`."""
    made = CronEntry(key=key, task=task, expression=expression, zone=timezone, args=args)
    zone(timezone)
    try:
        CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidTask(
            f"cron: {expression!r} of task {task!r} is not a cron expression ({error}); write five fields, "
            "such as '*/5 * * * *'"
        ) from error
    return made


Fire = Callable[[CronEntry, float], Awaitable[object]]


class CronLoop:
    """Fires entries at their ticks.

    Every process runs one. A tick's task has an id derived from its key and time, and adding is idempotent by id: so
    a tick fires once, whoever is first, also over a fail-over. A tick that nobody was awake for is not made up for.
    A clock set back repeats ticks whose ids are known; a clock set forward skips ticks.
    """

    def __init__(self, fire: Fire, clock: Callable[[], float] | None = None) -> None:
        self._fire = fire
        self._clock = clock or _now
        self._next: dict[str, tuple[CronEntry, float]] = {}
        self._wake = asyncio.Event()

    def replace(self, entries: list[CronEntry]) -> None:
        """Set the whole list."""
        now = self._clock()
        self._next = {
            e.key: (e, known[1] if (known := self._next.get(e.key)) and known[0] == e else tick)
            for e in entries
            if (tick := e.next_after(now)) is not None
        }
        self._wake.set()

    def upcoming(self) -> list[tuple[CronEntry, float]]:
        """The entries with their next ticks, soonest first."""
        return sorted(self._next.values(), key=lambda pair: pair[1])

    async def run(self) -> None:
        """Run until cancelled."""
        before = self._clock()
        while True:
            self._wake.clear()
            now = self._clock()
            jumped = now < before - 1 or now > before + 90
            for key, (item, tick) in list(self._next.items()):
                if jumped:
                    tick = item.next_after(now - 1) or tick  # noqa: PLW2901
                if tick <= now:
                    await self._fire(item, tick)
                    tick = item.next_after(max(tick, now)) or 0.0  # noqa: PLW2901
                if tick:
                    self._next[key] = (item, tick)
                else:
                    self._next.pop(key, None)
            before = now
            # At most a second, so that a clock that was set is noticed.
            pause = min((tick - now for _, tick in self._next.values()), default=3600.0)
            try:
                async with asyncio.timeout(max(0.0, min(pause, 1.0))):
                    await self._wake.wait()
            except TimeoutError:
                pass


def _now() -> float:
    return time.time()  # looked up at each call, so that tests can set the clock
