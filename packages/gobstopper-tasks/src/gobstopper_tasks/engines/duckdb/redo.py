"""The redo log: what was acknowledged and is not in the DuckDB file yet.

A commit of DuckDB costs about a millisecond whatever it holds; a frame at the end of a file and its sync a tenth of
that. So a batch of events is durable once it is here, and many batches together are folded into DuckDB later. Two
segments take turns: while one is folded, the other is written. Folding is idempotent, because every event has its
number, and DuckDB keeps in the same transaction up to which number it has them.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ...errors import JournalDamaged
from .._journal import Event

_MAGIC = b"gRL1"
_HEAD = struct.Struct("<4sIQII")  # magic, events, number of the first, bytes of the payload, checksum of the payload
_SUM = struct.Struct("<I")  # of the head
_START = _HEAD.size + _SUM.size
_SECTOR = 512  # bytes that a disk writes together, or not at all
_CHUNK_EVENTS, _CHUNK_BYTES = 5_000, 2 << 20  # DuckDB reads a chunk at once, so that its memory stays small
FULL = 256 << 20  # bytes in one segment, after which nothing is taken until the other is folded

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode
_SYNCED = getattr(os, "O_DSYNC", 0) if hasattr(os, "fdatasync") else 0  # one call, and one turn at the GIL, for two
# Windows has no O_CLOEXEC, and without O_BINARY writes two bytes for each newline.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | _SYNCED | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Frame(NamedTuple):
    """One batch: the number of its first event, how many there are, where it begins and ends, and its chunks (JSON)."""

    first: int
    events: int
    position: int
    end: int
    chunks: list[bytes]


def encode(events: Sequence[Event], first: int) -> bytes:
    """A batch as a frame. A chunk is a JSON object of columns, on a line of its own."""
    payload = b"\n".join(_chunks(events, first))
    head = _HEAD.pack(_MAGIC, len(events), first, len(payload), zlib.crc32(payload))
    return head + _SUM.pack(zlib.crc32(head)) + payload


def _chunks(events: Sequence[Event], first: int) -> list[bytes]:
    if len(events) <= _CHUNK_EVENTS:
        kind, ts, ids, data = zip(*events, strict=True)
        text = _ENCODE({"seq": first, "kind": kind, "ts": ts, "id": ids, "data": data})
        if len(text) <= _CHUNK_BYTES or len(events) == 1:
            return [text]
    half = len(events) // 2
    return _chunks(events[:half], first) + _chunks(events[half:], first + half)


def decode(chunk: bytes) -> tuple[int, list[Any]]:
    """The number of a chunk's first event, and its columns: kind, time, id, data."""
    seq, *columns = _DECODE(chunk).values()
    return seq, columns


def names(path: Path) -> tuple[Path, Path]:
    """The segments of a DuckDB file."""
    return path.with_name(path.name + ".redo-0"), path.with_name(path.name + ".redo-1")


def read(path: Path, damaged: Callable[[int, int], None] | None = None) -> Iterator[Frame]:
    """The frames of a segment. One that a crash cut off at the end was never acknowledged, and is left out.

    Raises `JournalDamaged` with the byte position for any other that is not whole; or tells `damaged` where such bytes
    begin and end, and goes on after them: each frame stands for itself.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
        at = 0
        while at < len(log):
            frame = _frame(log, at)
            if frame is not None:
                yield frame
                at = frame.end
                continue
            if _torn(log, at):
                return
            if damaged is None:
                raise JournalDamaged(str(path), at, "a frame of the redo log is not what was written")
            end = _next_frame(log, at)
            damaged(at, end)
            at = end


def in_order(paths: Sequence[Path], damaged: Callable[[int, int], None] | None = None) -> list[Path]:
    """The older segment first: one is begun when the other is given away."""
    begins = ((next((frame.first for frame in read(path, damaged)), 0), path) for path in paths)
    return [path for _, path in sorted(begins)]


def _next_frame(log: mmap.mmap, position: int) -> int:
    # Where the first whole frame after `position` starts, or the length of the segment.
    found = log.find(_MAGIC, position + 1)
    while found != -1 and _frame(log, found) is None:
        found = log.find(_MAGIC, found + 1)
    return len(log) if found == -1 else found


def sync_folder(folder: Path) -> None:
    """Else a crash of the machine can lose names that are new in it."""
    if hasattr(os, "O_DIRECTORY"):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _head(log: mmap.mmap, at: int) -> tuple[int, int, int, int] | None:
    if at + _START > len(log):
        return None
    head = log[at : at + _HEAD.size]
    magic, count, first, length, checksum = _HEAD.unpack(head)
    if magic != _MAGIC or _SUM.unpack_from(log, at + _HEAD.size)[0] != zlib.crc32(head):
        return None
    return count, first, length, checksum


def _frame(log: mmap.mmap, at: int) -> Frame | None:
    head = _head(log, at)
    if head is None or at + _START + head[2] > len(log):
        return None
    count, first, length, checksum = head
    end = at + _START + length
    payload = log[at + _START : end]
    if zlib.crc32(payload) != checksum:
        return None
    return Frame(first, count, at, end, payload.split(b"\n"))


def _torn(log: mmap.mmap, at: int) -> bool:
    """True if a crash can have left this: the end of the file is missing, or a part of the last frame was never filled.

    Nothing was begun before the frame ahead of it was durable: what others follow is damage.
    """
    head = _head(log, at)
    if head is not None:
        end = at + _START + head[2]
        return end > len(log) or (end == len(log) and (log[end - 1] == 0 or _unfilled(log, at, end)))
    if len(log) - at < _START:
        return True
    return _unfilled(log, at, at + _START) and not _another(log, at)


def _unfilled(log: mmap.mmap, begin: int, end: int) -> bool:
    """True if a sector from `begin` on has nothing but zeros, which JSON has none of."""
    sectors = range(begin - begin % _SECTOR, end, _SECTOR)
    return any(not log[max(begin, at) : min(at + _SECTOR, len(log))].strip(b"\0") for at in sectors)


def _another(log: mmap.mmap, at: int) -> bool:
    found = log.find(_MAGIC, at + 1)
    while found != -1 and _head(log, found) is None:
        found = log.find(_MAGIC, found + 1)
    return found != -1


class RedoLog:
    """Writes frames (one thread), and gives the other segment away to be folded (any one thread)."""

    def __init__(self, path: Path) -> None:
        self._paths = names(path)
        self._files: list[int] = []
        self._sizes = [0, 0]  # bytes of whole frames
        self._torn = [False, False]  # there may be more in the file than that
        self._active = 0
        self._switching = threading.Lock()

    def frames(self, after: int) -> Iterator[Frame]:
        """Frames with events beyond `after`, in order (before `open`). Raises `JournalDamaged`, for a gap as well."""
        for path in in_order(self._paths):
            for frame in read(path):
                if frame.first + frame.events - 1 <= after:
                    continue
                if frame.first != after + 1:
                    reason = f"event {after + 1} is missing: the next one here is {frame.first}"
                    raise JournalDamaged(str(path), frame.position, reason)
                yield frame
                after += frame.events

    def open(self) -> None:
        """Go on where an earlier owner ended. Raises `OSError`, or `JournalDamaged`."""
        self._active = self._paths.index(in_order(self._paths)[-1])
        self._sizes = [max((frame.end for frame in read(path)), default=0) for path in self._paths]
        for path, size in zip(self._paths, self._sizes, strict=True):
            self._files.append(os.open(path, _FLAGS, 0o666))
            os.ftruncate(self._files[-1], size)  # what a crash cut off was never acknowledged
        self._torn = [False, False]
        sync_folder(self._paths[0].parent)

    @property
    def opened(self) -> bool:
        """True between `open` and `close`."""
        return bool(self._files)

    @property
    def size(self) -> int:
        """Bytes that are to be folded."""
        return sum(self._sizes)

    @property
    def backlog(self) -> bool:
        """True if a segment that `sealed` gave was not folded."""
        return self._sizes[1 - self._active] > 0

    def takes(self, frame: bytes) -> bool:
        """True if there is room for it. A segment that is empty has room for any."""
        return self._sizes[self._active] + len(frame) <= max(FULL, len(frame))

    def append(self, frame: bytes) -> None:
        """Write a frame durably. Raises `OSError`, and then it is as if it had never been written."""
        with self._switching:
            active = self._active
            if not self.takes(frame):
                raise OSError(errno.EFBIG, f"DuckDB takes nothing in, and {self._paths[active]} is full")
            file = self._files[active]
            if self._torn[active]:
                os.ftruncate(file, self._sizes[active])
                self._torn[active] = False
            try:
                _write(file, frame)
            except BaseException:
                self._torn[active] = True
                os.ftruncate(file, self._sizes[active])
                self._torn[active] = False
                raise
            self._sizes[active] += len(frame)

    def sealed(self) -> Path | None:
        """A segment that is not written any more, to be folded; None if there is nothing to fold."""
        with self._switching:
            other = 1 - self._active
            if not self._sizes[other]:
                if not self._sizes[self._active] or self._torn[self._active]:
                    return None
                self._active, other = other, self._active
            return self._paths[other]

    def whole(self, segment: Path) -> Iterator[Frame]:
        """The frames of a segment that `sealed` gave. Raises `JournalDamaged` if its end is not there any more."""
        end = 0
        for frame in read(segment):
            end = frame.end
            yield frame
        if end < (written := self._sizes[self._paths.index(segment)]):  # no crash did that: it was acknowledged
            raise JournalDamaged(str(segment), end, f"of the {written} bytes that were written the rest is not there")

    def folded(self) -> None:
        """What `sealed` gave is in DuckDB: forget it."""
        with self._switching:
            other = 1 - self._active
            os.ftruncate(self._files[other], 0)
            self._sizes[other], self._torn[other] = 0, False

    def close(self) -> None:
        """Close the files, and remove them if all is folded."""
        files, self._files = self._files, []
        for file in files:
            os.close(file)
        if files and not self.size:
            for path in self._paths:
                path.unlink(missing_ok=True)

    def descriptors(self) -> list[int]:
        """What a forked child must not write to."""
        return list(self._files)


def _write(file: int, frame: bytes) -> None:
    written = os.write(file, frame)
    while written < len(frame):
        written += os.write(file, memoryview(frame)[written:])
    if not _SYNCED:
        _sync(file)


def _sync(file: int) -> None:
    try:
        import fcntl

        fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined,unused-ignore]  # macOS: fsync(2) leaves it in the drive
    except (ImportError, AttributeError, OSError):
        os.fsync(file)
