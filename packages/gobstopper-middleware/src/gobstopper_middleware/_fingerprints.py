"""Hashes of the content of files, each computed once for each version of a file."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from hashlib import sha256
from typing import TypeAlias

from ._static_response import is_same_version, open_version

__all__ = ["Fingerprints"]

_Key: TypeAlias = tuple[str, int, int, int]
_SIZE = 4096


class Fingerprints:
    """Remembers the last `_SIZE` of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, str] = OrderedDict()
        self._running: dict[_Key, asyncio.Future[str | None]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, path: str, status: os.stat_result) -> str | None:
        """The first 16 digits of the SHA-256 of one version, read in line; `None` if it is another one by now."""
        key = _key(path, status)
        known = self._known.get(key)
        if known is not None:
            return known
        number = open_version(path, status)
        if number is None:
            return None
        digest = sha256()
        with open(number, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            if not is_same_version(os.fstat(number), status):
                return None
        self._known[key] = found = digest.hexdigest()[:16]
        while len(self._known) > _SIZE:
            self._known.popitem(last=False)
        return found

    async def shared(self, path: str, status: os.stat_result) -> str | None:
        """The same in a thread: one for all who ask at once, or a long file would keep every thread busy."""
        key = _key(path, status)
        known = self._known.get(key)
        if known is not None:
            return known
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(asyncio.to_thread(self.of, path, status))
            running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)


def _key(path: str, status: os.stat_result) -> _Key:
    return path, status.st_ino, status.st_mtime_ns, status.st_size
