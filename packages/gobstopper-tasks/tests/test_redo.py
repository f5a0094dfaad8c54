"""The redo log: frames, what a crash leaves of them, and damage."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gobstopper_tasks import JournalDamaged
from gobstopper_tasks.engines._journal import Event, Kind
from gobstopper_tasks.engines.duckdb import redo
from gobstopper_tasks.engines.duckdb.redo import RedoLog, encode, read


def batch(count: int, first: int) -> bytes:
    return encode([Event(Kind.ADDED, 1.5, f"id-{first + n}", '{"name":"t"}') for n in range(count)], first)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.duckdb"


@pytest.fixture
def log(path: Path):
    made = RedoLog(path)
    made.open()
    yield made
    made.close()


def written(path: Path) -> Path:
    """The segment that has something."""
    return next(name for name in redo.names(path) if name.stat().st_size)


def firsts(path: Path, after: int = 0) -> list[tuple[int, int]]:
    return [(frame.first, frame.events) for frame in RedoLog(path).frames(after)]


def test_frames_come_back_in_order_from_both_segments(log: RedoLog, path: Path) -> None:
    log.append(batch(3, 1))
    segment = log.sealed()
    assert segment in redo.names(path)
    log.append(batch(1, 4))
    log.append(batch(2, 5))
    assert log.sealed() == segment, "until it is folded it is the one to fold"
    assert firsts(path) == [(1, 3), (4, 1), (5, 2)]
    assert firsts(path, after=3) == [(4, 1), (5, 2)]
    log.folded()
    assert segment.stat().st_size == 0
    assert log.sealed() not in (segment, None)
    log.append(batch(1, 7))  # now the first segment is the younger one
    assert firsts(path, after=3) == [(4, 1), (5, 2), (7, 1)]


def test_nothing_to_fold(log: RedoLog) -> None:
    assert log.sealed() is None
    log.append(batch(1, 1))
    assert log.sealed() is not None
    log.folded()
    assert log.sealed() is None
    assert log.size == 0


def test_closing_removes_what_is_folded_and_keeps_what_is_not(path: Path) -> None:
    log = RedoLog(path)
    log.open()
    log.append(batch(1, 1))
    log.close()
    assert firsts(path) == [(1, 1)]
    log.open()
    log.append(batch(1, 2))
    assert firsts(path) == [(1, 1), (2, 1)], "it goes on where it ended"
    assert log.sealed() is not None
    log.folded()
    log.close()
    assert [name for name in redo.names(path) if name.exists()] == []


def test_going_on_with_both_segments(path: Path) -> None:
    old, young = redo.names(path)[::-1]
    old.write_bytes(batch(1, 7))
    young.write_bytes(batch(1, 8) + batch(2, 9)[:-3])  # torn
    log = RedoLog(path)
    log.open()
    assert log.backlog
    log.append(batch(4, 9))
    assert firsts(path, after=6) == [(7, 1), (8, 1), (9, 4)]
    assert log.sealed() == old
    log.folded()
    assert log.sealed() == young
    log.close()


@pytest.mark.parametrize("left", [1, 27, 28, 40])
def test_a_frame_that_a_crash_cut_off_was_never_acknowledged(log: RedoLog, path: Path, left: int) -> None:
    log.append(batch(2, 1))
    whole = log.size
    log.append(batch(2, 3))
    os.truncate(written(path), whole + left)
    assert firsts(path) == [(1, 2)]


@pytest.mark.parametrize("left", [0, 27, 28, 40])
def test_a_frame_that_was_never_filled(log: RedoLog, path: Path, left: int) -> None:
    # After a power failure the file can have its length, and zeros where the data did not get.
    log.append(batch(2, 1))
    whole = log.size
    log.append(batch(2, 3))
    segment = written(path)
    content = segment.read_bytes()
    segment.write_bytes(content[: whole + left] + bytes(len(content) - whole - left))
    if left in (0, 28, 40):
        assert firsts(path) == [(1, 2)]
    else:  # half a head cannot be told from damage; disks write whole sectors
        with pytest.raises(JournalDamaged):
            firsts(path)


def big(first: int, size: int = 5_000) -> bytes:
    return encode([Event(Kind.ADDED, 1.5, f"id-{first}", "x" * size)], first)


@pytest.mark.parametrize("sector", range(11))
def test_a_last_frame_of_which_a_sector_was_never_filled(path: Path, sector: int) -> None:
    # The sectors of one write may reach the disk in any order.
    content = bytearray(batch(2, 1) + big(3))
    begin = max(len(batch(2, 1)), sector * 512)
    content[begin : (begin // 512 + 1) * 512] = bytes(len(content[begin : (begin // 512 + 1) * 512]))
    redo.names(path)[0].write_bytes(bytes(content))
    assert firsts(path) == [(1, 2)]


@pytest.mark.parametrize("left", range(1, 28))
def test_a_head_across_two_sectors_of_which_one_was_never_filled(path: Path, left: int) -> None:
    before = next(frame for size in range(1, 600) if len(frame := big(1, size)) == 512 - left)
    content = before + big(2, 20)
    redo.names(path)[0].write_bytes(content[:512] + bytes(len(content) - 512))
    assert firsts(path) == [(1, 1)]


def test_a_sector_of_zeros_before_other_frames_is_damage(path: Path) -> None:
    frames = [big(1), big(2), big(3)]
    for at in range(0, len(frames[0]) + len(frames[1]), 512):
        content = bytearray(b"".join(frames))
        content[at : at + 512] = bytes(512)
        redo.names(path)[0].write_bytes(bytes(content))
        with pytest.raises(JournalDamaged):
            firsts(path)


@settings(deadline=None)
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_flipped_bit_is_swallowed(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("redo") / "tasks.duckdb"
    content = bytearray(batch(3, 1) + batch(1, 4) + batch(2, 5))
    position %= len(content)
    content[position] ^= 1 << bit
    segment = redo.names(path)[0]
    segment.write_bytes(bytes(content))
    with pytest.raises(JournalDamaged) as caught:
        firsts(path)
    assert caught.value.position is not None
    assert caught.value.position <= position
    cuts: list[tuple[int, int]] = []
    frames = list(redo.read(segment, lambda begin, end: cuts.append((begin, end))))
    assert len(frames) == 2, "the others are good"
    assert len(cuts) == 1
    assert cuts[0][0] == caught.value.position
    assert cuts[0][1] > position or cuts[0][1] == len(content)


def test_a_missing_frame_is_noticed(path: Path) -> None:
    redo.names(path)[0].write_bytes(batch(3, 1) + batch(2, 5))
    with pytest.raises(JournalDamaged, match="event 4 is missing"):
        firsts(path)
    with pytest.raises(JournalDamaged, match="event 1 is missing"):
        redo.names(path)[0].write_bytes(batch(2, 5))
        firsts(path)


def test_a_write_that_failed_leaves_nothing(log: RedoLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(batch(1, 1))

    def half(file: int, frame: bytes) -> int:
        write(file, frame[: len(frame) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    write = os.write
    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        log.append(batch(5, 2))
    monkeypatch.setattr(os, "write", write)
    assert firsts(path) == [(1, 1)]
    log.append(batch(1, 2))
    assert firsts(path) == [(1, 1), (2, 1)]


def test_a_write_that_cannot_even_be_undone(log: RedoLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(file: int, frame: bytes) -> int:
        write(file, frame[: len(frame) // 2])
        raise OSError(errno.EIO, "Input/output error")

    def refuse(file: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    log.append(batch(1, 1))
    write, truncate = os.write, os.ftruncate
    monkeypatch.setattr(os, "write", half)
    monkeypatch.setattr(os, "ftruncate", refuse)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            log.append(batch(5, 2))
    assert log.sealed() is None, "what was refused must not be folded"
    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "ftruncate", truncate)
    log.append(batch(1, 2))
    assert firsts(path) == [(1, 1), (2, 1)]


def test_short_writes_are_continued(log: RedoLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, frame: write(file, frame[:7]))
    log.append(batch(2, 1))
    assert firsts(path) == [(1, 2)]
    assert len(next(read(written(path))).chunks) == 1


def test_big_values_have_chunks_of_their_own(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(redo, "_CHUNK_BYTES", 1000)
    events = [Event(Kind.ADDED, 1.0, f"id-{n}", "x" * 700) for n in range(4)]
    redo.names(path)[0].write_bytes(encode(events, 1))
    frame = next(read(redo.names(path)[0]))
    assert (frame.first, frame.events) == (1, 4)
    assert [redo.decode(chunk)[0] for chunk in frame.chunks] == [1, 2, 3, 4]
