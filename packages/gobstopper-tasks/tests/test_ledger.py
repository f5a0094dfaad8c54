from __future__ import annotations

import time

from gobstopper_tasks import TaskSpec, TaskStatus
from gobstopper_tasks.engines._ledger import Ledger
from gobstopper_tasks.engines._record import Record
from gobstopper_tasks.ids import task_id

WEEK = 604_800.0


def spec(key: str, *, delay: float = 0.0) -> TaskSpec:
    now = time.time()
    return TaskSpec(id=task_id(), name="any", category="any", idempotency_key=key, added_at=now, due=now + delay)


def test_a_task_that_waits_longer_than_the_history_keeps_its_key() -> None:
    ledger = Ledger()
    late, soon = spec("late", delay=2 * WEEK), spec("soon")
    for one in (late, soon):
        ledger.admit(ledger.reserve(one), time.time(), 0.0)
    ended, _ = ledger.take("any", 0.0)
    assert ended is not None
    ledger.start(ended, 1, "session", time.time())
    ledger.finish(ended, TaskStatus.SUCCEEDED, None, None, time.time())
    for moment in (time.time() + 1, time.time() + WEEK, time.time() + WEEK + 4000):
        ledger.forget_keys(moment)
        assert ledger.known(spec("late")) == late.id
    assert ledger.known(spec("soon")) is None


def named(category: str) -> TaskSpec:
    return TaskSpec(id=task_id(), name="limited", category=category, added_at=time.time())


def held_back(*categories: str) -> tuple[Ledger, list[Record]]:
    """Tasks of one name, of which one may run at a time; the first one does, the others were asked for in vain."""
    ledger = Ledger()
    ledger.set_limits({"task:limited": (1, None, 1.0)})
    records = [ledger.reserve(named(category)) for category in categories]
    for record in records:
        ledger.admit(record, time.time(), 0.0)
    first, _ = ledger.take(categories[0], 0.0)
    assert first is records[0]
    ledger.start(first, 1, "session", time.time())
    for category in categories:
        assert ledger.take(category, 0.0)[0] is None
    ledger.woken.clear()
    return ledger, records


def test_room_made_in_one_category_is_told_to_the_one_that_waits() -> None:
    ledger, (first, second) = held_back("a", "b")
    ledger.finish(first, TaskStatus.SUCCEEDED, None, None, time.time())
    assert ledger.woken == {"b"}
    assert ledger.take("b", 0.0)[0] is second


def test_room_made_for_a_task_that_is_cancelled_goes_to_the_next() -> None:
    ledger, (first, second, third) = held_back("a", "b", "b")
    ledger.finish(first, TaskStatus.SUCCEEDED, None, None, time.time())
    second.cancelling = True
    assert ledger.take("b", 0.0)[0] is third


def test_a_higher_limit_lets_all_go_that_it_allows() -> None:
    ledger, (_, *others) = held_back("a", "b", "b", "b")
    ledger.set_limits({"task:limited": (3, None, 1.0)})
    assert ledger.woken == {"b"}
    for other in others[:2]:
        assert ledger.take("b", 0.0)[0] is other
        ledger.start(other, 1, "session", time.time())
    assert ledger.take("b", 0.0)[0] is None
