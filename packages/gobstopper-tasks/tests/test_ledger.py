from __future__ import annotations

import time

from gobstopper_tasks import TaskSpec, TaskStatus
from gobstopper_tasks.engines._ledger import Ledger
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
