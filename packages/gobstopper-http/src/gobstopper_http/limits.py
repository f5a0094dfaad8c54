"""The limits that keep one request from taking the process."""

from __future__ import annotations

import msgspec

__all__ = ["DEFAULT_LIMITS", "Limits"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may cost; counted on bytes that were read, never on what a header claims.

    Attributes:
        body: Bytes of a body that is read whole, or of a form with its files: 1 MiB. 413 over it.
        form_text: Bytes of all text fields of a form together: 500,000. 413 over it.
        form_parts: Parts of a multipart body: 100. 413 over it.
        fields: Fields of a query string or an urlencoded form: 1,000. 400 and 413 over it.
        json_depth: How deep JSON may nest: 64. 400 over it.
        body_idle: Seconds without a byte of the body: 10. 408 over it.
        websocket_message: Bytes of one WebSocket message: 1 MiB. Close code 1009 over it.
        websocket_idle: Seconds without a message from the peer: 300. Close code 1001 over it.
        stream_idle: Seconds in which a reader takes nothing of a bounded stream: 60. The stream ends then.
    """

    body: int = 1024 * 1024
    form_text: int = 500_000
    form_parts: int = 100
    fields: int = 1000
    json_depth: int = 64
    body_idle: float = 10.0
    websocket_message: int = 1024 * 1024
    websocket_idle: float = 300.0
    stream_idle: float = 60.0


DEFAULT_LIMITS = Limits()
