"""Server-sent events (WHATWG HTML, section 9.2): events, and the stream that sends them and stays alive."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, ClassVar

import msgspec

from ._pump import END, SILENCE, Pump
from .datastructures import Headers
from .response import encode_json
from .streaming import StreamingResponse, close_source
from .types import BackgroundTask, HeaderInput

__all__ = ["EventSourceResponse", "EventStream", "ServerSentEvent"]

# The line ends of the format; str.splitlines knows others, which would break data apart.
_LINE_END = re.compile(r"\r\n|\r|\n")
_FORBIDDEN = re.compile(r"[\r\n\0]")
KEEP_ALIVE = b": keep-alive\n\n"
_FIRST = 0.1


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        data: text, which may have several lines; anything else is sent as JSON. `None`: no data, so that the browser
            dispatches nothing (for a bare `id`, `retry` or `comment`).
        event: the type that the page listens for; ``message`` without one.
        id: what the browser sends back as ``Last-Event-ID`` when it reconnects; ``""`` makes it forget the last one.
        retry: milliseconds after which it reconnects.
        comment: text that it ignores.
    """

    data: Any = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def encode(self) -> bytes:
        """Return the event as it is sent, with the empty line that ends it.

        Raises:
            ValueError: a line break or NUL in `event` or `id`, or a negative `retry`.
            TypeError: `data` that has no JSON form.
        """
        lines = [] if self.comment is None else [f": {line}" for line in _LINE_END.split(self.comment)]
        for name, value in (("event", self.event), ("id", self.id)):
            if value is None:
                continue
            if _FORBIDDEN.search(value):
                raise ValueError(f"the {name} of a server-sent event is one line without NUL, not {value[:80]!r}")
            lines.append(f"{name}: {value}")
        if self.retry is not None:
            if self.retry < 0:
                raise ValueError(f"retry is a number of milliseconds from 0, not {self.retry}")
            lines.append(f"retry: {int(self.retry)}")
        if self.data is not None:
            text = self.data if isinstance(self.data, str) else encode_json(self.data).decode()
            lines.extend(f"data: {line}" for line in _LINE_END.split(text))
        return "\n".join([*lines, "", ""]).encode()


def encode_event(item: Any) -> bytes:
    """Encode whatever a source yields.

    Raises:
        TypeError: for what has no JSON form.
    """
    if isinstance(item, bytes):
        return item
    if isinstance(item, ServerSentEvent):
        return item.encode()
    return ServerSentEvent("null" if item is None else item).encode()


class EventStream(StreamingResponse):
    """A stream of server-sent events.

    The headers go out with the first event, or after 0.1 s; what the source raises until then is a real error answer.
    It ends when the source does, when the client goes away, or when the server stops; the source is closed then, so its
    ``finally`` runs. The browser reconnects by itself, with ``request.last_event_id``. A reader that falls behind makes
    the source wait, and is given up after `limits.stream_idle`; over HTTP/2 or off Linux its events queue in the server
    without bound, and a source that may run ahead of its readers has to drop events itself.

    Args:
        source: yields `ServerSentEvent`, `str` (data), `bytes` (sent unchanged), or anything with a JSON form (data).
            An asynchronous iterable, or a plain one, which is run in a thread.
        keep_alive: seconds of silence after which a comment is sent, so that proxies do not give up; `None` for none.
        headers: further fields.
        status: 200 to 599.
        background: see `Response`.

    Raises:
        TypeError: `source` is not iterable.
        ValueError: `keep_alive` is not above 0.
    """

    __slots__ = ("keep_alive", "source")

    ends_at_drain: ClassVar[bool] = True
    may_pipe: ClassVar[bool] = False

    def __init__(
        self,
        source: AsyncIterable[Any] | Iterable[Any],
        *,
        keep_alive: float | None = 15.0,
        headers: HeaderInput | None = None,
        status: int = 200,
        background: BackgroundTask | None = None,
    ) -> None:
        if keep_alive is not None and keep_alive <= 0:
            raise ValueError(f"keep_alive is a number of seconds above 0, or None, not {keep_alive!r}")
        merged = Headers(headers)
        merged.setdefault("content-type", "text/event-stream; charset=utf-8")
        merged.setdefault("cache-control", "no-store")
        # nginx buffers answers otherwise, and events arrive in lumps.
        merged.setdefault("x-accel-buffering", "no")
        super().__init__(source, status, merged.raw, background=background)
        self.content = _frames(source, keep_alive)
        self.keep_alive = keep_alive
        self.source = source

    async def close(self) -> None:
        """Close the source of a stream that will not be sent."""
        await super().close()
        await close_source(self.source)  # one that was never begun, the frames know nothing of


EventSourceResponse = EventStream


async def _frames(source: AsyncIterable[Any] | Iterable[Any], keep_alive: float | None) -> AsyncIterator[bytes]:
    pump = Pump(source)
    try:
        # An error before the first event is still an answer of its own. But the headers go out with the first bytes,
        # and the page waits for them: so not for long.
        item = await pump.get(_FIRST if keep_alive is None else min(_FIRST, keep_alive))
        while item is not END:
            yield KEEP_ALIVE if item is SILENCE else encode_event(item)
            item = await pump.get(keep_alive)
    finally:
        await pump.close()
