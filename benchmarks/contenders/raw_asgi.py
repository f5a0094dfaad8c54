"""A bare ASGI function on the same server: what the choice of protocol alone costs."""

from __future__ import annotations

from typing import Any

import msgspec

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
encode = msgspec.json.encode
decode = msgspec.json.decode


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers the four basic workloads."""
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/plaintext":
        await answer(send, 200, TEXT, b"Hello, World!")
    elif path == "/json":
        await answer(send, 200, JSON, encode({"message": "Hello, World!"}))
    elif path == "/echo" and scope["method"] == "POST":
        body = b""
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        await answer(send, 200, JSON, encode(decode(body)))
    else:
        head, _, user = path.rpartition("/")
        if head == "/users" and scope["method"] == "GET":
            await answer(send, 200, TEXT, user.encode())
        else:
            await answer(send, 404, TEXT, b"Not Found")


async def answer(send: Any, status: int, kind: bytes, body: bytes) -> None:
    """One whole response."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
