"""Bodies that are too large, cut off, late, or not what they claim to be."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from bad_input.conftest import Worker
from bad_input.wire import Client, eventually, reset

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
READERS = ["/body", "/json", "/text", "/form"]


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def begin(client: Client, path: str, framing: str, sent: bytes, content_type: str = FORM) -> None:
    client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n{framing}\r\n\r\n".encode() + sent)


@pytest.mark.parametrize("path", READERS)
@pytest.mark.parametrize(
    ("framing", "body"),
    [("Content-Length: 1001", b"x" * 1001), ("Content-Length: 1000000000000", b"x"),
     ("Transfer-Encoding: chunked", chunked(b"x" * 600, b"x" * 600) + b"0\r\n\r\n"),
     ("Transfer-Encoding: chunked", chunked(*[b"x"] * 1001) + b"0\r\n\r\n")],
)  # fmt: skip
def test_too_large(worker: Worker, path: str, framing: str, body: bytes) -> None:
    with worker.client() as client:
        begin(client, path, framing, body)
        answer = client.read()
    assert (answer.status, answer.header("content-type")) == (413, "application/problem+json")


@pytest.mark.parametrize("path", [*READERS, "/stream"])
@pytest.mark.parametrize(
    ("framing", "sent"),
    [("Content-Length: 100", b"x" * 10), ("Content-Length: 100", b""),
     ("Transfer-Encoding: chunked", chunked(b"x" * 10)), ("Transfer-Encoding: chunked", b""),
     ("Transfer-Encoding: chunked", b"a\r\nxxx"), ("Transfer-Encoding: chunked", b"zz\r\n"),
     ("Transfer-Encoding: chunked", chunked(b"x") + b"-1\r\n"), ("Transfer-Encoding: chunked", b"f" * 17 + b"\r\n")],
)  # fmt: skip
def test_cut_off(worker: Worker, path: str, framing: str, sent: bytes) -> None:
    with worker.client() as client:
        begin(client, path, framing, sent)
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.read()
    assert answer.status == 400


@pytest.mark.parametrize("path", [*READERS, "/stream"])
@pytest.mark.parametrize(
    ("framing", "sent"),
    [("Content-Length: 100", b"x" * 10), ("Content-Length: 100", b""),
     ("Transfer-Encoding: chunked", chunked(b"x" * 10))],
)  # fmt: skip
def test_bodies_that_never_arrive(worker: Worker, path: str, framing: str, sent: bytes) -> None:
    """`limits.body_idle` is 0.6 seconds; one tick of the clock later it is over."""
    with worker.client() as client:
        begin(client, path, framing, sent)
        began = time.monotonic()
        answer = client.read()
        assert 0.3 < time.monotonic() - began < 4
        assert answer.status == 408
        assert answer.header("connection") == "close"
        assert client.ended()


def test_a_trickle_ends_with_the_time_of_the_handler(worker: Worker) -> None:
    """Each byte is in time, but the handler has three seconds for all of it."""
    with worker.client(timeout=0.3) as client:
        begin(client, "/stream", "Content-Length: 100", b"")
        began = time.monotonic()
        answer = None
        while answer is None and time.monotonic() - began < 8:
            client.send(b"x")
            try:
                answer = client.read()
            except TimeoutError:
                continue
    assert answer is not None
    assert answer.status == 503
    worker.took("did not answer within 3 s")


def test_a_body_that_nobody_reads(worker: Worker) -> None:
    with worker.client() as client:
        begin(client, "/unread", "Content-Length: 1000000", b"x" * 1000)
        assert client.read().body == b"not read"
    with worker.client() as client:
        begin(client, "/nope", "Transfer-Encoding: chunked", chunked(b"x" * 1000))
        assert client.read().status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"nul", 400), (b"\xff", 400), (b'"\xff"', 400), (b'"\\ud800"', 400), (b"[1,]", 400),
     (b"NaN", 400), (b'{"a":1}x', 400), (b"\xef\xbb\xbf{}", 400), (b"[" * 65 + b"]" * 65, 400), (b"[" * 1000, 400),
     (b'{"a":' * 65 + b"1" + b"}" * 65, 400), (b"[" * 64 + b"]" * 64, 200), (b'"' + b"[" * 100 + b'"', 200),
     (b"{1:2}", 400), (b"'a'", 400), (b"1e999", 422), (b"-", 400), (b'{"a":1,"a":2}', 200)],
)  # fmt: skip
def test_json(worker: Worker, body: bytes, status: int) -> None:
    answer = worker.ask("POST", "/json", {"Content-Type": "application/json"}, body)
    assert answer.status == status
    if status != 200:
        assert answer.json["detail"]


def test_json_of_another_shape(worker: Worker) -> None:
    answer = worker.ask("POST", "/typed", {}, b'[1, 2, "x"]')
    assert (answer.status, "$[2]" in answer.json["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("charset", "body", "status"),
    [("utf-8", b"\xff", 400), ("latin-1", b"\xe9", 200), ("nonsense", b"x", 415), ("undefined", b"x", 415),
     ("idna", b"x", 415), ("punycode", b"x-" * 300, 415), ("zlib", b"x", 415), ("unicode_escape", b"\\N{", 415),
     ("utf-16", b"x", 400), ("a" * 5000, b"x", 415), ("../../x", b"x", 415)],
)  # fmt: skip
def test_charsets(worker: Worker, charset: str, body: bytes, status: int) -> None:
    assert worker.ask("POST", "/text", {"Content-Type": f"text/plain; charset={charset}"}, body).status == status


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb'


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"a=b", 415),
        ("", b"a=b", 415),
        ("multipart/form-data", b"--x--", 400),
        ("multipart/form-data; boundary=" + "x" * 71, b"", 400),
        ("multipart/form-data; boundary=é", b"", 415),
        ("multipart/mixed; boundary=x", b"--x--", 415),
        (MULTIPART, b"", 400),
        (MULTIPART, b"nothing like it", 400),
        (MULTIPART, PART, 400),
        (MULTIPART, PART + b"\r\n--x", 400),
        (MULTIPART, PART + b"\r\n--x--\r\n", 200),
        (MULTIPART, b"--x\r\n\r\nno name\r\n--x--\r\n", 400),
        (MULTIPART, b"--x\r\nnonsense\r\n\r\n\r\n--x--\r\n", 400),
        (MULTIPART, b"--x\r\nA: " + b"b" * 900 + b"\r\n" * 3, 400),
        (MULTIPART, PART * 20 + b"\r\n--x--\r\n", 413),
        (FORM, b"a=" + b"x" * 499, 413),
        (FORM, b"&" * 400, 200),
        (FORM, b"%zz=%ff&=&a", 200),
        (FORM + "; charset=nonsense", b"a=b", 400),
    ],
)
def test_forms(worker: Worker, content_type: str, body: bytes, status: int) -> None:
    answer = worker.ask("POST", "/form", {"Content-Type": content_type}, body)
    assert answer.status == status, answer.body


def test_an_upload_that_is_cut_off_leaves_nothing_open(worker: Worker) -> None:
    worker.ask("POST", "/notes/clear")
    head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    for leave in (Client.__exit__, reset, None):
        client = worker.client()
        begin(client, "/upload", "Content-Length: 10000000", head + b"x" * 3_000_000, MULTIPART)
        temporary = eventually(lambda: deleted_files(worker.pid))
        assert temporary, "3 MB were to be on disk by now"
        if leave is None:
            assert client.read().status == 408
            client.socket.close()
        elif leave is reset:
            reset(client)
        else:
            client.socket.close()
        assert eventually(lambda: not deleted_files(worker.pid))
    assert eventually(lambda: worker.state()["notes"] == ["upload 400", "upload 400", "upload 408"])


def test_a_complete_upload_leaves_nothing_open(worker: Worker) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    answer = worker.ask("POST", "/upload", {"Content-Type": MULTIPART}, head + b"x" * 3_000_000 + b"\r\n--x--\r\n")
    assert answer.json == {"f": 3_000_000}
    assert eventually(lambda: not deleted_files(worker.pid))


def deleted_files(pid: int) -> list[str]:
    """Temporary files without a name, which only an open descriptor keeps."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.endswith("(deleted)") and target.startswith("/tmp"):
            found.append(target)
    return found
