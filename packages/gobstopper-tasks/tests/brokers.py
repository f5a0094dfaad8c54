"""A broker without files and processes: over a journal that fails on demand, for sessions that only take notes."""

from __future__ import annotations

import asyncio
import time

from gobstopper_tasks import TaskInfo, TaskSpec, TaskStoreUnavailable
from gobstopper_tasks.engines._broker import Broker
from gobstopper_tasks.engines._journal import Event, Kind, NullJournal
from gobstopper_tasks.ids import task_id
from gobstopper_tasks.task import JSON, Claim, Enqueued


class Journal(NullJournal):
    """Writes in the next tick; `broken` is the error that it gives instead."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches = self.tries = 0
        self.broken: BaseException | None = None
        self.stored: dict[str, TaskInfo] = {}
        self.old_specs: dict[str, TaskSpec] = {}
        self.away = False

    def write(self, events, written) -> None:
        self.tries += 1

        def answer() -> None:
            if self.broken is None:
                self.events.extend(events)
                self.batches += 1
            written(self.broken)

        asyncio.get_running_loop().call_soon(answer)

    async def lookup(self, ids):
        if self.away:
            raise TaskStoreUnavailable("away")
        return {id_: self.stored[id_] for id_ in ids if id_ in self.stored}

    async def specs(self, ids):
        return {id_: self.old_specs[id_] for id_ in ids if id_ in self.old_specs}

    def kinds(self, id_: str) -> list[Kind]:
        return [Kind(event.kind) for event in self.events if event.id == id_]


class Session:
    def __init__(self, name: str = "s") -> None:
        self.id = name
        self.capacity: dict[str, int] = {}
        self.busy: dict[str, int] = {}
        self.running: dict = {}
        self.seen = 0.0
        self.claims: list[Claim] = []
        self.stopped: list[str] = []
        self.dropped = False

    def start(self, claim: Claim) -> None:
        self.claims.append(claim)

    def cancel(self, id: str) -> None:
        self.stopped.append(id)

    def drop(self) -> None:
        self.dropped = True


def spec(name: str = "t", **options) -> TaskSpec:
    options.setdefault("added_at", time.time())
    return TaskSpec(id=task_id(), name=name, **options)


async def add(broker: Broker, *specs: TaskSpec, checked: bool = False) -> list[Enqueued]:
    future = asyncio.get_running_loop().create_future()

    def added(answer) -> None:
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    texts = [JSON.encode(item).decode() for item in specs]
    if checked:
        await broker.add_checked(specs, texts, added)
    else:
        broker.add(specs, texts, added)
    return await future
