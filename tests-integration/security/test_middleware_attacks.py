"""Attacks on middleware on a real Granian: caches, files that change, proxies, handshakes, odd targets, HTTP/2."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from security.browser import Answer, Browser, exchange
from support import GranianServer
from support import granian_server as run_granian

APP = Path(__file__).with_name("middleware_app.py")
HANDSHAKE = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "static"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("plain")
    (folder.parent / "outside.txt").write_text("outside")
    return folder


@pytest.fixture(scope="module")
def start(static: Path) -> Iterator[Callable[[str], GranianServer]]:
    """One server for each mode, started when it is first asked for."""
    running: dict[str, Any] = {}

    def started(mode: str) -> GranianServer:
        if mode not in running:
            env = {"SITE_MODE": mode, "SITE_STATIC": str(static)}
            context = run_granian(APP, env=env, cwd=static.parent, args=["--loop", "uvloop"])
            running[mode] = (context, context.__enter__())
        server: GranianServer = running[mode][1]
        return server

    yield started
    for context, _ in running.values():
        context.__exit__(None, None, None)


@pytest.fixture
def visitor(start: Callable[[str], GranianServer], request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Of the mode that the test's parameter names; the worker has to outlive the attack."""
    port = start(getattr(request, "param", "plain")).port
    before = Browser(port).get("/pid").json() if getattr(request, "param", "plain") != "https" else None
    yield Browser(port)
    if before is not None:
        assert Browser(port).get("/pid").json() == before, "the worker died"


def mode(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("visitor", [name], indirect=True, ids=[name])


def raw(port: int, target: str, *fields: tuple[str, str], method: str = "GET") -> Answer:
    """A request whose fields may come twice."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return exchange(port, f"{method} {target} HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode("latin-1"))


def handshake(port: int, **fields: str) -> bytes:
    """What comes back for a WebSocket handshake, as far as it comes within a second or two."""
    headers = HANDSHAKE | {"host": "localhost", "sec-websocket-key": base64.b64encode(secrets.token_bytes(16)).decode()}
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET /ws HTTP/1.1\r\n{lines}\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received or (b" 101 " in received[:20] and not received.endswith(b"\x03\xe8")):
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
    return received


# --- what caches and compression give away


@pytest.mark.parametrize(
    "target",
    [
        "/page?control=Private", "/page?control=max-age%3D0&control=NO-STORE", "/page?vary=cookie",
        "/page?control=private%3D%22x%22", "/page?vary=Accept&vary=Authorization",
    ],
)  # fmt: skip
def test_what_says_that_it_is_private_is_not_compressed(visitor: Browser, target: str) -> None:
    answer = visitor.get(target, accept_encoding="gzip, br, zstd")
    assert answer.status == 200
    assert "content-encoding" not in answer
    assert visitor.get("/page", accept_encoding="gzip")["content-encoding"] == "gzip"


def test_a_stream_that_may_still_read_the_session_is_not_compressed(visitor: Browser) -> None:
    assert visitor.get("/late", accept_encoding="gzip")["content-encoding"] == "gzip"
    visitor.get("/login")
    answer = visitor.get("/late", accept_encoding="gzip")
    assert "content-encoding" not in answer
    assert b"user: ada" in answer.body
    assert answer["cache-control"] == "no-store"


def test_head_says_what_get_would(visitor: Browser) -> None:
    get, head = (visitor.send(method, "/page", {"accept-encoding": "gzip"}) for method in ("GET", "HEAD"))
    assert head.body == b""
    for name in ("content-encoding", "content-length", "vary"):
        assert head[name] == get[name]


def test_no_two_pages_have_one_nonce_and_none_is_kept(visitor: Browser) -> None:
    answers = [visitor.get("/nonce") for _ in range(20)]
    nonces = {nonce for answer in answers for nonce in re.findall(r"nonce=([\w-]{22})>", answer.body.decode())}
    assert len(nonces) == 20
    for answer in answers:
        assert answer["cache-control"] == "no-cache"
        assert len(set(re.findall(r"'nonce-([\w-]{22})'", answer["content-security-policy"])) & nonces) == 1


def test_two_origins_may_read_nothing(visitor: Browser) -> None:
    for origins in (["https://friend.example", "https://evil.example"], ["https://friend.example"] * 2):
        fields = [("host", "localhost"), *(("origin", origin) for origin in origins)]
        for answer in (
            raw(visitor.port, "/page", *fields),
            raw(visitor.port, "/page", *fields, ("access-control-request-method", "PUT"), method="OPTIONS"),
        ):
            assert "access-control-allow-origin" not in answer
            assert "Origin" in answer["vary"]


# --- files that somebody exchanges


def test_files_that_are_exchanged_all_the_time(visitor: Browser, static: Path) -> None:
    """Header and body are of one version, and nothing is kept for ever under the hash of another."""
    contents = [letter * size for letter, size in ((b"A", 20_000), (b"B", 60_000), (b"C", 100_000))]
    hashes = {hashlib.sha256(content).hexdigest()[:16]: content for content in contents}
    file, stop = static / "changing.bin", threading.Event()

    def exchange_files() -> None:
        while not stop.is_set():
            for content in contents:
                new = static / "new.tmp"
                new.write_bytes(content)
                new.replace(file)

    file.write_bytes(contents[0])
    thread = threading.Thread(target=exchange_files)
    thread.start()
    try:
        immutable = 0
        for number in range(300):
            version, content = list(hashes.items())[number % 2]
            try:
                answer = visitor.get(f"/static/changing.bin?v={version}")
            except (OSError, IndexError):
                continue  # the connection was broken off: nobody takes that for an answer
            if answer.status != 200 or len(answer.body) < int(answer["content-length"]):
                assert answer.status in {200, 404, 503}
                continue
            if len(answer.body) <= 64 * 1024:
                assert answer.body in contents
                assert int(answer["etag"].strip('"').rpartition("-")[2], 16) == len(answer.body)
            if "immutable" in answer["cache-control"]:
                immutable += 1
                assert answer.body == content
    finally:
        stop.set()
        thread.join()
    file.write_bytes(contents[2])
    version = hashlib.sha256(contents[2]).hexdigest()[:16]
    answer = visitor.get(f"/static/changing.bin?v={version}")
    assert (answer.body, "immutable" in answer["cache-control"]) == (contents[2], True)


def test_a_file_that_becomes_a_link_is_never_followed(visitor: Browser, static: Path) -> None:
    file, stop = static / "turning.txt", threading.Event()

    def turn() -> None:
        while not stop.is_set():
            new = static / "turning.tmp"
            new.write_text("inside.")
            new.replace(file)
            new.symlink_to(static.parent / "outside.txt")
            new.replace(file)

    file.write_text("inside.")
    thread = threading.Thread(target=turn)
    thread.start()
    try:
        answers = [visitor.get("/static/turning.txt") for _ in range(300)]
    finally:
        stop.set()
        thread.join()
    assert {answer.body for answer in answers if answer.status == 200} <= {b"inside."}
    assert all(b"outside" not in answer.body for answer in answers)


def test_a_pipe_in_the_folder_holds_nobody_up(visitor: Browser, static: Path) -> None:
    os.mkfifo(static / "pipe")
    (static / "b.css").write_text("b{}")
    os.mkfifo(static / "b.css.br")
    assert visitor.get("/static/pipe").status == 404
    assert visitor.get("/static/b.css", accept_encoding="br").body == b"b{}"


# --- targets and hosts


@mode("https")
@pytest.mark.parametrize("target", ["*", "http://evil.example/x", "http://localhost@evil.example/", "evil.example:80"])
def test_no_target_leads_elsewhere(visitor: Browser, target: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = raw(visitor.port, target, ("host", "localhost"), method=method)
        assert answer.status == 400
        assert "location" not in answer


@mode("https")
def test_a_path_that_looks_like_a_host_stays_a_path(visitor: Browser) -> None:
    for target in ("//evil.example/x", "/%5cevil.example", "/@evil.example", "/.evil.example"):
        answer = raw(visitor.port, target, ("host", "localhost:8000"))
        assert answer.status == 308
        assert answer["location"].startswith("https://localhost/")
    assert b" 403 " in handshake(visitor.port)[:20]


# --- proxies


@mode("proxied")
def test_what_a_client_says_through_a_common_proxy(visitor: Browser) -> None:
    """As with nginx and `$proxy_add_x_forwarded_for`: the address is added, the other fields are passed on."""
    answer = visitor.get("/who", x_forwarded_for="6.6.6.6, 203.0.113.7", x_forwarded_host="example.org").json()
    assert (answer["client"], answer["host"]) == ("203.0.113.7", "localhost")
    mapped = visitor.get("/who", x_forwarded_for="6.6.6.6, ::ffff:203.0.113.7, ::ffff:127.0.0.9").json()
    assert mapped["client"] == "203.0.113.7"
    socket_scheme = visitor.get("/who", x_forwarded_for="203.0.113.7", x_forwarded_proto="wss").json()
    assert socket_scheme["scheme"] == "https"


# --- handshakes


@mode("limited")
def test_handshakes_count_and_have_ids_of_ours(visitor: Browser) -> None:
    found = [handshake(visitor.port, x_request_id="chosen-by-me") for _ in range(8)]
    accepted = [answer for answer in found if b" 101 " in answer[:20]]
    assert len(accepted) == 6
    assert all(b" 429 " in answer[:20] for answer in found[6:])
    assert all(b"chosen-by-me" not in answer for answer in accepted)
    spoofed = visitor.get("/page", x_forwarded_for="1.2.3.4", forwarded="for=1.2.3.4", x_real_ip="1.2.3.4")
    assert spoofed.status == 429
    assert int(spoofed["retry-after"]) > 0
    assert re.fullmatch(r'"default";r=0;t=\d+', spoofed["ratelimit"])


def test_handshakes_of_other_sites(visitor: Browser) -> None:
    visitor.get("/login")
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    assert b" ada" in handshake(visitor.port, cookie=cookie, origin="http://localhost")
    for origin in (
        "https://evil.example",
        "null",
        "https://friend.example",
        "http://localhost.evil.example",
        "file://",
    ):
        assert b" 403 " in handshake(visitor.port, cookie=cookie, origin=origin)[:20]
    assert b" 400 " in handshake(visitor.port, host="evil.example", origin="http://evil.example")[:20]


# --- traces


@pytest.mark.parametrize(
    ("fields", "continued", "flags"),
    [
        ([("traceparent", f"{TRACE}-01")], True, "01"),
        ([("traceparent", f"{TRACE}-ff")], True, "03"),
        ([("traceparent", f"{TRACE}-01"), ("traceparent", f"{TRACE}-01")], False, "00"),
        ([("traceparent", f"{TRACE}-01".upper())], False, "00"),
    ],
)
def test_trace_contexts(visitor: Browser, fields: list[tuple[str, str]], continued: bool, flags: str) -> None:
    answer = raw(visitor.port, "/who", ("host", "localhost"), *fields).json()
    sent = answer["out"]["traceparent"]
    assert (TRACE[:35] in sent) is continued
    assert sent.endswith(f"-{flags}")


# --- long fields


LONG = [
    ("accept-encoding", "/page", "gzip;q=0.1,"), ("accept-encoding", "/page", 'a="'),
    ("accept", "/missing", "a/b;a=1;"),
    ("accept", "/missing", '"\\'), ("cookie", "/late", 'a="; '),
    ("range", "/static/a.txt", "bytes=0-,"),
    ("if-none-match", "/static/a.txt", '"'), ("if-modified-since", "/static/a.txt", "Sun, "),
    ("x-forwarded-for", "/who", "1.1.1.1,"), ("x-forwarded-for", "/who", ","), ("x-forwarded-proto", "/who", "https,"),
    ("tracestate", "/who", "a=1,"), ("x-request-id", "/who", "a"), ("origin", "/page", "https://a."),
]  # fmt: skip


@mode("proxied")
@pytest.mark.parametrize(("name", "target", "piece"), LONG)
def test_long_fields_cost_little(visitor: Browser, name: str, target: str, piece: str) -> None:
    """60 kB take some milliseconds; what costs the square of the length takes minutes."""
    value = (piece * (60_000 // len(piece) + 1))[:60_000].strip()
    fields = {name: value} | ({"traceparent": f"{TRACE}-01"} if name == "tracestate" else {})
    began = time.monotonic()
    answer = visitor.send("GET", target, fields, timeout=60)
    assert answer.status in {200, 206, 304, 400, 404, 416}
    assert time.monotonic() - began < 20


# --- HTTP/2


def over_http2(port: int, fields: list[tuple[str, str]]) -> tuple[str | None, dict[str, str], bytes]:
    config = h2.config.H2Configuration(validate_outbound_headers=False, header_encoding="latin-1")
    http2 = h2.connection.H2Connection(config)
    http2.initiate_connection()
    http2.send_headers(1, [(":method", "GET"), (":scheme", "https"), *fields], end_stream=True)
    headers: dict[str, str] = {}
    body = b""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(http2.data_to_send())
        while data := connection.recv(65536):
            for event in http2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    headers = {str(name): str(value) for name, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated):
                    return headers.get(":status"), headers, body
            connection.sendall(http2.data_to_send())
    return None, headers, body


@mode("https")
def test_http2_cannot_say_that_it_is_tls(visitor: Browser) -> None:
    """`:scheme` is the client's word."""
    status, headers, _ = over_http2(visitor.port, [(":path", "/x"), (":authority", "localhost")])
    assert (status, headers["location"]) == ("308", "https://localhost/x")
    status, headers, _ = over_http2(visitor.port, [(":path", "/x"), (":authority", "evil.example")])
    assert status == "400"
    status, headers, _ = over_http2(visitor.port, [(":path", "*"), (":authority", "localhost")])
    assert "location" not in headers


def test_cookies_in_crumbs(visitor: Browser) -> None:
    visitor.get("/login")
    crumbs = [("cookie", "a=b"), *(("cookie", f"{name}={value}") for name, value in visitor.cookies.items())]
    status, headers, body = over_http2(visitor.port, [(":path", "/late"), (":authority", "localhost"), *crumbs])
    assert status == "200"
    assert b"user: ada" in body
    assert headers["cache-control"] == "no-store"
