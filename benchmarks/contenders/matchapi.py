"""matchapi on its own terms: RSGI, one function, `match` in place of a router."""

from __future__ import annotations

from typing import Any

import matchapi


@matchapi.app
async def app(req: matchapi.Request) -> Any:
    """Answers the four basic workloads."""
    match req.route:
        case "GET", "plaintext":
            return "Hello, World!"
        case "GET", "json":
            return {"message": "Hello, World!"}
        case "GET", "users", user_id:
            return user_id
        case "POST", "echo":
            return req.json()
        case _:
            return 404
