"""Error handlers, default pages, and handlers that raise anything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gobstopper import Blueprint, Gobstopper, abort
from gobstopper_http import HTTPException, JSONResponse, Request, Response, StreamingResponse
from gobstopper_http.testing import TestClient


class CustomError(LookupError):
    pass


def test_status_then_mro_then_500(app: Gobstopper) -> None:
    @app.error_handler(404)
    async def not_found(request: Request, error: HTTPException) -> Any:
        return {"path": request.path}, 404

    @app.error_handler(LookupError)
    def lookup(request: Request, error: LookupError) -> Any:
        return {"lookup": str(error)}, 410

    @app.error_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> dict[str, int]:
        return {"http": error.status}

    @app.error_handler(500)
    async def internal(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"internal": type(error).__name__}, status=500)

    @app.get("/<kind>")
    async def raises(request: Request, kind: str) -> None:
        raise {"custom": CustomError("gone"), "value": ValueError("v"), "teapot": HTTPException(418),
               "missing": HTTPException(404)}[kind]  # fmt: skip

    with TestClient(app) as client:
        for path, status, body in [
            ("/a/b", 404, {"path": "/a/b"}),
            ("/missing", 404, {"path": "/missing"}),
            ("/custom", 410, {"lookup": "gone"}),
            ("/value", 500, {"internal": "ValueError"}),
            ("/teapot", 418, {"http": 418}),  # nothing was said of the status: the error keeps its own
        ]:
            answer = client.get(path)
            assert (answer.status, answer.json()) == (status, body)


def test_an_error_handler_keeps_the_headers_of_the_error(app: Gobstopper) -> None:
    app.error_handler(405)(lambda request, error: ("custom", 405))

    @app.post("/")
    async def index(request: Request) -> str:
        return "ok"

    with TestClient(app) as client:
        answer = client.get("/")
        assert (answer.text, answer.headers["allow"]) == ("custom", "OPTIONS, POST")


def test_blueprint_handlers_come_first_for_its_routes_alone(app: Gobstopper) -> None:
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.error_handler(403)(lambda request, error: ("admin", 403))
    app.error_handler(403)(lambda request, error: ("app", 403))
    admin.get("/")(_forbidden)
    app.get("/")(_forbidden)
    app.register_blueprint(admin)
    with TestClient(app) as client:
        assert client.get("/admin/").text == "admin"
        assert client.get("/").text == "app"


async def _forbidden(request: Request) -> None:
    abort(403)


def test_an_error_handler_that_raises_gives_one_plain_500(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    @app.error_handler(500)
    @app.error_handler(404)
    async def fails(request: Request, error: Exception) -> None:
        calls.append(1)
        raise RuntimeError("again")

    @app.get("/")
    async def index(request: Request) -> None:
        raise ValueError("first")

    with TestClient(app) as client:
        assert client.get("/").status == 500
        assert calls == [1]
        assert client.get("/nope").status == 500
        assert len(calls) == 2


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopAsyncIteration(), BaseException("b")]
)
@pytest.mark.parametrize("kind", ["async", "thread", "inline", "hook", "middleware", "error handler"])
def test_whatever_is_raised_is_a_500_and_logged_once(
    app: Gobstopper, error: BaseException, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises(request: Request) -> None:
        raise error

    def raises_sync(request: Request) -> None:
        raise error

    async def fine(request: Request) -> str:
        if "raise" in request.query and kind == "error handler":
            raise ValueError
        return "ok"

    async def middleware(request: Request, next_handler: Any) -> Any:
        if "raise" in request.query:
            raise error
        return await next_handler(request)

    if kind == "async":
        app.get("/")(raises)
    elif kind in {"thread", "inline"}:
        app.get("/", inline=kind == "inline")(raises_sync)
    else:
        app.get("/")(fine)
    if kind == "hook":
        app.before_request(lambda request: raises_sync(request) if "raise" in request.query else None)
    if kind == "middleware":
        app.add_middleware(middleware)
    if kind == "error handler":
        app.error_handler(ValueError)(lambda request, e: raises_sync(request))
    app.get("/fine")(fine)
    with TestClient(app) as client:
        assert client.get("/?raise").status == 500
        assert len(caplog.records) == 1
        assert client.get("/fine").text == "ok"


@pytest.mark.parametrize(
    ("registered", "logged"), [(LookupError, 0), (KeyError, 0), (Exception, 1), (BaseException, 1), (500, 1)]
)
def test_an_error_that_has_a_handler_of_its_own_is_no_news(
    app: Gobstopper, caplog: pytest.LogCaptureFixture, registered: int | type[BaseException], logged: int
) -> None:
    """The application expects it; a handler for everything, or for 500, expects nothing in particular."""
    app.error_handler(registered)(lambda request, error: ("handled", 503))

    @app.get("/")
    async def index(request: Request) -> None:
        raise KeyError("sweet")

    with TestClient(app) as client:
        answer = client.get("/")
        assert (answer.status, answer.text) == (503, "handled")
    assert len(caplog.records) == logged


def test_default_pages_by_accept(app: Gobstopper) -> None:
    @app.get("/")
    async def index(request: Request) -> None:
        raise ValueError("a secret of the inside")

    with TestClient(app) as client:
        plain = client.get("/")
        assert plain.headers["content-type"] == "application/problem+json"
        assert plain.json() == {"title": "Internal Server Error", "status": 500}
        page = client.get("/", headers={"Accept": "text/html,*/*;q=0.5"})
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "secret" not in page.text + plain.text
        assert "accept" in page.headers["vary"].lower()
        assert client.get("/<script>", headers={"Accept": "text/html"}).text.count("<script>") == 0


def test_debug_details_on_loopback_only(app: Gobstopper) -> None:
    app.debug = True

    @app.get("/")
    async def index(request: Request) -> None:
        raise ValueError("a secret of the inside")

    with TestClient(app) as client:
        assert "a secret of the inside" in str(client.get("/").json()["traceback"])
        assert "a secret of the inside" in client.get("/", headers={"Accept": "text/html"}).text
    with TestClient(app, client="192.0.2.7:4711") as client:
        assert "secret" not in client.get("/").text


def test_http_exception_details(app: Gobstopper) -> None:
    @app.get("/")
    async def index(request: Request) -> None:
        raise HTTPException(429, "Slow down.", {"Retry-After": "7"}, limit=3)

    @app.get("/moved")
    async def moved(request: Request) -> None:
        abort(302, headers={"Location": "/"})

    with TestClient(app, follow_redirects=False) as client:
        answer = client.get("/")
        assert answer.headers["retry-after"] == "7"
        assert answer.json() == {"title": "Too Many Requests", "status": 429, "detail": "Slow down.", "limit": 3}
        assert (client.get("/moved").status, client.get("/moved").headers["location"]) == (302, "/")
    with pytest.raises(ValueError, match="300 to 599"):
        HTTPException(200)


def test_an_error_handler_that_returns_no_answer_is_named(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    @app.error_handler(404)
    async def lost(request: Request, error: HTTPException) -> int:
        return 404

    with TestClient(app) as client:
        assert client.get("/nowhere").status == 500
    assert "the error handler " in caplog.text
    assert "lost (" in caplog.text
    assert "builtins.int is no answer" in caplog.text


def test_every_error_is_in_the_log_of_an_error_handler_that_fails(
    app: Gobstopper, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/")
    async def fails() -> None:
        raise CustomError("the first")

    @app.error_handler(CustomError)
    async def fails_too(request: Request, error: CustomError) -> None:
        try:
            raise KeyError("the second")
        except KeyError:
            raise ValueError("the third")  # noqa: B904 - as it happens

    with TestClient(app) as client:
        assert client.get("/").status == 500
    for text in ("the first", "the second", "the third"):
        assert text in caplog.text


def test_nothing_of_a_client_s_becomes_html_in_an_error_page(app: Gobstopper) -> None:
    app.debug = True

    @app.get("/detail")
    async def detail(request: Request) -> None:
        abort(400, request.query["x"])

    @app.get("/trace")
    async def trace(request: Request) -> None:
        raise LookupError(request.query["x"])

    with TestClient(app, headers={"accept": "text/html"}) as client:
        for path in ("/detail", "/trace"):
            answer = client.get(path, params={"x": "<img src=x>"})
            assert answer.content_type == "text/html"
            assert answer.headers["vary"] == "Accept"
            assert "&lt;img src=x&gt;" in answer.text
            assert "<img" not in answer.text


def test_an_error_that_redirects_has_no_page(app: Gobstopper) -> None:
    @app.get("/")
    async def index() -> None:
        raise HTTPException(302, headers={"Location": "/there"})

    with TestClient(app) as client:
        answer = client.get("/", follow_redirects=False)
        assert (answer.status, answer.headers["location"], answer.content) == (302, "/there", b"")


def test_a_header_of_the_error_handler_wins_over_the_error_s(app: Gobstopper) -> None:
    @app.error_handler(503)
    async def busy(request: Request, error: HTTPException) -> Any:
        return {"busy": True}, 503, {"Retry-After": "5"}

    @app.get("/")
    async def index() -> None:
        abort(503, headers={"Retry-After": "60", "X-Other": "kept"})

    with TestClient(app) as client:
        answer = client.get("/")
        assert (answer.headers["retry-after"], answer.headers["x-other"]) == ("5", "kept")


@pytest.mark.parametrize("middleware", [False, True])
def test_a_stream_with_an_impossible_length_is_a_500_that_tells_why(
    app: Gobstopper, middleware: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/export")
    async def export() -> StreamingResponse:
        return StreamingResponse(["abc"], headers=[("Content-Length", "3"), ("Content-Length", "4")])

    async def through(request: Request, following: Any) -> Any:
        return await following(request)

    if middleware:
        app.add_middleware(through)
    with TestClient(app) as client:
        assert client.get("/export").status == 500
    assert "a stream's Content-Length is one number of bytes, not '3' and '4'" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("error", [LookupError("too late"), HTTPException(404, "too late")])
def test_what_is_raised_after_the_answer_is_logged_once(
    app: Gobstopper, staged: bool, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/")
    async def index(request: Request) -> None:
        Response("fine").send_now(request)
        raise error

    if staged:
        app.after_request(lambda request, response: None)
    with TestClient(app) as client:
        assert client.get("/").text == "fine"
        client.settle()
    assert len(caplog.records) == 1
    assert f"GET / failed: {type(error).__name__}: " in caplog.text
