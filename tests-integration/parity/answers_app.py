"""An application whose answers are at odds with their framing."""

from __future__ import annotations

from collections.abc import Iterator

from gobstopper import Gobstopper
from gobstopper.http import FileResponse, Request, Response, StreamingResponse

app = Gobstopper(__name__)


def chunks() -> Iterator[bytes]:
    yield b"abc"


@app.get("/fine")
async def fine() -> str:
    return "fine"


@app.get("/reset/whole")
async def reset_whole() -> Response:
    return Response(b"abc", 205, {"Content-Length": "3"})


@app.get("/reset/tuple")
async def reset_tuple() -> tuple[str, int]:
    return "abc", 205


@app.get("/reset/stream")
async def reset_stream() -> StreamingResponse:
    return StreamingResponse(chunks(), 205, {"Content-Length": "3"})


@app.get("/reset/file")
async def reset_file() -> FileResponse:
    return FileResponse(__file__, status=205)


@app.get("/length")
async def length(request: Request) -> StreamingResponse:
    return StreamingResponse(chunks(), headers=[("Content-Length", value) for value in request.args.getlist("is")])
