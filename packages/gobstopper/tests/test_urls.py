"""`url_for`, trailing slashes, methods, converters, diagnostics."""

from __future__ import annotations

import pytest

from gobstopper import Blueprint, Gobstopper, StartupError, current_app
from gobstopper_http import Request
from gobstopper_http.testing import TestClient
from gobstopper_routing import BuildError, Converter, RouteError, SignatureError


def test_url_for_before_and_within_requests(app: Gobstopper) -> None:
    admin = Blueprint("admin", __name__, url_prefix="/admin")

    @admin.get("/login")
    async def login(request: Request) -> str:
        return app.url_for(".logout")

    @admin.get("/logout")
    async def logout(request: Request) -> str:
        return app.url_for("detail", name="a b", page=2, _external=True)

    @app.get("/users/<int:id>/<name>", name="detail")
    async def detail(request: Request, id: int, name: str) -> str:
        return str(current_app() is app)

    app.register_blueprint(admin)
    assert app.url_for("admin.login") == "/admin/login"
    assert app.url_for("detail", id=3, name="a b", page=2) == "/users/3/a%20b?page=2"
    assert app.url_for("detail", id=3, name="x", _external=True) == "https://example.com/users/3/x"
    with pytest.raises(BuildError, match="detail"):
        app.url_for("detial", id=3)
    with pytest.raises(BuildError, match="relative"):
        app.url_for(".login")
    with TestClient(app) as client:
        assert client.get("/admin/login").text == "/admin/logout"
        assert client.get("/users/3/x").text == "True"
        assert client.get("/admin/logout").status == 500


def test_external_urls_need_a_host_that_is_known(app: Gobstopper) -> None:
    del app.config["EXTERNAL_URL"]

    @app.get("/")
    async def index(request: Request) -> str:
        return app.url_for("index", _external=True)

    with TestClient(app) as client:
        assert client.get("/").status == 500
    app.config["ALLOWED_HOSTS"] = ["127.0.0.1"]
    with TestClient(app) as client:
        assert client.get("/").text == "http://127.0.0.1/"
        assert client.get("/", headers={"Host": "evil.example"}).status == 500
    app.config["ALLOWED_HOSTS"] = None
    app.debug = True
    with TestClient(app) as client:
        assert client.get("/", headers={"Host": "dev.example"}).text == "http://dev.example/"


@pytest.mark.parametrize(
    ("policy", "path", "location"),
    [
        ("add_slash", "/a", "/a/"), ("remove_slash", "/b/", "/b"), ("add_slash", "/b", None),
        ("remove_slash", "/a/", None), (None, "/a", 404), ("add_slash", "/nope", 404),
        ("add_slash", "/a?x=1&y=%2F", "/a/?x=1&y=%2F"), ("remove_slash", "//evil.example/", 404),
        ("add_slash", "/x/%5Cevil", "/x/%5Cevil/"), ("add_slash", "/dyn/é", "/dyn/%C3%A9/"),
    ],
)  # fmt: skip
def test_slash_policy(app: Gobstopper, policy: str | None, path: str, location: str | int | None) -> None:
    app.slash_policy = policy  # type: ignore[assignment]
    for pattern in ("/a/", "/b", "/x/<rest>/", "/dyn/<name>/"):
        app.get(pattern, name=f"r{len(app.routes)}")(lambda request, **values: "ok")
    with TestClient(app, follow_redirects=False) as client:
        answer = client.get(path)
        if isinstance(location, str):
            assert (answer.status, answer.headers["location"]) == (308, location)
        else:
            assert answer.status == (location or 200)


def test_methods(app: Gobstopper) -> None:
    @app.route("/r", methods=["GET", "POST", "PUT"])
    async def resource(request: Request) -> str:
        return request.method

    with TestClient(app) as client:
        assert [client.request(method, "/r").text for method in ("GET", "POST", "PUT")] == ["GET", "POST", "PUT"]
        refused = client.delete("/r")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST, PUT")
        offered = client.options("/r")
        assert (offered.status, offered.headers["allow"], offered.content) == (
            204,
            "GET, HEAD, OPTIONS, POST, PUT",
            b"",
        )
        assert client.request("BREW", "/r").status == 405
        assert client.request("BREW", "/nope").status == 404


def test_converters(app: Gobstopper) -> None:
    class Hex(Converter):
        regex = "[0-9a-f]+"

        def convert(self, value: str) -> int:
            return int(value, 16)

        def to_url(self, value: object) -> str:
            return f"{value:x}"

    app.register_converter("hex", Hex)

    @app.get("/hex/<hex:number>")
    async def number(request: Request, number: int) -> list[int]:
        return [number]

    @app.get("/api/v<version>/<path:rest>")
    async def rest(request: Request, rest: str, version: str) -> list[str]:
        return [version, rest]

    with TestClient(app) as client:
        assert client.get("/hex/ff").json() == [255]
        assert client.get("/hex/xyz").status == 404
        assert client.get("/api/v2/a/b").json() == ["2", "a/b"]
    assert app.url_for("number", number=255) == "/hex/ff"


@pytest.mark.parametrize("path", ["/%ff", "/users/%ff", "/users/a%00b", "/%c3%28"])
def test_paths_that_are_no_text(app: Gobstopper, path: str) -> None:
    app.get("/users/<id>")(lambda request, id: id)
    with TestClient(app) as client:
        assert client.get(path).status == 400


def test_registration_errors_name_both(app: Gobstopper) -> None:
    with pytest.raises(SignatureError, match=r"handler.*<id>"):
        app.get("/<id>")(lambda request: "x")
    with pytest.raises(SignatureError, match="name"):
        app.get("/")(lambda request, name: "x")
    with pytest.raises(RouteError, match="timeuot"):
        app.get("/", timeuot=3)(lambda request: "x")
    blueprint = Blueprint("b", __name__, url_prefix="/<lang>")
    blueprint.get("/x")(lambda request: "x")
    with pytest.raises(SignatureError, match="lang"):
        app.register_blueprint(blueprint)


def test_diagnostics_list_every_problem(app: Gobstopper) -> None:
    app.get("/a", name="one")(lambda request: "1")
    app.get("/a", name="two")(lambda request: "2")
    app.before_request(lambda: None)
    app.after_request(lambda request: None)
    with pytest.raises(StartupError) as caught, TestClient(app):
        pass
    message = str(caught.value)
    assert message.count("test_urls.py:") >= 3
    assert "before_request" in message
    assert "after_request" in message
    assert "/a" in message


def test_a_path_before_a_narrower_route_is_only_noted(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    app.get("/<path:rest>", name="all")(lambda request, rest: "all")
    app.get("/x/<int:id>", name="narrow")(lambda request, id: "narrow")
    with TestClient(app) as client:
        assert client.get("/x/1").text == "narrow"
        assert client.get("/x/y").text == "all"


def test_health(app: Gobstopper) -> None:
    healthy = Gobstopper("healthy", health="/healthz", config=app.config)
    healthy.before_request(lambda request: ("no", 500))
    with TestClient(healthy) as client:
        answer = client.get("/healthz")
        assert (answer.status, answer.json()) == (200, {"status": "ok"})
        assert healthy.lifecycle.runtime is not None
        healthy.lifecycle.runtime.stopping = True
        assert client.get("/healthz").status == 503
        healthy.lifecycle.runtime.stopping = False


@pytest.mark.parametrize("allowed", ["shop.example", ["shop.example"], ["shop.example:8000"]])
def test_an_allowed_host_may_have_a_port(allowed: object) -> None:
    app = Gobstopper("allowed", config={"ALLOWED_HOSTS": allowed})

    @app.get("/")
    async def index() -> str:
        return app.url_for("index", _external=True)

    with TestClient(app) as client:
        assert client.get("/", headers={"host": "shop.example:8000"}).text == "http://shop.example:8000/"
        assert client.get("/", headers={"host": "evil.example:8000"}).status == 500
