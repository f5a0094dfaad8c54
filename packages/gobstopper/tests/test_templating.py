"""Templates, joined to the application."""

from __future__ import annotations

import asyncio
import contextvars
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


def test_what_is_registered_while_the_application_serves_counts_from_the_next_page_on(
    app: Gobstopper, tmp_path: Path
) -> None:
    for name, source in {
        "filter": "{{ 'x'|late }}",
        "test": "{{ 'x' is late }}",
        "global": "{{ late('x') }}",
        "processor": "{{ late_value }}",
        "blueprint": "{% include 'late/page.html' %}",
    }.items():
        (tmp_path / f"{name}.html").write_text(source)
    (tmp_path / "more" / "late").mkdir(parents=True)
    (tmp_path / "more" / "late" / "page.html").write_text("late page")
    app.init_templates(tmp_path)

    @app.get("/<name>")
    async def page(name: str) -> Any:
        return await app.render_template(f"{name}.html")

    with TestClient(app) as client:
        assert client.get("/filter").status == 500
        app.template_filter("late")(lambda value: f"late {value}")
        assert client.get("/filter").text == "late x"
        app.template_test("late")(lambda value: value == "x")
        assert client.get("/test").text == "True"
        app.template_global("late")(lambda value: f"global {value}")
        assert client.get("/global").text == "global x"
        app.context_processor(lambda: {"late_value": "processed"})
        assert client.get("/processor").text == "processed"
        app.register_blueprint(Blueprint("late", __name__, template_folder=tmp_path / "more"))
        assert client.get("/blueprint").text == "late page"


def test_a_filter_that_is_registered_again_is_the_new_one(app: Gobstopper, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ 'x'|mark }}")
    app.template_filter("mark")(lambda value: f"old {value}")
    app.init_templates(tmp_path)
    app.template_filter("mark")(lambda value: f"new {value}")
    app.get("/")(lambda request: app.render_template("page.html"))
    with TestClient(app) as client:
        assert client.get("/").text == "new x"


def test_what_a_blueprint_registers_is_there_in_every_template(app: Gobstopper, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ 3|double }} {{ 4 is even }} {{ hello() }}")
    blueprint = Blueprint("b", __name__)
    blueprint.template_filter("double")(lambda value: value * 2)
    blueprint.template_test("even")(lambda value: value % 2 == 0)
    blueprint.template_global("hello")(lambda: "hello")
    app.register_blueprint(blueprint)
    app.init_templates(tmp_path)
    app.get("/")(lambda request: app.render_template("page.html"))
    with TestClient(app) as client:
        assert client.get("/").text == "6 True hello"


def test_a_context_processor_runs_once_for_a_page(app: Gobstopper, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ n }}")
    calls: dict[str, int] = {"app": 0, "blueprint": 0}
    blueprint = Blueprint("b", __name__, url_prefix="/b")

    def count(name: str) -> dict[str, int]:
        calls[name] += 1
        return {"n": calls[name]}

    app.context_processor(lambda: count("app"))
    blueprint.context_processor(lambda: count("blueprint"))
    app.init_templates(tmp_path)
    app.register_blueprint(blueprint)
    app.template_filter("another")(str)  # and so everything is looked at again
    blueprint.get("/")(lambda request: app.render_template("page.html"))
    with TestClient(app) as client:
        assert client.get("/b/").text == "1"
        assert client.get("/b/").text == "2"
    assert calls == {"app": 2, "blueprint": 2}


def test_request_session_and_config_of_a_page(app: Gobstopper, tmp_path: Path) -> None:
    """`{% if session %}` is a fair question in debug, too; without a request there is none of the three."""
    (tmp_path / "page.html").write_text(
        "{{ request.path if request else 'no request' }} {{ session.who if session else 'nobody' }}"
    )
    app.debug = True
    app.init_templates(tmp_path)
    at_start: list[Any] = []

    @app.on_startup
    async def render() -> None:
        at_start.append(await render_template("page.html", session=None))

    @app.get("/page")
    async def page(request: Request) -> Any:
        if "who" in request.query:
            request.session = {"who": request.query["who"]}
        return await app.render_template("page.html")

    with TestClient(app) as client:
        assert client.get("/page").text == "/page nobody"
        assert client.get("/page?who=ada").text == "/page ada"
    assert at_start == ["no request nobody"]


def test_a_page_of_another_application_s_request_has_no_blueprints(app: Gobstopper, tmp_path: Path) -> None:
    """The names of blueprints are an application's own: those of a mounted one's request mean nothing to the outer."""
    (tmp_path / "page.html").write_text("{{ where }}")
    shop = Gobstopper("shop", config=app.config)
    ours, theirs = Blueprint("b", __name__, url_prefix="/b"), Blueprint("b", __name__, url_prefix="/b")
    ours.context_processor(lambda: {"where": "our blueprint"})
    app.context_processor(lambda: {"where": "our application"})
    theirs.get("/")(lambda request: app.render_template("page.html"))
    ours.get("/")(lambda request: app.render_template("page.html"))
    app.init_templates(tmp_path)
    app.register_blueprint(ours)
    shop.register_blueprint(theirs)
    app.mount("/shop", shop)
    with TestClient(app) as client:
        assert client.get("/b/").text == "our blueprint"
        assert client.get("/shop/b/").text == "our application"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ csrf_token() }}", "csrf_token() in a template needs a request that went through SecurityMiddleware"),
        ("{{ csrf_field() }}", "csrf_token() in a template needs a request that went through SecurityMiddleware"),
        ("{{ get_flashed_messages() }}", "get_flashed_messages() in a template needs a request with a session"),
    ],
)
def test_what_a_page_lacks_is_named(
    app: Gobstopper, tmp_path: Path, source: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "page.html").write_text(source)
    app.init_templates(tmp_path)
    app.get("/")(lambda request: app.render_template("page.html"))
    with TestClient(app) as client:
        assert client.get("/").status == 500
    assert message in caplog.text


def test_flashed_messages_by_category(app: Gobstopper, tmp_path: Path) -> None:
    from gobstopper.sessions import Session

    (tmp_path / "page.html").write_text(
        "{{ get_flashed_messages(category_filter=['info'])|join(' ') }};{{ get_flashed_messages()|join(' ') }}"
    )
    app.init_templates(tmp_path)

    @app.get("/")
    async def index(request: Request) -> Any:
        request.session = Session()
        request.session.flash("hello", "info")
        request.session.flash("no", "error")
        return await app.render_template("page.html")

    with TestClient(app) as client:
        assert client.get("/").text == "hello;hello no"  # as in Flask: for the whole of the request


async def test_outside_of_an_application_there_is_nothing_to_render_with() -> None:
    # In a context of its own: a test before this one may have left its application in the one that all share.
    rendering = asyncio.get_running_loop().create_task(render_template("page.html"), context=contextvars.Context())
    with pytest.raises(RuntimeError, match="there is no current application"):
        await rendering
