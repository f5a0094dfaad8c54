"""Every part of Gobstopper on one page.

Run it in this folder with `granian --interface rsgi app:app`, or from anywhere in the checkout with `scripts/demo`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path
from typing import Annotated, Any

import msgspec
from basket import basket
from members import members

from gobstopper import Gobstopper, HTTPException, Request, Response, WebSocket, WebSocketDisconnect, abort, redirect
from gobstopper.http import EventStream, JSONResponse, Limits, ServerSentEvent, StreamingResponse
from gobstopper.tasks import current_task

# Without TASKS, which may name PostgreSQL or Redis, tasks are kept in instance/tasks.duckdb.
app = Gobstopper(__name__, health="/healthz", tasks=os.environ.get("TASKS"))
app.register_blueprint(members, url_prefix="/members")
app.register_blueprint(basket, url_prefix="/basket")
app.init_templates("pages")

PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
MAX_NOTE = 200
notes: deque[tuple[str, str]] = deque(maxlen=8)  # a demonstration: nothing in it may grow without end
sockets: set[WebSocket] = set()


# The page ------------------------------------------------------------------------------------------------------------


@app.get("/")
async def index() -> str:
    """A str is sent as HTML."""
    links = {
        "greet": app.url_for("greet", name="Ada Lovelace"),
        "order": app.url_for("order", number=42),
        "day": app.url_for("day", day=date(2026, 2, 28)),
        "document": app.url_for("document", path="guides/routing/converters"),
        "colour": app.url_for("colour", shade="cherry", strength="strong"),
        "release": app.url_for("release", major=1, minor=4),
    }
    listed = "".join(
        f'<li><button type="button" data-get="{escape(url)}">{escape(url)}</button>'
        f"<code>{escape(str(route.pattern))}</code></li>"
        for name, url in links.items()
        for route in app.routes
        if route.name == name
    )
    written = "".join(f"<li><b>{escape(name)}</b> {escape(text)}</li>" for name, text in notes)
    return (
        PAGE.replace("<!-- links -->", listed)
        .replace("<!-- notes -->", written or "<li>Nothing yet.</li>")
        .replace("<!-- router -->", "Rust" if app.rust_router_available else "Python")
    )


# Routing: the value arrives converted, and a text that does not fit is a 404 -----------------------------------------


@app.get("/greet/<name>")
async def greet(name: str) -> dict[str, str]:
    return {"hello": name}


@app.get("/orders/<int:number>")
async def order(number: int) -> dict[str, int]:
    return {"order": number, "next": number + 1}


@app.get("/days/<date:day>")
async def day(day: date) -> dict[str, str]:
    return {"day": day.isoformat(), "weekday": day.strftime("%A")}


@app.get("/documents/<path:path>")
async def document(path: str) -> dict[str, list[str]]:
    return {"segments": path.split("/")}


@app.get("/colours/<any(cherry,lime,lemon):shade>")
async def colour(request: Request, shade: str) -> dict[str, str | None]:
    return {"shade": shade, "strength": request.query.get("strength")}


@app.get("/releases/v<int:major>.<int:minor>")
async def release(major: int, minor: int) -> dict[str, list[int]]:
    return {"version": [major, minor]}


# JSON: msgspec checks it against the type, and what does not fit is a 422 that names the place -----------------------


class Sweet(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    layers: Annotated[int, msgspec.Meta(ge=1, le=100)]
    colours: list[str] = []


@app.post("/api/sweets")
async def make_sweet(request: Request) -> tuple[dict[str, Any], int]:
    sweet = await request.json(Sweet)
    return {"made": sweet, "at": datetime.now(UTC)}, 201


# A form without JavaScript: post, redirect, get ----------------------------------------------------------------------


@app.post("/notes")
async def add_note(request: Request) -> Response:
    form = await request.form()
    text = form.get("text", "").strip()
    if not text or len(text) > MAX_NOTE:
        abort(400, f"A note has 1 to {MAX_NOTE} characters.")
    notes.appendleft((form.get("name", "").strip()[:40] or "Somebody", text))
    return redirect(app.url_for("index", _anchor="forms"), status=303)


# An upload: read in pieces, from a temporary file once it is large ---------------------------------------------------


@app.post("/uploads", limits=Limits(body=64 * 1024 * 1024))
async def upload(request: Request) -> dict[str, Any]:
    file = (await request.files()).get("file")
    if file is None or not file:
        abort(400, "Choose a file first.")
    digest = hashlib.sha256()
    while chunk := await file.read(64 * 1024):
        digest.update(chunk)
    return {"filename": file.filename, "type": file.content_type, "bytes": file.size, "sha256": digest.hexdigest()}


# Server-sent events: the browser connects again by itself, and says what it saw last ---------------------------------


@app.get("/events")
async def events(request: Request) -> EventStream:
    seen = request.last_event_id or ""
    return EventStream(ticks(int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0))


async def ticks(seen: int) -> AsyncIterator[ServerSentEvent]:
    while True:
        seen += 1
        now = datetime.now(UTC).strftime("%H:%M:%S")
        yield ServerSentEvent({"number": seen, "time": now}, event="tick", id=str(seen), retry=1000)
        await asyncio.sleep(0.5)


@app.get("/countdown")
async def countdown() -> StreamingResponse:
    """Any generator of str or bytes is a stream."""

    async def lines() -> AsyncIterator[str]:
        for number in range(5, 0, -1):
            yield f"{number}\n"
            await asyncio.sleep(0.1)
        yield "Lift-off!\n"

    return StreamingResponse(lines(), content_type="text/plain; charset=utf-8")


# A WebSocket: everybody hears everybody ------------------------------------------------------------------------------


@app.websocket("/ws")
async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    sockets.add(websocket)
    try:
        await websocket.send_json({"from": "server", "text": f"Welcome; {len(sockets)} here."})
        async for message in websocket:
            if isinstance(message, str):
                await broadcast({"from": f"guest {id(websocket) % 1000}", "text": message[:500]})
    finally:
        sockets.discard(websocket)


async def broadcast(message: dict[str, str]) -> None:
    async def send(socket: WebSocket) -> None:
        with suppress(WebSocketDisconnect):  # its own handler learns of it, too
            await socket.send_json(message)

    await asyncio.gather(*(send(socket) for socket in list(sockets)))


# A background task: on disk before it is answered, done by any worker, and done again if that worker dies ------------


@app.task("bake", category="kitchen", max_retries=2)
async def bake(trays: int) -> dict[str, int]:
    for tray in range(1, trays + 1):
        await asyncio.sleep(0.2)
        current_task().progress(tray / trays, f"tray {tray} of {trays}")
    return {"baked": trays * 12}


@app.on_startup
async def open_the_kitchen() -> None:
    await app.start_task_workers("kitchen", worker_count=2)


@app.post("/baking")
async def start_baking() -> tuple[dict[str, str], int]:
    return {"id": await app.add_background_task("bake", category="kitchen", trays=5)}, 202


@app.get("/baking/<task_id>")
async def look_into_the_oven(task_id: str) -> dict[str, Any]:
    task = await app.task_queue.get_task(task_id)
    if task is None:
        abort(404, "Nothing of that name is in the oven.")
    return {"status": task.status, "progress": task.progress, "note": task.note, "result": task.result}


# A def handler: it may block, for it runs in a thread ----------------------------------------------------------------


@app.get("/slow")
def slow() -> dict[str, float]:
    began = time.perf_counter()
    time.sleep(0.3)
    return {"slept": round(time.perf_counter() - began, 3)}


# Errors --------------------------------------------------------------------------------------------------------------


class OutOfSweetsError(Exception):
    pass


@app.error_handler(OutOfSweetsError)
async def out_of_sweets(request: Request, error: OutOfSweetsError) -> tuple[dict[str, str], int]:
    return {"sorry": str(error), "handled_by": "error_handler(OutOfSweetsError)"}, 503


@app.get("/errors/<any(abort,custom,crash,teapot):kind>")
async def fail(kind: str) -> str:
    if kind == "abort":
        abort(403, "The jar is locked.", hint="ask nicely")
    if kind == "custom":
        raise OutOfSweetsError("No gobstoppers left.")
    if kind == "teapot":
        raise HTTPException(418)
    return str(1 // 0)  # nobody handles it: 500, and the traceback stays in the log


# Hooks and middleware ------------------------------------------------------------------------------------------------


@app.before_request
def begin(request: Request) -> None:
    request.began = time.perf_counter()


@app.after_request
def finish(request: Request, response: Response) -> None:
    took = (time.perf_counter() - request.began) * 1000 if hasattr(request, "began") else 0.0
    response.headers["server-timing"] = f"handler;dur={took:.2f}"


async def identify(request: Request, next_handler: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await next_handler(request)
    response.headers["x-request-id"] = request.id
    return response


app.add_middleware(identify, priority=10)


@app.on_startup
async def announce() -> None:
    app.logger.info("the showcase is ready", routes=len(app.all_routes()))


@app.get("/whoami")
async def whoami(request: Request) -> JSONResponse:
    client = request.client.host if request.client else None
    shown = {"client": client, "language": request.headers.get("accept-language"), "id": request.id}
    return JSONResponse(shown, headers={"cache-control": "no-store"})
