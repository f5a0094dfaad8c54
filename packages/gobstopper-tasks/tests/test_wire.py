from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_tasks import TaskQueue, TaskStoreUnavailable
from gobstopper_tasks.engines.duckdb import peer as peer_module
from gobstopper_tasks.engines.duckdb import wire
from gobstopper_tasks.engines.duckdb.election import OwnerLock, socket_path


class Transport:
    def __init__(self) -> None:
        self.data = bytearray()
        self.closed = False

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> None:
        return None


def channel(messages: object = wire.FromPeer) -> tuple[wire.Channel, Transport, list]:
    received: list = []
    made = wire.Channel(messages, received.append, lambda: received.append("lost"))
    transport = Transport()
    made.connection_made(transport)
    return made, transport, received


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 17))
def test_frames_come_out_as_they_went_in_however_they_are_cut(texts: list[bytes], size: int) -> None:
    async def go() -> None:
        sender, transport, _ = channel()
        for text in texts:
            sender.send(wire.Add(1, [text], False))
        sender.send(wire.Beat())
        await asyncio.sleep(0)
        receiver, _, received = channel()
        data = bytes(transport.data)
        for at in range(0, len(data), size):
            receiver.data_received(data[at : at + size])
        assert received == [*(wire.Add(1, [text], False) for text in texts), wire.Beat()]

    asyncio.run(go())


@given(st.binary(max_size=200))
def test_garbage_ends_the_connection_or_waits_for_more(data: bytes) -> None:
    async def go() -> None:
        receiver, transport, received = channel()
        receiver.data_received(data)
        assert transport.closed or not received or all(isinstance(m, msgspec.Struct) for m in received)

    asyncio.run(go())


async def test_frames_are_bounded() -> None:
    receiver, transport, _ = channel()
    receiver.data_received(struct.pack(">I", wire.MAX_FRAME + 1))
    assert transport.closed
    sender, transport, _ = channel()
    for _ in range(3):
        sender.send(wire.Add(1, [b"x"], False), 5 << 20)
    assert transport.data, "a big batch goes in several frames"
    sender.connection_lost(None)
    assert not sender.connected
    sender.send(wire.Beat())
    await asyncio.sleep(0)


async def test_strangers_are_shown_out(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    async with TaskQueue(path):
        address = str(socket_path(path))
        assert Path(address).stat().st_mode & 0o077 == 0
        for frame in ([wire.Beat()], [wire.Hello("s", 99, [], {})]):
            reader, writer = await asyncio.open_unix_connection(address)
            data = msgspec.msgpack.encode(frame)
            writer.write(struct.pack(">I", len(data)) + data)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            await writer.wait_closed()


async def test_errors_cross_the_socket_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    async with TaskQueue(path), TaskQueue(path) as peer:
        with pytest.raises(ValueError, match="does not work"):
            await peer.sql("SELECT nonsense")
        with pytest.raises(Exception, match="no method"):
            await peer._engine._link._ask(int, "nonsense")
        rows = await peer.sql("SELECT DATE '2026-01-02' AS day, ? AS n", [7])
        assert rows == [{"day": "2026-01-02", "n": 7}]


async def test_adds_of_a_tick_go_in_one_message_and_each_gets_its_own_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tasks.duckdb"
    sent: list[wire.Add] = []
    send = wire.Channel.send

    def note(self: wire.Channel, message: object, size: int = 0) -> None:
        if isinstance(message, wire.Add):
            sent.append(message)
        send(self, message, size)

    monkeypatch.setattr(wire.Channel, "send", note)
    async with TaskQueue(path), TaskQueue(path) as peer:
        old = await peer.add("t", category="c", idempotency_key="old")
        sent.clear()
        gone = asyncio.ensure_future(peer.add("t", category="c"))
        adds = [
            *(peer.add("t", category="c", idempotency_key=key) for key in (None, "old", "new", None, "new")),
            peer.add_many([peer.call("t", category="c"), peer.call("t", category="c", idempotency_key="old")]),
        ]
        together = asyncio.gather(*adds)
        await asyncio.sleep(0)
        gone.cancel()
        one, two, three, four, five, both = await together
        assert [len(message.specs) for message in sent] == [8]
        assert (two, three, both[1]) == (old, five, old)
        assert len({old, one, three, four, both[0]}) == 5
        assert (await peer.stats())["c"]["pending"] == 6
        monkeypatch.setattr(peer_module, "_BIG", 1)
        sent.clear()
        await asyncio.gather(*(peer.add("t", category="c") for _ in range(3)))
        assert len(sent) == 3, "a big message does not wait for the end of the tick"


async def test_an_owner_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tasks.duckdb"
    lock = OwnerLock(path.with_name("tasks.duckdb.lock"))
    assert lock.acquire()
    monkeypatch.setattr(peer_module, "_WELCOME", 0.05)
    monkeypatch.setattr("gobstopper_tasks.engines.duckdb.engine._OPENING", 0.3)
    with socket.socket(socket.AF_UNIX) as deaf:  # connections are queued by the kernel, and never taken
        deaf.bind(str(socket_path(path)))
        deaf.listen(100)
        with pytest.raises(TaskStoreUnavailable, match="does not answer"):
            await TaskQueue(path).open()
    lock.release()


async def test_without_an_owner_calls_fail_within_their_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tasks.duckdb"
    owner, peer = TaskQueue(path), TaskQueue(path, patience=0.2)
    await owner.open()
    await peer.open()
    link, failures = peer._engine._try_link, iter([OSError("the disk is away")])

    async def no_link() -> bool:
        for failure in failures:
            raise failure
        return False

    monkeypatch.setattr(peer._engine, "_try_link", no_link)
    await owner.close()
    begun = asyncio.get_running_loop().time()
    with pytest.raises(TaskStoreUnavailable, match="no process owns"):
        await peer.add("t", category="c")
    assert asyncio.get_running_loop().time() - begun < 10
    await peer._engine.progress("unknown", 0.5, None)
    monkeypatch.setattr(peer._engine, "_try_link", link)
    await asyncio.sleep(0.8)
    assert await peer.add("t", category="c")
    await peer.close()


async def test_a_peer_that_loses_its_owner_in_the_middle_asks_again(tmp_path: Path) -> None:
    path = tmp_path / "tasks.duckdb"
    owner, peer = TaskQueue(path), TaskQueue(path)
    await owner.open()
    await peer.open()
    id_ = await peer.add("t", category="c")
    waiting = [asyncio.ensure_future(work) for work in (peer.wait(id_, 3), peer.add("t", category="c"), peer.stats())]
    await asyncio.sleep(0)
    await owner.close(0)
    with pytest.raises(TimeoutError):
        await waiting[0]
    assert await waiting[1]
    assert (await waiting[2])["c"]["pending"] in (1, 2)
    assert peer._engine.is_owner
    await peer.close()
