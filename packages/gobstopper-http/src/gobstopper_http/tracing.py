"""Request ids and W3C trace contexts."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

__all__ = ["TraceContext", "request_id"]

_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")
_KNOWN_FLAGS = 0b11
"""Sampled, and (in level 2) random; all others have to be zero in what is sent (section 3.2.2.5)."""
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def request_id(sent: str | None) -> str:
    """`sent` if it is 1 to 128 harmless characters, else 32 random hexadecimal digits."""
    return sent if sent is not None and _ID.fullmatch(sent) else os.urandom(16).hex()


class TraceContext(NamedTuple):
    """W3C Trace Context, level 1.

    Attributes:
        trace_id: 32 hexadecimal digits, the same in every service that the request passes.
        span_id: 16 hexadecimal digits, this server's own part of it.
        parent_id: The caller's span, `None` if the trace begins here.
        flags: The trace flags; bit 0 is "sampled".
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: int = 0

    @classmethod
    def parse(cls, traceparent: str | None) -> TraceContext:
        """Continue the trace of a `traceparent` field (section 3.2), or begin one if it is missing or invalid."""
        span = os.urandom(8).hex()
        match = _PARENT.fullmatch(traceparent) if traceparent else None
        if match is None:
            return cls(os.urandom(16).hex(), span)
        version, trace_id, parent_id, flags, rest = match.groups()
        if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(parent_id, 16):
            return cls(os.urandom(16).hex(), span)
        return cls(trace_id, span, parent_id, int(flags, 16))

    @property
    def traceparent(self) -> str:
        """The field to send on: `00-<trace id>-<this span>-<flags>`; of the flags those that are defined."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags & _KNOWN_FLAGS:02x}"
