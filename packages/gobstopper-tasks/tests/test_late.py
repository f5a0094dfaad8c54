"""What is asked for or said while the journal is still busy with the same task; and what must not pile up."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from brokers import Journal, Session, add, spec
from gobstopper_tasks import JournalDamaged, TaskSpec, TaskStatus, TaskStoreUnavailable
from gobstopper_tasks.engines._broker import Broker
from gobstopper_tasks.engines._journal import Event, Kind
from gobstopper_tasks.engines._ledger import Ledger
from gobstopper_tasks.engines.duckdb.replay import Replay
from gobstopper_tasks.task import JSON, Dead, Done, Retry

DONE = Done(msgspec.Raw(b"1"))


async def eventually(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def joined(broker: Broker, name: str, claims=()) -> Session:
    session = Session(name)
    broker.join(session, claims)
    broker.subscribe(session, "default", 10)
    session.seen = float("inf")
    return session


async def started(broker: Broker, session: Session, *specs: TaskSpec) -> None:
    await add(broker, *specs)
    await eventually(lambda: session.claims)


async def test_a_cancel_while_its_retry_is_written(broker: Broker) -> None:
    session, one = joined(broker, "s"), spec()
    await started(broker, session, one)
    broker.outcome(session, one.id, session.claims[0].number, Retry(0.01, "again"), lambda: None)
    assert await broker.cancel([one.id]) == 1
    await eventually(lambda: broker.ledger.find(one.id).status is TaskStatus.CANCELLED)
    assert len(session.claims) == 1


async def test_a_session_that_comes_back_while_its_outcome_is_written(broker: Broker, journal: Journal) -> None:
    session, one = joined(broker, "s"), spec()
    await started(broker, session, one)
    number = session.claims[0].number
    broker.outcome(session, one.id, number, DONE, lambda: None)
    broker.leave(session)
    again = joined(broker, "s", [(one.id, number)])
    await asyncio.sleep(0.3)
    assert again.claims == []
    assert broker.ledger.find(one.id).status is TaskStatus.SUCCEEDED
    assert journal.kinds(one.id)[-1] == Kind.FINISHED


async def test_a_session_that_comes_back_while_its_task_is_given_back(broker: Broker, journal: Journal) -> None:
    session, one = joined(broker, "s"), spec()
    await started(broker, session, one)
    await eventually(lambda: Kind.STARTED in journal.kinds(one.id))
    journal.broken = OSError("full")
    broker.leave(session)
    await asyncio.sleep(0.3)
    again = joined(broker, "s", [(one.id, session.claims[0].number)])
    journal.broken = None
    await eventually(lambda: again.claims)
    assert again.claims[0].attempt == 1
    assert journal.kinds(one.id).count(Kind.RETURNED) == 1


async def test_what_another_finished_is_not_given_back(journal: Journal, broker: Broker) -> None:
    broker.lease = 0.2
    session, one = joined(broker, "s"), spec()
    session.seen = asyncio.get_running_loop().time()
    await started(broker, session, one)
    broker.outcome(joined(broker, "other"), one.id, session.claims[0].number, DONE, lambda: None)
    await eventually(lambda: "s" not in broker.sessions)
    assert session.dropped, "it must join again if it is alive"
    assert session.busy == {}
    await asyncio.sleep(0.3)
    assert broker.ledger.find(one.id).status is TaskStatus.SUCCEEDED
    assert Kind.RETURNED not in journal.kinds(one.id)


async def test_followers_of_what_failed_end_although_the_journal_fails(broker: Broker, journal: Journal) -> None:
    session, one = joined(broker, "s"), spec()
    two = spec(after=(one.id,))
    await started(broker, session, one, two)
    broker.outcome(session, one.id, session.claims[0].number, Dead("no"), lambda: None)
    while Kind.FINISHED not in journal.kinds(one.id):
        await asyncio.sleep(0)
    journal.broken = OSError("full")
    await asyncio.sleep(0.1)
    journal.broken = None
    await eventually(lambda: broker.ledger.find(two.id).status is TaskStatus.CANCELLED)


async def test_a_cancelled_task_of_a_dead_worker_ends_although_the_journal_fails(
    broker: Broker, journal: Journal
) -> None:
    broker.set_limits({"task:t": (1, None, 0.0)})
    session, one = joined(broker, "s"), spec()
    await started(broker, session, one)
    await broker.cancel([one.id])
    broker.leave(session)
    while Kind.RETURNED not in journal.kinds(one.id):
        await asyncio.sleep(0)
    journal.broken = OSError("full")
    await asyncio.sleep(0.1)
    journal.broken = None
    await eventually(lambda: broker.ledger.find(one.id).status is TaskStatus.CANCELLED)
    assert broker.ledger.gates["task:t"].running == 0


async def test_a_rate_limit_sets_one_timer(broker: Broker) -> None:
    joined(broker, "s")
    broker.set_limits({"category:default": (None, 1, 3600.0)})
    for _ in range(200):
        await add(broker, spec())
    waiting = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]
    assert len(waiting) < 20


async def test_what_is_cancelled_before_its_time_is_forgotten(broker: Broker) -> None:
    for _ in range(30):
        some = [spec(due=time.time() + 1e7) for _ in range(100)]
        await add(broker, *some)
        assert await broker.cancel([one.id for one in some]) == 100
    assert len(broker.ledger._wall) <= 1100
    kept = spec(due=time.time() + 1e7)
    await add(broker, kept)
    assert broker.ledger.find(kept.id).status is TaskStatus.SCHEDULED


async def test_a_requeue_that_nobody_waits_for_any_more_is_not_made_twice(broker: Broker, journal: Journal) -> None:
    session, one = joined(broker, "s"), spec(unique_key="k")
    await started(broker, session, one)
    broker.outcome(session, one.id, session.claims[0].number, Dead("no"), lambda: None)
    await eventually(lambda: broker.ledger.find(one.id).status is TaskStatus.FAILED)
    first = asyncio.create_task(broker.requeue([one.id]))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await broker.requeue([one.id]) == 0
    await eventually(lambda: len(session.claims) == 2)
    assert journal.kinds(one.id).count(Kind.REVIVED) == 1


async def test_a_requeue_that_cannot_be_stored_can_be_tried_again(broker: Broker, journal: Journal) -> None:
    session, one = joined(broker, "s"), spec(unique_key="k")
    await started(broker, session, one)
    broker.outcome(session, one.id, session.claims[0].number, Dead("no"), lambda: None)
    await eventually(lambda: broker.ledger.find(one.id).status is TaskStatus.FAILED)
    journal.broken = OSError("full")
    with pytest.raises(TaskStoreUnavailable, match="full"):
        await broker.requeue([one.id])
    journal.broken = None
    await asyncio.sleep(0.1)
    other = spec(unique_key="k")
    await add(broker, other)
    assert broker.ledger.find(other.id) is not None, "the key was free"
    assert await broker.requeue([one.id]) == 0, "and is not now"


async def test_a_checked_add_is_answered_whatever_the_history_is(broker: Broker, journal: Journal) -> None:
    async def damaged(ids):
        raise JournalDamaged("tasks.duckdb", 1, "test")

    journal.lookup = damaged
    one, answers = spec(), []
    await broker.add_checked([one], [JSON.encode(one).decode()], answers.append)
    assert isinstance(answers[0], TaskStoreUnavailable)


def test_no_delay_gets_longer_when_the_clock_is_set_back() -> None:
    at, ledger = 1_800_000_000.0, Ledger()
    retried, later = spec(added_at=at), spec(added_at=at, due=at + 5, relative=True)
    events = [
        Event(Kind.ADDED, at, retried.id, JSON.encode(retried).decode()),
        Event(Kind.STARTED, at, retried.id, '[1,"s"]'),
        Event(Kind.RETRYING, at, retried.id, '{"delay":2.0,"error":"x","number":1}'),
        Event(Kind.ADDED, at, later.id, JSON.encode(later).decode()),
    ]
    Replay(ledger).run(events, at - 3600, 100.0)
    assert sorted(round(entry[0]) for entry in ledger._monotonic) == [102, 105]
