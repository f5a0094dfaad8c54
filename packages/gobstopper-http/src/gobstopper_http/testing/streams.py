"""Small helpers that both clients' streamed answers share."""

from __future__ import annotations

import re

from .errors import HTTPStatusError
from .response import ResponseStart

__all__ = ["LineSplitter", "check_event_stream"]

# A carriage return at the end may be the first half of a line end, so it waits for the next chunk.
_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


class LineSplitter:
    """Cuts text into lines, whatever the chunks."""

    def __init__(self) -> None:
        self._rest: list[str] = []

    def feed(self, text: str) -> list[str]:
        """The lines that are complete."""
        if self._rest and self._rest[-1].endswith("\r"):
            text = "\r" + text
            self._rest[-1] = self._rest[-1][:-1]
        first, *others = _LINE_END.split(text)
        self._rest.append(first)
        if not others:
            return []
        *lines, last = others
        lines.insert(0, "".join(self._rest))
        self._rest = [last]
        return lines

    def finish(self) -> list[str]:
        """The last line, if it had no end."""
        rest = "".join(self._rest)
        return [rest.removesuffix("\r")] if rest else []


def check_event_stream(response: ResponseStart) -> None:
    """Refuse what a browser's EventSource refuses."""
    if response.status != 200 or response.content_type != "text/event-stream":
        kind = response.content_type or "no content type"
        raise HTTPStatusError(f"{response.url} is no event stream but {response.status}, {kind}", response.status)
