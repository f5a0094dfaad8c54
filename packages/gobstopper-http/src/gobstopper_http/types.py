"""The types that the layer's parts share."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

__all__ = ["BackgroundTask", "HeaderInput", "RawHeaders", "StreamContent"]

RawHeaders: TypeAlias = list[tuple[str, str]]
"""Header fields as the server takes them: lower-case names, in order."""

HeaderInput: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Header fields as a caller may give them."""

StreamContent: TypeAlias = AsyncIterable[bytes | str] | Iterable[bytes | str]
"""The body of a stream: `str` chunks are sent as UTF-8."""

BackgroundTask: TypeAlias = Callable[[], Awaitable[Any] | Any]
"""Called without arguments after the answer has been handed to the server; awaited if it returns an awaitable."""
