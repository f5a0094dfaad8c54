"""PgQueuer claims, keeps alive and retries; the side table remembers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain import models, types
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.ports.repository import EntrypointExecutionParameter

from ...engine import Cap, Fire, Handler
from ...errors import TaskStoreUnavailable
from ...registry import Registry
from .._remote import RemoteEngine
from .store import CHANNEL, PostgresStore

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
        self._managers: list[Slots] = []
        self._runs: set[asyncio.Future[None]] = set()

    async def open(self, registry: Registry) -> None:
        """See `TaskEngine`."""
        self._registry = registry
        try:
            await self.store.open()
        except BaseException:
            await self.store.close()
            raise
        self._opened()
        listening = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._listen(listening)))
        await listening.wait()

    async def _listen(self, listening: asyncio.Event) -> None:
        while True:
            try:
                connection = await self.store.connect()
                gone = asyncio.Event()
                connection.add_termination_listener(lambda _: gone.set())  # noqa: B023 - this round's event
                try:
                    await connection.add_listener(CHANNEL, lambda *a: self._notified(str(a[3])))
                    listening.set()
                    await gone.wait()
                finally:
                    connection.terminate()
            except (TaskStoreUnavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.debug("no notifications: %s", error)
            await asyncio.sleep(0.2)

    async def run(self, category: str, concurrency: int, handler: Handler) -> None:
        """See `TaskEngine`. Raises `TaskStoreUnavailable` when the connection is lost: call it again."""
        connection = await self.store.connect()
        manager = Slots(Queries(AsyncpgDriver(connection)))
        manager.slots = concurrency

        async def ticket(job: models.Job) -> None:
            try:
                await self._deliver((job.payload or b"").decode(), handler)
            except Exception as error:  # a job that fails is deleted, but its task must not be lost
                log.warning("ticket %s is delivered again: %s", job.payload, error)
                raise RetryRequested(timedelta(seconds=1), str(error)) from error

        manager.entrypoint(category, accepts_context=False)(ticket)
        self._managers.append(manager)
        work = asyncio.ensure_future(
            manager.run(
                batch_size=concurrency,
                dequeue_timeout=timedelta(seconds=5),
                heartbeat_timeout=timedelta(seconds=self._lease),
            )
        )
        self._runs.add(work)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            manager.shutdown.set()
            await asyncio.wait((work,), timeout=7.0)
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RuntimeError) as error:
            raise TaskStoreUnavailable(f"PostgreSQL cannot be reached: {error}") from error
        finally:
            self._managers = [other for other in self._managers if other is not manager]
            self._runs.discard(work)
            work.cancel()
            try:
                await asyncio.gather(work, return_exceptions=True)
                await _close(connection)
            finally:  # cancelled once more
                if not connection.is_closed():
                    connection.terminate()

    async def close(self, grace: float) -> None:
        """See `TaskEngine`."""
        for manager in self._managers:
            manager.shutdown.set()
        await self._wind_down(grace)
        if self._runs:
            await asyncio.wait(set(self._runs), timeout=3.0)
        await self.store.close()

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine`."""
        self._check()
        return await self.store.sql(statement, parameters)


async def _close(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        await connection.close(timeout=1.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
