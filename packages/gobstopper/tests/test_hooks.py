"""Hooks, middleware and their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gobstopper import Blueprint, Gobstopper, StartupError
from gobstopper_http import HTTPException, JSONResponse, Request, Response, WebSocket
from gobstopper_http.testing import TestClient, WebSocketRejected

Next = Callable[[Request], Awaitable[Response]]


def recorder(log: list[str], name: str) -> Callable[[Request, Next], Awaitable[Response]]:
    async def middleware(request: Request, next_handler: Next) -> Response:
        log.append(f"{name}>")
        response = await next_handler(request)
        log.append(f"<{name}")
        return response

    return middleware


def test_priority_outermost_first_and_ties_in_order(app: Gobstopper) -> None:
    log: list[str] = []
    app.add_middleware(recorder(log, "low"), priority=-1)
    app.add_middleware(recorder(log, "high"), priority=100)
    app.add_middleware(recorder(log, "tie1"))
    app.add_middleware(recorder(log, "tie2"))

    @app.before_request
    async def before(request: Request) -> None:
        log.append("before")

    @app.after_request
    def after(request: Request, response: Response) -> None:
        log.append("after")

    @app.get("/")
    async def index(request: Request) -> str:
        log.append("handler")
        return "ok"

    with TestClient(app) as client:
        client.get("/")
    assert log == [
        "high>", "tie1>", "tie2>", "low>", "before", "handler", "<low", "<tie2", "<tie1", "<high", "after",
    ]  # fmt: skip


def test_refusals_and_errors_pass_through_middleware_and_hooks(app: Gobstopper) -> None:
    async def stamp(request: Request, next_handler: Next) -> Response:
        response = await next_handler(request)
        response.headers["X-Stamp"] = str(response.status)
        return response

    app.add_middleware(stamp)
    app.slash_policy = "remove_slash"

    @app.after_request
    async def after(request: Request, response: Response) -> Response:
        response.headers["X-After"] = "1"
        return response

    @app.get("/x")
    async def fails(request: Request) -> str:
        raise ValueError

    with TestClient(app, follow_redirects=False) as client:
        for method, path, status in [
            ("GET", "/nope", 404), ("POST", "/x", 405), ("GET", "/x/", 308), ("GET", "/x", 500), ("OPTIONS", "/x", 204),
            ("GET", "/%00", 400),
        ]:  # fmt: skip
            answer = client.request(method, path)
            assert answer.status == status
            assert answer.headers["x-stamp"] == str(status)
            assert answer.headers["x-after"] == "1"


def test_before_request_answers_and_after_request_replaces(app: Gobstopper) -> None:
    @app.before_request
    def gate(request: Request) -> Any:
        if "stop" in request.query:
            return {"stopped": True}, 401
        request.user = "ada"
        return None

    @app.after_request
    async def replace(request: Request, response: Response) -> Any:
        return {"replaced": response.status} if "replace" in request.query else None

    @app.get("/")
    async def index(request: Request) -> str:
        return str(request.user)

    with TestClient(app) as client:
        assert client.get("/").text == "ada"
        stopped = client.get("/?stop")
        assert (stopped.status, stopped.json()) == (401, {"stopped": True})
        assert client.get("/?replace").json() == {"replaced": 200}


def test_awaitables_from_plain_functions_are_awaited(app: Gobstopper) -> None:
    async def answer() -> str:
        return "from a coroutine"

    app.before_request(lambda request: answer())

    @app.get("/")
    async def index(request: Request) -> str:
        return "handler"

    with TestClient(app) as client:
        assert client.get("/").text == "from a coroutine"


def test_http_exceptions_from_every_stage(app: Gobstopper) -> None:
    async def middleware(request: Request, next_handler: Next) -> Response:
        if request.query.get("at") == "middleware":
            raise HTTPException(418, "middleware")
        response = await next_handler(request)
        if request.query.get("at") == "middleware-after":
            raise HTTPException(418, "middleware-after")
        return response

    app.add_middleware(middleware)

    @app.before_request
    def before(request: Request) -> None:
        if request.query.get("at") == "before":
            raise HTTPException(418, "before")

    @app.after_request
    def after(request: Request, response: Response) -> None:
        if request.query.get("at") == "after" and response.status == 200:
            raise HTTPException(418, "after")

    @app.get("/")
    async def index(request: Request) -> str:
        if request.query.get("at") == "handler":
            raise HTTPException(418, "handler")
        return "ok"

    with TestClient(app) as client:
        assert client.get("/").status == 200
        for place in ("middleware", "middleware-after", "before", "after", "handler"):
            answer = client.get("/", params={"at": place})
            assert (answer.status, answer.json()["detail"]) == (418, place)


class Finalizing:
    def __init__(self, *, value: str = "x") -> None:
        self.value = value
        self.setups = 0

    def setup(self, context: Any) -> None:
        self.setups += 1
        assert context.root_path.is_dir()
        assert context.config["EXTERNAL_URL"]
        assert context.secret_keys == []

    async def __call__(self, request: Request, next_handler: Next) -> Response:
        return await next_handler(request)

    def finalize(self, request: Request, response: Response) -> None:
        response.headers["X-Final"] = self.value


def test_finalize_runs_on_every_answer_whoever_made_it(app: Gobstopper) -> None:
    async def refuses(request: Request, next_handler: Next) -> Response:
        if "raise" in request.query:
            raise RuntimeError
        return JSONResponse({}, 403)

    app.add_middleware(Finalizing, priority=-5, value="inner")
    app.add_middleware(refuses, priority=100)

    @app.get("/")
    async def index(request: Request) -> str:
        return "never"

    with TestClient(app) as client:
        assert client.get("/").headers["x-final"] == "inner"
        broken = client.get("/?raise")
        assert (broken.status, broken.headers["x-final"]) == (500, "inner")


def test_async_finalize(app: Gobstopper) -> None:
    class Async(Finalizing):
        async def finalize(self, request: Request, response: Response) -> None:  # type: ignore[override]
            response.headers["X-Final"] = "async"

    app.add_middleware(Async())

    @app.get("/")
    async def index(request: Request) -> str:
        return "ok"

    with TestClient(app) as client:
        assert client.get("/").headers["x-final"] == "async"


def test_middleware_that_returns_nothing_is_named(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    async def forgets(request: Request, next_handler: Next) -> None:
        await next_handler(request)

    app.add_middleware(forgets)

    @app.get("/")
    async def index(request: Request) -> str:
        return "ok"

    with TestClient(app) as client:
        assert client.get("/").status == 500
    assert "forgets (" in caplog.text
    assert "test_hooks.py:" in caplog.text
    assert "returned what is no answer: None is no answer" in caplog.text
    assert "index (" in caplog.text


def test_a_hook_that_returns_no_answer_is_named_and_not_the_handler(
    app: Gobstopper, caplog: pytest.LogCaptureFixture
) -> None:
    @app.before_request
    def refuses(request: Request) -> object:
        return 401 if request.path == "/before" else None

    @app.after_request
    async def decorates(request: Request, response: Response) -> object:
        return {"text"} if request.path == "/after" else None

    @app.get("/<path>")
    async def index(path: str) -> str:
        return path

    with TestClient(app) as client:
        assert client.get("/before").status == 500
        assert "refuses (" in caplog.text
        assert "a hook around" in caplog.text
        assert "builtins.int is no answer; return a dict" in caplog.text
        caplog.clear()
        assert client.get("/after").status == 500
        assert "decorates (" in caplog.text
        assert "builtins.set is no answer" in caplog.text


@pytest.mark.parametrize(
    ("middleware", "options", "message"),
    [
        (Finalizing, {"colour": 1}, "it takes: value"),
        (Finalizing(), {"value": "x"}, "built already"),
        (lambda request: None, {}, "(request, next_handler)"),
    ],
)
def test_middleware_that_cannot_be_built_ends_the_start(
    app: Gobstopper, middleware: Any, options: dict[str, Any], message: str
) -> None:
    app.add_middleware(middleware, **options)
    with pytest.raises(StartupError) as caught, TestClient(app):
        pass
    assert message in str(caught.value)
    assert "test_hooks.py:" in str(caught.value)


def test_blueprint_hooks_and_middleware_apply_to_it_alone(app: Gobstopper) -> None:
    log: list[str] = []
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    users = Blueprint("users", __name__, url_prefix="/users")
    app.add_middleware(recorder(log, "app"))
    admin.add_middleware(recorder(log, "admin"), priority=1000)
    users.add_middleware(recorder(log, "users"))
    for scope, name in ((app, "app"), (admin, "admin"), (users, "users")):
        scope.before_request(lambda request, name=name: log.append(f"before {name}"))
        scope.after_request(lambda request, response, name=name: log.append(f"after {name}"))

    @app.get("/")
    async def index(request: Request) -> str:
        return "app"

    @users.get("/<int:id>", name="detail")
    async def detail(request: Request, id: int) -> str:
        return f"user {id}"

    admin.register_blueprint(users)
    app.register_blueprint(admin)
    with TestClient(app) as client:
        assert client.get("/").text == "app"
        assert log == ["app>", "before app", "<app", "after app"]
        log.clear()
        assert client.get("/admin/users/3").text == "user 3"
    assert log == [
        "app>", "admin>", "users>", "before app", "before admin", "before users",
        "<users", "<admin", "<app", "after users", "after admin", "after app",
    ]  # fmt: skip
    assert app.url_for("admin.users.detail", id=3) == "/admin/users/3"


def test_before_websocket_and_websocket_middleware(app: Gobstopper) -> None:
    log: list[str] = []

    class Watches:
        async def __call__(self, request: Request, next_handler: Next) -> Response:
            log.append("http")
            return await next_handler(request)

        async def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[None]]) -> None:
            log.append("ws>")
            await next_handler(websocket)
            log.append("<ws")

    app.add_middleware(Watches())
    app.add_middleware(recorder(log, "never"))

    @app.before_websocket
    async def gate(websocket: WebSocket) -> Any:
        log.append("gate")
        return (
            {"status": 401, "none": None, "response": Response("no", 402), "tuple": ("no", 403), "odd": "odd"}[
                websocket.query.get("as", "none")
            ]
            if websocket.query.get("as") != "status"
            else 401
        )

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")

    with TestClient(app) as client:
        with client.websocket("/ws") as socket:
            assert socket.receive_text() == "hello"
        client.settle()
        assert log == ["ws>", "gate", "<ws"]
        for how, status in (("status", 401), ("response", 402), ("tuple", 403), ("odd", 403)):
            with pytest.raises(WebSocketRejected) as caught, client.websocket(f"/ws?as={how}"):
                pass
            assert caught.value.status == status
