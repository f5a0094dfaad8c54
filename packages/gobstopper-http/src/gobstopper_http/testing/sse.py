"""Reading server-sent events, as a browser's EventSource does."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["Event", "EventParser"]

_LINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    """An event as it is dispatched in a page.

    Attributes:
        data: the lines, joined by newlines.
        event: its type, `"message"` without one.
        id: the last event id that was set so far, by this event or an earlier one.
        retry: milliseconds to wait before connecting again, if this event set it.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """The data, decoded from JSON."""
        return msgspec.json.decode(self.data)


class EventParser:
    """Turns bytes into events (HTML standard, section 9.2.6); `comments` collects the lines that a browser ignores."""

    def __init__(self) -> None:
        self.comments: list[str] = []
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._rest: list[str] = []
        self._carriage_return = False
        self._data: list[str] = []
        self._event = ""
        self._id = ""
        self._retry: int | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take more bytes; the events that are complete now."""
        text = self._decode(data)
        if not text:
            return []
        if self._carriage_return and text.startswith("\n"):
            text = text[1:]  # the second half of a line end that was cut between two chunks
        self._carriage_return = text.endswith("\r") if text else False
        first, *others = _LINE.split(text)
        self._rest.append(first)
        if not others:
            return []
        *lines, last = others
        lines.insert(0, "".join(self._rest))
        self._rest = [last]
        return [event for event in map(self._line, lines) if event is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments.append(line[1:].removeprefix(" "))
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self._retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        data, event, retry = self._data, self._event, self._retry
        self._data, self._event, self._retry = [], "", None
        return Event("\n".join(data), event or "message", self._id, retry) if data else None
