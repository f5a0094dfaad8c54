"""A look at DuckDB's write-ahead log before DuckDB opens it.

DuckDB checks the sum of each entry, but believes the entry's length: a length that was damaged looks to it like the
end of the log, and everything after it is dropped without a word. A crash leaves a cut-off last entry as well, so
the two must be told apart: after a real cut nothing follows.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_HEAD = struct.Struct("<QQ")  # length of the payload, its checksum
_BEGIN, _END = (
    b"\x64\x00",
    b"\xff\xff",
)  # a serialized object starts with field 100 and ends with the end-of-object mark
_DELETE = 27  # the type of an entry that deletes rows
_COMMIT = b"\x64\x00\x64\xff\xff"  # the entry that ends a transaction
_VERSION_ENTRY = 512  # the first entry has no length; it is shorter than this


def damage(path: Path) -> int | None:
    """The byte position of an entry whose length is wrong, or None.

    Entries whose checksum is wrong are left to DuckDB.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
        first = _first_entry(log)
        if first is None:
            return None
        stop = _walk(log, first)
        if stop == len(log):
            return None
        rest = len(log) - stop
        whole = rest > _HEAD.size + 4 and log[stop + 16 : stop + 18] == _BEGIN and log[len(log) - 2 :] == _END
        return stop if whole or _entry_after(log, stop) else None


def without(path: Path, position: int) -> tuple[bytes, int]:
    """The log without the transaction that holds `position`, and the number of entries that this drops.

    What follows is kept if it only adds rows: deletions name rows by number, and would hit others now. Else it is
    dropped too.
    """
    log = path.read_bytes()
    begin = _commit_before(log, position)
    if begin is None:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            begin = min(_first_entry(mapped) or 0, position)
    end = _commit_end(log, position)
    tail = log[end:]
    if _holds(tail, _DELETE):
        end, tail = len(log), b""
    return log[:begin] + tail, max(1, _count(log, begin, end))


def _is_commit(log: bytes, at: int) -> bool:
    return at >= _HEAD.size and _HEAD.unpack_from(log, at - _HEAD.size)[0] == len(_COMMIT)


def _commit_before(log: bytes, position: int) -> int | None:
    at = log.rfind(_COMMIT, 0, position)
    while at != -1 and not _is_commit(log, at):
        at = log.rfind(_COMMIT, 0, at)
    return None if at == -1 else at + len(_COMMIT)


def _commit_end(log: bytes, position: int) -> int:
    at = log.find(_COMMIT, position)
    while at != -1 and not _is_commit(log, at):
        at = log.find(_COMMIT, at + 1)
    return len(log) if at == -1 else at + len(_COMMIT)


def _holds(log: bytes, kind: int) -> bool:
    at = 0
    while at + _HEAD.size + 4 <= len(log):
        length, _ = _HEAD.unpack_from(log, at)
        if log[at + 18] == kind:
            return True
        at += _HEAD.size + length
    return False


def _count(log: bytes, begin: int, end: int) -> int:
    count, at = 0, log.find(_BEGIN, begin, end)
    while at != -1:
        count += log[at - 18 : at - 16] == _END or at - 16 == begin
        at = log.find(_BEGIN, at + 1, end)
    return count


def _valid(log: mmap.mmap, at: int) -> int | None:
    if at + _HEAD.size + 4 > len(log):
        return None
    length, _ = _HEAD.unpack_from(log, at)
    end = at + _HEAD.size + length
    if length < 4 or end > len(log) or log[at + 16 : at + 18] != _BEGIN or log[end - 2 : end] != _END:
        return None
    return int(end)


def _walk(log: mmap.mmap, at: int) -> int:
    while (end := _valid(log, at)) is not None:
        at = end
    return at


def _first_entry(log: mmap.mmap) -> int | None:
    # The candidate from which most of the log can be walked: its own length may be what is damaged.
    best, reach = None, -1
    at = log.find(_END, 0, _VERSION_ENTRY)
    while at != -1:
        end = _walk(log, at + 2)
        if end > at + 2 and end > reach:
            best, reach = at + 2, end
        at = log.find(_END, at + 1, _VERSION_ENTRY)
    return best


def _entry_after(log: mmap.mmap, at: int) -> bool:
    # Entries follow each other without a gap, so the next one starts right after an end mark.
    found = log.find(_END, at + _HEAD.size)
    while found != -1:
        if _valid(log, found + 2) is not None:
            return True
        found = log.find(_END, found + 1)
    return False
