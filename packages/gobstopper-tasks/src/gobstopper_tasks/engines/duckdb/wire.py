"""What the owner and its peers say to each other: frames of messages over a Unix socket.

A frame is its length (4 bytes, big endian) and a MessagePack array of messages; each side sends one frame for each
tick of its loop. Specs and outcomes stay the JSON that they are in the journal.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, cast

import msgspec

from .forks import forget_on_fork

PROTOCOL = 2
MAX_FRAME = 256 << 20
MOST_BYTES = MAX_FRAME - (16 << 20)  # of one message: a frame can hold others before it
_SPLIT = 8 << 20
_LENGTH = struct.Struct(">I")

Limits = dict[str, tuple[int | None, int | None, float]]


class Hello(msgspec.Struct, array_like=True, tag="h"):
    """A peer: who it is, and which claims it works on."""

    session: str
    protocol: int
    claims: list[tuple[str, int]]
    limits: Limits


class Add(msgspec.Struct, array_like=True, tag="a"):
    """Specs as JSON. `checked`: they may have been stored before."""

    number: int
    specs: list[bytes]
    checked: bool


class Subscribe(msgspec.Struct, array_like=True, tag="s"):
    """Capacity for a category."""

    category: str
    capacity: int


class Result(msgspec.Struct, array_like=True, tag="r"):
    """The outcome (JSON) of a claim."""

    number: int
    id: str
    claim: int
    outcome: bytes


class Ask(msgspec.Struct, array_like=True, tag="q"):
    """A call of a method with a JSON array of arguments."""

    number: int
    method: str
    arguments: bytes


class Note(msgspec.Struct, array_like=True, tag="p"):
    """Progress of a task."""

    id: str
    value: float | None
    note: str | None


class SetLimits(msgspec.Struct, array_like=True, tag="l"):
    """Limits by scope."""

    limits: Limits


class Beat(msgspec.Struct, array_like=True, tag="b"):
    """I am alive."""


class Welcome(msgspec.Struct, array_like=True, tag="w"):
    """The owner took the peer in; `lease` is in seconds."""

    session: str
    lease: float


class Added(msgspec.Struct, array_like=True, tag="d"):
    """An `Add` is durable, or why not. `known`: by its place in the `Add`, the id of the task that there was before."""

    number: int
    known: dict[int, str]
    error: str | None


class Acknowledged(msgspec.Struct, array_like=True, tag="k"):
    """A `Result` is durable."""

    number: int


class Run(msgspec.Struct, array_like=True, tag="x"):
    """A claim."""

    spec: bytes
    claim: int
    attempt: int
    crashes: int


class Stop(msgspec.Struct, array_like=True, tag="c"):
    """Ask a running task to stop."""

    id: str


class Reply(msgspec.Struct, array_like=True, tag="y"):
    """The answer (JSON) to an `Ask`; `error` is an exception's class and text."""

    number: int
    data: bytes
    error: tuple[str, str] | None


FromPeer = Hello | Add | Subscribe | Result | Ask | Note | SetLimits | Beat
FromOwner = Welcome | Added | Acknowledged | Run | Stop | Reply


class Channel(asyncio.Protocol):
    """One end of a connection. `received` is called for each message, `lost` once."""

    def __init__(self, messages: Any, received: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._decoder = msgspec.msgpack.Decoder(list[messages])
        self._encoder = msgspec.msgpack.Encoder()
        self._received = received
        self._lost = lost
        self._buffer = bytearray()
        self._out: list[Any] = []
        self._size = 0
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        # Not asserted: uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        forget_on_fork(self)

    def descriptors(self) -> list[int]:
        """The open file descriptors."""
        return [] if self._transport is None else [self._transport.get_extra_info("socket").fileno()]

    @property
    def connected(self) -> bool:
        """True between the two."""
        return self._transport is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 4:
            (size,) = _LENGTH.unpack_from(buffer, at)
            if size > MAX_FRAME:
                self.close()
                return
            if len(buffer) - at - 4 < size:
                break
            try:
                with memoryview(buffer) as whole, whole[at + 4 : at + 4 + size] as frame:
                    messages = self._decoder.decode(frame)
            except msgspec.MsgspecError:
                self.close()
                return
            at += 4 + size
            for message in messages:
                self._received(message)
        del buffer[:at]

    def send(self, message: Any, size: int = 0) -> None:
        """Send with the next frame; `size` is about its bytes, so that frames stay small."""
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(message)
        self._size += size
        if self._size > _SPLIT:
            self.flush()
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send the frame now."""
        out, self._out, self._size = self._out, [], 0
        if out and self._transport is not None:
            frame = self._encoder.encode(out)
            self._transport.write(_LENGTH.pack(len(frame)) + frame)

    def abort(self) -> None:
        """End the connection now, whether the other end reads or not."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection after what was written."""
        self.flush()
        if self._transport is not None:
            self._transport.close()
