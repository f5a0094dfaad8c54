"""A page that is sent while it is rendered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import cast

__all__ = ["CHUNK_SIZE", "RenderStream"]

#: Characters gathered into one chunk.
CHUNK_SIZE = 32 * 1024


class RenderStream(AsyncIterator[str]):
    """The chunks of a page, as an async iterator: each is rendered only when it is asked for.

    `await start()` makes the first one, so that what fails early fails before any header is sent. `chunk_size` is in
    characters; a chunk is longer only by the last piece of the template, and empty ones are never given. `complete`
    tells whether all of the page has been rendered. `aclose()` ends the template where it stands; an iterator that is
    not read to its end should be closed (`contextlib.aclosing`).
    """

    __slots__ = ("_chunk", "_pieces", "_ready", "chunk_size", "complete")

    def __init__(self, pieces: Iterator[str] | AsyncIterator[str], chunk_size: int = CHUNK_SIZE) -> None:
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}; it must be at least 1 character")
        self._pieces = pieces
        self._ready: str | None = None
        self.chunk_size = chunk_size
        self.complete = False

    async def start(self) -> RenderStream:
        """Render the first chunk; what the template raises, this raises."""
        self._ready = await self._next_chunk()
        return self

    def __aiter__(self) -> RenderStream:
        return self

    async def __anext__(self) -> str:
        chunk, self._ready = self._ready, None
        if not chunk:
            if not self.complete:
                # A transport with room to spare never suspends; others must have their turn between two chunks.
                await asyncio.sleep(0)
                chunk = await self._next_chunk()
            if not chunk:
                raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """End the template here: `finally` blocks in generators it reads do run."""
        self.complete = True
        self._ready = None
        if isinstance(self._pieces, AsyncIterator):
            await cast("AsyncGenerator[str]", self._pieces).aclose()
        else:
            getattr(self._pieces, "close", _nothing)()

    async def _next_chunk(self) -> str:
        parts: list[str] = []
        size = 0
        try:
            if isinstance(self._pieces, AsyncIterator):
                async for piece in self._pieces:
                    parts.append(piece)
                    size += len(piece)
                    if size >= self.chunk_size:
                        return "".join(parts)
            else:
                for piece in self._pieces:
                    parts.append(piece)
                    size += len(piece)
                    if size >= self.chunk_size:
                        return "".join(parts)
        except BaseException:
            self.complete = True
            raise
        self.complete = True
        return "".join(parts)


def _nothing() -> None: ...
