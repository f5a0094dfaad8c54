"""Open streams of server-sent events, of the synchronous and of the asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Self

from .sse import Event, EventParser
from .streamed import AsyncStreamedResponse, StreamedResponse

__all__ = ["AsyncEventSource", "EventSource", "event_stream_fields"]


def event_stream_fields(last_event_id: str | None) -> list[tuple[str, str]]:
    """The header fields that a browser's EventSource sends."""
    fields = [("accept", "text/event-stream"), ("cache-control", "no-store")]
    return fields if last_event_id is None else [*fields, ("last-event-id", last_event_id)]


class EventSource:
    """An open stream of server-sent events.

    Attributes:
        response: the answer's head.
    """

    def __init__(self, response: StreamedResponse) -> None:
        self.response = response
        self._parser = EventParser()
        self._events = self._read()

    @property
    def comments(self) -> list[str]:
        """The comments so far, such as keep-alives."""
        return self._parser.comments

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._events.close()
        self.response.disconnect()

    def _read(self) -> Generator[Event, None, None]:
        for data in self.response.iter_bytes():
            yield from self._parser.feed(data)


class AsyncEventSource:
    """An open stream of server-sent events.

    Attributes:
        response: the answer's head.
    """

    def __init__(self, response: AsyncStreamedResponse) -> None:
        self.response = response
        self._parser = EventParser()
        self._events = self._read()

    @property
    def comments(self) -> list[str]:
        """The comments so far, such as keep-alives."""
        return self._parser.comments

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def close(self) -> None:
        """Drop the connection."""
        await self._events.aclose()
        await self.response.disconnect()

    async def _read(self) -> AsyncGenerator[Event, None]:
        async for data in self.response.iter_bytes():
            for event in self._parser.feed(data):
                yield event
