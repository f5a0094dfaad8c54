"""The attack list of design/security.md, on a real Granian with a real application."""

from __future__ import annotations

import gzip
import re
import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from security.browser import Answer, Browser, exchange
from support import GranianServer
from support import granian_server as run_granian

APP = str(Path(__file__).with_name("site_app.py"))
NAME = "__Host-session"
STORES = ["memory", "file", "redis", "postgres"]


def environment(store: str, folder: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    static = folder / "static"
    (static / "sub").mkdir(parents=True, exist_ok=True)
    (static / "a.txt").write_text("static text\n" * 200)
    (static / "a.txt.gz").write_bytes(gzip.compress(b"static text\n" * 200))
    (static / ".hidden").write_text("hidden")
    (folder / "outside.txt").write_text("outside")
    if not (static / "link.txt").is_symlink():
        (static / "link.txt").symlink_to(folder / "outside.txt")
    url = str(request.getfixturevalue(f"{store}_url")) if store in {"redis", "postgres"} else ""
    return {"SITE_STORE": store, "SITE_URL": url, "SITE_STATIC": str(static)}


def start(folder: Path, env: dict[str, str], **options: Any) -> Any:
    # A copy of its own: the instance folder is beside the application.
    target = folder / "site_app.py"
    target.write_text(Path(APP).read_text())
    return run_granian(target, env=env, cwd=folder, args=["--loop", "uvloop"], **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module", params=STORES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GranianServer]:
    folder = tmp_path_factory.mktemp(f"site-{request.param}")
    with start(folder, environment(request.param, folder, request)) as server:
        yield server


@pytest.fixture(scope="module")
def plain(request: pytest.FixtureRequest, folder: Path) -> Iterator[GranianServer]:
    """One with sessions in memory, for what does not depend on the store."""
    with start(folder, environment("memory", folder, request)) as server:
        yield server


@pytest.fixture
def browser(server: GranianServer) -> Browser:
    return Browser(server.port)


@pytest.fixture
def visitor(plain: GranianServer) -> Iterator[Browser]:
    before = Browser(plain.port).get("/pid").json()
    yield Browser(plain.port)
    assert Browser(plain.port).get("/pid").json() == before, "the worker died"


# --- sessions, on every store


def test_a_session_lasts_and_ends(browser: Browser) -> None:
    assert [browser.get("/count").json()["count"] for _ in range(3)] == [1, 2, 3]
    before = browser.cookies[NAME]
    assert browser.post("/login", "user=ada").json() == {"user": "ada"}
    after = browser.cookies[NAME]
    assert before != after
    assert browser.get("/session").json() == {"count": 3, "user": "ada"}
    assert Browser(browser.port, cookies={NAME: before}).get("/session").json() == {}
    browser.post("/logout")
    assert NAME not in browser.cookies
    assert Browser(browser.port, cookies={NAME: after}).get("/session").json() == {}


HOSTILE = [
    "", "x", "../../x", "..%2f..%2fx", "a" * 43, "A" * 10_000, "a" * 42 + "'", "' OR 1=1 --", "%00" * 14 + "a",
    '"\\000"',
    "*", "sessions:*", "\t", "é" * 43, "-rf", "a" * 42 + "\\", "{}", "null", "0",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_an_id_of_the_clients_choice(browser: Browser, value: str) -> None:
    answer = browser.send("GET", "/count", {"cookie": f"{NAME}={value}"})
    assert answer.status == 200
    assert answer.json() == {"count": 1}
    assert browser.cookies[NAME] != value
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", browser.cookies[NAME])


def test_a_cookie_with_raw_bytes_is_no_5xx(browser: Browser) -> None:
    for raw in (b"\x00", b"\x01", b"\x7f", b"\xff\xfe", b"a\x00b"):
        message = b"GET /count HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: %s=%s\r\n\r\n" % (
            NAME.encode(),
            raw,
        )
        assert exchange(browser.port, message).status in {200, 400}


def test_a_tampered_id(browser: Browser) -> None:
    browser.get("/count")
    value = browser.cookies[NAME]
    for changed in (value[:-1] + ("A" if value[-1] != "A" else "B"), value.swapcase(), value[::-1], value[1:]):
        assert Browser(browser.port, cookies={NAME: changed}).get("/session").json() == {}


def test_a_hundred_writers_of_different_keys(browser: Browser) -> None:
    browser.get("/count")
    cookies = dict(browser.cookies)

    def write(number: int) -> int:
        return int(Browser(browser.port, cookies=dict(cookies)).post(f"/set/key{number}").status)

    with ThreadPoolExecutor(25) as pool:
        assert set(pool.map(write, range(100))) == {200}
    assert browser.get("/session").json() == {"count": 1} | {f"key{number}": True for number in range(100)}


def test_a_hundred_counters(browser: Browser) -> None:
    browser.get("/count")
    cookies = dict(browser.cookies)
    with ThreadPoolExecutor(25) as pool:
        answers = list(
            pool.map(lambda _: Browser(browser.port, cookies=dict(cookies)).get("/count").status, range(100))
        )
    assert set(answers) <= {200, 409}
    assert browser.get("/session").json() == {"count": 1 + answers.count(200)}


def test_csrf_token_of_an_old_client(browser: Browser) -> None:
    browser.modern = False
    token = browser.get("/token").body.decode()
    assert browser.post("/login", "user=eve").status == 403
    assert browser.post("/login", f"user=eve&csrf_token={token[:-2]}AA").status == 403
    assert browser.post("/login", f"user=ada&csrf_token={token}").status == 200
    assert browser.post("/logout", x_csrf_token=token).status == 403  # it ended with the old id
    assert browser.post("/logout", x_csrf_token=browser.get("/token").body.decode()).status == 200


def test_a_websocket_has_the_session(browser: Browser) -> None:
    browser.get("/count")
    assert b'{"count":1}' in handshake(browser, origin="http://localhost")
    assert handshake(browser, origin="https://evil.example").startswith(b"HTTP/1.1 403")
    assert handshake(browser, origin="null").startswith(b"HTTP/1.1 403")


def handshake(browser: Browser, origin: str) -> bytes:
    with socket.create_connection(("127.0.0.1", browser.port), 5) as connection:
        connection.sendall(
            b"GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + f"origin: {origin}\r\ncookie: {NAME}={browser.cookies.get(NAME, '')}\r\n\r\n".encode()
        )
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            if b'"count"' in received or (b"\r\n\r\n" in received and not received.startswith(b"HTTP/1.1 101")):
                break
        return received


@pytest.mark.parametrize("store", ["file", "redis", "postgres"])
def test_sessions_outlive_the_server_and_are_shared(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    env = environment(store, tmp_path, request)
    with start(tmp_path, env) as server:
        browser = Browser(server.port)
        browser.get("/count")
        server.kill()  # as kill -9 does
    with start(tmp_path, env, workers=2) as server:
        browser.port = server.port
        assert [browser.get("/count").json()["count"] for _ in range(6)] == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_a_store_that_is_down(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    database = request.getfixturevalue(f"{store}_server")
    database.start()
    env = environment("memory", tmp_path, request) | {"SITE_STORE": store, "SITE_URL": database.url}
    with start(tmp_path, env) as server:
        browser = Browser(server.port)
        browser.get("/count")
        database.kill()
        try:
            for _ in range(3):
                begin = time.monotonic()
                answer = browser.get("/count")
                assert answer.status == 503
                assert time.monotonic() - begin < 10  # a second if the machine is idle
                assert answer["retry-after"] == "1"
                assert "set-cookie" not in answer
            assert Browser(server.port).get("/pid").status == 200  # no session, no store
        finally:
            database.start()
        deadline = time.monotonic() + 60
        while (answer := browser.get("/count")).status == 503:
            assert time.monotonic() < deadline
        assert answer.json() == {"count": 2}


# --- the rest of the list


def test_the_cookie_is_strict(visitor: Browser) -> None:
    for host in ("localhost", "example.org"):
        visitor.host = host
        field = visitor.send("GET", "/count", {"cookie": "x=y"})["set-cookie"]
        assert field.startswith(f"{NAME}=")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(field.split("; "))
        assert "Domain" not in field


def test_cross_site_requests(visitor: Browser) -> None:
    visitor.post("/login", "user=ada")
    cross = [
        {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
        {"origin": "https://localhost.evil.example", "sec_fetch_site": "same-site"},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"origin": "https://localhost", "sec_fetch_site": "cross-site"},
    ]
    for headers in cross:
        answer = visitor.post("/logout", **headers)
        assert answer.status == 403
        assert answer["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in answer
    assert visitor.get("/session").json() == {"user": "ada"}
    assert visitor.post("/hook", **cross[0]).status == 200
    assert visitor.post("/hook/", **cross[0]).status in {403, 404}


@pytest.mark.parametrize("target", ["/page", "/nowhere", "/fail", "/static/a.txt", "/hook"])
def test_headers_are_on_everything(visitor: Browser, target: str) -> None:
    answer = visitor.get(target)
    assert answer["x-content-type-options"] == "nosniff"
    assert "object-src 'none'" in answer["content-security-policy"]
    assert answer["vary"].count("Origin") == 1
    assert "internal detail" not in answer.body.decode("latin-1")
    assert "Traceback" not in answer.body.decode("latin-1")
    names = [name for name, _ in answer.fields]
    assert len(names) == len(set(names))


def test_nonces_differ(visitor: Browser) -> None:
    seen = set()
    for _ in range(5):
        answer = visitor.get("/page")
        nonce = re.search(rb"nonce=([\w-]+)", answer.body)
        assert nonce is not None
        assert f"'nonce-{nonce[1].decode()}'" in answer["content-security-policy"]
        seen.add(nonce[1])
    assert len(seen) == 5


def test_cors(visitor: Browser) -> None:
    allowed = visitor.get("/pid", origin="https://friend.example")
    assert allowed["access-control-allow-origin"] == "https://friend.example"
    for origin in ("https://evil.example", "null", "https://friend.example.evil.example", "https://FRIEND.example"):
        answer = visitor.get("/pid", origin=origin)
        assert "access-control-allow-origin" not in answer
        assert "Origin" in answer["vary"]
    preflight = {"origin": "https://evil.example", "access-control-request-method": "PUT"}
    assert visitor.send("OPTIONS", "/pid", preflight).status == 403
    preflight["origin"] = "https://friend.example"
    assert visitor.send("OPTIONS", "/pid", preflight).status == 204


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "a b", "", "localhost:x"]
)
def test_hosts(visitor: Browser, host: str) -> None:
    visitor.host = host
    answer = visitor.get("/who")
    assert answer.status == 400
    assert b"evil" not in answer.body


def test_doubled_and_missing_hosts(visitor: Browser) -> None:
    for head in (b"host: localhost\r\nhost: evil.example\r\n", b""):
        assert exchange(visitor.port, b"GET /who HTTP/1.1\r\n%sconnection: close\r\n\r\n" % head).status == 400


def test_nobody_is_a_proxy(visitor: Browser) -> None:
    answer = visitor.get(
        "/who",
        x_forwarded_for="6.6.6.6",
        x_forwarded_proto="https",
        x_forwarded_host="example.org",
        forwarded="for=6.6.6.6",
    )
    assert answer.json() == {"client": "127.0.0.1", "scheme": "http", "host": "localhost"}


STATIC = [
    "/static/../outside.txt", "/static/%2e%2e/outside.txt", "/static/..%2foutside.txt", "/static/sub/../../outside.txt",
    "/static/.hidden", "/static/%2ehidden", "/static/link.txt", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
    "/static/a.txt%00", "/static/a.txt/", "/static/..%5coutside.txt", "/static/%ff", "/static/%252e%252e/outside.txt",
    "/static/sub", "/static/sub/", "/static/", "/static/" + "a" * 4000, "/static/" + "../" * 500 + "etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("target", STATIC, ids=range(len(STATIC)))
def test_static_stays_inside(visitor: Browser, target: str) -> None:
    answer = visitor.get(target)
    assert answer.status in {400, 404}
    assert b"outside" not in answer.body
    assert b"hidden" not in answer.body
    assert b"root:" not in answer.body


def test_static_answers(visitor: Browser) -> None:
    whole = visitor.get("/static/a.txt")
    text = b"static text\n" * 200
    assert (whole.status, whole.body, whole["vary"].count("Accept-Encoding")) == (200, text, 1)
    assert whole["content-length"] == str(len(text))
    etag = whole["etag"]
    assert visitor.get("/static/a.txt", if_none_match=etag).status == 304
    assert visitor.get("/static/a.txt", if_none_match=f'W/{etag}, "x"').status == 304
    assert visitor.get("/static/a.txt", range="bytes=0-5").body == b"static"
    assert visitor.get("/static/a.txt", range="bytes=0-5", if_range='"old"').body == text
    assert visitor.get("/static/a.txt", range="bytes=99999-").status == 416
    packed = visitor.get("/static/a.txt", accept_encoding="gzip")
    assert packed["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == text
    head = visitor.send("HEAD", "/static/a.txt")
    assert (head.body, head["content-length"]) == (b"", str(len(text)))


def test_limits(visitor: Browser) -> None:
    assert visitor.post("/hook", "x" * 100_001).status == 413
    assert visitor.post("/login", "user=" + "x" * 90_000).status == 200


def test_secrets_are_not_compressed(visitor: Browser) -> None:
    visitor.post("/login", "user=" + "ada" * 1000)
    answer = visitor.get("/session", accept_encoding="gzip, br, zstd")
    assert "content-encoding" not in answer
    assert answer["cache-control"] == "no-store"
    assert "Cookie" in answer["vary"]


def test_random_garbage(visitor: Browser) -> None:
    """Whatever is sent: no 5xx, and the same worker (see the fixture)."""
    generator = secrets.SystemRandom()
    names = [
        "cookie",
        "origin",
        "sec-fetch-site",
        "x-csrf-token",
        "accept-encoding",
        "range",
        "forwarded",
        "if-none-match",
    ]
    for _ in range(300):
        fields = {
            name: "".join(generator.choices("abc=;,\"'\\/:()[]{}*?-_ \t%00éÿ~W", k=generator.randrange(60)))
            for name in generator.sample(names, 3)
        }
        target = generator.choice(["/session", "/static/a.txt", "/login", "/token"])
        answer: Answer = visitor.send(generator.choice(["GET", "POST", "OPTIONS", "HEAD"]), target, fields)
        assert answer.status < 500, (target, fields)
