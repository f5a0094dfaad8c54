"""What a handler may return, and what is answered."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from gobstopper import Gobstopper
from gobstopper_http import Request, Response, StreamingResponse
from gobstopper_http.testing import TestClient


class Point(msgspec.Struct):
    x: int


@dataclasses.dataclass
class Data:
    x: int


@attrs.define
class Attr:
    x: int


class Model(pydantic.BaseModel):
    x: int


def generator() -> Iterator[str]:
    yield "one"
    yield "two"


async def agenerator() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def later() -> dict[str, int]:
    return {"x": 1}


X = b'{"x":1}'


@pytest.mark.parametrize("hooked", [False, True], ids=["direct", "staged"])
@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ({"x": 1}, 200, "application/json", X),
        ([1, 2], 200, "application/json", b"[1,2]"),
        (Point(1), 200, "application/json", X),
        (Data(1), 200, "application/json", X),
        (Attr(1), 200, "application/json", X),
        (Model(x=1), 200, "application/json", X),
        ("é", 200, "text/html; charset=utf-8", "é".encode()),
        (b"\0\1", 200, "application/octet-stream", b"\0\1"),
        (bytearray(b"ab"), 200, "application/octet-stream", b"ab"),
        (None, 204, None, b""),
        (({"x": 1}, 201), 201, "application/json", X),
        (("a", 202, {"X-A": "b"}), 202, "text/html; charset=utf-8", b"a"),
        (("a", {"X-A": "b"}), 200, "text/html; charset=utf-8", b"a"),
        ((Response("r", 200), 418), 418, "text/html; charset=utf-8", b"r"),
        (Response(b"r", 203, content_type="text/x"), 203, "text/x", b"r"),
        (generator, 200, "text/html; charset=utf-8", b"onetwo"),
        (agenerator, 200, "application/octet-stream", b"onetwo"),
        (later, 200, "application/json", X),
    ],
)
def test_return_value(
    app: Gobstopper, hooked: bool, value: Any, status: int, content_type: str | None, body: bytes
) -> None:
    @app.get("/")
    async def index(request: Request) -> Any:
        return value() if callable(value) and not isinstance(value, Response) else value

    if hooked:

        @app.after_request
        def add(request: Request, response: Response) -> Response:
            response.headers["X-Hook"] = "ran"
            return response

    with TestClient(app) as client:
        for _ in range(2):  # shared headers must not have been changed by the first
            if isinstance(value, tuple) and isinstance(value[0], Response) and _:
                continue
            answer = client.get("/")
            assert (answer.status, answer.headers.get("content-type"), answer.content) == (status, content_type, body)
            assert answer.headers.getlist("x-hook") == (["ran"] if hooked else [])
            if isinstance(value, tuple) and isinstance(value[-1], dict):
                assert answer.headers["x-a"] == "b"


@pytest.mark.parametrize(
    "value", [1, 1.5, True, object(), {1, 2}, (1, 2, 3, 4), ("a", "b"), ("a", True), ((), 200), [object()]]
)
@pytest.mark.parametrize("hooked", [False, True])
def test_nonsense_is_a_500_that_names_handler_place_and_type(
    app: Gobstopper, value: Any, hooked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/")
    async def nonsense(request: Request) -> Any:
        return value

    if hooked:
        app.before_request(lambda request: None)
    with TestClient(app) as client:
        answer = client.get("/")
        assert answer.status == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "object" not in answer.text
    assert len(caplog.records) == 1
    logged = json.loads(caplog.records[0].getMessage())
    assert "nonsense" in logged["handler"]
    assert "test_returns.py:" in logged["handler"]
    assert ("object" if isinstance(value, list) else type(value).__name__) in logged["event"]


@pytest.mark.parametrize("options", [{}, {"inline": True}])
def test_def_handlers_return_the_same(app: Gobstopper, options: dict[str, Any]) -> None:
    @app.get("/json/<int:id>", **options)
    def as_json(request: Request, id: int) -> dict[str, int]:
        return {"x": id}

    @app.get("/awaitable", **options)
    def awaitable(request: Request) -> Awaitable[dict[str, int]]:
        return later()

    @app.get("/generator", **options)
    def generates() -> Iterator[str]:
        yield "a"
        yield "b"

    with TestClient(app) as client:
        assert client.get("/json/1").json() == {"x": 1}
        assert client.get("/awaitable").json() == {"x": 1}
        assert client.get("/generator").text == "ab"


def test_head_has_the_headers_of_get_and_no_body(app: Gobstopper) -> None:
    ran: list[str] = []

    @app.get("/")
    async def index(request: Request) -> str:
        return "body"

    @app.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            ran.append("ran")
            yield "a"

        return StreamingResponse(chunks(), content_type="text/plain")

    with TestClient(app) as client:
        answer = client.head("/")
        assert (answer.status, answer.content, answer.headers["content-length"]) == (200, b"", "4")
        assert client.head("/stream").headers["content-type"] == "text/plain"
        assert not ran


def test_an_answer_sent_by_the_handler_itself(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    @app.get("/none")
    async def sends(request: Request) -> None:
        await Response("sent").send(request)

    @app.get("/twice")
    async def twice(request: Request) -> str:
        await Response("first").send(request)
        return "second"

    with TestClient(app) as client:
        assert client.get("/none").text == "sent"
        assert not caplog.records
        assert client.get("/twice").text == "first"
        assert "answered, and then returned another answer" in caplog.text
        assert len(caplog.records) == 1
        app2 = Gobstopper("hooked", config=app.config)
        app2.before_request(lambda request: None)
        app2.get("/none")(sends)
        app2.get("/twice")(twice)
    with TestClient(app2) as client:
        assert client.get("/none").text == "sent"
        assert client.get("/twice").text == "first"
    assert len(caplog.records) == 2


def test_background_work_runs_after_the_answer(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    def fails() -> None:
        raise SystemExit(3)

    @app.get("/ok")
    async def ok(request: Request) -> Response:
        return Response("ok", background=work)

    @app.get("/fails")
    async def failing(request: Request) -> Response:
        return Response("ok", background=fails)

    with TestClient(app) as client:
        assert client.get("/ok").text == "ok"
        client.settle()
        assert done == ["work"]
        assert client.get("/fails").text == "ok"
        client.settle()
    assert "background work of GET /fails failed" in caplog.text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "returned what is no answer: a builtins.int is no answer; return a dict"),
        (("text", "201"), "a tuple (str, str) is no answer: return (body, status)"),
        (("text", 201, {"x-a": "b\nc"}), "returned a builtins.tuple that is no answer: "),
    ],
)
def test_what_is_no_answer_is_told_with_its_handler(
    app: Gobstopper, caplog: pytest.LogCaptureFixture, value: object, message: str
) -> None:
    @app.get("/")
    async def index() -> object:
        return value

    with TestClient(app) as client:
        assert client.get("/").status == 500
    assert message in caplog.text
    assert "index (" in caplog.text
    assert "test_returns.py:" in caplog.text


def test_hooks_see_the_status_of_a_handler_that_answers_by_itself(app: Gobstopper) -> None:
    seen: list[tuple[int, bytes]] = []

    @app.get("/")
    async def index(request: Request) -> None:
        Response(b"by itself", 203).send_now(request)

    @app.after_request
    def look(request: Request, response: Response) -> None:
        seen.append((response.status, response.body))
        response.headers["x-late"] = "1"

    with TestClient(app) as client:
        answer = client.get("/")
    assert (answer.status, answer.content) == (203, b"by itself")
    assert "x-late" not in answer.headers
    assert seen == [(203, b"")], "of what went out nothing is left to look at"
