# mypy: disable-error-code="untyped-decorator"
"""Generated requests over whole applications: nothing is a 5xx, and the same process answers afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support import GranianServer
from support import granian_server as run_granian
from support.workspace import ROOT

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: see the group `dev`")

TEXT: dict[str, Any] = {"type": "string"}


def parameter(place: str, name: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"in": place, "name": name, "required": place == "path", "schema": schema or TEXT}


COMMON = [
    parameter("cookie", "__Host-session"),
    parameter("header", "X-CSRF-Token"),
    parameter("header", "Origin"),
    parameter("header", "Sec-Fetch-Site", {"enum": ["same-origin", "same-site", "cross-site", "none", "x"]}),
    parameter("header", "Accept-Encoding"),
    parameter("header", "Accept"),
    parameter("header", "X-Forwarded-For"),
]


def operation(*more: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"parameters": [*COMMON, *more], "responses": {"default": {"description": "any"}}}
    if body is not None:
        described["requestBody"] = {"content": body}
    return described


def form(*names: str) -> dict[str, Any]:
    schema = {"schema": {"type": "object", "properties": dict.fromkeys(names, TEXT)}}
    return {"application/x-www-form-urlencoded": schema, "multipart/form-data": schema, "application/json": schema}


def described(paths: dict[str, Any]) -> Any:
    document = {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": paths}
    return schemathesis.openapi.from_dict(document)


RANGES = [parameter("header", "Range"), parameter("header", "If-None-Match"), parameter("header", "If-Range")]
SITE = described({
    "/session": {"get": operation()},
    "/count": {"get": operation()},
    "/token": {"get": operation()},
    "/page": {"get": operation(), "options": operation(parameter("header", "Access-Control-Request-Method"))},
    "/who": {"get": operation(parameter("header", "Forwarded"))},
    "/set/{key}": {"post": operation(parameter("path", "key"))},
    "/login": {"post": operation(body=form("user", "csrf_token"))},
    "/logout": {"post": operation(body=form("csrf_token"))},
    "/hook": {"post": operation(body=form("x"))},
    "/static/{name}": {"get": operation(parameter("path", "name"), *RANGES)},
    "/static/a.txt": {"get": operation(*RANGES), "head": operation(*RANGES)},
})  # fmt: skip

DAY = {"oneOf": [{"type": "string", "format": "date"}, TEXT]}
NUMBER = {"oneOf": [{"type": "integer"}, TEXT]}
SHOWCASE = described({
    "/": {"get": operation()},
    "/greet/{name}": {"get": operation(parameter("path", "name"))},
    "/orders/{number}": {"get": operation(parameter("path", "number", NUMBER))},
    "/days/{day}": {"get": operation(parameter("path", "day", DAY))},
    "/documents/{path}": {"get": operation(parameter("path", "path"))},
    "/colours/{shade}": {"get": operation(parameter("path", "shade"), parameter("query", "strength"))},
    "/releases/v{major}.{minor}": {
        "get": operation(parameter("path", "major", NUMBER), parameter("path", "minor", NUMBER))
    },
    "/api/sweets": {
        "post": operation(
            body={
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"name": TEXT, "layers": {"type": "integer"}, "colours": {"type": "array"}},
                    }
                }
            }
        )
    },
    "/notes": {"post": operation(body=form("text", "name"))},
    "/uploads": {"post": operation(body=form("file"))},
})  # fmt: skip

RELAXED = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GranianServer]:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "static").mkdir()
    (folder / "static" / "a.txt").write_text("static text\n" * 200)
    env = {"SITE_STORE": "file", "SITE_STATIC": str(folder / "static")}
    target = folder / "site_app.py"
    target.write_text(Path(__file__).with_name("site_app.py").read_text())
    with run_granian(target, env=env, cwd=folder) as server:
        before = server.pids
        yield server
        assert server.pids == before
        assert "panicked" not in server.log


@pytest.fixture(scope="module")
def showcase() -> Iterator[GranianServer]:
    with run_granian("app:app", cwd=ROOT / "examples" / "showcase") as server:
        before = server.pids
        yield server
        assert server.pids == before
        assert "panicked" not in server.log


def no_5xx(case: Any, server: GranianServer) -> None:
    response = case.call(base_url=server.url, headers={"Host": "localhost"}, allow_redirects=False, timeout=10)
    assert response.status_code < 500, (response.status_code, response.text)
    assert server.running


@SITE.parametrize()
@RELAXED
def test_sessions_and_middleware(case: Any, site: GranianServer) -> None:
    no_5xx(case, site)


@SHOWCASE.parametrize()
@RELAXED
def test_the_showcase(case: Any, showcase: GranianServer) -> None:
    no_5xx(case, showcase)
