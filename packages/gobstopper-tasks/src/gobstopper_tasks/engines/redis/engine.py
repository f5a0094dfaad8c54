"""streaq claims and keeps alive; the hashes remember."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from anyio import CancelScope
from coredis.exceptions import RedisError
from redis.exceptions import RedisError as RedisPyError
from streaq import StreaqError, StreaqRetry, Worker

from ...engine import Cap, Fire, Handler, Running
from ...errors import TaskStoreUnavailable, Unsupported
from ...registry import Registry
from ...task import TaskPriority
from .._remote import RemoteEngine
from .store import RedisStore, Ticket

log = logging.getLogger("gobstopper.tasks")

_PRIORITIES = [priority.name.lower() for priority in TaskPriority]


class Tickets(Worker[None]):
    """A streaq queue of one category. `stopping` ends its workers."""

    def __init__(self, url: str, prefix: str, category: str, concurrency: int, lease: float) -> None:
        super().__init__(
            url,
            queue_name=f"{prefix}{category}",
            concurrency=concurrency,
            priorities=list(_PRIORITIES),
            idle_timeout=lease,
            handle_signals=False,
            serializer=lambda value: json.dumps(value, default=str),
            deserializer=json.loads,
        )
        self.prefetch = concurrency  # nothing beyond what can run
        self.stopping = asyncio.Event()
        self.handler: Any = None
        self.ticket = self.task(name="ticket", max_tries=None, timeout=None, ttl=0, silent=True)(self._run_ticket)

    async def _run_ticket(self, ticket: str) -> None:
        try:
            await self.handler(ticket)
        except Exception as error:  # a job that fails is deleted, but its task must not be lost
            log.warning("ticket %s is delivered again: %s", ticket, error)
            raise StreaqRetry(str(error), delay=1) from error

    async def run_consumers(self, receive: Any, *args: Any, **options: Any) -> None:
        """See `Worker`, which closes the copies of the stream, but not the stream itself."""
        with receive:
            await super().run_consumers(receive, *args, **options)

    async def signal_handler(self, scope: CancelScope) -> None:
        """See `Worker`: it takes SIGTERM whatever `handle_signals` says, so this waits for our own sign instead."""
        await self.stopping.wait()
        scope.cancel("closing")


class Publisher:
    """Keeps a queue open for publishing: streaq's connection belongs to the task that opened it.

    A streaq worker publishes into its own queue only, so there is one for each category, and each has a connection of
    its own: coredis lets only the task that opened a pool, and those below it, open clients on that pool.
    """

    def __init__(self, tickets: Tickets) -> None:
        self.tickets = tickets
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._keep())
        for outcome in (self.ready, self.task):  # whoever publishes is told; nobody may be waiting
            outcome.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception())

    async def _keep(self) -> None:
        try:
            async with self.tickets:
                self.ready.set_result(None)
                await self.tickets.stopping.wait()
        except BaseException as error:
            if not self.ready.done():
                self.ready.set_exception(error if isinstance(error, Exception) else StreaqError("closed"))
            raise

    async def close(self) -> None:
        """Disconnect."""
        self.tickets.stopping.set()
        await asyncio.wait((self.task,), timeout=2.0)
        self.task.cancel()


class RedisEngine(RemoteEngine[RedisStore]):
    """Durable on many machines as far as Redis is (set `appendfsync always`), with low latency.

    `lease`: seconds after which a silent worker's tasks are given to another. `retention`: seconds that ended tasks
    are kept. `timeout`: seconds to wait for a connection. `prefix` begins every key.
    """

    server = "Redis"
    # The store speaks through redis-py, streaq through coredis and anyio, whose task groups raise groups.
    away = (RedisError, RedisPyError, StreaqError, OSError, TimeoutError, ExceptionGroup)
    caps = frozenset({Cap.LIMITS, Cap.DURABLE, Cap.SHARED})

    def __init__(
        self,
        url: str,
        fire: Fire,
        lease: float = 30.0,
        retention: float = 7 * 86_400.0,
        timeout: float = 1.0,
        prefix: str = "gobstopper:",
    ) -> None:
        super().__init__(fire)
        self._url = url
        self._prefix = prefix
        self._lease = lease
        self.store = RedisStore(url, prefix, retention, timeout, self._publish)
        self._publishers: dict[str, Publisher] = {}

    async def open(self, registry: Registry) -> None:
        """See `TaskEngine`."""
        await super().open(registry)
        self._tasks.append(asyncio.create_task(self._republish()))

    async def _subscribe(self, subscribed: Callable[[], Awaitable[None]]) -> None:
        async with self.store.client.pubsub() as channel:
            await channel.subscribe(f"{self._prefix}events")
            await subscribed()
            while True:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=5.0)
                if message is not None:
                    self._notified(str(message["data"]))

    async def _republish(self) -> None:
        while True:
            await asyncio.sleep(5)
            try:
                await self.store.republish()
            except TaskStoreUnavailable as error:
                log.debug("the outbox waits: %s", error)

    # -- publishing

    async def _publisher(self, category: str) -> Tickets:
        found = self._publishers.get(category)
        if found is None or found.task.done():
            found = self._publishers[category] = Publisher(Tickets(self._url, self._prefix, category, 1, self._lease))
        await asyncio.shield(found.ready)
        return found.tickets

    async def _publish(self, published: list[Ticket]) -> None:
        by_category: dict[str, list[Ticket]] = {}
        for ticket in published:
            by_category.setdefault(ticket[2], []).append(ticket)
        try:
            for category, group in by_category.items():
                queue = await self._publisher(category)
                await queue.enqueue_many([self._task(queue, ticket) for ticket in group])
        except self.away as error:
            raise TaskStoreUnavailable(f"Redis cannot be reached: {error}") from error

    @staticmethod
    def _task(queue: Tickets, ticket: Ticket) -> Any:
        id_, number, _, priority, due = ticket
        task = queue.ticket.enqueue(f"{id_}/{number}")
        task.id = f"{id_}/{number}"
        moment = float(due)
        schedule = datetime.fromtimestamp(moment, UTC) if moment > 0 else None
        return task.start(schedule=schedule, priority=_PRIORITIES[priority])

    # -- running

    async def run(self, category: str, concurrency: int, handler: Handler) -> None:
        """See `TaskEngine`. Raises `TaskStoreUnavailable` when the connection is lost: call it again."""
        worker = Tickets(self._url, self._prefix, category, concurrency, self._lease)
        mine: set[Running] = set()
        worker.handler = lambda ticket: self._deliver(ticket, handler, mine)
        await self._serve(asyncio.ensure_future(worker.run_async()), worker.stopping.set, mine)

    async def _disconnect(self) -> None:
        for publisher in self._publishers.values():
            await publisher.close()
        self._publishers.clear()

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine`."""
        raise Unsupported("a Redis queue has no SQL history; use a DuckDB or PostgreSQL queue")
