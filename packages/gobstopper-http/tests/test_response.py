"""Responses: bodies, content types, cookies, redirections, problems, and what may not be sent."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from typing import Any

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http.errors import AlreadyAnsweredError
from gobstopper_http.request import Request
from gobstopper_http.response import (
    EMPTY,
    HTML,
    JSON,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    TextResponse,
    encode_json,
    is_json_like,
    problem,
    redirect,
)
from gobstopper_http.testing import TestClient


class Proto:
    """Takes one answer, and refuses bodies as the server does."""

    def __init__(self) -> None:
        self.sent: Any = None

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        if not isinstance(body, bytes):
            raise TypeError("not bytes")
        self.sent = (status, headers, body)


def new_request() -> Request:
    return Request(None, Proto(), "GET", "/")


@pytest.mark.parametrize(
    ("response", "content_type", "body"),
    [
        (Response(), None, b""),
        (Response(b"x"), "application/octet-stream", b"x"),
        (Response(bytearray(b"x")), "application/octet-stream", b"x"),
        (Response("é"), "text/html; charset=utf-8", "é".encode()),
        (Response("x", content_type="text/csv"), "text/csv", b"x"),
        (Response("x", headers={"Content-Type": "text/csv"}), "text/csv", b"x"),
        (Response("x", 200, {"Content-Type": "a/b"}, "text/csv"), "text/csv", b"x"),
        (HTMLResponse("x"), "text/html; charset=utf-8", b"x"),
        (TextResponse("x"), "text/plain; charset=utf-8", b"x"),
        (TextResponse("x", 201, {"x-a": "b"}), "text/plain; charset=utf-8", b"x"),
        (TextResponse("x", headers={"content-type": "text/html; charset=utf-8"}), "text/html; charset=utf-8", b"x"),
        (TextResponse("x", content_type="text/csv"), "text/csv", b"x"),
        (TextResponse(b"x"), "text/plain; charset=utf-8", b"x"),
        (HTMLResponse(b"x"), "text/html; charset=utf-8", b"x"),
        (JSONResponse({"a": 1}), "application/json", b'{"a":1}'),
        (JSONResponse(), "application/json", b"null"),
        (JSONResponse([], 200, {"x-a": "b"}, "application/x+json"), "application/x+json", b"[]"),
    ],
)
def test_bodies(response: Response, content_type: str | None, body: bytes) -> None:
    assert (response.content_type, response.body) == (content_type, body)


def test_headers_are_shared_until_one_is_written() -> None:
    response = Response("x")
    response.headers["x-a"] = "b"
    assert response.headers.raw is not HTML
    assert len(HTML) == len(JSON) == 1
    assert EMPTY == []
    response.content_type = "text/csv"
    assert (response.content_type, Response("x").content_type) == ("text/csv", "text/html; charset=utf-8")


def test_repr() -> None:
    assert repr(JSONResponse({}, 201)) == "<JSONResponse 201 application/json>"
    assert repr(Response()) == "<Response 200 no content type>"


async def test_sending() -> None:
    request = new_request()
    await Response("x", 201, {"x-a": "b"}).send(request)
    assert request.proto.sent == (201, [("x-a", "b"), ("content-type", "text/html; charset=utf-8")], b"x")
    assert request.answered == 201
    with pytest.raises(AlreadyAnsweredError):
        Response().send_now(request)
    await Response().close()


@pytest.mark.parametrize(
    ("status", "error"), [(0, ValueError), (199, ValueError), (600, ValueError), ("200", TypeError)]
)
def test_a_status_that_may_not_be_sent(status: Any, error: type[Exception]) -> None:
    request = new_request()
    with pytest.raises(error):
        Response(status=status).send_now(request)
    assert (request.answered, request.proto.sent) == (0, None)


def test_what_the_server_refuses_is_no_answer() -> None:
    request = new_request()
    response = Response()
    response.body = "text"
    with pytest.raises(TypeError, match="not bytes"):
        response.send_now(request)
    assert request.answered == 0
    Response(b"instead").send_now(request)


@pytest.mark.parametrize("headers", [{"X-A": "a\r\nb"}, {"X-A": "a\0"}, {"X A": "b"}, {"": "b"}, {"X-A": "é"}])
def test_headers_that_may_not_be_sent(headers: dict[str, str]) -> None:
    for make in (Response, JSONResponse, TextResponse):
        with pytest.raises(ValueError):
            make("x", headers=headers)
    with pytest.raises(ValueError):
        redirect("/", headers=headers)
    with pytest.raises(ValueError):
        problem(400, headers=headers)


def test_cookies() -> None:
    response = Response()
    response.set_cookie("a", "1", max_age=5, secure=True, httponly=True, samesite="Strict", domain="example.com")
    response.set_cookie("b", "2")
    response.delete_cookie("c", path="/x")
    response.delete_cookie("__Host-d")
    fields = response.headers.getlist("set-cookie")
    assert len(fields) == 4
    assert fields[0].startswith("a=1;")
    assert "Max-Age=0" in fields[2]
    assert "Path=/x" in fields[2]
    assert "Secure" in fields[3]
    for name, value in (("a\r\nb", "c"), ("", "c"), ("a b", "c")):
        with pytest.raises(ValueError):
            response.set_cookie(name, value)


@pytest.mark.parametrize(
    ("location", "sent"),
    [("/a", "/a"), ("/a b", "/a%20b"), ("/é?q=%20#é", "/%C3%A9?q=%20#%C3%A9"), ('/"', "/%22"), ("", ""),
     ("/\u3000", "/%E3%80%80"), ("https://example.com/x?y=z", "https://example.com/x?y=z")],
)  # fmt: skip
def test_redirections(location: str, sent: str) -> None:
    response = redirect(location, headers={"x-a": "b"})
    assert isinstance(response, RedirectResponse)
    assert (response.status, response.headers["location"], response.body) == (302, sent, b"")


@pytest.mark.parametrize("location", ["/a\r\nX: 1", "/a\n", "/a\0", "/a\t", "/\x7f", "/\x85", "/\ud800"])
def test_locations_that_may_not_be_sent(location: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        redirect(location)


@given(st.text(max_size=30))
def test_a_location_is_sent_as_one_clean_field_or_refused(location: str) -> None:
    try:
        value = redirect(location).headers["location"]
    except ValueError:
        return
    assert value.isascii()
    assert value.isprintable()


@pytest.mark.parametrize("status", [200, 300, 304, 400, 0])
def test_redirections_with_another_status(status: int) -> None:
    with pytest.raises(ValueError, match="no redirection"):
        redirect("/", status)
    assert redirect("/", 308).status == 308


def test_problems() -> None:
    assert problem(404).body == b'{"title":"Not Found","status":404}'
    response = problem(
        422, "Too old.", title="Age", type="https://e.example/age", instance="/x", headers={"x-a": "b"}, age=3
    )
    assert msgspec.json.decode(response.body) == {
        "type": "https://e.example/age", "title": "Age", "status": 422, "detail": "Too old.", "age": 3,
        "instance": "/x",
    }  # fmt: skip
    assert (response.status, response.content_type) == (422, "application/problem+json")
    assert response.headers["x-a"] == "b"
    assert problem(599).body == b'{"title":"Unknown","status":599}'


class Point(msgspec.Struct):
    x: int


@dataclasses.dataclass
class Data:
    x: int


@attrs.define
class Attrs:
    x: int


class Model(pydantic.BaseModel):
    x: int
    when: dt.date = dt.date(2026, 1, 2)


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [(Point(1), '{"x":1}'), (Data(1), '{"x":1}'), (Attrs(1), '{"x":1}'), (Model(x=1), '{"x":1,"when":"2026-01-02"}'),
     ([Model(x=1)], '[{"x":1,"when":"2026-01-02"}]'), ({"a": None}, '{"a":null}')],
)  # fmt: skip
def test_what_is_sent_as_json(value: Any, text: str) -> None:
    assert is_json_like(value)
    assert encode_json(value).decode() == text


@pytest.mark.parametrize("value", [1, "x", b"x", None, {1}, object(), Data, Point, (1,)])
def test_what_is_not(value: Any) -> None:
    assert not is_json_like(value)


def test_more_that_json_can_hold() -> None:
    value = [uuid.UUID(int=1), decimal.Decimal("1.5"), dt.timedelta(1), Colour.RED, {1: 2}]
    assert encode_json(value) == b'["00000000-0000-0000-0000-000000000001","1.5","P1D","red",{"1":2}]'
    with pytest.raises(TypeError, match=r"builtins\.object has no JSON form"):
        encode_json([object()])


@pytest.mark.parametrize(
    ("method", "status", "lengths", "sent"),
    [
        ("GET", 200, ["10"], ["3"]),
        ("GET", 200, ["1"], ["3"]),
        ("GET", 200, ["x"], ["3"]),
        ("GET", 200, ["1", "3"], ["3"]),
        ("POST", 404, ["10"], ["3"]),
        ("GET", 200, ["3"], ["3"]),
        ("HEAD", 200, ["10"], ["10"]),
    ],
)
def test_a_wrong_length_is_not_sent(method: str, status: int, lengths: list[str], sent: list[str]) -> None:
    """What is too long or too short would be taken for a piece of the next answer on that connection."""
    fields = [("x-a", "b"), *(("content-length", length) for length in lengths)]

    async def app(scope: Any, proto: Any) -> None:
        response = Response(b"abc", status, fields)
        await response.send(Request.from_rsgi(scope, proto))
        assert response.headers.getlist("content-length") == lengths

    with TestClient(app) as client:
        answer = client.request(method, "/")
    assert (answer.status, answer.headers.getlist("content-length"), answer.headers["x-a"]) == (status, sent, "b")
    assert answer.content == (b"" if method == "HEAD" else b"abc")


def test_a_wrong_length_and_nothing_else() -> None:
    async def app(scope: Any, proto: Any) -> None:
        await Response(b"", 200, {"Content-Length": "10"}).send(Request.from_rsgi(scope, proto))

    with TestClient(app) as client:
        assert client.get("/").headers["content-length"] == "0"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("headers", [[], [("Content-Length", "3"), ("x-a", "b")], [("content-length", "9")]])
def test_a_reset_has_no_content(method: str, headers: list[tuple[str, str]]) -> None:
    """RFC 9110 15.3.6: what is sent with a 205 would be read as the beginning of the next answer, or not at all."""

    async def app(scope: Any, proto: Any) -> None:
        response = Response("abc", 205, headers)
        await response.send(Request.from_rsgi(scope, proto))
        assert response.body == b"abc"

    with TestClient(app) as client:
        answer = client.request(method, "/")
    assert (answer.status, answer.content) == (205, b"")
    assert answer.headers.get("content-length", "0") == "0"
    assert answer.headers.get("x-a") == ("b" if len(headers) > 1 else None)


class Counted(Response):
    """With state of its own."""

    __slots__ = ("count",)

    count: int


@pytest.mark.parametrize("change_first", [True, False])
def test_a_fresh_answer_is_the_same_with_headers_of_its_own(change_first: bool) -> None:
    counted = Counted("a", 201, {"x-a": "1"}, background=print)
    counted.count = 3
    for one in (Response("a", 201, {"x-a": "1"}, background=print), RedirectResponse("/a"), counted):
        before = one.headers.items()
        other = one.fresh()
        changed, kept = (one, other) if change_first else (other, one)
        changed.headers.add("set-cookie", "a=b")
        assert kept.headers.items() == before
        assert type(other) is type(one)
        assert (other.body, other.status, other.background) == (one.body, one.status, one.background)
        assert getattr(other, "count", None) == getattr(one, "count", None)
