"""An application whose handlers do what no handler should."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from gobstopper import Gobstopper
from gobstopper.http import (
    EventStream,
    HTTPException,
    JSONResponse,
    Request,
    Response,
    StreamingResponse,
    WebSocket,
    redirect,
)
from gobstopper_http.deadlines import deadlines_of
from gobstopper_http.interrupt import drain_of
from gobstopper_http.limits import Limits

app = Gobstopper(__name__, config={"HANDLER_TIMEOUT": 3.0, "GRACE": 2.0})

LIMITS = Limits(body=1000, body_idle=0.6, websocket_message=1000, websocket_idle=1.0, stream_idle=2.0, form_text=500)

NOTES: list[str] = []


@app.get("/ok")
async def ok() -> Response:
    return Response(b"ok")


@app.get("/state")
async def state() -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    return {
        "tasks": len(asyncio.all_tasks()),
        "deadlines": len(deadlines_of(loop).entries),
        "drain": len(drain_of(loop)),
        "notes": NOTES,
    }


@app.post("/notes/clear")
async def clear() -> None:
    NOTES.clear()


@app.post("/gc/<word>")
async def collector(word: str) -> None:
    """Without the cycle collector only reference counts free anything."""
    gc.collect()
    (gc.disable if word == "off" else gc.enable)()


# What clients do


@app.route("/users/<int:number>", methods=["GET", "PUT"])
async def user(number: int) -> dict[str, int]:
    return {"number": number}


@app.get("/echo/<path:rest>")
async def echo_path(rest: str) -> dict[str, str]:
    return {"path": rest}


@app.get("/query")
async def query(request: Request) -> dict[str, Any]:
    return request.query.to_dict(flat=False)


@app.get("/cookies")
async def cookies(request: Request) -> dict[str, str]:
    return request.cookies


@app.get("/host")
async def host(request: Request) -> dict[str, str]:
    return {"host": request.host, "url": str(request.url)}


@app.get("/accept")
async def accept(request: Request) -> str:
    return request.accept.best(["text/html", "application/json"]) or "none"


@app.post("/body", limits=LIMITS)
async def body(request: Request) -> dict[str, int]:
    return {"length": len(await request.body())}


@app.post("/stream", limits=LIMITS)
async def stream(request: Request) -> dict[str, int]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
    return {"length": total}


@app.post("/json", limits=LIMITS)
async def json(request: Request) -> Any:
    return JSONResponse(await request.json())


@app.post("/typed", limits=LIMITS)
async def typed(request: Request) -> list[int]:
    return await request.json(list[int])


@app.post("/text", limits=LIMITS)
async def text(request: Request) -> dict[str, str]:
    return {"text": await request.text()}


@app.post("/form", limits=LIMITS)
async def form(request: Request) -> dict[str, Any]:
    fields = await request.form()
    files = await request.files()
    return {"fields": fields.to_dict(flat=False), "files": sorted(files)}


@app.post("/upload", limits=Limits(body=20_000_000, body_idle=0.6))
async def upload(request: Request) -> dict[str, Any]:
    try:
        files = await request.files()
    except HTTPException as error:
        NOTES.append(f"upload {error.status}")
        raise
    return {name: file.size for name, file in files.items()}


@app.post("/unread")
async def unread() -> str:
    return "not read"


# What handlers return


class Nonsense:
    def __repr__(self) -> str:
        raise RuntimeError("not even that")


def recursive() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


RETURNED: dict[str, Callable[[], Any]] = {
    "int": lambda: 7,
    "true": lambda: True,
    "float": lambda: 1.5,
    "set": lambda: {1, 2},
    "object": Nonsense,
    "class": lambda: Nonsense,
    "function": lambda: ok,
    "exception": lambda: ValueError("returned"),
    "empty-tuple": lambda: (),
    "long-tuple": lambda: ("a", 200, {}, 1),
    "status-str": lambda: ("a", "200"),
    "status-0": lambda: ("a", 0),
    "status-99": lambda: ("a", 99),
    "status-100": lambda: ("a", 100),
    "status-600": lambda: ("a", 600),
    "status-1000": lambda: ("a", 1000),
    "status-negative": lambda: ("a", -1),
    "status-huge": lambda: ("a", 10**30),
    "status-bool": lambda: ("a", True),
    "status-response": lambda: Response(b"a", 1000),
    "status-none": lambda: Response(b"a", None),  # type: ignore[arg-type]
    "body-object": lambda: _with_body(Nonsense()),
    "body-str": lambda: _with_body("text"),
    "nested-tuple": lambda: (("a", 200), 200),
    "dict-of-nonsense": lambda: {"a": Nonsense()},
    "dict-recursive": recursive,
    "surrogate": lambda: "\ud800",
    "surrogate-json": lambda: {"a": "\ud800"},
    "huge-int": lambda: {"a": 10**40},
    "header-cr": lambda: ("a", 200, {"X-A": "a\rb"}),
    "header-lf": lambda: ("a", 200, {"X-A": "a\nX-Injected: 1"}),
    "header-nul": lambda: ("a", 200, {"X-A": "a\0b"}),
    "header-name": lambda: ("a", 200, {"X A": "a"}),
    "header-empty": lambda: ("a", 200, {"": "a"}),
    "header-unicode": lambda: ("a", 200, {"X-A": "ä"}),
    "header-type": lambda: ("a", 200, {"X-A": None}),
    "header-list": lambda: ("a", 200, [1, 2]),
    "content-type": lambda: Response(b"a", content_type="text/plain\r\nX-Injected: 1"),
    "redirect": lambda: redirect("/next\r\nX-Injected: 1"),
    "redirect-status": lambda: redirect("/next", 200),
    "cookie-name": lambda: _cookie("a\r\nX-Injected: 1", "b"),
    "cookie-path": lambda: _cookie("a", "b", path="/\r\nX-Injected: 1"),
    "cookie-domain": lambda: _cookie("a", "b", domain="x\r\nX-Injected: 1"),
    "error-header": lambda: _raise(HTTPException(400, "no", {"X-A": "a\r\nX-Injected: 1"})),
    "awaitable-of-nonsense": lambda: _nonsense(),
}


def _with_body(value: Any) -> Response:
    response = Response(b"")
    response.body = value
    return response


def _cookie(name: str, value: str, **options: Any) -> Response:
    response = Response(b"a")
    response.set_cookie(name, value, **options)
    return response


def _raise(error: BaseException) -> Any:
    raise error


async def _nonsense() -> Nonsense:
    return Nonsense()


@app.get("/returns/<name>")
async def returns(name: str) -> Any:
    return RETURNED[name]()


@app.get("/def-returns/<name>")
def def_returns(name: str) -> Any:
    return RETURNED[name]()


@app.get("/cookie-value/<path:value>")
async def cookie_value(request: Request, value: str) -> Response:
    return _cookie("a", value + request.query.get("more", ""))


# What handlers raise


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


class Own(BaseException):
    pass


RAISED: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("a\r\nfaked line\x1b[31m"),
    "Surrogate": lambda: ValueError("\ud800"),
    "Unprintable": Unprintable,
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": TimeoutError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "GeneratorExit": GeneratorExit,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "BaseException": lambda: Own("own"),
    "Group": lambda: BaseExceptionGroup("group", [SystemExit(1), ValueError("x")]),
}


@app.get("/raises/<name>")
async def raises(name: str) -> None:
    error = RAISED[name]()
    raise error


@app.get("/def-raises/<name>")
def def_raises(name: str) -> None:
    error = RAISED[name]()
    raise error


@app.get("/length/<value>")
async def wrong_length(value: str) -> Response:
    return Response(b"abc", headers={"Content-Length": value})


@app.get("/child-raises/<name>")
async def child_raises(name: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(raises(name))


@app.get("/recursion")
async def recursion() -> None:
    await recursion()


# Answering twice, late or never


@app.get("/twice")
async def twice(request: Request) -> str:
    await Response(b"first").send(request)
    return "second"


@app.get("/twice/send")
async def twice_send(request: Request) -> None:
    await Response(b"first").send(request)
    await Response(b"second").send(request)


@app.get("/twice/raise")
async def answer_and_raise(request: Request) -> None:
    await Response(b"first").send(request)
    raise ValueError("after the answer")


@app.get("/never", timeout=0.6)
async def never() -> None:
    await asyncio.Event().wait()


@app.get("/never/swallow", timeout=0.6)
async def swallow() -> None:
    for _ in range(3):
        try:
            await asyncio.sleep(1.2)
        except asyncio.CancelledError:
            NOTES.append("swallowed")


@app.get("/never/def", timeout=0.6)
def never_def() -> None:
    time.sleep(1.5)


@app.get("/never/awaitable", timeout=0.6)
async def never_awaitable() -> Any:
    return asyncio.Event().wait()


@app.get("/slow/<float:seconds>")
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    NOTES.append("slow done")
    return "slow"


# Streams


@app.get("/streams/raise-<when>")
async def stream_raises(request: Request, when: str) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        if when == "before":
            raise ValueError("before the first chunk")
        yield b"one"
        if when == "after":
            raise ValueError("after the first chunk")
        if when == "exit":
            raise SystemExit(3)
        if when == "type":
            yield 7  # type: ignore[misc]
        if when == "cancel":
            raise asyncio.CancelledError

    return StreamingResponse(chunks(), bounded=request.query.get("bounded") != "0")


@app.get("/streams/def-raise-<when>")
async def def_stream_raises(request: Request, when: str) -> StreamingResponse:
    def chunks() -> Iterator[bytes]:
        if when == "before":
            raise ValueError("before the first chunk")
        yield b"one"
        raise {"after": ValueError("after the first chunk"), "exit": SystemExit(3)}[when]

    return StreamingResponse(chunks(), bounded=request.query.get("bounded") != "0")


@app.get("/streams/big", limits=LIMITS)
async def big(request: Request) -> StreamingResponse:
    size = int(request.query.get("mib", "1"))

    async def chunks() -> AsyncIterator[bytes]:
        try:
            for number in range(size * 16):
                yield bytes([number % 251]) * 65536
        finally:
            NOTES.append("big closed")

    return StreamingResponse(chunks())


@app.get("/streams/slow")
async def slow_stream(request: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(float(request.query.get("pause", "0.05")))
        finally:
            NOTES.append("slow closed")

    return StreamingResponse(chunks(), bounded=request.query.get("bounded") != "0")


@app.get("/streams/def-slow")
async def def_slow_stream(request: Request) -> StreamingResponse:
    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                time.sleep(float(request.query.get("pause", "0.05")))
        finally:
            NOTES.append("def slow closed")

    return StreamingResponse(chunks(), bounded=request.query.get("bounded") != "0")


@app.get("/events")
async def events(request: Request) -> EventStream:
    await asyncio.sleep(float(request.query.get("wait", "0")))

    async def source() -> AsyncIterator[str]:
        try:
            while True:
                yield "tick"
                await asyncio.sleep(float(request.query.get("pause", "0.05")))
        finally:
            NOTES.append("events closed")

    return EventStream(source())


@app.get("/wait-gone")
async def wait_gone(request: Request) -> None:
    try:
        async with request.cancel_on_disconnect():
            await asyncio.sleep(30)
    finally:
        NOTES.append("gone")


# WebSockets


@app.websocket("/ws/echo", limits=LIMITS)
async def ws_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        async for message in websocket:
            await (websocket.send_text(message) if isinstance(message, str) else websocket.send_bytes(message))
    finally:
        NOTES.append(f"echo ended {websocket.close_code}")


@app.websocket("/ws/json", limits=LIMITS)
async def ws_json(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_json(await websocket.receive_json())


@app.websocket("/ws/raise-<when>-<name>")
async def ws_raise(websocket: WebSocket, when: str, name: str) -> None:
    if when == "after":
        await websocket.accept()
    error = RAISED[name]()
    raise error


@app.websocket("/ws/accept-twice")
async def ws_accept_twice(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.accept()


@app.websocket("/ws/send-first")
async def ws_send_first(websocket: WebSocket) -> None:
    await websocket.send_text("too early")


@app.websocket("/ws/receive-first")
async def ws_receive_first(websocket: WebSocket) -> None:
    await websocket.receive()


@app.websocket("/ws/nothing")
async def ws_nothing(websocket: WebSocket) -> None:
    return


@app.websocket("/ws/abort/<int:status>")
async def ws_abort(websocket: WebSocket, status: int) -> None:
    raise HTTPException(status)


@app.websocket("/ws/refuse")
async def ws_refuse(websocket: WebSocket) -> None:
    websocket.refuse(int(websocket.query["status"]))


@app.websocket("/ws/close-before")
async def ws_close_before(websocket: WebSocket) -> None:
    await websocket.close(int(websocket.query["code"]))


@app.websocket("/ws/close-after")
async def ws_close_after(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(int(websocket.query["code"]))
    await websocket.close(1000)


@app.websocket("/ws/after-close")
async def ws_after_close(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(1000)
    await websocket.send_text("too late")


@app.websocket("/ws/two-receive")
async def ws_two_receive(websocket: WebSocket) -> None:
    await websocket.accept()
    async with asyncio.TaskGroup() as group:
        group.create_task(websocket.receive())
        group.create_task(websocket.receive())


@app.websocket("/ws/impatient")
async def ws_impatient(websocket: WebSocket) -> None:
    """Gives up on a message, and asks again."""
    await websocket.accept()
    for _ in range(3):
        try:
            async with asyncio.timeout(0.1):
                await websocket.receive()
        except TimeoutError:
            continue
    await websocket.send_text(str(await websocket.receive()))


@app.websocket("/ws/flood", limits=LIMITS)
async def ws_flood(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        for _ in range(200):
            await websocket.send_bytes(bytes(1024 * 1024))
    finally:
        NOTES.append("flood ended")


@app.websocket("/ws/hang")
async def ws_hang(websocket: WebSocket) -> None:
    """Does not notice that anything ends."""
    await websocket.accept()
    await websocket.send_text("hanging")
    await asyncio.Event().wait()


@app.websocket("/ws/open")
async def ws_open(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive()


@app.websocket("/ws/any-origin", origins=["https://good.example"])
async def ws_any_origin(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("welcome")
