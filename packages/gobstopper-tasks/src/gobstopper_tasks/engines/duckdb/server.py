"""The owner's end of the socket: each connection is a session of the broker."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ...engine import Filter
from ...errors import InvalidTask
from ...task import JSON, Claim, Enqueued, Outcome
from .._broker import Broker
from .._record import Record
from . import wire
from .forks import forget_on_fork
from .schema import spec_of

log = logging.getLogger("gobstopper.tasks")

_OUTCOME: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)
_FILTER = msgspec.json.Decoder(tuple[Filter, str | None])


class PeerSession:
    """A peer, as the broker sees it."""

    def __init__(self, broker: Broker, id: str, lease: float) -> None:  # noqa: A002 - the field's own name
        self.id = id
        self.capacity: dict[str, int] = {}
        self.busy: dict[str, int] = {}
        self.running: dict[str, Record] = {}
        self.seen = 0.0
        self._broker = broker
        self._own = id
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._asked: set[asyncio.Task[None]] = set()
        self.channel = wire.Channel(wire.FromPeer, self._received, self._lost)
        self.joined = False

    # -- Session

    def start(self, claim: Claim) -> None:
        """See `Session`."""
        text = JSON.encode(claim.spec)
        self.channel.send(wire.Run(text, claim.number, claim.attempt, claim.crashes), len(text))

    def cancel(self, id: str) -> None:  # noqa: A002
        """See `Session`."""
        self.channel.send(wire.Stop(id))

    def drop(self) -> None:
        """See `Session`. A peer that was only slow connects again, and says what it runs."""
        self.channel.abort()

    # -- messages

    def _lost(self) -> None:
        for task in self._asked:
            task.cancel()
        if self.joined:
            self._broker.leave(self)

    def _received(self, message: Any) -> None:
        self.seen = self._loop.time()
        if isinstance(message, wire.Hello):
            self._hello(message)
        elif not self.joined:
            self.channel.close()
        elif isinstance(message, wire.Add):
            self._add(message)
        elif isinstance(message, wire.Result):
            number = message.number
            outcome = _OUTCOME.decode(message.outcome)
            self._broker.outcome(
                self, message.id, message.claim, outcome, lambda: self.channel.send(wire.Acknowledged(number))
            )
        elif isinstance(message, wire.Subscribe):
            self._broker.subscribe(self, message.category, message.capacity)
        elif isinstance(message, wire.Note):
            self._broker.progress(message.id, message.value, message.note)
        elif isinstance(message, wire.SetLimits):
            self._broker.set_limits(message.limits)
        elif isinstance(message, wire.Ask):
            task = self._loop.create_task(self._ask(message))
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    def _hello(self, message: wire.Hello) -> None:
        if message.protocol != wire.PROTOCOL:
            log.error("a process with another version of gobstopper-tasks was refused: restart all with the same one")
            self.channel.close()
            return
        self._own, self.id = self.id, message.session
        self._broker.set_limits(message.limits)
        self._broker.join(self, message.claims)
        self.joined = True
        self.channel.send(wire.Welcome(self._own, self._lease))

    def _add(self, message: wire.Add) -> None:
        number = message.number
        specs = [spec_of(text) for text in message.specs]
        texts = [text.decode() for text in message.specs]

        def added(answer: list[Enqueued] | BaseException) -> None:
            if isinstance(answer, BaseException):
                self.channel.send(wire.Added(number, {}, str(answer)))
            else:
                known = {place: one.id for place, one in enumerate(answer) if not one.created}
                self.channel.send(wire.Added(number, known, None), 50 * len(known))

        if message.checked:
            task = self._loop.create_task(self._broker.add_checked(specs, texts, added))
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)
        else:
            self._broker.add(specs, texts, added)

    async def _ask(self, message: wire.Ask) -> None:
        try:
            value = await self._answer(message.method, message.arguments)
            data = msgspec.json.encode(value, enc_hook=str)
            if len(data) > wire.MOST_BYTES:
                raise InvalidTask(f"the answer is {len(data):,} bytes, more than {wire.MOST_BYTES:,}: ask for less")
            self.channel.send(wire.Reply(message.number, data, None), len(data))
        except Exception as error:  # noqa: BLE001 - it is raised again in the process that asked
            self.channel.send(wire.Reply(message.number, b"null", (type(error).__name__, str(error))))

    async def _answer(self, method: str, arguments: bytes) -> object:
        broker = self._broker
        if method == "query":
            filter_, cursor = _FILTER.decode(arguments)
            return await broker.query(filter_, cursor)
        values = msgspec.json.decode(arguments)
        if method == "status":
            return await broker.status(values[0])
        if method == "wait":
            return [await broker.wait(values[0], values[1])]
        if method == "cancel":
            return await broker.cancel(values[0])
        if method == "requeue":
            return await broker.requeue(values[0])
        if method == "stats":
            return broker.stats()
        if method == "sql":
            return await broker.journal.sql(values[0], values[1])
        raise ValueError(f"no method {method!r}")


class Server:
    """Listens on the socket, for the owner's own user only."""

    def __init__(self, path: Path, session: Callable[[], PeerSession]) -> None:
        self.path = path
        self._session = session
        self._server: asyncio.Server | None = None
        self._sessions: set[PeerSession] = set()

    async def open(self) -> None:
        """Listen. The name appears only when connections are taken, and replaces a dead owner's."""
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)

        def connected() -> wire.Channel:
            session = self._session()
            self._sessions = {s for s in self._sessions if s.channel.connected or not s.joined}
            self._sessions.add(session)
            return session.channel

        self._server = await asyncio.get_running_loop().create_unix_server(connected, str(fresh), backlog=512)
        forget_on_fork(self)
        fresh.chmod(0o600)
        fresh.replace(self.path)

    def descriptors(self) -> list[int]:
        """The open file descriptors."""
        return [socket.fileno() for socket in self._server.sockets] if self._server is not None else []

    def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self.path.unlink(missing_ok=True)
            self._server.close()
            self._server = None
        for session in self._sessions:
            session.channel.close()
