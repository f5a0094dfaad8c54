from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from gobstopper_tasks import CronEntry, InvalidTask
from gobstopper_tasks.cron import CronLoop, entry


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def following(expression: str, zone: str, after: str, count: int) -> list[str]:
    made = entry("k", "t", expression, zone, {})
    moment, found = at(after), []
    for _ in range(count):
        moment = made.next_after(moment)
        found.append(datetime.fromtimestamp(moment, UTC).isoformat()[:16])
    return found


def test_time_zones_and_their_changes() -> None:
    assert following("30 2 * * *", "UTC", "2026-01-01T00:00", 2) == ["2026-01-01T02:30", "2026-01-02T02:30"]
    # Vienna: the 29th of March 2026 has no 02:30, the job runs right after the change; the 25th of October has two,
    # it runs once.
    assert following("30 2 * * *", "Europe/Vienna", "2026-03-28T00:00", 3) == [
        "2026-03-28T01:30",
        "2026-03-29T01:00",
        "2026-03-30T00:30",
    ]
    assert following("30 2 * * *", "Europe/Vienna", "2026-10-24T12:00", 2) == ["2026-10-25T00:30", "2026-10-26T01:30"]
    assert following("*/20 * * * * *", "UTC", "2026-01-01T00:00:01", 1) == ["2026-01-01T00:00"]


def test_what_cannot_be() -> None:
    with pytest.raises(InvalidTask, match="not a cron expression"):
        entry("k", "t", "every tuesday", "UTC", {})
    with pytest.raises(InvalidTask, match="not a known time zone"):
        entry("k", "t", "* * * * *", "Mars/Olympus", {})
    with pytest.raises(InvalidTask, match="day-of-month"):
        entry("k", "t", "0 0 30 2 *", "UTC", {})


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def drive(loop: CronLoop, clock: Clock, moments: list[float]) -> None:
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0)
    for moment in moments:
        clock.now = moment
        loop._wake.set()
        for _ in range(5):
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_ticks_fire_once_and_jumps_do_not_repeat_them() -> None:
    fired: list[tuple[str, float]] = []

    async def fire(item: CronEntry, tick: float) -> None:
        fired.append((item.key, tick))

    start = at("2026-01-01T00:00:30")
    clock = Clock(start)
    loop = CronLoop(fire, clock)
    loop.replace([entry("a", "t", "* * * * *", "UTC", {})])
    assert [item.key for item, _ in loop.upcoming()] == ["a"]
    minute = at("2026-01-01T00:01:00")
    await drive(loop, clock, [start + 10, start + 29, minute, minute + 0.5, minute + 30, minute + 60])
    assert fired == [("a", minute), ("a", minute + 60)]
    fired.clear()
    await drive(loop, clock, [minute + 3661, minute + 3720])  # an hour forward: the skipped ticks are not made up for
    assert fired == [("a", minute + 3720)]
    fired.clear()
    await drive(loop, clock, [minute + 3721, minute + 121, minute + 180])  # and back
    assert fired == [("a", minute + 180)]
    loop.replace([])
    assert loop.upcoming() == []
