"""The small examples over a socket; the showcase has tests of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

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


@pytest.mark.parametrize(("folder", "part"), [("http", "gobstopper_http"), ("routing", "gobstopper_routing")])
def test_a_part_alone_loads_nothing_else_of_ours(folder: str, part: str) -> None:
    source = "import app, sys; print(sorted({name.partition('.')[0] for name in sys.modules if 'gobstopper' in name}))"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT / "examples" / folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([part])
