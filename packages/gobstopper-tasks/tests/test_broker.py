"""The broker over a journal that fails on demand."""

from __future__ import annotations

import asyncio
import time

import pytest

from brokers import Journal, Session, add, spec
from gobstopper_tasks import TaskInfo, TaskStatus, TaskStoreUnavailable
from gobstopper_tasks.engines._broker import Broker
from gobstopper_tasks.engines._journal import Kind
from gobstopper_tasks.task import Cancelled, Dead, Done, Enqueued, Retry


async def settle(seconds: float = 0.02) -> None:
    await asyncio.sleep(seconds)


async def status(broker: Broker, id_: str) -> str | None:
    info = (await broker.status([id_]))[0]
    return None if info is None else info.status.value


async def test_of_tasks_that_were_refused_together_none_is_written_later(broker: Broker, journal: Journal) -> None:
    journal.broken = OSError("full")
    refused = [spec(), spec(), spec()]
    with pytest.raises(TaskStoreUnavailable, match="full"):
        await add(broker, *refused)
    journal.broken = None
    await settle(0.1)
    again = await add(broker, spec())
    assert [event.id for event in journal.events if event.kind == Kind.ADDED] == [again[0].id]
    assert await broker.status([item.id for item in refused]) == [None] * 3


def joined(broker: Broker, session: Session, slots: int = 1) -> Session:
    broker.join(session)
    broker.subscribe(session, "default", slots)
    return session


async def test_adds_of_one_tick_are_one_commit(broker: Broker, journal: Journal) -> None:
    await asyncio.gather(*(add(broker, spec()) for _ in range(50)))
    assert journal.batches == 1


async def test_nothing_is_seen_before_it_is_stored(broker: Broker) -> None:
    item = spec(unique_key="k")
    adding = asyncio.ensure_future(add(broker, item))
    await asyncio.sleep(0)
    assert await broker.status([item.id]) == [None]
    assert await broker.cancel([item.id]) == 0
    twin = spec(unique_key="k")
    assert await add(broker, twin) == [Enqueued(item.id, created=False)]
    assert adding.done(), "the one that stands for it is stored first"
    assert await status(broker, item.id) == "pending"


async def test_a_failing_journal_refuses_and_keys_are_free_again(
    broker: Broker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gobstopper_tasks.engines._outbox.AFTER_FAILURE", 0.3)
    monkeypatch.setattr("gobstopper_tasks.engines._broker.AFTER_FAILURE", 0.3)
    journal.broken = OSError("disk full")
    item = spec(unique_key="k", idempotency_key="i")
    with pytest.raises(TaskStoreUnavailable, match="disk full"):
        await add(broker, item)
    with pytest.raises(TaskStoreUnavailable):
        await add(broker, spec())
    assert journal.tries == 1, "at once while it is known to fail"
    journal.broken = None
    await settle(0.5)
    other = spec(unique_key="k", idempotency_key="i")
    assert await add(broker, other) == [Enqueued(other.id)]


async def test_outcomes_are_kept_while_the_journal_fails(broker: Broker, journal: Journal) -> None:
    session = joined(broker, Session(), 3)
    items = [spec() for _ in range(3)]
    await add(broker, *items)
    await settle()
    assert len(session.claims) == 3
    journal.broken = OSError("io")
    acked: list[str] = []
    for claim, outcome in zip(session.claims, (Done(), Retry(60.0, "again"), Dead("no")), strict=True):
        broker.outcome(session, claim.spec.id, claim.number, outcome, lambda id_=claim.spec.id: acked.append(id_))
    extra = asyncio.ensure_future(add(broker, spec()))
    await settle(0.15)
    assert acked == []
    with pytest.raises(TaskStoreUnavailable):
        await extra
    assert [await status(broker, item.id) for item in items] == ["running"] * 3
    journal.broken = None
    await settle(0.3)
    assert len(acked) == 3
    assert [await status(broker, item.id) for item in items] == ["succeeded", "retrying", "failed"]


async def test_what_cannot_be_cancelled_durably_stays(broker: Broker, journal: Journal) -> None:
    item = spec()
    await add(broker, item)
    journal.broken = OSError("io")
    with pytest.raises(TaskStoreUnavailable):
        await broker.cancel([item.id])
    assert await status(broker, item.id) == "pending"
    with pytest.raises(TaskStoreUnavailable):
        await broker.cancel([item.id])
    journal.broken = None
    await settle(0.15)
    session = joined(broker, Session())
    await settle()
    assert [claim.spec.id for claim in session.claims] == [item.id]


async def test_late_and_doubled_outcomes_do_not_count(broker: Broker) -> None:
    session = joined(broker, Session())
    item = spec()
    await add(broker, item)
    await settle()
    claim = session.claims[0]
    acked: list[int] = []
    broker.outcome(session, item.id, claim.number - 1, Dead("an older claim"), lambda: acked.append(0))
    assert acked == [0]
    session.running[item.id] = broker.ledger.records[item.id]
    session.busy["default"] = 1
    broker.outcome(session, item.id, claim.number, Done(), lambda: acked.append(1))
    broker.outcome(session, item.id, claim.number, Dead("twice"), lambda: acked.append(2))
    await settle()
    assert sorted(acked) == [0, 1, 2]
    assert await status(broker, item.id) == "succeeded"
    broker.outcome(session, item.id, claim.number, Dead("late"), lambda: acked.append(3))
    assert acked[-1] == 3


async def test_a_session_that_comes_back_keeps_what_it_runs(broker: Broker) -> None:
    session = joined(broker, Session("a"), 2)
    items = [spec(), spec()]
    await add(broker, *items)
    await settle()
    broker.leave(session)
    back = Session("a")
    broker.join(back, [(items[0].id, 1), ("unknown", 1)])  # the other one it has forgotten
    await settle(0.1)
    assert [await status(broker, item.id) for item in items] == ["running", "pending"]
    assert back.busy == {"default": 1}
    broker.leave(session)  # the old connection's end is told late
    assert broker.sessions["a"] is back


async def test_a_session_that_stays_away_has_crashed(broker: Broker) -> None:
    session = joined(broker, Session("a"))
    item = spec()
    await add(broker, item)
    await settle()
    broker.leave(session)
    other = joined(broker, Session("b"))
    await settle(0.8)
    assert [(claim.crashes, claim.attempt) for claim in other.claims] == [(1, 1)]
    broker.join(Session("a"), [(item.id, 1)])  # too late: its claim is not valid any more
    assert broker.sessions["a"].running == {}


async def test_a_silent_session_loses_its_lease(broker: Broker) -> None:
    broker.lease = 0.2
    session = joined(broker, Session("a"))
    item = spec()
    await add(broker, item)
    await settle(1.2)
    assert session.running == {}
    assert "a" not in broker.sessions
    assert broker.ledger.records[item.id].crashes == 1


async def test_a_start_that_was_not_stored_is_adopted(broker: Broker, journal: Journal) -> None:
    item = spec()
    await add(broker, item)
    session = Session("a")
    broker.join(session, [(item.id, 1)])  # an owner that died handed it out
    await settle()
    assert await status(broker, item.id) == "running"
    assert journal.kinds(item.id) == [Kind.ADDED, Kind.STARTED]


async def test_cancelling_what_runs(broker: Broker, journal: Journal) -> None:
    session = joined(broker, Session("a"), 3)
    items = [spec() for _ in range(3)]
    await add(broker, *items)
    await settle()
    assert await broker.cancel([item.id for item in items]) == 3
    assert session.stopped == [claim.spec.id for claim in session.claims]
    first, second, third = session.claims
    broker.outcome(session, first.spec.id, 1, Cancelled("stopped"), lambda: None)
    broker.outcome(
        session, second.spec.id, 1, Retry(counted=False), lambda: None
    )  # given back, but not wanted any more
    broker.leave(session)  # the third one's worker is gone
    await settle(0.3)
    assert {await status(broker, item.id) for item in items} == {"cancelled"}
    assert third.spec.id not in broker.ledger.records


async def test_tasks_that_were_there_at_a_crash_start_with_care(broker: Broker, journal: Journal) -> None:
    items = [spec(), spec()]
    await add(broker, *items)
    broker.adopt_replayed({"dead owner"}, 0.0, 0.1)
    session = joined(broker, Session(), 2)
    started: list[list[Kind]] = []
    session.start = lambda claim: started.append(journal.kinds(claim.spec.id))  # type: ignore[method-assign]
    await asyncio.sleep(0)
    broker._pump()
    assert started == []
    assert await broker.cancel([items[1].id]) == 1
    await settle()
    assert started == [[Kind.ADDED, Kind.STARTED]]
    assert await status(broker, items[1].id) == "cancelled"


async def test_after_a_replay(broker: Broker) -> None:
    first, second, third = spec(), spec(), spec(priority=0)
    await add(broker, first, second, third)
    ledger = broker.ledger
    for item, session in ((first, "dead"), (second, "alive?")):
        ledger.start(ledger.records[item.id], 1, session, time.time())
    follower = spec(after=("gone",))
    await add(broker, follower)
    ledger.records[follower.id].waiting = {"gone"}
    broker.adopt_replayed({"dead"}, settle=0.1, patience=0.1)
    session = joined(broker, Session(), 5)
    await settle(0.05)
    assert session.claims == [], "nothing is handed out while peers may still come"
    await settle(1.0)
    assert {claim.spec.id for claim in session.claims} == {first.id, second.id, third.id}
    assert await status(broker, follower.id) == "cancelled"


async def test_checked_adds_look_into_the_history(broker: Broker, journal: Journal) -> None:
    old, new = spec(), spec()
    journal.stored[old.id] = TaskInfo(id=old.id, name="t", category="default", status=TaskStatus.SUCCEEDED)
    assert await add(broker, old, new, checked=True) == [Enqueued(old.id, created=False), Enqueued(new.id)]
    assert journal.kinds(old.id) == []
    journal.away = True
    with pytest.raises(TaskStoreUnavailable):
        await add(broker, spec(), checked=True)
    journal.away = False
    journal.broken = OSError("io")
    with pytest.raises(TaskStoreUnavailable):
        await add(broker, spec(), checked=True)


async def test_requeue_of_what_only_the_journal_knows(broker: Broker, journal: Journal) -> None:
    old = spec(after=("x",))
    journal.old_specs[old.id] = old
    assert await broker.requeue([old.id, old.id, "unknown"]) == 1
    assert await status(broker, old.id) == "pending"
    assert broker.ledger.records[old.id].claim >= 1_000_000, "claims of its first life stay fenced"
    assert await broker.requeue([old.id]) == 0
    waiting = spec(due=time.time() + 60)
    await add(broker, waiting)
    assert await broker.requeue([waiting.id]) == 1
    assert await status(broker, waiting.id) == "pending"


async def test_a_task_after_one_that_has_failed_already(broker: Broker) -> None:
    session = joined(broker, Session())
    bad = spec()
    await add(broker, bad)
    await settle()
    broker.outcome(session, bad.id, 1, Dead("no"), lambda: None)
    await settle()
    never, anyway = spec(after=(bad.id,)), spec(after=(bad.id,), always=True)
    await add(broker, never, anyway)
    await settle()
    assert await status(broker, never.id) == "cancelled"
    assert session.claims[-1].spec.id == anyway.id


async def test_progress_is_written_at_most_once_a_second(broker: Broker, journal: Journal) -> None:
    joined(broker, Session())
    item = spec()
    await add(broker, item)
    broker.ledger.records[item.id].noted_at = asyncio.get_running_loop().time() - 5
    for step in range(100):
        broker.progress(item.id, step / 100, None)
    broker.progress("unknown", 1.0, None)
    await settle()
    assert journal.kinds(item.id).count(Kind.PROGRESS) == 1
    info = (await broker.status([item.id]))[0]
    assert info is not None
    assert info.progress == 0.99


async def test_waiting_that_times_out_leaves_nothing_behind(broker: Broker) -> None:
    item = spec()
    await add(broker, item)
    infos = await asyncio.gather(broker.wait(item.id, 0.01), broker.wait(item.id, 0.03))
    assert [info.status.value for info in infos if info] == ["pending"] * 2
    assert broker.waiters == {}


async def test_rates_of_a_task(broker: Broker) -> None:
    broker.ledger.set_limits({"task:t": (None, 2, 0.2), "category:default": (3, None, 1.0)})
    session = joined(broker, Session(), 10)
    items = [spec() for _ in range(5)]
    await add(broker, *items)
    await settle()
    assert len(session.claims) == 2
    assert await broker.cancel([items[-1].id]) == 1  # a parked one
    for claim in list(session.claims):
        broker.outcome(session, claim.spec.id, 1, Done(), lambda: None)
    await settle(0.35)
    assert len(session.claims) == 4
    broker.ledger.set_limits({"task:t": (1, None, 1.0), "category:default": (3, None, 1.0)})
    assert broker.ledger.gates["task:t"].running == 2
