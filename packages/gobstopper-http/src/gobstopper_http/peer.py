"""The connection that an answer goes out on, looked at beside the server: how far its reader is, and how to break it.

`response_stream` queues without bound (a stalled reader of 200 MiB took a process from 30 to 241 MB), and ends every
stream as if it were complete. But the connection is a socket of this very process. Linux tells how many of its bytes
are still unsent: while they are many, the server's own queue cannot shrink, so whoever fills it waits. And a socket
that is shut down is an end that no client takes for a complete answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any

from .datastructures import parse_address
from .errors import ClientDisconnected

__all__ = ["BATCH", "Peer"]

_SIOCOUTQNSD = 0x894B
"""Linux's ioctl for the bytes in a socket's send queue that were not sent yet."""

BATCH = 512 * 1024
"""Bytes that are handed over between two looks: what one stalled reader may take of the memory, and a chunk."""

_LOW = 64 * 1024
"""With no more unsent bytes than this the system takes more, so the server's queue has run dry."""

_LONGEST_PAUSE = 0.05

_FLUSH = 0.02
"""Seconds that the server gets to write what it has before a stream is broken off."""


class Peer:
    """The reader of a stream over HTTP/1, on Linux.

    Args:
        client: Its address, as the server gives it: `"ip:port"`.
        server: The local address, likewise.
        idle: Seconds in which it may take nothing before it is given up.
    """

    __slots__ = ("_addresses", "_fd", "_handed_over", "_idle")

    def __init__(self, client: str, server: str, idle: float) -> None:
        self._addresses = (_key(parse_address(client)), _key(parse_address(server)))
        self._idle = idle
        self._handed_over = 0
        self._fd: int | None = None

    @property
    def is_tcp(self) -> bool:
        """Whether it can be looked at; the two ends of a Unix socket have no names."""
        return None not in self._addresses

    async def keep_pace(self, size: int) -> None:
        """Say that `size` bytes were handed to the server; waits when the reader is too far behind.

        Raises:
            ClientDisconnected: when it takes nothing for the idle time.
        """
        self._handed_over += size
        if self._handed_over < BATCH:
            return
        self._handed_over = 0
        loop = asyncio.get_running_loop()
        unsent = self._unsent()
        end, pause = loop.time() + self._idle, 0.001
        while unsent > _LOW:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            before, unsent = unsent, self._unsent()
            if unsent != before:
                end = loop.time() + self._idle
            elif loop.time() > end:
                await self.break_off()
                raise ClientDisconnected(f"the reader of the stream took nothing for {self._idle:g} seconds")

    async def break_off(self) -> None:
        """Shut the connection down, so that what was sent does not look like all; nothing if it is not to be had."""
        await asyncio.sleep(_FLUSH)
        with self._connection() as connection:
            if connection is not None:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _unsent(self) -> int:
        """Bytes that the system has not sent; 0 if the connection is gone, which the server will tell by itself."""
        with self._connection() as connection:
            if connection is not None:
                with suppress(OSError):
                    return int(struct.unpack("i", fcntl.ioctl(connection, _SIOCOUTQNSD, b"\0" * 4))[0])
        return 0

    @contextmanager
    def _connection(self) -> Iterator[socket.socket | None]:
        """The socket, borrowed; `None` if it is gone or cannot be found."""
        for fd in self._candidates():
            try:
                found = socket.socket(fileno=fd)
            except OSError:
                continue
            try:
                if self._is_ours(found):
                    self._fd = fd
                    yield found
                    return
            finally:
                found.detach()  # it is the server's to close
        yield None

    def _candidates(self) -> Iterator[int]:
        if self._fd is not None:
            yield self._fd
        if os.path.isdir("/proc/self/fd"):  # noqa: PTH112 - no path is kept
            yield from map(int, os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are wanted, thousands of them

    def _is_ours(self, connection: socket.socket) -> bool:
        """Asked every time: a number may have been closed, and taken again, by a thread of the server."""
        try:
            return (_key(connection.getpeername()), _key(connection.getsockname())) == self._addresses
        except OSError:
            return False


def _key(address: Any) -> tuple[str, int] | None:
    """A TCP address in one spelling: IPv4 that came through an IPv6 socket is IPv4."""
    try:
        host = ip_address(address[0].partition("%")[0])
        return str(getattr(host, "ipv4_mapped", None) or host), int(address[1])
    except (ValueError, TypeError, IndexError, AttributeError):
        return None
