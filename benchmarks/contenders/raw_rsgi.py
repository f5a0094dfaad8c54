"""A bare RSGI function that does the same work: the measure of all others."""

from __future__ import annotations

from typing import Any

import msgspec

TEXT = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]
encode = msgspec.json.encode
decode = msgspec.json.decode


class Raw:
    """An RSGI application without a framework."""

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        """Answers every workload."""
        path = scope.path
        if path == "/plaintext":
            proto.response_str(200, TEXT, "Hello, World!")
        elif path == "/json":
            proto.response_bytes(200, JSON, encode({"message": "Hello, World!"}))
        elif path == "/echo" and scope.method == "POST":
            proto.response_bytes(200, JSON, encode(decode(await proto())))
        else:
            head, _, user = path.rpartition("/")
            if head.endswith("/users") and scope.method == "GET":
                proto.response_str(200, TEXT, user)
            else:
                proto.response_str(404, TEXT, "Not Found")


app = stack = routes_10 = routes_1000 = Raw()
