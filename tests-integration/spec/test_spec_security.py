"""The specification's sessions, built-in middleware and complete application."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support import GranianServer, granian_server
from websockets.sync.client import connect

from spec.wire import fetch

Example = Callable[..., GranianServer]

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = Path(__file__).with_name("application-core.txt").read_text(encoding="utf-8")


@pytest.fixture(params=["memory", "file", "redis", "postgres", "cookie"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GranianServer]:
    """An application that counts visits, on each store; the schema is the document's."""
    target, env = "spec.visits:app", {"EXAMPLE_STORE": "memory:"}
    if request.param == "file":
        env = {"EXAMPLE_STORE": f"file:{tmp_path / 'sessions'}"}
    elif request.param == "redis":
        target, env = "spec.examples.sessions_redis:app", {"EXAMPLE_REDIS": request.getfixturevalue("redis_url")}
    elif request.param == "cookie":
        env = {"EXAMPLE_STORE": f"cookie:{secrets.token_urlsafe(32)}"}
    elif request.param == "postgres":
        dsn = request.getfixturevalue("postgres_url")
        _create_the_documents_table(dsn)
        env = {"EXAMPLE_STORE": f"postgres:{dsn}"}
    # One worker for memory, which belongs to a process; two for what they share.
    with granian_server(target, cwd=ROOT, workers=1 if request.param == "memory" else 2, env=env) as running:
        yield running


def _create_the_documents_table(dsn: str) -> None:
    import asyncio

    lines = DOCUMENT.splitlines()
    first = lines.index("CREATE TABLE IF NOT EXISTS sessions (")
    schema = "\n".join(lines[first : first + 6])
    assert schema.endswith("ON sessions (expires_at);")

    async def create() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(schema)
        await connection.close()

    asyncio.run(create())


class Browser:
    """Keeps cookies, and sends what a browser sends with a request of the page itself."""

    def __init__(self, server: GranianServer) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}

    def send(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        asked = urllib.request.Request(self.server.url + path, method=method, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                status, body, fields = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, body, fields = error.code, error.read(), error.headers
        for field in fields.get_all("set-cookie") or []:
            for name, morsel in SimpleCookie(field).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
                    assert morsel["secure"]
                    assert morsel["httponly"]
                    assert name.startswith("__Host-")
        return status, json.loads(body) if body else None


def test_sessions_and_csrf_on_every_store(server: GranianServer, request: pytest.FixtureRequest) -> None:
    # A copy of a cookie that holds the session itself works until it expires, whatever happens in the meantime.
    in_cookie = request.node.callspec.params["server"] == "cookie"
    browser = Browser(server)
    assert [browser.send("/")[1]["visits"] for _ in range(4)] == [1, 2, 3, 4]
    assert Browser(server).send("/")[1]["visits"] == 1
    token = browser.send("/")[1]["token"]
    before = dict(browser.cookies)
    assert browser.send("/login", "POST")[0] == 403
    assert browser.send("/login", "POST", Origin="https://evil.example")[0] == 403
    status, session = browser.send("/login", "POST", **{"X-CSRF-Token": token})
    assert status == 200
    assert session["visits"] == 5
    assert session["user"] == {"name": "ada", "roles": ["admin"]}
    assert browser.cookies != before  # a new id on login
    replayed = Browser(server)
    replayed.cookies = before
    assert replayed.send("/")[1]["visits"] == (6 if in_cookie else 1)  # the old one is dead
    assert browser.send("/")[1]["visits"] == 6
    token = browser.send("/")[1]["token"]
    assert browser.send("/logout", "POST", **{"Sec-Fetch-Site": "same-origin"})[0] == 200
    assert browser.send("/")[1]["visits"] == 1


def test_the_complete_application(example: Example) -> None:
    server = example("complete")
    page = fetch(server, "/")
    assert (page.status, page.headers["x-content-type-options"]) == (200, "nosniff")
    assert "<h1>Gobstopper Application</h1>" in page.text
    assert "Gobstopper Demo" in page.text
    assert fetch(server, "/api/users/7").json == {"user": {"id": 7}}
    for path in ("/api/users/8", "/nowhere"):
        missing = fetch(server, path)
        assert missing.status == 404
        assert "<h1>Nothing here</h1><p>Gobstopper Demo 1.0.0</p>" in missing.text
        assert "content-security-policy" in missing.headers
    added = fetch(server, "/api/notify", "POST", json_body={"user_id": 7, "message": "hello"})
    assert fetch(server, f"/results/{added.json['task_id']}").json == {"status": "sent", "user_id": 7}
    with connect(server.url.replace("http", "ws") + "/ws/live") as socket:
        assert json.loads(socket.recv(timeout=5)) == {"live": True}
    assert "Gobstopper application started" in server.log


def test_the_built_in_middleware_by_default(example: Example) -> None:
    server = example("builtin_middleware")
    answer = fetch(server, "/", headers={"Origin": "https://other.example"})
    assert answer.json == {"new": True}
    assert answer.headers["x-frame-options"] == "DENY"
    # Nothing is allowed across origins unless it is listed.
    assert "access-control-allow-origin" not in answer.headers
    refused = fetch(server, "/", "POST", headers={"Origin": "https://other.example"})
    assert refused.status in {403, 405}
