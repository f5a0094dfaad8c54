"""The showcase over a socket: each part that its page shows."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from spec.wire import fetch
from support import GranianServer, granian_server
from support.workspace import ROOT
from websockets.sync.client import connect

SHOWCASE = ROOT / "examples" / "showcase"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GranianServer]:
    where = {"TASKS": str(tmp_path_factory.mktemp("tasks") / "tasks.duckdb")}
    with granian_server("app:app", cwd=SHOWCASE, env=where) as running:
        yield running


def test_the_page_is_complete(server: GranianServer) -> None:
    page = fetch(server, "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<!--" not in page.text, "a place that was not filled"
    # No address of another host: it works without a network.
    assert "https://" not in page.text
    assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert float(page.headers["server-timing"].removeprefix("handler;dur=")) > 0
    assert page.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/greet/Ada%20Lovelace", {"hello": "Ada Lovelace"}),
        ("/orders/42", {"order": 42, "next": 43}),
        ("/days/2026-02-28", {"day": "2026-02-28", "weekday": "Saturday"}),
        ("/documents/a/b", {"segments": ["a", "b"]}),
        ("/colours/lime?strength=strong", {"shade": "lime", "strength": "strong"}),
        ("/releases/v1.4", {"version": [1, 4]}),
    ],
)
def test_routing(server: GranianServer, path: str, answer: object) -> None:
    found = fetch(server, path)
    assert (found.status, found.json) == (200, answer)


@pytest.mark.parametrize("path", ["/orders/x", "/days/2026-02-30", "/colours/blue", "/releases/v1", "/nowhere"])
def test_what_does_not_fit_is_not_found(server: GranianServer, path: str) -> None:
    assert fetch(server, path).status == 404


def test_json(server: GranianServer) -> None:
    made = fetch(server, "/api/sweets", "POST", json_body={"name": "x", "layers": 3})
    assert made.status == 201
    assert made.json["made"] == {"name": "x", "layers": 3, "colours": []}
    refused = fetch(server, "/api/sweets", "POST", json_body={"name": "x", "layers": 300})
    assert refused.status == 422
    assert "$.layers" in refused.json["detail"]
    assert fetch(server, "/api/sweets", "POST", body=b"{").status == 400


def test_forms(server: GranianServer) -> None:
    urlencoded = {"content-type": "application/x-www-form-urlencoded"}
    posted = fetch(server, "/notes", "POST", body=b"name=Ada&text=a+%3Cb%3E+c", headers=urlencoded)
    assert (posted.status, posted.headers["location"]) == (303, "/#forms")
    page = fetch(server, "/").text
    assert "<b>Ada</b> a &lt;b&gt; c" in page
    assert fetch(server, "/notes", "POST", body=b"text=", headers=urlencoded).status == 400
    assert fetch(server, "/notes", "POST", body=b"{}", headers={"content-type": "application/json"}).status == 415


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_uploads(server: GranianServer, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        b"Content-Type: application/x-sweet\r\n\r\n" + content + b"\r\n--b--\r\n"
    )
    answer = fetch(server, "/uploads", "POST", body=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert (answer.status, answer.json) == (
        200,
        {
            "filename": "a.bin",
            "type": "application/x-sweet",
            "bytes": size,
            "sha256": hashlib.sha256(content).hexdigest(),
        },
    )


def test_no_upload(server: GranianServer) -> None:
    answer = fetch(
        server, "/uploads", "POST", body=b"--b--\r\n", headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert (answer.status, answer.json["detail"]) == (400, "Choose a file first.")


def test_events_go_on_where_they_were(server: GranianServer) -> None:
    for last, first in [(None, 1), ("41", 42), ("nonsense", 1)]:
        field = f"Last-Event-ID: {last}\r\n" if last else ""
        with server.connect() as connection:
            connection.sendall(f"GET /events HTTP/1.1\r\nHost: x\r\n{field}\r\n".encode())
            received = b""
            while received.count(b"\n\n") < 2:
                received += connection.recv(65536)
        assert b"content-type: text/event-stream" in received
        assert f'id: {first}\nretry: 1000\ndata: {{"number":{first},'.encode() in received
        assert f"id: {first + 1}\n".encode() in received


def test_everybody_hears_everybody(server: GranianServer) -> None:
    address = f"ws://{server.host}:{server.port}/ws"
    with connect(address, open_timeout=10) as one, connect(address, open_timeout=10) as two:
        assert json.loads(one.recv(timeout=10)) == {"from": "server", "text": "Welcome; 1 here."}
        assert json.loads(two.recv(timeout=10)) == {"from": "server", "text": "Welcome; 2 here."}
        two.send("hi")
        heard = json.loads(one.recv(timeout=10))
        assert heard == json.loads(two.recv(timeout=10))
        assert heard["text"] == "hi"


def test_blocking_handlers_run_side_by_side(server: GranianServer) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: fetch(server, "/slow").json["slept"], range(4)))
    assert all(slept >= 0.3 for slept in answers)
    assert time.monotonic() - began < sum(answers)


def test_errors(server: GranianServer) -> None:
    locked = fetch(server, "/errors/abort")
    assert (locked.status, locked.json["detail"], locked.json["hint"]) == (403, "The jar is locked.", "ask nicely")
    assert fetch(server, "/errors/custom").json["sorry"] == "No gobstoppers left."
    assert "OutOfSweetsError" not in server.log, "it has a handler of its own"
    crashed = fetch(server, "/errors/crash")
    assert (crashed.status, crashed.json) == (500, {"title": "Internal Server Error", "status": 500})
    assert "ZeroDivisionError" in server.log
    page = fetch(server, "/nowhere", headers={"accept": "text/html"})
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_the_blueprint_has_a_hook_and_an_error_handler_of_its_own(server: GranianServer) -> None:
    refused = fetch(server, "/members/")
    assert (refused.status, refused.json["members"]) == (401, "keep out")
    assert refused.headers["www-authenticate"] == "Key"
    assert fetch(server, "/members/?key=sesame").json == {"welcome": "Ali", "profile": "/members/ali"}
    assert fetch(server, "/members/zoe?key=sesame").json == {"member": "zoe", "greeted_by": "Ali"}


def test_health_and_stream(server: GranianServer) -> None:
    assert fetch(server, "/healthz").json == {"status": "ok"}
    assert fetch(server, "/countdown").text == "5\n4\n3\n2\n1\nLift-off!\n"
    assert fetch(server, "/whoami").json["client"] == "127.0.0.1"


def test_it_stops_with_a_stream_and_a_socket_open() -> None:
    with (
        granian_server("app:app", cwd=SHOWCASE) as running,
        connect(f"ws://{running.host}:{running.port}/ws") as socket,
    ):
        socket.recv(timeout=10)
        with running.connect() as connection:
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536)
            began = time.monotonic()
            assert running.stop(timeout=10) == 0
            assert time.monotonic() - began < 8, "it was killed"


def test_a_background_task(server: GranianServer) -> None:
    accepted = fetch(server, "/baking", "POST")
    assert accepted.status == 202
    done = {"status": "succeeded", "progress": 1.0, "note": "tray 5 of 5", "result": {"baked": 60}}
    server.wait_for(lambda: bool(fetch(server, f"/baking/{accepted.json['id']}").json == done), timeout=20)
    assert fetch(server, "/baking/none").status == 404


def test_pages_with_a_session(server: GranianServer) -> None:
    refused = fetch(server, "/basket/", "POST", body=b"sweet=fudge", headers={"sec-fetch-site": "cross-site"})
    assert refused.status == 403
    page = fetch(server, "/basket/")
    assert "An empty basket" in page.text
    assert "'nonce-" in page.headers["content-security-policy"]
