from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import duckdb
import msgspec
import pytest

from gobstopper_tasks import InvalidTask, TaskQueue, TaskSpec, TaskStatus
from gobstopper_tasks.engines._journal import Event, Finished, Kind, Returned
from gobstopper_tasks.engines._ledger import Ledger
from gobstopper_tasks.engines.duckdb.replay import Replay
from gobstopper_tasks.engines.duckdb.tidy import compact, retire
from gobstopper_tasks.ids import task_id
from gobstopper_tasks.task import JSON


def text(value: object) -> str:
    return JSON.encode(value).decode()


def replay(*events: tuple[Kind, str, object]) -> Replay:
    made = Replay(Ledger())
    now = time.time()
    rows = [
        Event(kind, now, id_, data if isinstance(data, str) or data is None else text(data))
        for kind, id_, data in events
    ]
    made.run(rows, now, 1000.0)
    return made


def spec(**options) -> TaskSpec:
    return TaskSpec(id=task_id(), name="t", added_at=time.time(), **options)


def test_each_kind_of_event() -> None:
    running, retrying, back, hurried, dead, revived, stopping = (spec() for _ in range(7))
    late = spec(due=time.time() + 1000)
    made = replay(
        (Kind.OPENED, "", "owner-1"),
        *((Kind.ADDED, item.id, item) for item in (running, retrying, back, hurried, dead, revived, stopping, late)),
        (Kind.ADDED, running.id, running),  # twice changes nothing
        (Kind.STARTED, running.id, [1, "peer"]),
        (Kind.PROGRESS, running.id, [0.5, "half"]),
        (Kind.STARTED, retrying.id, [1, "peer"]),
        (Kind.RETRYING, retrying.id, Returned(50.0, "failed", number=1)),
        (Kind.STARTED, back.id, [1, "peer"]),
        (Kind.RETURNED, back.id, Returned(crashed=True, number=1)),
        (Kind.STARTED, hurried.id, [1, "peer"]),
        (Kind.RETRYING, hurried.id, Returned(50.0, "failed", number=1)),
        (Kind.DUE, hurried.id, None),
        (Kind.FINISHED, dead.id, Finished(TaskStatus.FAILED, None, "no", 1, 5.0, "peer", 1, 0.9, "nearly")),
        (Kind.FINISHED, revived.id, Finished(TaskStatus.CANCELLED)),
        (Kind.REVIVED, revived.id, revived),
        (Kind.STARTED, stopping.id, [1, "peer"]),
        (Kind.CANCELLING, stopping.id, None),
        (Kind.STARTED, "unknown", [1, "peer"]),
    )
    ledger = made.ledger
    assert made.owner == "owner-1"
    tasks = {name: item for name, item in locals().items() if isinstance(item, TaskSpec)}
    assert {name: ledger.find(item.id).status.value for name, item in tasks.items()} == {
        "running": "running", "retrying": "retrying", "back": "pending", "hurried": "pending", "dead": "failed",
        "revived": "pending", "stopping": "running", "late": "scheduled",
    }  # fmt: skip
    assert (ledger.records[running.id].progress, ledger.records[running.id].note) == (0.5, "half")
    assert (ledger.records[back.id].crashes, ledger.records[back.id].attempt) == (1, 0)
    assert ledger.records[retrying.id].attempt == 1
    assert ledger.records[stopping.id].cancelling
    ended = ledger.recent[dead.id]
    assert (ended.started_at, ended.session, ended.progress, ended.error) == (5.0, "peer", 0.9, "no")
    assert replay((Kind.OPENED, "", "a"), (Kind.CLOSED, "", None)).owner is None


def test_results_and_links_come_back() -> None:
    first = spec(result_ttl=50.0)
    second = spec(after=(first.id,))
    made = replay(
        (Kind.ADDED, first.id, first),
        (Kind.ADDED, second.id, second),
        (Kind.FINISHED, first.id, Finished(TaskStatus.SUCCEEDED, '{"a":[1]}', attempt=1)),
    )
    info = made.ledger.recent[first.id].info(time.time())
    assert info.result == {"a": [1]}
    assert made.ledger.recent[first.id].info(time.time() + 60).result is None
    assert made.ledger.records[second.id].status is TaskStatus.PENDING
    half = replay((Kind.ADDED, first.id, first), (Kind.ADDED, second.id, second))
    assert half.ledger.records[second.id].status is TaskStatus.SCHEDULED


@pytest.fixture
async def ended(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.duckdb"
    queue = TaskQueue(path)

    @queue.task("t")
    async def t(n: int) -> int:
        if n == 3:
            raise LookupError(n)
        return n

    async with queue:
        await queue.start_workers("default", 2)
        ids = [await queue.add("t", n=n, max_retries=0, idempotency_key=f"k{n}") for n in range(5)]
        for id_ in ids:
            await queue.wait(id_, 5)
        await queue.add("t", n=9, delay=60)
    return path


async def test_compaction_keeps_what_is_told(ended: Path) -> None:
    async def told() -> list[dict]:
        async with TaskQueue(ended) as queue:
            rows = await queue.sql("SELECT * EXCLUDE (spec) FROM tasks ORDER BY id")
            infos = [msgspec.to_builtins(await queue.get_task(row["id"])) for row in rows]
            key = await queue.add("t", category="default", args={"n": 0}, idempotency_key="k0")
            assert key == rows[0]["id"]
            return [rows, infos, await queue.stats()]

    with duckdb.connect(str(ended)) as connection:
        connection.execute("DELETE FROM history")
    before = await told()
    with duckdb.connect(str(ended)) as connection:
        events = connection.execute("SELECT count(*) FROM journal WHERE id <> ''").fetchone()[0]
        moved = compact(connection)
        left = connection.execute("SELECT count(*) FROM journal WHERE id <> ''").fetchone()[0]
        assert compact(connection) == 0
    assert left <= events
    after = await told()
    assert [row["id"] for row in before[0]] == [row["id"] for row in after[0]][: len(before[0])]
    assert moved in (0, 5)


@pytest.mark.parametrize("together", [False, True])
async def test_a_requeued_task_ended_once(tmp_path: Path, together: bool) -> None:
    path = tmp_path / "tasks.duckdb"
    runs = []

    def made() -> TaskQueue:
        queue = TaskQueue(path)

        @queue.task("t", max_retries=0)
        async def t() -> int:
            runs.append(1)
            if len(runs) == 1:
                raise LookupError
            return 5

        return queue

    async with made() as queue:
        await queue.start_workers()
        id_ = await queue.add("t")
        assert (await queue.wait(id_, 5)).status == "failed"
    with duckdb.connect(str(path)) as connection:
        compact(connection)
        failed = connection.execute("SELECT * FROM history").fetchall()
        assert len(failed) == 1
    async with made() as queue:
        await queue.start_workers()
        assert await queue.requeue([id_]) == 1
        assert (await queue.wait(id_, 5)).status == "succeeded"
        rows = await queue.sql("SELECT id, status FROM tasks")
        assert rows == [{"id": id_, "status": "succeeded"}], "before it is compacted"
    with duckdb.connect(str(path)) as connection:
        if together:  # its first end went into the history while it was folded that it began again
            assert connection.execute("SELECT count(*) FROM history").fetchone() == (0,)
            values = ", ".join("?" * len(failed[0]))
            connection.execute(f"INSERT INTO history VALUES ({values})", failed[0])
        compact(connection)
    async with made() as queue:
        await queue.start_workers()
        assert await queue.sql("SELECT id, status FROM history") == [{"id": id_, "status": "succeeded"}]
        assert await queue.stats() == {"default": {"succeeded": 1}}
        assert (await queue.query(status="failed"))[0] == []
        assert await queue.requeue([id_]) == 0
    assert len(runs) == 2


async def test_the_history_is_bounded(ended: Path) -> None:
    with duckdb.connect(str(ended)) as connection:
        compact(connection)
        rows = connection.execute("SELECT count(*) FROM history").fetchone()[0]
        assert rows == 5
        assert retire(connection, 0.0, 10) == Counter()
        gone = retire(connection, 0.0, 3)
        assert sum(gone.values()) == 2
        assert sum(retire(connection, time.time() + 1, 3).values()) == 3
        assert connection.execute("SELECT count(*) FROM history").fetchone() == (0,)
        connection.execute("ALTER TABLE journal RENAME TO other")
        with pytest.raises(duckdb.Error):
            compact(connection)
        assert connection.execute("SELECT 1").fetchone() == (1,), "the transaction is over"


async def test_a_journal_of_a_newer_version_is_refused(ended: Path) -> None:
    with duckdb.connect(str(ended)) as connection:
        connection.execute("UPDATE meta SET value = '99'")
    with pytest.raises(InvalidTask, match="newer"):
        await TaskQueue(ended).open()
