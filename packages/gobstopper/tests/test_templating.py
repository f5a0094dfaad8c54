"""Templates, joined to the application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gobstopper import Blueprint, Gobstopper, abort, render_template
from gobstopper_http import Request
from gobstopper_http.testing import TestClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name, source in {
        "index.html": "<h1>{{ title }}</h1>{{ who }} {{ app_name }} {{ 3|double }} {{ config_value('A') }} "
        "{{ 4 is even }}",
        "urls.html": "{{ url_for('index') }} {{ request.path }} {{ config['A'] }}",
        "rows.html": "{% for row in rows %}<p>{{ row }}</p>{% endfor %}",
        "broken.html": "{{ 1 / 0 }}",
        "aborts.html": "{{ refuse() }}",
        "csrf.html": "{{ csrf_field() }} {{ csp_nonce() }}",
        "flashes.html": "{% for kind, m in get_flashed_messages(true) %}{{ kind }}:{{ m }};{% endfor %}",
    }.items():
        (pages / name).write_text(source)
    return pages


def test_filters_globals_tests_and_processors_before_and_after_init(app: Gobstopper, folder: Path) -> None:
    @app.template_filter("double")
    def double(value: int) -> int:
        return value * 2

    @app.context_processor
    def sync_processor() -> dict[str, Any]:
        return {"app_name": "sync", "title": "processor"}

    app.init_templates(folder)

    @app.template_global("config_value")
    def config_value(key: str) -> Any:
        return app.config.get(key)

    @app.template_test("even")
    def even(value: int) -> bool:
        return value % 2 == 0

    @app.context_processor
    async def async_processor() -> dict[str, Any]:
        return {"who": "<ada>"}

    app.config["A"] = "a"

    @app.get("/")
    async def index(request: Request) -> str:
        return await app.render_template("index.html", title="T&T")

    @app.get("/standalone")
    async def standalone(request: Request) -> str:
        text: str = await render_template("index.html", title="S")
        return text

    with TestClient(app) as client:
        answer = client.get("/")
        assert answer.text == "<h1>T&amp;T</h1>&lt;ada&gt; sync 6 a True"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("/standalone").text.startswith("<h1>S</h1>")
    assert app.template_engine is not None


def test_what_templates_know_of_the_request(app: Gobstopper, folder: Path) -> None:
    app.init_templates(str(folder))
    app.config["A"] = 1

    @app.get("/", name="index")
    async def index(request: Request) -> str:
        return await app.render_template("urls.html")

    @app.get("/csrf")
    async def csrf(request: Request) -> str:
        request.csrf_token, request.csp_nonce = 'a"b', "nonce"
        return await app.render_template("csrf.html")

    @app.get("/no-csrf")
    async def no_csrf(request: Request) -> str:
        return await app.render_template("csrf.html")

    with TestClient(app) as client:
        assert client.get("/").text == "/ / 1"
        assert client.get("/csrf").text == '<input type="hidden" name="csrf_token" value="a&quot;b"> nonce'
        assert client.get("/no-csrf").status == 500


def test_streaming_and_errors(app: Gobstopper, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    app.init_templates(folder)
    app.template_global("refuse")(lambda: abort(404))

    @app.get("/stream")
    async def stream(request: Request) -> Any:
        return await app.render_template("rows.html", stream=True, rows=range(20_000))

    @app.get("/<name>")
    async def page(request: Request, name: str) -> Any:
        return await app.render_template(name, stream="stream" in request.query)

    with TestClient(app) as client:
        answer = client.get("/stream")
        assert answer.text.count("<p>") == 20_000
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "content-length" not in answer.headers
        for query in ("", "?stream"):
            caplog.clear()
            assert client.get("/broken.html" + query).status == 500
            assert "broken.html" in caplog.text
            assert client.get("/aborts.html" + query).status == 404
            assert client.get("/missing.html" + query).status == 500
            assert client.get("/rows.html" + query).status == 200


def test_blueprint_folders_and_processors(app: Gobstopper, folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / "admin").mkdir(parents=True)
    (inner / "admin" / "page.html").write_text("{{ where }} {{ everywhere }}")
    admin = Blueprint("admin", __name__, url_prefix="/admin", template_folder=inner)
    users = Blueprint("users", __name__, url_prefix="/users")

    @users.context_processor
    def of_users() -> dict[str, str]:
        return {"where": "users"}

    @admin.context_processor
    def of_admin() -> dict[str, str]:
        return {"where": "admin"}

    @app.context_processor
    def of_app() -> dict[str, str]:
        return {"where": "app", "everywhere": "yes"}

    async def page(request: Request) -> str:
        return await app.render_template("admin/page.html")

    for scope in (app, admin, users):
        scope.get("/page")(page)
    admin.register_blueprint(users)
    app.init_templates(folder)
    app.register_blueprint(admin)
    with TestClient(app) as client:
        assert client.get("/page").text == "app yes"
        assert client.get("/admin/page").text == "admin yes"
        assert client.get("/admin/users/page").text == "users yes"


def test_without_init_the_error_says_what_to_do(app: Gobstopper, caplog: pytest.LogCaptureFixture) -> None:
    app.get("/")(lambda request: app.render_template("x.html"))
    with TestClient(app) as client:
        assert client.get("/").status == 500
    assert "init_templates" in caplog.text
    assert app.template_engine is None


def test_use_rust_without_the_wheel(app: Gobstopper, folder: Path) -> None:
    from gobstopper.templates import RustTemplateEngineWrapper

    app.init_templates(folder, use_rust=False, auto_reload=False, cache_size=1000, enable_streaming=True)
    assert not isinstance(app.template_engine, RustTemplateEngineWrapper)
    with pytest.raises(ImportError, match="gobstopper-templates"):
        app.init_templates(folder, use_rust=True)


def test_flashed_messages(app: Gobstopper, folder: Path) -> None:
    from gobstopper.sessions import Session

    app.init_templates(folder)

    @app.get("/")
    async def index(request: Request) -> str:
        if "with" in request.query:
            request.session = Session()
            request.session.flash("hello", "info")
            request.session.flash("<no>", "error")
        return await app.render_template("flashes.html")

    with TestClient(app) as client:
        assert client.get("/?with").text == "info:hello;error:&lt;no&gt;;"
        assert client.get("/").status == 500
