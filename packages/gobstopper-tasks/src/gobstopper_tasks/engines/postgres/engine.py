"""PgQueuer claims, keeps alive and retries; the side table remembers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain import models, types
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.ports.repository import EntrypointExecutionParameter

from ...engine import Cap, Fire, Handler, Running
from .._remote import RemoteEngine
from .links import CHANNEL
from .store import PostgresStore

log = logging.getLogger("gobstopper.tasks")


class Slots(QueueManager):
    """A queue manager that takes only as many jobs as it can run at once.

    Nothing is fetched ahead, so priorities are strict.
    """

    slots: int = 1

    def forget_job(self, job_id: types.JobId, context: models.Context, task: asyncio.Task[None]) -> None:
        """See `QueueManager`."""
        super().forget_job(job_id, context, task)
        self.freed.set()

    @property
    def freed(self) -> asyncio.Event:
        """Set whenever a job ended."""
        event: asyncio.Event = self.__dict__.setdefault("_freed", asyncio.Event())
        return event

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[models.Job, None]:
        """See `QueueManager`."""
        stopping = asyncio.create_task(self.shutdown.wait())
        try:
            while not self.shutdown.is_set():
                free = self.slots - len(self.job_context)
                if free <= 0:
                    self.freed.clear()
                    freed = asyncio.create_task(self.freed.wait())
                    await asyncio.wait((freed, stopping), return_when=asyncio.FIRST_COMPLETED)
                    freed.cancel()
                    continue
                jobs = await self.queries.dequeue(
                    batch_size=free,
                    entrypoints={
                        name: EntrypointExecutionParameter(concurrency_limit=0) for name in self.entrypoint_registry
                    },
                    queue_manager_id=self.queue_manager_id,
                    global_concurrency_limit=None,
                    heartbeat_timeout=heartbeat_timeout,
                )
                if not jobs:
                    return
                for job in jobs:
                    yield job
        finally:
            stopping.cancel()


class PostgresEngine(RemoteEngine[PostgresStore]):
    """Durable on many machines, joins the caller's transactions.

    `lease`: seconds without a heartbeat after which a task is given to another worker. `retention`: seconds that
    ended tasks are kept. `pool_size`: connections of this process besides one for notifications and one per category
    that it serves. `timeout`: seconds to wait for a connection.
    """

    server = "PostgreSQL"
    # PgQueuer says with a RuntimeError that its connection is closed.
    away = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RuntimeError)
    caps = frozenset({Cap.STRICT_PRIORITY, Cap.LIMITS, Cap.DURABLE, Cap.SHARED, Cap.SQL, Cap.TRANSACTION})

    def __init__(
        self,
        url: str,
        fire: Fire,
        lease: float = 30.0,
        retention: float = 7 * 86_400.0,
        pool_size: int = 8,
        timeout: float = 1.0,
    ) -> None:
        super().__init__(fire)
        self.store = PostgresStore(url, retention, pool_size, timeout)
        self._lease = lease

    async def _subscribe(self, subscribed: Callable[[], Awaitable[None]]) -> None:
        connection = await self.store.connect()
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _: gone.set())
        try:
            await connection.add_listener(CHANNEL, lambda *a: self._notified(str(a[3])))
            await subscribed()
            await gone.wait()
        finally:
            connection.terminate()

    async def run(self, category: str, concurrency: int, handler: Handler) -> None:
        """See `TaskEngine`. Raises `TaskStoreUnavailable` when the connection is lost: call it again."""
        connection = await self.store.connect()
        manager = Slots(Queries(AsyncpgDriver(connection)))
        manager.slots = concurrency
        mine: set[Running] = set()

        async def ticket(job: models.Job) -> None:
            try:
                await self._deliver((job.payload or b"").decode(), handler, mine)
            except Exception as error:  # a job that fails is deleted, but its task must not be lost
                log.warning("ticket %s is delivered again: %s", job.payload, error)
                raise RetryRequested(timedelta(seconds=1), str(error)) from error

        manager.entrypoint(category, accepts_context=False)(ticket)
        work = manager.run(
            batch_size=concurrency,
            dequeue_timeout=timedelta(seconds=5),
            heartbeat_timeout=timedelta(seconds=self._lease),
        )
        try:
            await self._serve(asyncio.ensure_future(work), manager.shutdown.set, mine)
        finally:
            try:
                await _close(connection)
            finally:  # cancelled once more
                if not connection.is_closed():
                    connection.terminate()

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine`."""
        self._check()
        return await self.store.sql(statement, parameters)


async def _close(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        await connection.close(timeout=1.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
