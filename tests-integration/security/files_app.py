"""The application that the attacks on files go to: a folder served by middleware, and by `FileResponse`.

With SITE_HURRY files are let go after half a second.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from gobstopper import Gobstopper, Request
from gobstopper_http import FileResponse, Response, _names
from gobstopper_middleware import StaticMiddleware

FOLDER = Path(os.environ["SITE_STATIC"])
if "SITE_HURRY" in os.environ:
    _names.IDLE = _names.GRACE = 0.5
    _names._TICK = 0.1

app = Gobstopper(__name__)
app.add_middleware(StaticMiddleware, directory=FOLDER)


@app.get("/pid")
async def pid(request: Request) -> dict[str, Any]:
    return {"pid": os.getpid()}


@app.get("/file/<path:name>")
async def file(request: Request, name: str) -> FileResponse:
    return FileResponse(FOLDER / name)


class Held(Response):
    """A pipe as the body: it takes one of the server's threads for files until something is written."""

    immediate = False
    writers: ClassVar[list[int]] = []

    async def send(self, request: Request) -> None:
        reader, writer = os.pipe()
        self.writers.append(writer)
        request.claim(200).response_file(200, [("content-length", "4")], f"/proc/self/fd/{reader}")


@app.get("/hold")
async def hold(request: Request) -> Response:
    return Held()


@app.get("/secrets")
async def secrets(request: Request) -> dict[str, Any]:
    """Take the numbers that are free, with a file that nobody may see."""
    return {"numbers": [os.open(FOLDER.parent / "secret.txt", os.O_RDONLY) for _ in range(50)]}


@app.get("/release")
async def release(request: Request) -> dict[str, Any]:
    return {"written": [os.write(writer, b"done") for writer in Held.writers]}
