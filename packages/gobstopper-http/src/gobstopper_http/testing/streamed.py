"""Answers that are read piece by piece, by the synchronous and by the asynchronous client."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .response import ClientResponse, ResponseStart
from .session import Call, Connection
from .streams import LineSplitter

if TYPE_CHECKING:
    from .async_client import AsyncTestClient
    from .client import TestClient

__all__ = ["AsyncStreamedResponse", "StreamedResponse"]

_T = TypeVar("_T")


class _Decode(Protocol):
    def __call__(self, data: bytes, /, final: bool = False) -> str: ...


class _Streamed(ResponseStart):
    def __init__(self, client: Any, connection: Connection, call: Call) -> None:
        start = connection.start
        super().__init__(start.status, start.headers, start.request, start.history)
        self._client = client
        self._connection = connection
        self._call = call

    def _decoder(self) -> _Decode:
        """Decodes chunk by chunk; a character may be cut in two."""
        return codecs.getincrementaldecoder(self.charset)("replace").decode


class StreamedResponse(_Streamed):
    """An answer whose body is read while it arrives. The time-out is for each chunk."""

    _client: TestClient

    def iter_bytes(self) -> Iterator[bytes]:
        """Chunks as the application sent them."""
        while data := self._run(self._connection.read()):
            yield data

    def iter_text(self) -> Iterator[str]:
        """Text, decoded by the answer's charset."""
        decode = self._decoder()
        for data in self.iter_bytes():
            if text := decode(data):
                yield text
        if text := decode(b"", final=True):
            yield text

    def iter_lines(self) -> Iterator[str]:
        """Lines without their ends."""
        lines = LineSplitter()
        for text in self.iter_text():
            yield from lines.feed(text)
        yield from lines.finish()

    def read(self) -> ClientResponse:
        """The rest of the body, as a whole answer."""
        return ClientResponse(self, self._run(self._connection.read_all()))

    def disconnect(self) -> None:
        """Drop the connection; the application notices."""
        if self._client.server.alive:
            self._run(self._connection.disconnect())

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._client._run(work, self._call.name, self._call.timeout)


class AsyncStreamedResponse(_Streamed):
    """An answer whose body is read while it arrives. The time-out is for each chunk."""

    _client: AsyncTestClient

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Chunks as the application sent them."""
        while data := await self._run(self._connection.read()):
            yield data

    async def iter_text(self) -> AsyncGenerator[str, None]:
        """Text, decoded by the answer's charset."""
        decode = self._decoder()
        async for data in self.iter_bytes():
            if text := decode(data):
                yield text
        if text := decode(b"", final=True):
            yield text

    async def iter_lines(self) -> AsyncGenerator[str, None]:
        """Lines without their ends."""
        lines = LineSplitter()
        async for text in self.iter_text():
            for line in lines.feed(text):
                yield line
        for line in lines.finish():
            yield line

    async def read(self) -> ClientResponse:
        """The rest of the body, as a whole answer."""
        return ClientResponse(self, await self._run(self._connection.read_all()))

    async def disconnect(self) -> None:
        """Drop the connection; the application notices."""
        if self._client.server.alive:
            await self._run(self._connection.disconnect())

    async def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await self._client._run(work, self._call.name, self._call.timeout)
