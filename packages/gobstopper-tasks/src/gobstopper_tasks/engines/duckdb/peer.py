"""A process that is not the owner: it never imports duckdb, and asks the owner over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ... import errors
from ...engine import Filter
from ...errors import TaskStoreUnavailable
from ...task import JSON, Claim, Enqueued, Outcome, TaskInfo, TaskSpec
from .._slots import Slots
from . import wire
from .schema import spec_of

Adding = tuple["asyncio.Future[list[Enqueued]]", list[str]]  # who waits, and the ids

_BIG = 4 << 20  # bytes of added tasks that do not wait for the end of the tick
_WELCOME = 5.0  # seconds for the owner to take a peer in
_ERRORS: dict[str, type[errors.TaskError]] = {
    kind.__name__: kind
    for kind in (errors.InvalidTask, errors.Unsupported, errors.TaskStoreUnavailable, errors.TaskStoreClosed)
}
_INFOS = list[TaskInfo | None]
_PAGE = tuple[list[TaskInfo], str | None]
_ROWS = tuple[list[str], list[tuple[Any, ...]]]


class LinkLost(Exception):
    """The connection to the owner ended; what was asked may or may not have happened."""


class PeerLink:
    """The connection to the owner."""

    def __init__(self, session: str, slots: Slots, lost: Callable[[], None]) -> None:
        self._session = session
        self._slots = slots
        self._on_lost = lost
        self._number = 0
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._adding: dict[int, list[Adding]] = {}  # by the number of the message
        self._adds: list[Adding] = []  # of this tick: they go in one message
        self._texts: list[bytes] = []
        self._size = 0
        self._acks: dict[int, Callable[[], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._welcome: asyncio.Future[wire.Welcome] = self._loop.create_future()
        self._channel = wire.Channel(wire.FromOwner, self._received, self._lost)
        self._beat: asyncio.TimerHandle | None = None

    async def connect(self, path: Path, claims: list[tuple[str, int]], limits: wire.Limits) -> None:
        """Connect and be taken in; OSError or `LinkLost` if there is no owner listening."""
        await self._loop.create_unix_connection(lambda: self._channel, str(path))
        self._channel.send(wire.Hello(self._session, wire.PROTOCOL, claims, limits))
        try:
            async with asyncio.timeout(_WELCOME):
                welcome = await self._welcome
        except TimeoutError:
            self._channel.close()
            raise LinkLost("the owner does not answer") from None
        self._pulse(max(0.05, welcome.lease / 4))

    def _pulse(self, seconds: float) -> None:
        self._channel.send(wire.Beat())
        self._beat = self._loop.call_later(seconds, self._pulse, seconds)

    def close(self) -> None:
        """Leave."""
        self._channel.close()

    def _lost(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
        pending, self._pending = self._pending, {}
        adding, self._adding = self._adding, {}
        adds = [future for added in (*adding.values(), self._adds) for future, _ in added]
        self._adds, self._texts, self._size = [], [], 0
        for future in (*pending.values(), *adds, self._welcome):
            if not future.done():
                future.set_exception(LinkLost("the connection to the owner ended"))
                future.exception()  # looked at: whoever waited may be gone
        self._acks.clear()
        self._on_lost()

    def _received(self, message: Any) -> None:
        if isinstance(message, wire.Run):
            spec = spec_of(message.spec)
            self._slots.start(Claim(spec=spec, number=message.claim, attempt=message.attempt, crashes=message.crashes))
        elif isinstance(message, wire.Added):
            self._added(self._adding.pop(message.number, ()), message)
        elif isinstance(message, wire.Acknowledged):
            if (ack := self._acks.pop(message.number, None)) is not None:
                ack()
        elif isinstance(message, wire.Stop):
            self._slots.cancel(message.id)
        elif isinstance(message, wire.Reply):
            self._replied(message)
        elif isinstance(message, wire.Welcome) and not self._welcome.done():
            self._welcome.set_result(message)

    def _added(self, adds: Sequence[Adding], message: wire.Added) -> None:
        at, known = 0, message.known
        for future, ids in adds:
            if not future.done():
                if message.error is not None:
                    future.set_exception(TaskStoreUnavailable(message.error))
                elif known:
                    places = enumerate(ids, at)
                    future.set_result([Enqueued(known.get(n, id), n not in known) for n, id in places])  # noqa: A001
                else:
                    future.set_result([Enqueued(id) for id in ids])  # noqa: A001
            at += len(ids)

    def _replied(self, message: wire.Reply) -> None:
        future = self._pending.pop(message.number, None)
        if future is None or future.done():
            return
        if message.error is None:
            future.set_result(message.data)
            return
        future.set_exception(_ERRORS.get(message.error[0], errors.TaskError)(message.error[1]))

    def _expect(self) -> tuple[int, asyncio.Future[Any]]:
        if not self._channel.connected:
            raise LinkLost("the connection to the owner ended")
        self._number += 1
        future = self._pending[self._number] = self._loop.create_future()
        return self._number, future

    async def _ask(self, answer: Any, method: str, *arguments: Any) -> Any:
        number, future = self._expect()
        encoded = JSON.encode(arguments)
        self._channel.send(wire.Ask(number, method, encoded), len(encoded))
        try:
            return msgspec.json.decode(await future, type=answer)
        finally:
            self._pending.pop(number, None)

    # -- Link

    def subscribe(self, category: str, capacity: int) -> None:
        """Take claims of a category."""
        self._channel.send(wire.Subscribe(category, capacity))

    def limits(self, limits: wire.Limits) -> None:
        """Set limits by scope."""
        self._channel.send(wire.SetLimits(limits))

    def outcome(self, claim: Claim, outcome: Outcome, ack: Callable[[], None]) -> None:
        """Report what came of a claim; `ack` is called once that is durable."""
        self._number += 1
        self._acks[self._number] = ack
        data = JSON.encode(outcome)
        self._channel.send(wire.Result(self._number, claim.spec.id, claim.number, data), len(data))

    def progress(self, id: str, value: float | None, note: str | None) -> None:  # noqa: A002 - the field's own name
        """Report how far a task is."""
        self._channel.send(wire.Note(id, value, note))

    async def enqueue(self, specs: Sequence[TaskSpec], texts: Sequence[bytes], checked: bool) -> list[Enqueued]:
        """Add tasks; `texts` are the same as JSON. What is added within a tick of the loop is one message."""
        if not self._channel.connected:
            raise LinkLost("the connection to the owner ended")
        size = sum(map(len, texts))
        if size > wire.MOST_BYTES:
            raise errors.InvalidTask(
                f"{size:,} bytes of tasks at once, more than {wire.MOST_BYTES:,}: add fewer at once"
            )
        future: asyncio.Future[list[Enqueued]] = self._loop.create_future()
        add = (future, [spec.id for spec in specs])
        if checked:
            self._send_adds([add], list(texts), size, checked)
            return await future
        if not self._adds:
            self._loop.call_soon(self._flush_adds)
        self._adds.append(add)
        self._texts += texts
        self._size += size
        if self._size > _BIG:
            self._flush_adds()
        return await future

    def _flush_adds(self) -> None:
        if self._adds:
            adds, texts, size = self._adds, self._texts, self._size
            self._adds, self._texts, self._size = [], [], 0
            self._send_adds(adds, texts, size, checked=False)
            self._channel.flush()

    def _send_adds(self, adds: list[Adding], texts: list[bytes], size: int, checked: bool) -> None:
        self._number += 1
        self._adding[self._number] = adds
        self._channel.send(wire.Add(self._number, texts, checked), size)

    async def status(self, ids: Sequence[str]) -> list[TaskInfo | None]:
        """See `TaskEngine.status`."""
        return await self._ask(_INFOS, "status", list(ids))  # type: ignore[no-any-return]

    async def wait(self, id: str, timeout: float | None) -> TaskInfo | None:  # noqa: A002, ASYNC109
        """See `TaskEngine.wait`."""
        infos: list[TaskInfo | None] = await self._ask(_INFOS, "wait", id, timeout)
        return infos[0]

    async def cancel_tasks(self, ids: Sequence[str]) -> int:
        """See `TaskEngine.cancel`."""
        return await self._ask(int, "cancel", list(ids))  # type: ignore[no-any-return]

    async def requeue(self, ids: Sequence[str]) -> int:
        """See `TaskEngine.requeue`."""
        return await self._ask(int, "requeue", list(ids))  # type: ignore[no-any-return]

    async def query(self, filter: Filter, cursor: str | None) -> tuple[list[TaskInfo], str | None]:  # noqa: A002
        """See `TaskEngine.query`."""
        return await self._ask(_PAGE, "query", filter, cursor)  # type: ignore[no-any-return]

    async def stats(self) -> dict[str, dict[str, int]]:
        """See `TaskEngine.stats`."""
        return await self._ask(dict[str, dict[str, int]], "stats")  # type: ignore[no-any-return]

    async def sql(self, statement: str, parameters: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """See `TaskEngine.sql`. What JSON has no type for arrives as a string."""
        return await self._ask(_ROWS, "sql", statement, list(parameters))  # type: ignore[no-any-return]
