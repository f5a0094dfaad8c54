"""Chains and groups."""

from __future__ import annotations

import pytest

from .. import TaskQueue, TaskStatus
from ._base import PATIENCE, Suite
from ._tasks import Log


class Together(Suite):
    """Tasks that come after others."""

    async def test_a_chain_hands_results_on(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 2)
        call = queue.call
        ids = await queue.chain(call("add_up", a=1, b=2), call("twice", into="value"), call("twice", into="value"))
        assert await queue.result(ids[-1], PATIENCE) == 12
        linked = call("add_up", a=1).then(call("twice", into="value")).then(call("twice", into="value"))
        assert await queue.result((await queue.add_many([linked]))[0], PATIENCE) == 4

    async def test_a_broken_chain_cancels_what_follows(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 2)
        call = queue.call
        ids = await queue.chain(call("hopeless"), call("add_up", a=1), call("add_up", a=2))
        assert [(await queue.wait(id_, PATIENCE)).status.value for id_ in ids] == ["failed", "cancelled", "cancelled"]  # type: ignore[union-attr]
        ids = await queue.chain(call("hopeless"), call("add_up", a=3, always=True))
        assert await queue.result(ids[-1], PATIENCE) == 3
        assert log == ["hopeless", "hopeless", ("add_up", 3, 0)]

    async def test_cancelling_the_head_of_a_chain(self, queue: TaskQueue) -> None:
        ids = await queue.chain(queue.call("add_up", a=1), queue.call("add_up", a=2))
        assert await queue.get_task_status(ids[1]) == "scheduled"
        await queue.cancel(ids[0])
        info = await queue.wait(ids[1], PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.CANCELLED

    async def test_a_group_is_gathered(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 4)
        call = queue.call
        group = await queue.gather(*(call("add_up", a=n) for n in range(5)), then=call("total", into="values"))
        assert len(group.members) == 5
        assert group.then is not None
        assert await queue.result(group.then, PATIENCE) == 10
        group = await queue.gather(
            call("add_up", a=7), call("hopeless"), then=call("total", into="values", always=True)
        )
        assert group.then is not None
        assert await queue.result(group.then, PATIENCE) == 7
        group = await queue.gather(call("add_up", a=7), call("hopeless"), then=call("total", into="values"))
        assert group.then is not None
        info = await queue.wait(group.then, PATIENCE)
        assert info is not None
        assert info.status is TaskStatus.CANCELLED
        alone = await queue.gather(call("add_up", a=1), call("add_up", a=2))
        assert alone.then is None
        assert [await queue.result(id_, PATIENCE) for id_ in alone.members] == [1, 2]

    async def test_a_chain_may_begin_with_what_is_there_already(self, queue: TaskQueue) -> None:
        await queue.start_workers("default", 1)
        head = queue.call("add_up", a=4)
        await queue.add_many([head])
        await queue.wait(head.id, PATIENCE)
        ids = await queue.chain(head, queue.call("twice", into="value"))
        assert ids[0] == head.id
        assert await queue.result(ids[1], PATIENCE) == 8

    async def test_what_comes_after_others_has_no_time_of_its_own(self, queue: TaskQueue) -> None:
        call = queue.call
        with pytest.raises(ValueError, match="delay"):
            await queue.chain(call("add_up", a=1, delay=1), call("add_up", a=2, delay=1))
        with pytest.raises(ValueError, match="delay"):
            await queue.gather(call("add_up", a=1), then=call("total", into="values", run_at=2e9))

    async def test_a_group_waits_for_a_member_that_is_tried_again(self, queue: TaskQueue, log: Log) -> None:
        await queue.start_workers("default", 2)
        group = await queue.gather(
            queue.call("once"), queue.call("add_up", a=1), then=queue.call("total", into="values")
        )
        assert group.then is not None
        assert await queue.result(group.then, PATIENCE) == 3
        assert ("once", 2) in log
