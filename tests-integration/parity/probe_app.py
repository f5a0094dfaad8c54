"""A raw RSGI application that uses every feature of the protocol and tells what it saw.

`/<name>?<argument>` runs the function of that name; `/notes?<key>` gives, as JSON, what was noted under a key.
Imported by the real server's worker and by the tests alike, so that it needs nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
from pathlib import Path
from typing import Any

NOTES: dict[str, Any] = {}
TASKS: set[Any] = set()
BEFORE = contextvars.ContextVar("before", default="unset")


def attempt(function: Any, *args: Any, **kwargs: Any) -> str:
    """What a call gives: its result, or its exception's name and text."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        return describe(error)
    return "None" if result is None else "ok"


def describe(error: BaseException) -> str:
    # Granian's exceptions are native, the fake's are not: the name is what counts.
    return f"{type(error).__name__}: {error}"


async def outcome(awaitable: Any) -> str:
    try:
        return repr(await awaitable)
    except Exception as error:
        return describe(error)
    finally:
        del awaitable  # see test_parity_released.py


def keep(work: Any) -> None:
    task = asyncio.ensure_future(work)
    TASKS.add(task)


class App:
    def __rsgi_init__(self, loop: Any) -> None:
        NOTES["init"] = [loop.is_running(), loop.run_until_complete(asyncio.sleep(0, "ran"))]
        BEFORE.set("init")

    def __rsgi_del__(self, loop: Any) -> None:
        if path := os.environ.get("PROBE_DEL_FILE"):
            seen = [loop.is_running(), loop.run_until_complete(asyncio.sleep(0, "ran"))]
            Path(path).write_text(json.dumps(seen))

    def __rsgi__(self, scope: Any, proto: Any) -> Any:
        name = scope.path.strip("/").replace("-", "_")
        kind = "ws" if scope.proto == "ws" else "http"
        return globals().get(f"{kind}_{name}", http_scope)(scope, proto)


app = App()

# Answers


def answer(proto: Any, value: Any) -> None:
    proto.response_str(200, [("content-type", "application/json")], json.dumps(value))


async def http_notes(scope: Any, proto: Any) -> None:
    answer(proto, NOTES.get(scope.query_string))


async def http_scope(scope: Any, proto: Any) -> None:
    names = ["proto", "http_version", "rsgi_version", "scheme", "method", "path", "query_string", "authority"]
    seen = {name: getattr(scope, name) for name in names}
    seen["client"] = scope.client.rpartition(":")[0]
    seen["server"] = scope.server.rpartition(":")[0]
    seen["set"] = attempt(setattr, scope, "path", "/x").partition(":")[0]
    answer(proto, seen)


async def http_headers(scope: Any, proto: Any) -> None:
    headers, key = scope.headers, scope.query_string
    answer(
        proto,
        {
            "keys": headers.keys(),
            "values": headers.values(),
            "items": headers.items(),
            "iter": list(headers),
            "len": len(headers),
            "get": headers.get(key),
            "default": headers.get(key, "default"),
            "upper": headers.get(key.upper()),
            "in": [key in headers, key.upper() in headers, "no such" in headers],
            "item": attempt(lambda: json.dumps(headers[key])) and headers[key] if key in headers else None,
            "missing": attempt(lambda: headers["missing"]),
            "all": headers.get_all(key),
            "type": attempt(lambda: 1 in headers),
            "same": headers is scope.headers,
        },
    )


async def http_empty(scope: Any, proto: Any) -> None:
    proto.response_empty(int(scope.query_string or 200), [("X-Probe", "1")])


async def http_text(scope: Any, proto: Any) -> None:
    proto.response_str(int(scope.query_string or 200), [("X-Probe", "1")], "hällo")


async def http_bytes(scope: Any, proto: Any) -> None:
    proto.response_bytes(int(scope.query_string or 200), (("X-Probe", "1"),), bytearray(b"\0\xff"))


async def http_defaults(scope: Any, proto: Any) -> None:
    proto.response_str()


async def http_stream(scope: Any, proto: Any) -> None:
    transport = proto.response_stream(int(scope.query_string or 200), [("X-Probe", "1")])
    await transport.send_bytes(b"one")
    transport.send_str("tẅo")  # nobody awaits it
    await transport.send_bytes(b"")
    await transport.send_bytes(memoryview(b"three"))


async def http_declared(scope: Any, proto: Any) -> None:
    """The body is five bytes long, the header says what the query says."""
    proto.response_str(200, [("content-length", scope.query_string)], "hello")


async def http_declared_empty(scope: Any, proto: Any) -> None:
    proto.response_empty(int(scope.query_string), [("content-length", "7")])


async def http_declared_stream(scope: Any, proto: Any) -> None:
    transport = proto.response_stream(200, [("content-length", scope.query_string)])
    for chunk in (b"he", b"llo"):
        try:
            await transport.send_bytes(chunk)
        except RuntimeError:
            return


async def http_odd_headers(scope: Any, proto: Any) -> None:
    headers = [
        ("Server", "mine"),
        ("Date", "never"),
        ("Set-Cookie", "a=1"),
        ("X-Other", "x"),
        ("set-cookie", "b=2"),
        ("bad name", "x"),
        ("", "x"),
        ("x-é", "x"),
        ("x-crlf", "a\r\nx-injected: 1"),
        ("x-nul", "a\0b"),
        ("x-del", "a\x7fb"),
        ("x-tab", "a\tb"),
        ("x-utf8", "é€"),
        ("x-empty", ""),
    ]
    proto.response_str(200, headers, "ok")


async def http_types(scope: Any, proto: Any) -> None:
    respond = proto.response_str
    NOTES["types"] = [
        attempt(respond, "200", [], "x"),
        attempt(respond, 70000, [], "x"),
        attempt(respond, -1, [], "x"),
        attempt(respond, 200.0, [], "x"),
        attempt(respond, 200, [("a", 1)], "x"),
        attempt(respond, 200, [("a", "b", "c")], "x"),
        attempt(respond, 200, [["a", "b"]], "x"),
        attempt(respond, 200, {"a": "b"}, "x"),
        attempt(respond, 200, None, "x"),
        attempt(respond, 200, iter([]), "x"),
        attempt(respond, 200, [], b"x"),
        attempt(respond, 200, [], "\ud800"),
        attempt(proto.response_bytes, 200, [], "x"),
        attempt(proto.response_file, 200, [], None),
        attempt(proto.response_file_range, 200, [], "x", -1, 3),
        attempt(proto.response_file_range, 200, [], "x", 3, 3),
        attempt(proto.response_file_range, 200, [], "x", 3, 2),
    ]
    answer(proto, NOTES["types"])


async def http_stream_types(scope: Any, proto: Any) -> None:
    transport = proto.response_stream(200, [])
    NOTES["stream-types"] = [
        attempt(transport.send_bytes, "x"),
        attempt(transport.send_str, b"x"),
        attempt(transport.send_str, "\ud800"),
        attempt(transport.send_bytes, bytearray(b"x")),
        attempt(transport.send_bytes, data=b"y"),
    ]


async def http_twice(scope: Any, proto: Any) -> None:
    NOTES["twice"] = [
        attempt(proto.response_str, 201, [], "one"),
        attempt(proto.response_str, 200, [], "two"),
        attempt(proto.response_empty, 5, []),
        attempt(proto.response_file, 200, [], "/etc/hostname"),
        attempt(proto.response_stream, 200, []),
    ]


async def http_none(scope: Any, proto: Any) -> None:
    pass


def http_not_awaitable(scope: Any, proto: Any) -> None:
    proto.response_str(200, [], "answered")


class Done:
    def __await__(self) -> Any:
        return iter(())


def http_awaitable(scope: Any, proto: Any) -> Any:
    proto.response_str(200, [], "answered")
    return Done()


async def http_raise(scope: Any, proto: Any) -> None:
    kinds = (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)
    raise {kind.__name__: kind for kind in kinds}[scope.query_string]("raised")


async def http_answer_and_raise(scope: Any, proto: Any) -> None:
    proto.response_str(200, [], "fine")
    raise ValueError("after the answer")


async def http_stream_and_raise(scope: Any, proto: Any) -> None:
    transport = proto.response_stream(200, [])
    await transport.send_str("some")
    raise ValueError("in the middle")


async def http_held_stream(scope: Any, proto: Any) -> None:
    """The transport outlives the call: the stream goes on until it is freed."""
    transport = proto.response_stream(200, [])
    await transport.send_str("first ")

    async def later(kept: Any) -> None:
        await asyncio.sleep(0.1)
        await kept.send_str("second")

    keep(later(transport))


async def http_file(scope: Any, proto: Any) -> None:
    proto.response_file(200, [("X-Probe", "1")], scope.query_string)


async def http_file_declared(scope: Any, proto: Any) -> None:
    path, length = scope.query_string.split("|")
    proto.response_file(200, [("content-length", length)], path)


async def http_file_range(scope: Any, proto: Any) -> None:
    path, start, end = scope.query_string.split("|")
    proto.response_file_range(206, [("X-Probe", "1")], path, int(start), int(end))


async def http_pipe(scope: Any, proto: Any) -> None:
    """A body of unknown length through a pipe that the server reads as a file."""
    reader, writer = os.pipe()
    try:
        proto.response_file(200, [], f"/proc/self/fd/{reader}")
        for part in (b"one ", b"two ", b"three"):
            await asyncio.sleep(0.05)
            os.write(writer, part)
        await asyncio.sleep(0.05)
    finally:
        os.close(writer)
        os.close(reader)


async def http_context(scope: Any, proto: Any) -> None:
    seen = BEFORE.get()
    BEFORE.set("a request")
    task = asyncio.current_task()
    answer(proto, [seen, task is not None, NOTES["init"]])


# Bodies


async def http_body(scope: Any, proto: Any) -> None:
    body = await outcome(proto())
    answer(proto, [body, attempt(proto), attempt(proto.__aiter__), attempt(proto.__anext__)])


async def http_chunks(scope: Any, proto: Any) -> None:
    before = attempt(proto.__anext__)
    iterator = proto.__aiter__()
    same = iterator is proto
    twice = [attempt(proto), attempt(proto.__aiter__)]
    chunks = []
    while True:
        try:
            chunks.append((await proto.__anext__()).decode())
        except StopAsyncIteration:
            break
    answer(proto, [before, same, twice, chunks, attempt(proto.__anext__)])


async def http_async_for(scope: Any, proto: Any) -> None:
    """The sum is the same however the bytes were cut into chunks."""
    total = bytearray()
    empty = 0
    async for chunk in proto:
        total += chunk
        empty += not chunk
    answer(proto, [total.decode(), empty])


async def http_cancelled_read(scope: Any, proto: Any) -> None:
    """A read that is cancelled loses nothing."""
    proto.__aiter__()
    seen: list[str] = []
    while len(seen) < 50:
        try:
            async with asyncio.timeout(0.1):
                chunk = await proto.__anext__()
        except TimeoutError:
            seen.append("timeout")
        else:
            seen.append(chunk.decode())
            if not chunk:
                break
    answer(proto, [seen.count("timeout") > 0, "".join(part for part in seen if part != "timeout")])


async def http_future(scope: Any, proto: Any) -> None:
    """What a call gives is like a future: it is under way before it is awaited, and can be awaited twice."""
    body = proto()
    await asyncio.sleep(0.05)
    answer(proto, [body.done(), (await body).decode(), (await body).decode()])


async def http_early(scope: Any, proto: Any) -> None:
    proto.response_str(200, [], "early")
    NOTES["early"] = await outcome(proto())


# Clients that leave


async def http_leave(scope: Any, proto: Any) -> None:
    """Waits for the client to leave, after what the query's first word says."""
    how, _, key = scope.query_string.partition("-")
    NOTES[key] = "waiting"

    async def watch() -> None:
        await proto.client_disconnect()
        await proto.client_disconnect()  # once it has happened it is done
        NOTES[key] = "gone"

    keep(watch())
    if how == "body":
        NOTES[f"{key}-body"] = await outcome(proto())
    transport = proto.response_stream(200, []) if how == "stream" else None
    if how == "answer":
        proto.response_str(200, [], "answered")
    for _ in range(60):
        await asyncio.sleep(0.02)
        if NOTES[key] == "gone":
            break
        if transport is not None:
            await outcome(transport.send_str("x"))
    if transport is not None:
        await asyncio.sleep(0.1)
        NOTES[f"{key}-send"] = await outcome(transport.send_str("x"))
    NOTES[f"{key}-ended"] = True


# WebSockets


def message(received: Any) -> list[Any]:
    return [received.kind, getattr(received, "data", "no data") if received.kind != 1 else list(received.data)]


async def noted(transport: Any) -> Any:
    try:
        return message(await transport.receive())
    except Exception as error:
        return describe(error)


async def ws_echo(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    seen = NOTES["echo"] = []
    while True:
        received = await transport.receive()
        seen.append(message(received))
        if received.kind == 0:
            break
        await (transport.send_str if received.kind == 2 else transport.send_bytes)(received.data)
    seen.append(await noted(transport))
    seen.append(await outcome(transport.send_str("late")))
    seen.append(attempt(proto.close, 1000))
    seen.append(await outcome(transport.send_str("later")))


async def ws_scope(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    names = ["proto", "http_version", "scheme", "method", "path", "query_string", "authority"]
    seen = {name: getattr(scope, name) for name in names}
    seen["version"] = scope.headers.get("sec-websocket-version")
    seen["probe"] = scope.headers.get("x-probe")
    await transport.send_str(json.dumps(seen))


async def ws_silent(scope: Any, proto: Any) -> None:
    pass


async def ws_raise(scope: Any, proto: Any) -> None:
    raise ValueError("before accept")


async def ws_refuse(scope: Any, proto: Any) -> None:
    NOTES["refuse"] = [attempt(proto.close, int(scope.query_string)), attempt(proto.close, 1)]


async def ws_refuse_none(scope: Any, proto: Any) -> None:
    proto.close()


async def ws_accept_twice(scope: Any, proto: Any) -> None:
    await proto.accept()
    await proto.accept()


async def ws_accept_and_return(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    await transport.send_str("hello")


async def ws_accept_and_raise(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    await transport.send_str("hello")
    raise ValueError("after accept")


async def ws_close(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    await transport.send_str("hello")
    NOTES["close"] = [
        attempt(proto.close, int(scope.query_string)),
        attempt(proto.close, 1000),
        await outcome(transport.send_str("late")),
        await noted(transport),
        await noted(transport),
    ]


async def ws_left(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    NOTES["left"] = [await noted(transport), await noted(transport)]


async def ws_send_to_nobody(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    for _ in range(100):
        sent = await outcome(transport.send_str("x" * 1000))
        if sent != "None":
            break
        await asyncio.sleep(0.02)
    NOTES["send-to-nobody"] = [sent, await noted(transport)]


async def ws_unread(scope: Any, proto: Any) -> None:
    """What was sent before the client left is still there."""
    transport = await proto.accept()
    await asyncio.sleep(0.3)
    NOTES["unread"] = [await noted(transport) for _ in range(3)]


async def ws_two_receives(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    first = asyncio.ensure_future(transport.receive())
    await asyncio.sleep(0.02)
    NOTES["two-receives"] = await noted(transport)
    await transport.send_str("now")
    await transport.send_str((await first).data)


async def ws_cancelled_receive(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    seen: list[str] = []
    while len(seen) < 50:
        try:
            async with asyncio.timeout(0.05):
                seen.append((await transport.receive()).data)
                break
        except TimeoutError:
            seen.append("timeout")
            if len(seen) == 2:
                await transport.send_str("ready")
    await transport.send_str(seen[-1])


async def ws_types(scope: Any, proto: Any) -> None:
    wrong = attempt(proto.close, "1000")
    transport = await proto.accept()
    NOTES["ws-types"] = [
        wrong,
        attempt(transport.send_str, b"x"),
        attempt(transport.send_bytes, "x"),
        attempt(transport.send_str, "\ud800"),
    ]
    transport.send_bytes(b"not awaited")
    await asyncio.sleep(0.05)
    await transport.send_bytes(memoryview(b"view"))


async def ws_large(scope: Any, proto: Any) -> None:
    transport = await proto.accept()
    received = await transport.receive()
    await transport.send_str(str(len(received.data)))
    NOTES["large"] = await noted(transport)


async def ws_late_accept(scope: Any, proto: Any) -> None:
    await asyncio.sleep(0.3)
    NOTES["late-accept"] = (await outcome(proto.accept())).partition(":")[0]
