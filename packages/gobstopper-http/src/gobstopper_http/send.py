"""Sending an answer without the application class: for a bare RSGI callable that uses this package alone."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

from .convert import make_response
from .request import Request
from .types import BackgroundTask

__all__ = ["run_background", "send"]


async def send(request: Request, answer: Any) -> None:
    """Make a response of `answer` (see `make_response`), send it, run what was left to do and release the request.

    ```python
    async def app(scope, proto):
        request = Request.from_rsgi(scope, proto)
        await send(request, {"path": request.path})
    ```
    """
    try:
        response = make_response(answer)
        if response.immediate:
            response.send_now(request)
        else:
            await response.send(request)
        if response.background is not None:
            await run_background(response.background)
    finally:
        await request.close()


async def run_background(task: BackgroundTask) -> None:
    """Call what a response leaves for after the answer."""
    result = task()
    if isawaitable(result):
        await result
