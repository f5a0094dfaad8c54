"""From the server's call to an endpoint: mounts, hosts, refusals, and which of several wins."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from gobstopper import Gobstopper, current_app, current_request
from gobstopper.endpoint import is_async
from gobstopper.middleware.static import StaticMiddleware
from gobstopper_http import Request, Response, UploadFile
from gobstopper_http.testing import TestClient


def test_the_longest_prefix_of_a_mount_wins(app: Gobstopper) -> None:
    outer, inner = Gobstopper("outer", config=app.config), Gobstopper("inner", config=app.config)
    outer.get("/<path:rest>")(lambda rest: f"outer {rest}")
    inner.get("/<path:rest>")(lambda rest: f"inner {rest}")
    app.mount("/a", outer)
    app.mount("/a/b", inner)
    with TestClient(app) as client:
        assert client.get("/a/b/c").text == "inner c"
        assert client.get("/a/c").text == "outer c"


def test_options_of_the_server_as_a_whole(app: Gobstopper) -> None:
    with TestClient(app):
        answer = app.dispatcher.outcome(None, "OPTIONS", "*", frozenset())
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (204, b"")


def test_hosts_are_remembered_up_to_a_bound(app: Gobstopper) -> None:
    app.get("/")(lambda: "index")
    with TestClient(app) as client:
        for number in range(300):
            assert client.get("/", headers={"host": f"h{number}.example"}).text == "index"
    assert 0 < len(app.dispatcher._hosts) <= 256


def test_what_is_async() -> None:
    async def function() -> None: ...

    class Thing:
        async def __call__(self) -> None: ...

    assert is_async(function)
    assert is_async(partial(partial(function)))
    assert is_async(Thing())
    assert not is_async(lambda: None)
    assert not is_async(Thing)


def test_of_several_static_folders_the_outermost_gives_the_urls(app: Gobstopper, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.css").write_text(name)
    app.add_middleware(StaticMiddleware, directory=tmp_path / "one", url_prefix="/one")
    app.add_middleware(StaticMiddleware, priority=5, directory=tmp_path / "two", url_prefix="/two")
    with TestClient(app) as client:
        url = app.url_for("static", filename="a.css")
        assert url.startswith("/two/a.css")
        assert client.get(url).text == "two"


def test_a_route_named_static_keeps_its_name(app: Gobstopper, tmp_path: Path) -> None:
    app.add_middleware(StaticMiddleware, directory=tmp_path, url_prefix="/files")
    app.get("/own/<filename>", name="static")(lambda filename: filename)
    with TestClient(app):
        assert app.url_for("static", filename="a.css") == "/own/a.css"


def test_a_form_is_closed_after_the_answer(app: Gobstopper) -> None:
    kept: list[UploadFile] = []

    @app.post("/direct")
    async def direct(request: Request) -> str:
        kept.append((await request.files())["file"])
        return "taken"

    app_with_hook = Gobstopper("staged", config=app.config)
    app_with_hook.before_request(lambda request: None)
    app_with_hook.post("/direct")(direct)
    for one in (app, app_with_hook):
        with TestClient(one) as client:
            assert client.post("/direct", files={"file": b"x" * 10}).status == 200
            client.settle()
        assert kept.pop().file.closed


class Appends:
    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, request: Request, next_handler: Any) -> Any:
        return await next_handler(request)

    def finalize(self, request: Request, response: Response) -> None:
        response.headers["x-order"] = f"{response.headers.get('x-order', '')}{self.name} "


def test_finalize_runs_from_the_inside_out(app: Gobstopper) -> None:
    app.add_middleware(Appends("inner"), priority=1)
    app.add_middleware(Appends("outer"), priority=2)
    app.get("/")(lambda: "index")
    with TestClient(app) as client:
        assert client.get("/").headers["x-order"].split() == ["inner", "outer"]


def test_after_hooks_run_the_last_registered_first(app: Gobstopper) -> None:
    for name in ("first", "second"):

        def hook(request: Request, response: Response, name: str = name) -> None:
            response.headers["x-order"] = f"{response.headers.get('x-order', '')}{name} "

        app.after_request(hook)
    app.get("/")(lambda: "index")
    with TestClient(app) as client:
        assert client.get("/").headers["x-order"].split() == ["second", "first"]


def test_a_mount_in_a_mount_knows_its_whole_prefix(app: Gobstopper) -> None:
    middle, inner = Gobstopper("middle", config=app.config), Gobstopper("inner", config=app.config)
    app.mount("/a", middle)
    middle.mount("/b", inner)

    @inner.get("/x")
    async def x() -> str:
        return inner.url_for("x")

    with TestClient(app) as client:
        assert client.get("/a/b/x").text == "/a/b/x"


def test_around_a_mount_the_request_is_the_outer_application_s(app: Gobstopper) -> None:
    async def plain(scope: Any, proto: Any) -> None:
        proto.response_bytes(200, [], b"plain")

    app.mount("/inner", Gobstopper("inner", config=app.config))
    app.mount("/plain", plain)

    @app.after_request
    def mark(request: Request, response: Response) -> None:
        response.headers["x-app"] = current_app().name
        assert current_request() is request

    with TestClient(app) as client:
        assert client.get("/inner/x").headers["x-app"] == app.name
        answer = client.get("/plain")
        assert (answer.content, answer.headers["x-app"]) == (b"plain", app.name)
        assert "content-type" not in answer.headers
