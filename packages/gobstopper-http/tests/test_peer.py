"""Looking at the connection beside the server: how far its reader is, and breaking it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from gobstopper_http import peer
from gobstopper_http.errors import ClientDisconnected
from gobstopper_http.peer import BATCH, Peer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells how much is unsent")


def address(of: tuple[object, ...]) -> str:
    host, port = of[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


@pytest.fixture(params=["127.0.0.1", "::1", "mapped"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end and the client's."""
    if request.param == "mapped":  # IPv4 through a socket for both
        listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        target = ("127.0.0.1", listening.getsockname()[1])
    else:
        family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
        listening = socket.create_server((request.param, 0), family=family)
        target = listening.getsockname()[:2]
    with closing(listening):
        client = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(target)
        served, _ = listening.accept()
        served.setblocking(False)
        with client, served:
            yield served, client


def peer_of(pair: tuple[socket.socket, socket.socket], idle: float = 5.0) -> Peer:
    _served, client = pair
    return Peer(address(client.getsockname()), address(client.getpeername()), idle)


def fill(served: socket.socket) -> int:
    sent = 0
    try:
        while True:
            sent += served.send(b"x" * 65536)
    except BlockingIOError:
        return sent


async def test_a_reader_that_keeps_up(pair: tuple[socket.socket, socket.socket]) -> None:
    one = peer_of(pair)
    assert one.is_tcp
    for _ in range(10):
        await one.keep_pace(BATCH)
    assert pair[0].fileno() > 0  # only borrowed


async def test_little_is_not_looked_at(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = peer_of(pair)
    monkeypatch.setattr(os, "listdir", lambda path: pytest.fail("looked"))
    await one.keep_pace(BATCH - 1)


async def test_a_reader_that_falls_behind_is_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    served, client = pair
    left = fill(served)
    waiting = asyncio.ensure_future(peer_of(pair).keep_pace(BATCH))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    while left > 0:
        left -= len(await loop.sock_recv(client, 65536))
    await asyncio.wait_for(waiting, 5)


async def test_a_reader_that_stalls_is_given_up(pair: tuple[socket.socket, socket.socket]) -> None:
    fill(pair[0])
    with pytest.raises(ClientDisconnected, match=r"took nothing for 0\.2 seconds"):
        await peer_of(pair, 0.2).keep_pace(BATCH)
    with pytest.raises(OSError):
        pair[0].send(b"x")  # it was shut down


async def test_breaking_off(pair: tuple[socket.socket, socket.socket]) -> None:
    served, client = pair
    served.send(b"beginning")
    one = peer_of(pair)
    await one.break_off()
    client.settimeout(5)
    assert client.recv(100) == b"beginning"
    assert client.recv(100) == b""
    await one.break_off()  # nothing is left of it


async def test_a_connection_that_is_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    one = peer_of(pair)
    await one.keep_pace(BATCH)
    fill(pair[0])
    pair[0].close()
    pair[1].close()
    await one.keep_pace(BATCH)
    await one.break_off()


async def test_a_number_that_was_taken_again(pair: tuple[socket.socket, socket.socket]) -> None:
    """Another thread has closed the connection, and the number belongs to somebody else now."""
    one = peer_of(pair)
    await one.keep_pace(BATCH)
    number = pair[0].fileno()
    assert one._fd == number
    other, far = socket.socketpair()
    with other, far:
        os.dup2(other.fileno(), number)
        await one.break_off()
        far.send(b"x")
        assert other.recv(1) == b"x"


@pytest.mark.parametrize("text", ["unix:/x", "", "nonsense", "example.com:80", "1.2.3.4"])
def test_what_is_no_tcp(text: str) -> None:
    assert not Peer(text, "127.0.0.1:80", 1).is_tcp
    assert not Peer("127.0.0.1:80", text, 1).is_tcp


async def test_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer.os.path, "isdir", lambda path: False)
    one = Peer("127.0.0.1:1", "127.0.0.1:2", 1)
    await one.keep_pace(BATCH)
    await one.break_off()
