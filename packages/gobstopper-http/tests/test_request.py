"""The request: what it tells of itself, and how its body is read as text, JSON and a form."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gobstopper_http.connection import RouteInfo
from gobstopper_http.datastructures import Address
from gobstopper_http.errors import AlreadyAnsweredError, ClientDisconnected, HTTPException
from gobstopper_http.limits import Limits
from gobstopper_http.request import Request
from gobstopper_http.send import send
from gobstopper_http.testing import TestClient


def serving(handler: Callable[[Request], Awaitable[Any]], limits: Limits | None = None) -> TestClient:
    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        if limits is not None:
            request.route = RouteInfo(limits, ("id",), "the application")
            request.values = (7,)
        try:
            answer = await handler(request)
        except HTTPException as error:
            answer = (error.detail, error.status)
        await send(request, answer)

    return TestClient(app, client="192.0.2.1:5000")


def test_what_it_tells() -> None:
    async def handler(request: Request) -> Any:
        assert repr(request) == "<Request GET '/a b/é'>"
        assert (request.method, request.path, request.scheme, request.http_version) == ("GET", "/a b/é", "http", "1.1")
        assert request.query_string == "q=1&q=%202&r"
        assert request.query is request.args
        assert request.query.getlist("q") == ["1", " 2"]
        assert request.cookies == {"a": "1", "b": "2"}
        assert request.client == Address("192.0.2.1", 5000)
        assert request.server is not None
        assert request.host == "test.example:81"
        assert str(request.url) == "http://test.example:81/a%20b/%C3%A9?q=1&q=%202&r"
        assert request.content_type == "application/json"
        assert request.content_length is None
        assert request.accept.best(["text/html", "application/json"]) == "application/json"
        assert request.last_event_id == "9"
        assert request.id == "abc"
        assert request.trace.parent_id is None
        assert request.path_params == {"id": 7}
        assert request.app == "the application"
        assert request.limits.body == 5
        request.state.x = 1
        assert request.state.x == 1
        request.user = "someone"
        assert request.user == "someone"
        with pytest.raises(AttributeError):
            _ = request.nobody
        return "fine"

    headers = [("host", "test.example:81"), ("content-type", "Application/JSON; charset=x"),
               ("accept", "application/json"), ("last-event-id", "9"), ("x-request-id", "abc"),
               ("cookie", "a=1; b=2; a=3")]  # fmt: skip
    with serving(handler, Limits(body=5)) as client:
        assert client.get("/a%20b/%C3%A9?q=1&q=%202&r", headers=headers).text == "fine"


def test_headers() -> None:
    async def handler(request: Request) -> Any:
        headers = request.headers
        assert headers is request.headers
        assert (headers["X-One"], headers.get("x-one"), headers.get("none"), headers.get("none", "d")) == (
            "1",
            "1",
            None,
            "d",
        )
        assert headers.getlist("X-Many") == ["a", "b"]
        assert ("X-One" in headers, "none" in headers, 1 in headers) == (True, False, False)
        with pytest.raises(KeyError):
            _ = headers["none"]
        assert set(headers) >= {"x-one", "x-many"}
        assert len(headers) == len(list(headers))
        assert headers.multi_items().count(("x-many", "a")) == 1
        assert "x-one" in repr(headers)
        assert "secret" not in repr(headers)
        return "fine"

    with serving(handler) as client:
        fields = [("X-One", "1"), ("x-many", "a"), ("x-many", "b"), ("authorization", "secret")]
        assert client.get("/", headers=fields).text == "fine"


@pytest.mark.parametrize("hosts", [["a b"], ["a", "a"]])
def test_a_wrong_host(hosts: list[str]) -> None:
    async def handler(request: Request) -> Any:
        return request.host

    with serving(handler) as client:
        answer = client.get("/", headers=[("host", host) for host in hosts])
        assert (answer.status, answer.text) == (400, "The Host is missing, doubled or malformed.")


def test_too_many_query_fields() -> None:
    async def handler(request: Request) -> Any:
        return str(len(request.query))

    with serving(handler, Limits(fields=3)) as client:
        assert client.get("/?a&b&c").text == "3"
        answer = client.get("/?a&b&c&d")
        assert (answer.status, answer.text) == (400, "The query string has more than 3 fields.")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "text"),
    [
        ("text/plain", "é".encode(), 200, "é"),
        ("text/plain; charset=latin-1", b"\xe9", 200, "é"),
        ("", b"x", 200, "x"),
        ("text/plain", b"\xff", 400, "The body is not valid utf-8."),
        ("text/plain; charset=utf-16", b"x", 400, "The body is not valid utf-16."),
        ("text/plain; charset=nonsense", b"x", 415, "The charset of the body is unknown here; send UTF-8."),
        ("text/plain; charset=undefined", b"x", 415, "The charset of the body is unknown here; send UTF-8."),
        ("text/plain; charset=zlib", b"x", 415, "The charset of the body is unknown here; send UTF-8."),
    ],
)
def test_text(content_type: str, body: bytes, status: int, text: str) -> None:
    async def handler(request: Request) -> Any:
        return await request.text()

    with serving(handler) as client:
        answer = client.post("/", content=body, headers={"content-type": content_type})
        assert (answer.status, answer.text) == (status, text)


def test_text_in_an_encoding_of_the_handler_s() -> None:
    async def handler(request: Request) -> Any:
        with pytest.raises(LookupError):
            await request.text("nonsense")
        with pytest.raises(HTTPException) as raised:
            await request.text("ascii")
        assert raised.value.status == 400
        return await request.text("cp1252")

    with serving(handler) as client:
        assert client.post("/", content=b"\x80").text == "€"


def test_json() -> None:
    async def handler(request: Request) -> Any:
        assert await request.json() == [1]
        return await request.json(list[int])

    with serving(handler) as client:
        assert client.post("/", json=[1]).json() == [1]


def test_forms() -> None:
    async def handler(request: Request) -> Any:
        fields, files = await request.form(), await request.files()
        assert await request.form() is fields
        contents = {name: (await file.read()).decode() for name, file in files.items()}
        handler_files.append(files)
        return {"fields": fields.to_dict(), "files": contents}

    handler_files: list[Any] = []
    with serving(handler) as client:
        assert client.post("/", data={"a": "1"}).json() == {"fields": {"a": "1"}, "files": {}}
        answer = client.post("/", data={"a": "1"}, files={"f": ("x.txt", b"content")})
        assert answer.json() == {"fields": {"a": "1"}, "files": {"f": "content"}}
    assert handler_files[1]["f"].file.closed


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [("text/plain", b"a=b", 415), ("application/x-www-form-urlencoded", b"a" * 101, 413),
     ("application/x-www-form-urlencoded", b"a&b&c&d", 413),
     ("application/x-www-form-urlencoded", b"a=" + b"b" * 60, 413),
     ("multipart/form-data; boundary=x", b"--x", 400)],
)  # fmt: skip
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_forms_that_are_refused(content_type: str, body: bytes, status: int, first: bool, in_chunks: bool) -> None:
    async def handler(request: Request) -> Any:
        if first:
            await request.body()
        return repr(await request.form())

    limits = Limits(body=100, fields=3, form_text=50)
    with serving(handler, limits) as client:
        content = iter([body[:5], body[5:]]) if in_chunks else body
        assert client.post("/", content=content, headers={"content-type": content_type}).status == status


def test_a_form_after_the_body() -> None:
    async def handler(request: Request) -> Any:
        return [(await request.body()).decode(), (await request.form())["a"]]

    with serving(handler) as client:
        assert client.post("/", data={"a": "b"}).json() == ["a=b", "b"]


def test_answers_are_claimed_once() -> None:
    async def handler(request: Request) -> Any:
        for status in (0, 99, 199, 600, 1000):
            with pytest.raises(ValueError, match="not a final status"):
                request.claim(status)
        for wrong in ("200", None, 200.0):
            with pytest.raises(TypeError, match="is an int"):
                request.claim(wrong)
        assert request.answered == 0
        request.claim(200).response_str(200, [], "claimed")
        assert request.answered == 200
        with pytest.raises(AlreadyAnsweredError, match="was answered before"):
            request.claim(200)
        with pytest.raises(AlreadyAnsweredError):
            await send(request, "again")
        raise asyncio.CancelledError  # leaves the helper without an answer of its own

    with serving(handler) as client, pytest.raises(Exception, match="CancelledError"):
        client.get("/")


def test_overdue() -> None:
    gave_up: list[Request] = []

    class Route(RouteInfo):
        def gave_up(self, connection: Any) -> None:
            gave_up.append(connection)

    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        request.route = Route()
        request.overdue()
        request.overdue()
        assert request.answered == 503

    with TestClient(app) as client:
        answer = client.get("/")
    assert (answer.status, answer.headers["retry-after"], len(gave_up)) == (503, "1", 1)
    RouteInfo().gave_up(None)


def test_cancel_on_disconnect() -> None:
    seen: list[str] = []

    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        if scope.path == "/stays":
            async with request.cancel_on_disconnect():
                await asyncio.sleep(0)
            await send(request, "stayed")
            return
        if scope.path == "/cancelled":
            try:
                async with asyncio.timeout(0.01), request.cancel_on_disconnect():
                    await asyncio.sleep(10)
            except TimeoutError:
                await send(request, "timeout")
            return
        transport = proto.response_stream(200, [])
        seen.append("began")
        try:
            async with request.cancel_on_disconnect():
                await asyncio.sleep(10)
        except ClientDisconnected as error:
            seen.append(str(error))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        del transport

    with TestClient(app) as client:
        assert client.get("/stays").text == "stayed"
        assert client.get("/cancelled").text == "timeout"
        with client.stream("GET", "/leaves"):
            pass
        client.settle()
    assert seen == ["began", "the client of GET /leaves has gone"]


async def test_cancel_on_disconnect_needs_a_task() -> None:
    request = Request(None, None, "GET", "/")
    outcome: list[BaseException] = []

    def outside() -> None:
        step = request.cancel_on_disconnect().__aenter__()
        try:
            step.send(None)
        except RuntimeError as error:
            outcome.append(error)

    asyncio.get_running_loop().call_soon(outside)
    await asyncio.sleep(0)
    assert "runs in a task" in str(outcome[0])


def test_disconnected() -> None:
    seen: list[str] = []

    async def app(scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        transport = proto.response_stream(200, [])
        await request.disconnected()
        seen.append("gone")
        del transport

    with TestClient(app) as client:
        with client.stream("GET", "/"):
            pass
        client.settle()
    assert seen == ["gone"]
