"""What only the owner has: the file, the broker, and the socket."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from ...task import TaskStatus
from .._broker import Broker
from .._journal import Event, Kind
from .._ledger import Ledger
from .journal import DuckDBJournal
from .replay import Replay
from .server import PeerSession, Server

log = logging.getLogger("gobstopper.tasks")


class OwnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the embedded engine; see `DuckDBEngine`. Times in seconds.

    `settle`: after an owner died, nothing is handed out so long, so that its peers can say what they run. `rejoin`:
    so long they may.
    """

    lease: float = 30.0
    retention: float = 7 * 86_400.0
    max_history: int = 1_000_000
    keep: int = 10_000
    settle: float = 0.3
    rejoin: float = 3.0
    memory_limit: str = "256MB"


class Owner:
    """Owns the file. `broker` is there after `open`."""

    broker: Broker

    def __init__(self, path: Path, session: str, options: OwnerOptions) -> None:
        self._path = path
        self._session = session
        self._options = options
        self._journal = DuckDBJournal(path, options.retention, options.max_history, options.memory_limit)
        self._replay = Replay(Ledger(options.keep))
        self._server: Server | None = None

    async def open(self) -> None:
        """Open the file and read it. Raises `JournalDamaged` or `TaskStoreUnavailable`."""
        loading = asyncio.ensure_future(asyncio.to_thread(self._load))
        broker: Broker | None = None
        try:
            await asyncio.shield(loading)
            ledger, journal = self._replay.ledger, self._journal
            self.broker = broker = Broker(ledger, journal, self._options.lease, self._options.retention)
            loop = asyncio.get_running_loop()
            journal.tidier.removed = lambda counts: _in(loop, self._removed, counts)
            opened: asyncio.Future[None] = loop.create_future()

            def written(error: BaseException | None) -> None:
                if error is None:
                    opened.set_result(None)
                else:
                    opened.set_exception(error)

            journal.write([Event(Kind.OPENED, time.time(), "", self._session)], written)
            await opened
        except BaseException:
            if broker is not None:
                broker.stop()  # else its timer keeps it, and all tasks, for ever
            await asyncio.wait([loading])  # no thread can be cancelled, and what it opens must be closed after that
            await asyncio.to_thread(self._journal.close)
            raise

    def _load(self) -> None:
        begun = time.monotonic()
        self._journal.open()
        opened = time.monotonic()
        counts, keys = self._journal.totals()
        ledger = self._replay.ledger
        for category, status, count in counts:
            ledger.counts[category, TaskStatus(status)] += count
        for key, id_, added_at in keys:
            ledger.remember_key(key, id_, added_at)
        self._replay.run(self._journal.events(), time.time(), time.monotonic())
        self._journal.start()
        log.info(
            "task journal %s: opened in %.3f s, %d events read in %.3f s",
            self._path, opened - begun, self._replay.events, time.monotonic() - opened,
        )  # fmt: skip

    def _removed(self, counts: Counter[tuple[str, str]]) -> None:
        for (category, status), count in counts.items():
            self.broker.ledger.counts[category, TaskStatus(status)] -= count

    async def listen(self, path: Path) -> None:
        """Take peers in, and hand out tasks."""
        crashed = self._replay.owner
        options = self._options
        self._server = Server(path, lambda: PeerSession(self.broker, self._session, options.lease))
        await self._server.open()
        self.broker.adopt_replayed({crashed} if crashed else set(), options.settle if crashed else 0.0, options.rejoin)

    async def close(self, release: Callable[[], None]) -> None:
        """Write everything, close the file, and only then tell the others and let them own it (`release`)."""
        self.broker.stop()
        await self.broker.drain()
        closed = asyncio.Event()
        self._journal.write([Event(Kind.CLOSED, time.time(), "", None)], lambda _: closed.set())
        await closed.wait()
        await asyncio.to_thread(self._journal.close)
        if self._server is not None:
            self._server.close()  # first, because it removes the name of the socket, which may be the next owner's then
        release()
        self._journal.refuse()


def _in(
    loop: asyncio.AbstractEventLoop, work: Callable[[Counter[tuple[str, str]]], None], counts: Counter[tuple[str, str]]
) -> None:
    loop.call_soon_threadsafe(work, counts)
