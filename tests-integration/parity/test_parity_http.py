"""Scope, answers and their headers: the fake server and a real Granian agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from parity.drivers import Driver

STANDARD = [("server", "granian"), ("connection", "close")]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "digits").write_bytes(b"0123456789")
    (folder / "empty").write_bytes(b"")
    (folder / "large").write_bytes(bytes(range(256)) * 4000)
    return folder


@pytest.mark.parametrize(
    ("method", "target", "path", "query", "authority"),
    [
        ("GET", "/", "/", "", None),
        ("GET", "/a%20b/%2F/%ff%00?x=%20y&z=%zz#frag", "/a b///\ufffd\0", "x=%20y&z=%zz", None),
        ("get", "//x//y", "//x//y", "", None),
        ("FOO", "/../a/./b", "/../a/./b", "", None),
        ("OPTIONS", "*", "*", "", None),
        ("GET", "http://other:81/abs?q", "/abs", "q", "other:81"),
        ("GET", "http://other", "/", "", "other"),
        ("GET", "http://u:p@h:1?q", "/", "q", "u:p@h:1"),
        ("GET", "h:80", "", "", "h:80"),
        ("GET", "x", "", "", "x"),
        ("GET", "*x", "", "", "*x"),
        ("GET", "/a?b?c", "/a", "b?c", None),
        ("GET", "/?", "/", "", None),
        ("GET", "/%C3%BC+", "/ü+", "", None),
        ("GET", "/é?é", "/é", "é", None),
        ("GET", "/%e2%82", "/\ufffd", "", None),
        ("GET", "/%f0%9f%98%zz%ff%fe", "/\ufffd%zz\ufffd\ufffd", "", None),
        ("GET", "/%", "/%", "", None),
        ("GET", "/a|b\\c[d]e{f}^\"'~!", "/a|b\\c[d]e{f}^\"'~!", "", None),
        ("GET", "/a?b|c\\d[e]f{g}^`'~!", "/a", "b|c\\d[e]f{g}^`'~!", None),
    ],
)
def test_scope(server: Driver, method: str, target: str, path: str, query: str, authority: str | None) -> None:
    seen = server.request(method, target).json()
    assert seen == {
        "proto": "http",
        "http_version": "1.1",
        "rsgi_version": "1.6",
        "scheme": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "authority": authority,
        "client": "127.0.0.1",
        "server": "127.0.0.1",
        "set": "AttributeError",
    }


@pytest.mark.parametrize("target", ["?x", "/a b", "/a\tb", "/a<b", "/a>b", "/a`b", "/a?b<c", '/a?b"c', "/a\x7fb", ""])
def test_targets_that_the_server_refuses_itself(server: Driver, target: str) -> None:
    wire = server.request("GET", target)
    assert (wire.status, wire.headers, wire.body) == (400, [("connection", "close"), ("content-length", "0")], b"")


def test_http_1_0(server: Driver) -> None:
    assert server.request("GET", "/", version="1.0").json()["http_version"] == "1"
    assert server.request("GET", "/stream", version="1.0").header("transfer-encoding") is None


def test_headers_of_the_request(server: Driver) -> None:
    headers = [("X-A", b"1"), ("x-b", b"two"), ("X-A", b"3"), ("x-c", b"a\tb"), ("x-e", b"")]
    seen = server.request("GET", "/headers?x-a", headers).json()
    assert seen == {
        "keys": ["host", "connection", "x-a", "x-b", "x-c", "x-e"],
        "values": ["probe", "close", "1", "3", "two", "a\tb", ""],
        "items": [
            ["host", "probe"],
            ["connection", "close"],
            ["x-a", "1"],
            ["x-a", "3"],
            ["x-b", "two"],
            ["x-c", "a\tb"],
            ["x-e", ""],
        ],
        "iter": ["host", "connection", "x-a", "x-b", "x-c", "x-e"],
        "len": 6,
        "get": "1",
        "default": "1",
        "upper": "1",
        "in": [True, True, False],
        "item": "1",
        "missing": "KeyError: 'missing'",
        "all": ["1", "3"],
        "type": "TypeError: 'int' object is not an instance of 'str'",
        "same": False,
    }


@pytest.mark.parametrize("hidden", [b"\xe9", "é".encode(), b"a\x80"])
def test_header_values_that_are_not_visible_ascii(server: Driver, hidden: bytes) -> None:
    seen = server.request("GET", "/headers?x-a", [("x-a", hidden), ("x-a", b"seen")]).json()
    assert seen["in"][:2] == [True, True]
    assert (seen["item"], seen["get"], seen["default"], seen["all"]) == ("", None, "default", ["seen"])
    assert ["x-a", "seen"] in seen["items"]
    assert seen["values"] == ["probe", "close", "seen"]
    seen = server.request("GET", "/headers?x-a", [("x-a", b"seen"), ("x-a", hidden)]).json()
    assert (seen["item"], seen["get"], seen["all"]) == ("seen", "seen", ["seen"])


@pytest.mark.parametrize("status", [101, 200, 204, 205, 304, 404, 500, 600, 999])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [("empty", b""), ("text", "hällo".encode()), ("bytes", b"\0\xff"), ("stream", "onetẅothree".encode())],
)
def test_answers(server: Driver, kind: str, body: bytes, method: str, status: int) -> None:
    wire = server.request(method, f"/{kind}?{status}")
    if kind == "bytes":
        status = 200 if status == 200 else status
    bodyless = method == "HEAD" or status in {101, 204, 304}
    framing = []
    if kind == "stream":
        framing = [] if bodyless else [("transfer-encoding", "chunked")]
    elif status not in {101, 204, 304} and not (method == "HEAD" and kind == "empty"):
        framing = [("content-length", str(len(body)))]
    assert wire.status == status
    assert wire.headers == [("x-probe", "1"), *STANDARD, *framing]
    assert wire.body == (b"" if bodyless else body)
    assert wire.complete


@pytest.mark.parametrize("status", [100, 102, 103, 199])
@pytest.mark.parametrize("kind", ["empty", "text", "stream"])
def test_informational_statuses_become_500(server: Driver, kind: str, status: int) -> None:
    wire = server.get(f"/{kind}?{status}")
    assert (wire.status, wire.headers, wire.body) == (500, [("content-length", "0")], b"")
    assert server.request("HEAD", f"/{kind}?{status}").headers == []


def test_arguments_have_defaults(server: Driver) -> None:
    wire = server.get("/defaults")
    assert (wire.status, wire.headers, wire.body) == (200, [*STANDARD, ("content-length", "0")], b"")


def test_headers_of_the_answer(server: Driver) -> None:
    """Names in lower case, equal ones together; what is invalid is dropped without a word, the rest is sent."""
    assert server.get("/odd-headers").headers == [
        ("server", "mine"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-other", "x"),
        ("x-tab", "a\tb"),
        ("x-utf8", "é€"),
        ("x-empty", ""),
        ("connection", "close"),
        ("content-length", "2"),
    ]


@pytest.mark.parametrize("length", ["3", "5", "9", "abc"])
def test_a_declared_length_is_sent_as_given(server: Driver, length: str) -> None:
    wire = server.get(f"/declared?{length}")
    assert wire.headers == [("content-length", length), *STANDARD]
    assert wire.body == b"hello"
    assert wire.complete == (length != "9")
    assert server.request("HEAD", f"/declared?{length}").headers == wire.headers


@pytest.mark.parametrize(("status", "length"), [(200, ["0"]), (204, []), (304, [])])
def test_a_declared_length_without_a_body(server: Driver, status: int, length: list[str]) -> None:
    wire = server.get(f"/declared-empty?{status}")
    assert wire.headers == [*STANDARD, *(("content-length", each) for each in length)]
    assert server.request("HEAD", f"/declared-empty?{status}").headers == [("content-length", "7"), *STANDARD]


@pytest.mark.parametrize(
    ("length", "body", "complete"), [("3", b"hel", True), ("5", b"hello", True), ("9", b"hello", False)]
)
def test_a_declared_length_of_a_stream(server: Driver, length: str, body: bytes, complete: bool) -> None:
    wire = server.get(f"/declared-stream?{length}")
    assert (wire.headers, wire.body, wire.complete) == ([("content-length", length), *STANDARD], body, complete)


def test_a_stream_with_a_length_that_is_no_number_loses_the_connection(server: Driver) -> None:
    assert server.get("/declared-stream?abc").status == 0


def test_wrong_types(server: Driver) -> None:
    assert server.get("/types").json() == [
        "TypeError: 'str' object cannot be interpreted as an integer",
        "OverflowError: number too large to fit in target type",
        "OverflowError: number too small to fit in target type",
        "TypeError: 'float' object cannot be interpreted as an integer",
        "TypeError: 'int' object is not an instance of 'str'",
        "ValueError: expected tuple of length 2, but got tuple of length 3",
        "TypeError: 'list' object is not an instance of 'tuple'",
        "TypeError: 'dict' object is not an instance of 'Sequence'",
        "TypeError: 'None' is not an instance of 'Sequence'",
        "TypeError: 'list_iterator' object is not an instance of 'Sequence'",
        "TypeError: 'bytes' object is not an instance of 'str'",
        "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        "TypeError: Can't extract `str` to `Vec`",
        "TypeError: 'None' is not an instance of 'str'",
        "OverflowError: can't convert negative int to unsigned",
        "ValueError: Invalid range",
        "ValueError: Invalid range",
    ]


def test_wrong_types_in_a_stream(server: Driver) -> None:
    assert server.get("/stream-types").body == b"xy"
    assert server.notes("stream-types") == [
        "TypeError: Can't extract `str` to `Vec`",
        "TypeError: 'bytes' object is not an instance of 'str'",
        "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        "ok",
        "ok",
    ]


def test_the_first_answer_wins(server: Driver) -> None:
    wire = server.get("/twice")
    assert (wire.status, wire.body) == (201, b"one")
    assert server.notes("twice") == ["None", "None", "None", "None", "RSGIProtocolError: RSGI protocol error"]


@pytest.mark.parametrize(
    "target",
    [
        "/none",
        *(
            f"/raise?{kind}"
            for kind in ("ValueError", "SystemExit", "KeyboardInterrupt", "CancelledError", "GeneratorExit")
        ),
    ],
)
def test_no_answer_is_500(server: Driver, target: str) -> None:
    wire = server.get(target)
    assert (wire.status, wire.headers, wire.body) == (500, [*STANDARD, ("content-length", "0")], b"")
    assert server.get("/").status == 200


@pytest.mark.parametrize("target", ["/awaitable", "/not-awaitable"])
def test_the_callable_may_answer_at_once(server: Driver, target: str) -> None:
    assert server.get(target).body == b"answered"


def test_what_is_raised_after_the_answer(server: Driver) -> None:
    assert server.get("/answer-and-raise").body == b"fine"
    wire = server.get("/stream-and-raise")
    assert (wire.status, wire.body, wire.complete) == (200, b"some", True)  # looks like a clean end


def test_a_stream_lives_as_long_as_its_transport(server: Driver) -> None:
    assert server.get("/held-stream").body == b"first second"


def test_files(server: Driver, files: Path) -> None:
    wire = server.get(f"/file?{files}/digits")
    assert wire.headers == [("x-probe", "1"), *STANDARD, ("transfer-encoding", "chunked")]
    assert (wire.status, wire.body, wire.complete) == (200, b"0123456789", True)
    assert server.get(f"/file?{files}/empty").body == b""
    assert server.get(f"/file?{files}/large").body == bytes(range(256)) * 4000
    wire = server.request("HEAD", f"/file?{files}/digits")
    assert (wire.status, wire.headers) == (200, [("x-probe", "1"), *STANDARD])


@pytest.mark.parametrize("target", ["/file?{}/missing", "/file-range?{}/missing|2|5", "/file?a%00b"])
def test_missing_files(server: Driver, files: Path, target: str) -> None:
    wire = server.get(target.format(files))
    assert (wire.status, wire.headers, wire.body) == (404, [*STANDARD, ("content-length", "9")], b"Not found")
    assert server.request("HEAD", target.format(files)).headers == wire.headers


def test_a_folder_loses_the_connection(server: Driver, files: Path) -> None:
    wire = server.get(f"/file?{files}")  # the head may have been sent before the first read failed
    assert (wire.body, wire.complete) == (b"", False)
    assert server.request("HEAD", f"/file?{files}").status == 200


@pytest.mark.parametrize(
    ("start", "end", "body"), [(2, 5, b"234"), (0, 10, b"0123456789"), (8, 50, b"89"), (10, 11, b""), (20, 25, b"")]
)
def test_file_ranges(server: Driver, files: Path, start: int, end: int, body: bytes) -> None:
    wire = server.get(f"/file-range?{files}/digits|{start}|{end}")
    assert (wire.status, wire.body, wire.complete) == (206, body, True)
    assert wire.headers == [("x-probe", "1"), *STANDARD, ("transfer-encoding", "chunked")]


def test_the_length_of_a_file(server: Driver, files: Path) -> None:
    wire = server.get(f"/file-declared?{files}/digits|10")
    assert (wire.body, wire.headers) == (b"0123456789", [("content-length", "10"), *STANDARD])
    assert server.get(f"/file-declared?{files}/digits|4").body == b"0123"
    assert not server.get(f"/file-declared?{files}/digits|14").complete


def test_a_pipe_as_a_file(server: Driver) -> None:
    wire = server.get("/pipe")
    assert (wire.body, wire.complete) == (b"one two three", True)


def test_context_and_start_up(server: Driver) -> None:
    """Every request has its own copy of the context that start-up left; start-up ran before the loop did."""
    for _ in range(2):
        assert server.get("/context").json() == ["init", True, [False, "ran"]]


@pytest.mark.parametrize("status", [0, 99, 1000, 65535])
def test_an_impossible_status_ends_the_worker(own_server: Driver, status: int) -> None:
    with pytest.raises(BaseException):  # noqa: B017  # no answer: the fake raises GranianPanic, the socket has nothing
        own_server.get(f"/text?{status}").json()
    assert own_server.dead()


def test_shutdown_runs_after_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.conftest import running

    for name in ("fake", "granian"):
        note = tmp_path / name
        monkeypatch.setenv("PROBE_DEL_FILE", str(note))
        with running(name) as driver:
            driver.get("/")
        assert json.loads(note.read_text()) == [False, "ran"]
