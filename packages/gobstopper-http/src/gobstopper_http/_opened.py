"""Opened files: what is sent is what the header speaks of, whatever happens to the path meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from .threads import STREAMS

__all__ = ["ExchangedError", "OpenFile", "is_same_version", "open_version", "read_version"]

_CHUNK = 256 * 1024

# A pipe or a device that took the file's place must not hold us up.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class ExchangedError(Exception):
    """The file is not the one any more that the header speaks of."""


def is_same_version(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether both are of one file with one content, as far as the system tells."""
    return (
        one.st_ino == other.st_ino
        and one.st_mtime_ns == other.st_mtime_ns
        and one.st_size == other.st_size
        and one.st_dev == other.st_dev
    )


def open_version(path: str, status: os.stat_result, *, follow_links: bool = False) -> int | None:
    """A descriptor of a file if it is still that version; the caller closes it.

    Args:
        path: of a regular file.
        status: what ``os.stat`` said of the version.
        follow_links: `False`: the path is one without links (`os.path.realpath`), and what is opened has to lie just
            there. Linux tells where it does; elsewhere only a link in place of the file itself is refused, not one
            in place of a folder above it.

    Returns:
        `None` if it is another version by now, is gone, cannot be opened, or lies elsewhere.
    """
    try:
        file = os.open(path, _FLAGS if follow_links else _FLAGS | os.O_NOFOLLOW)
    except (OSError, ValueError):  # ValueError: NUL in the path
        return None
    try:
        if is_same_version(os.fstat(file), status) and (follow_links or _lies_at(file, path)):
            return file
    except OSError:
        pass
    os.close(file)
    return None


def read_version(path: str, status: os.stat_result, start: int, size: int, *, follow_links: bool) -> bytes:
    """Read some bytes of a version in line.

    Raises:
        ExchangedError: if `open_version` gives nothing, or the file is cut meanwhile.
    """
    file = open_version(path, status, follow_links=follow_links)
    if file is None:
        raise ExchangedError(path)
    try:
        data = os.pread(file, size, start)
    finally:
        os.close(file)
    if len(data) != size:
        raise ExchangedError(path)
    return data


def _lies_at(file: int, path: str) -> bool:
    if sys.platform != "linux":
        return True
    try:
        # Asked of what is open, so there is no moment in which a folder could become a link.
        place = os.readlink(f"/proc/self/fd/{file}")  # noqa: PTH115 - a plain string
    except OSError:
        return not os.path.isdir("/proc/self/fd")  # noqa: PTH112 - no /proc, so nobody can tell
    # The second if it was deleted or exchanged since it was opened.
    return place == path or place == f"{path} (deleted)"


class OpenFile:
    """One version of a file, opened; closed when nobody refers to it any more.

    Not earlier, because a thread that still reads would read another file under the same number.

    Raises:
        ExchangedError: if `open_version` gives nothing.
    """

    __slots__ = ("descriptor",)

    def __init__(self, path: str, status: os.stat_result, *, follow_links: bool) -> None:
        descriptor = open_version(path, status, follow_links=follow_links)
        if descriptor is None:
            raise ExchangedError(path)
        self.descriptor = descriptor

    def __del__(self) -> None:
        with suppress(AttributeError):  # never opened
            os.close(self.descriptor)

    async def chunks(self, parts: Iterable[tuple[bytes, int, int]], tail: bytes = b"") -> AsyncIterator[bytes]:
        """The parts, each a head and the bytes from a start to an end (exclusive), and what comes after them.

        Raises:
            OSError: if the file was cut.
        """
        for head, start, end in parts:
            if head:
                yield head
            position = start
            while position < end:
                chunk = await STREAMS.run(_pread, self, min(_CHUNK, end - position), position)
                if not chunk:
                    raise OSError("the file became shorter while it was sent")
                position += len(chunk)
                yield chunk
        if tail:
            yield tail


def _pread(file: OpenFile, size: int, start: int) -> bytes:
    # Not os.pread itself: the thread has to hold the file, not its number.
    return os.pread(file.descriptor, size, start)
