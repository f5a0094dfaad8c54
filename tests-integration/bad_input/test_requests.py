"""Requests that are wrong before any handler sees them: paths, methods, hosts, headers, framing."""

from __future__ import annotations

import pytest
from bad_input.conftest import Worker
from bad_input.wire import Answer


def assert_problem(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    assert answer.json["status"] == status


@pytest.mark.parametrize(
    "path",
    ["/nope", "/", "//", "///ok", "/ok/", "/OK", "/users/", "/users/x", "/users/1.5", "/users/-", "/%",
     "/../../etc/passwd", "/..%2f..%2fetc/passwd", "/ok%20", "/ok;a=b", "*", "/" + "a" * 60_000, "/" + "/" * 60_000,
     "/ws/echo"],
)  # fmt: skip
def test_unknown_paths(worker: Worker, path: str) -> None:
    assert_problem(worker.ask("GET", path), 404)


@pytest.mark.parametrize(
    "path", ["/ok%ff", "/%c3%28", "/echo/%ed%a0%80", "/echo/a%00b", "/%00", "/echo/%ef%bf%bd", "/ok%00"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "FOO"])
def test_paths_that_are_no_text(worker: Worker, method: str, path: str) -> None:
    assert_problem(worker.ask(method, path), 400)


def test_broken_percent_encoding_stays_as_it_is(worker: Worker) -> None:
    assert worker.ask("GET", "/echo/%zz%4").json == {"path": "%zz%4"}


@pytest.mark.parametrize("target", ["", " ", "/a b", "/a\tb", "ok"])
def test_targets_that_are_none(worker: Worker, target: str) -> None:
    assert worker.ask("GET", target).status in {400, 404}


@pytest.mark.parametrize("method", ["POST", "DELETE", "FOO", "get", "TRACE", "CONNECT", "A" * 1000])
def test_wrong_methods(worker: Worker, method: str) -> None:
    answer = worker.ask(method, "/users/1")
    assert_problem(answer, 405)
    assert answer.header("allow") == "GET, HEAD, OPTIONS, PUT"


def test_options(worker: Worker) -> None:
    assert worker.ask("OPTIONS", "/users/1").header("allow") == "GET, HEAD, OPTIONS, PUT"
    assert worker.ask("OPTIONS", "*").status == 204
    assert worker.ask("OPTIONS", "/nope").status == 404


@pytest.mark.parametrize(
    "fields", [b"", b"Host: a\r\nHost: a\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: a/b\r\n", b"Host: a@b\r\n",
               b"Host: \xff\r\n", b"Host: a:99999999\r\n", b"Host: a:65536\r\n", b"Host: [::1\r\n", b"Host: [1]:80\r\n",
               b"Host: a,b;c\"\r\n"]
)  # fmt: skip
def test_missing_doubled_and_malformed_hosts(worker: Worker, fields: bytes) -> None:
    with worker.client() as client:
        for path in (b"/host", b"/ok", b"/nope"):  # whether anybody reads it or not
            client.send(b"GET " + path + b" HTTP/1.1\r\n" + fields + b"\r\n")
            assert_problem(client.read(), 400)


@pytest.mark.parametrize("host", ["a", "a.example:80", "127.0.0.1:8000", "[::1]:8000", "a-b_c.example."])
def test_good_hosts(worker: Worker, host: str) -> None:
    answer = worker.ask("GET", "/host?a=b", host=host)
    assert answer.json == {"host": host, "url": f"http://{host}/host?a=b"}


def test_http_1_0(worker: Worker) -> None:
    with worker.client() as client:
        client.send(b"GET /ok HTTP/1.0\r\n\r\n")
        answer = client.read()
        assert (answer.status, answer.body) == (200, b"ok")
        assert client.ended()
    answer = worker.ask("GET", "/streams/big", version="1.0")
    assert (answer.header("transfer-encoding"), len(answer.body)) == (None, 1024 * 1024)


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/9.9", b"GET /", b"\0\0\0\0", b"GET / HTTP/1.1 x", b"\x16\x03\x01\x02\x00\x01\x00"]
)
def test_what_is_no_http(worker: Worker, request_line: bytes) -> None:
    with worker.client() as client:
        client.send(request_line + b"\r\nHost: x\r\n\r\n")
        assert client.read().status in {0, 400, 505}


@pytest.mark.parametrize(
    "fields",
    [b"A" * 500_000 + b": b\r\n", b"a: " + b"b" * 1_000_000 + b"\r\n", b"".join(b"a%d: b\r\n" % n for n in range(1000)),
     b"a b: c\r\n", b": c\r\n", b"a\r\n", b"a: b\0c\r\n", b" folded: x\r\n"],
)  # fmt: skip
def test_headers_that_are_none_or_too_many(worker: Worker, fields: bytes) -> None:
    with worker.client() as client:
        try:
            client.send(b"GET /ok HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
            answer = client.read()
        except ConnectionError:
            return  # refused while it was still being sent
        assert answer.status in {0, 400, 431}


def test_pipelining(worker: Worker) -> None:
    with worker.client() as client:
        paths = ["/slow/0.2", "/ok", "/nope", "/raises/ValueError", "/users/7"]
        client.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths))
        assert [client.read().status for _ in paths] == [200, 200, 404, 500, 200]
    worker.took("GET /raises/ValueError failed")


def test_queries(worker: Worker) -> None:
    assert worker.ask("GET", "/query?%zz=%ff&=&a&&b=1&b=2&%00=+").json == {
        "%zz": ["�"], "": [""], "a": [""], "b": ["1", "2"], "\0": [" "],
    }  # fmt: skip
    assert_problem(worker.ask("GET", "/query?" + "&".join("a" * 1001)), 400)
    assert worker.ask("GET", "/query?" + "a=" + "%41" * 15_000).json == {"a": ["A" * 15_000]}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("", {}),
        (";;;=;", {}),
        ("a", {}),
        ("a=1; a=2", {"a": "1"}),
        ('a="', {"a": '"'}),
        ('a="\\"', {"a": "\\"}),
        ('a="\\999\\101"', {"a": "999A"}),
        ("a=" + ";" * 50_000, {"a": ""}),
        ("a==b=", {"a": "=b="}),
        ("a b=c", {"a b": "c"}),
    ],
)
def test_cookies(worker: Worker, sent: str, read: dict[str, str]) -> None:
    assert worker.ask("GET", "/cookies", {"Cookie": sent}).json == read


@pytest.mark.parametrize(
    "accept",
    ["", ",,,", "text/html;q=x", "*/*;q=2", "a" * 50_000, "a/b," * 10_000, 'text/html;a="', "text/html;" * 5000],
)
def test_accept(worker: Worker, accept: str) -> None:
    assert worker.ask("GET", "/accept", {"Accept": accept}).status == 200


@pytest.mark.parametrize("length", ["abc", "-1", "+5", "5, 6", "0x5", "5 5", "9" * 30])
def test_content_lengths_that_are_none(worker: Worker, length: str) -> None:
    assert worker.ask("POST", "/body", {"Content-Length": length}, b"12345").status == 400


@pytest.mark.parametrize("order", [("Content-Length", "Transfer-Encoding"), ("Transfer-Encoding", "Content-Length")])
def test_a_chunked_body_that_claims_a_short_length_is_limited_all_the_same(
    worker: Worker, order: tuple[str, str]
) -> None:
    values = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
    body = b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n"
    assert worker.ask("POST", "/body", {name: values[name] for name in order}, body).status in {400, 413}


@pytest.mark.parametrize("coding", ["gzip", "chunked, gzip", "xchunked", "chunked, chunked"])
def test_transfer_codings_that_are_unknown(worker: Worker, coding: str) -> None:
    answer = worker.ask("POST", "/body", {"Transfer-Encoding": coding}, b"5\r\nhello\r\n0\r\n\r\n")
    assert answer.status in {0, 200, 400, 501}
