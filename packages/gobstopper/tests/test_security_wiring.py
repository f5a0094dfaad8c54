"""Sessions, CSRF, headers, CORS and static files, joined to the application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gobstopper import Blueprint, Gobstopper, StartupError
from gobstopper.middleware.cors import CORSMiddleware
from gobstopper.middleware.security import SecurityMiddleware
from gobstopper.middleware.static import StaticMiddleware
from gobstopper.sessions.memory_storage import MemorySessionStorage
from gobstopper_http import FileResponse, Request, Response, StreamingResponse
from gobstopper_http.testing import TestClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "form.html").write_text(
        "{{ csrf_field() }}|{{ csp_nonce() }}|{{ session.get('n', 0) }}"
        "{% for kind, text in get_flashed_messages(with_categories=true) %}|{{ kind }}:{{ text }}{% endfor %}"
    )
    return tmp_path


def test_sessions_csrf_and_templates(app: Gobstopper, folder: Path) -> None:
    app.add_middleware(SecurityMiddleware, priority=100, session_storage=MemorySessionStorage())
    app.init_templates(folder)

    @app.get("/")
    async def form(request: Request) -> str:
        return await app.render_template("form.html")

    @app.post("/", name="submit")
    async def submit(request: Request) -> dict[str, Any]:
        request.session["n"] = request.session.get("n", 0) + 1
        request.session.flash("<saved>", "info")
        return {"n": request.session["n"]}

    with TestClient(app) as client:
        page = client.get("/")
        token = page.text.split('value="')[1].split('"')[0]
        nonce = page.text.split("|")[1]
        assert f"'nonce-{nonce}'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert client.post("/").status == 403
        assert client.post("/", headers={"X-CSRF-Token": token}).json() == {"n": 1}
        assert client.post("/", data={"csrf_token": token}).json() == {"n": 2}
        assert client.get("/").text.endswith("|2|info:&lt;saved&gt;|info:&lt;saved&gt;")
        assert client.get("/").text.endswith("|2")
        assert client.get("/nope").headers["x-content-type-options"] == "nosniff"


def test_cors_reaches_refusals_and_wrong_settings_end_the_start(app: Gobstopper) -> None:
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])
    with TestClient(app) as client:
        answer = client.get("/nope", headers={"Origin": "https://a.example"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (404, "https://a.example")
    wrong = Gobstopper("wrong")
    wrong.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
    with pytest.raises(StartupError, match=r"test_security_wiring\.py:"), TestClient(wrong):
        pass


def test_static_files_of_application_and_blueprint(app: Gobstopper, tmp_path: Path) -> None:
    for name in ("assets", "admin"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.css").write_text(f"/* {name} */")
    app.add_middleware(StaticMiddleware, directory=tmp_path / "assets", url_prefix="/assets")
    admin = Blueprint(
        "admin", __name__, url_prefix="/admin", static_folder=tmp_path / "admin", static_url_path="/files"
    )
    admin.get("/<path:rest>")(lambda request, rest: rest)
    app.register_blueprint(admin)
    with TestClient(app) as client:
        for name, path, text in (
            ("static", "/assets/a.css?v=", "assets"),
            ("admin.static", "/admin/files/a.css?v=", "admin"),
        ):
            url = app.url_for(name, filename="a.css")
            assert url.startswith(path)
            answer = client.get(url)
            assert answer.text == f"/* {text} */"
            assert "immutable" in answer.headers["cache-control"]
        assert client.get("/admin/files/none.css").text == "files/none.css"


@pytest.mark.parametrize("kind", ["whole", "file", "stream", "kept by middleware"])
def test_an_answer_that_is_returned_again_has_nothing_of_the_client_before(
    app: Gobstopper, tmp_path: Path, kind: str
) -> None:
    """A cookie that stayed on it would give the next client the session of this one."""
    (tmp_path / "page.txt").write_text("page")
    kept: Any = {
        "whole": Response("page"),
        "file": FileResponse(tmp_path / "page.txt"),
        "stream": StreamingResponse(["page"]),
        "kept by middleware": "page",
    }[kind]
    answers: list[Response] = []

    async def cache(request: Request, following: Any) -> Response:
        if kind != "kept by middleware" or not answers:
            answers.append(await following(request))
        return answers[-1]

    app.add_middleware(SecurityMiddleware, priority=100, session_storage=MemorySessionStorage())
    app.add_middleware(
        CORSMiddleware, priority=200, allow_origins=["https://a.example", "https://b.example"], allow_credentials=True
    )
    app.add_middleware(cache, priority=1)

    @app.get("/")
    async def page(request: Request) -> Any:
        if request.headers["origin"] == "https://a.example":
            request.session["user"] = "a"
        assert request.csp_nonce
        return kept

    nonces = set()
    with TestClient(app) as client:
        first = client.get("/", headers={"Origin": "https://a.example"})
        assert "set-cookie" in first.headers
        client.cookies.clear()
        for _ in range(2):
            second = client.get("/", headers={"Origin": "https://b.example"})
            assert second.text == "page"
            assert "set-cookie" not in second.headers
            assert second.headers["access-control-allow-origin"] == "https://b.example"
            nonces.add(second.headers["content-security-policy"])
    assert kind == "kept by middleware" or len(nonces) == 2


@pytest.mark.parametrize("early", [False, True])
def test_what_a_hook_adds_to_an_answer_stays_with_it(app: Gobstopper, early: bool) -> None:
    kept = Response("page")

    @app.before_request
    async def look(request: Request) -> Response | None:
        return kept if early else None

    @app.after_request
    async def remember(request: Request, response: Response) -> None:
        if "user" in request.args:
            response.set_cookie("user", str(request.args["user"]))

    @app.get("/")
    async def page(request: Request) -> Response:
        return kept

    with TestClient(app) as client:
        assert "alice" in client.get("/?user=alice").headers["set-cookie"]
        client.cookies.clear()
        assert "set-cookie" not in client.get("/").headers
    assert "set-cookie" not in kept.headers
