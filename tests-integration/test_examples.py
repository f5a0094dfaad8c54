"""The small examples over a socket; the showcase has tests of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spec.wire import fetch
from support import GranianServer
from support.workspace import ROOT
from websockets.sync.client import connect

Start = Callable[..., GranianServer]
FOLDERS = sorted(path.parent for path in ROOT.glob("examples/*/app.py"))


def test_every_example_is_listed() -> None:
    listing = (ROOT / "examples" / "README.md").read_text()
    assert [folder.name for folder in FOLDERS if f"[{folder.name}]({folder.name}/app.py)" not in listing] == []


def test_hello(granian_server: Start) -> None:
    server = granian_server("app:app", cwd=ROOT / "examples" / "hello")
    assert fetch(server, "/").text == "<h1>Hello</h1>"
    assert fetch(server, "/hello/Ada").json == {"hello": "Ada"}


def test_http_alone(granian_server: Start) -> None:
    server = granian_server("app:app", cwd=ROOT / "examples" / "http")
    assert fetch(server, "/?a=1&a=2").json == {"method": "GET", "query": {"a": ["1", "2"]}}
    echoed = fetch(server, "/echo", "POST", body=b"\x00\xff", headers={"content-type": "image/x-test"})
    assert (echoed.body, echoed.headers["content-type"]) == (b"\x00\xff", "image/x-test")
    upload = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nabc\r\n--b--\r\n'
    multipart = {"content-type": "multipart/form-data; boundary=b"}
    assert fetch(server, "/upload", "POST", body=upload, headers=multipart).json == {"f": 3}
    assert fetch(server, "/upload", "POST", body=b"x", headers=multipart).status == 400
    assert fetch(server, "/events").body == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    missing = fetch(server, "/nowhere")
    assert (missing.status, missing.json["detail"]) == (404, "There is nothing at /nowhere.")
    with connect(f"ws://{server.host}:{server.port}/", open_timeout=10) as socket:
        for message in ("text", b"bytes"):
            socket.send(message)
            assert socket.recv(timeout=10) == message
    assert "Traceback" not in server.log


def test_routing_alone(granian_server: Start) -> None:
    server = granian_server("app:app", cwd=ROOT / "examples" / "routing")
    assert fetch(server, "/").text.splitlines() == ["/days/2026-02-28", "/pages/a/b%20c"]
    assert fetch(server, "/days/2026-02-28").text == "Saturday"
    assert fetch(server, "/pages/a/b%20c").text == "page a/b c"
    assert fetch(server, "/days/2026-02-30").status == 404
    slash = fetch(server, "/days/2026-02-28/?x=1")
    assert (slash.status, slash.headers["location"]) == (308, "/days/2026-02-28?x=1")
    refused = fetch(server, "/", "POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_templates_alone(granian_server: Start) -> None:
    server = granian_server("app:app", cwd=ROOT / "examples" / "templates")
    assert "<h1>Sweets &amp; Co</h1>" in fetch(server, "/").text
    assert fetch(server, "/list").text == "<ul>" + "".join(f"<li>SWEET {n}!</li>" for n in range(1, 6)) + "</ul>"
    assert fetch(server, "/all").text.count("<li>") == 2000
    assert fetch(server, "/%3Cb%3E").text == "Nothing at /&lt;b&gt;."


def test_tasks_alone(granian_server: Start, tmp_path: Path) -> None:
    where = {"TASKS": str(tmp_path / "tasks.duckdb")}
    server = granian_server("app:app", cwd=ROOT / "examples" / "tasks", workers=2, env=where)
    ids = [fetch(server, "/counts/3", "POST").json["id"] for _ in range(4)]
    done = {"status": "succeeded", "note": "3 of 3", "result": {"counted": 3}}
    server.wait_for(lambda: all(fetch(server, f"/tasks/{id}").json == done for id in ids), timeout=20)
    assert fetch(server, "/tasks/none").status == 404
    assert fetch(server, "/counts/x", "POST").status == 404
    assert server.stop() == 0
    assert "Traceback" not in server.log


def test_sessions_alone(granian_server: Start, tmp_path: Path) -> None:
    where = {"SESSIONS": str(tmp_path / "sessions")}
    server = granian_server("app:app", cwd=ROOT / "examples" / "sessions", workers=2, env=where)
    cookie: dict[str, str] = {}

    def ask(path: str) -> Any:
        answer = fetch(server, path, "POST", headers=cookie)
        if "set-cookie" in answer.headers:
            cookie["cookie"] = answer.headers["set-cookie"].partition(";")[0]
        return answer.json

    assert ask("/basket/fudge")["basket"] == ["fudge"]
    assert ask("/login/Ada") == {"user": "Ada", "basket": ["fudge"], "messages": ["Welcome, Ada"]}
    assert ask("/basket/mint") == {"user": "Ada", "basket": ["fudge", "mint"], "messages": []}
    assert ask("/nowhere")["status"] == 404
    assert ask("/logout")["user"] is None
    assert fetch(server, "/", headers=cookie).json == {"user": None, "basket": [], "messages": []}


def test_middleware_alone(granian_server: Start) -> None:
    server = granian_server("app:app", cwd=ROOT / "examples" / "middleware")
    page = fetch(server, "/", headers={"accept-encoding": "gzip", "origin": "https://friend.example"})
    assert (page.headers["content-encoding"], page.headers["x-frame-options"]) == ("gzip", "DENY")
    assert page.headers["access-control-allow-origin"] == "https://friend.example"
    assert "x-request-id" in page.headers
    assert fetch(server, "/static/style.css").text == "p { color: crimson }\n"
    missing = fetch(server, "/nowhere")
    assert (missing.status, missing.headers["x-content-type-options"]) == (404, "nosniff")
    assert {fetch(server, "/").status for _ in range(110)} == {200, 429}


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("http", "gobstopper_http"),
        ("routing", "gobstopper_routing"),
        ("templates", "gobstopper_templates"),
        ("tasks", "gobstopper_tasks"),
    ],
)
def test_a_part_alone_loads_nothing_else_of_ours(folder: str, part: str) -> None:
    source = "import app, sys; print(sorted({name.partition('.')[0] for name in sys.modules if 'gobstopper' in name}))"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT / "examples" / folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([part])
