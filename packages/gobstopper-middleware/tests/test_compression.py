from __future__ import annotations

import gzip
import importlib
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import EventStream, FileResponse, Request, Response, StreamingResponse
from gobstopper_http.testing import TestClient
from gobstopper_middleware import CompressionMiddleware
from gobstopper_middleware._codings import available_codings
from gobstopper_sessions import MemorySessionStorage, SessionMiddleware
from middleware_site import Site

brotli: Any = importlib.import_module("brotli")
zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

TEXT = ("compress me, please. " * 200).encode()
LARGE = ("compress me, please. " * 20_000).encode()


def decoded(coding: str | None, body: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "br":
        return bytes(brotli.decompress(body))
    if coding == "zstd":
        return bytes(zstd.decompress(body))
    return body


def answer(body: bytes = TEXT, **options: Any) -> Any:
    async def handler(request: Request) -> Response:
        return Response(body, content_type=options.pop("content_type", "text/plain"), **options)

    return handler


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes | str]:
        for number in range(3):
            yield f"chunk {number} " * 50
            yield b""

    return StreamingResponse(chunks(), content_type="text/plain")


async def sync_stream(request: Request) -> Response:
    def chunks() -> Iterator[bytes | str]:
        for number in range(3):
            yield f"chunk {number} ".encode() * 50

    return StreamingResponse(chunks(), content_type="text/plain")


async def listed(request: Request) -> Response:
    class Source:
        def __aiter__(self) -> Source:
            self.left = [b"a" * 100, b"b" * 100]
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    return StreamingResponse(Source(), content_type="text/plain")


async def in_list(request: Request) -> Response:
    return StreamingResponse([b"a" * 100, b"b" * 100], content_type="text/plain")


async def events(request: Request) -> Response:
    async def source() -> AsyncIterator[str]:
        yield "hello " * 300

    return EventStream(source())


async def file(request: Request) -> Response:
    return FileResponse(Path(__file__))


async def secret(request: Request) -> Response:
    request.session["x"] = 1
    return Response(TEXT, content_type="text/plain")


async def late(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "a secret follows " * 100
        yield str(request.session.get("x"))

    return StreamingResponse(chunks(), content_type="text/plain")


async def cookie(request: Request) -> Response:
    response = Response(TEXT, content_type="text/plain")
    response.set_cookie("a", "b")
    return response


HANDLERS = {
    "/text": answer(),
    "/large": answer(LARGE),
    "/small": answer(b"x" * 1023),
    "/limit": answer(b"x" * 1024),
    "/png": answer(content_type="image/png"),
    "/json": answer(content_type="application/vnd.api+json; charset=utf-8"),
    "/svg": answer(content_type="IMAGE/SVG+XML"),
    "/encoded": answer(headers={"content-encoding": "br"}),
    "/part": answer(status=206, headers={"content-range": "bytes 0-1/2"}),
    "/no-transform": answer(headers={"cache-control": "public, no-transform"}),
    "/private": answer(headers={"cache-control": "private"}),
    "/no-store": answer(headers={"cache-control": "no-store"}),
    "/private-in-capitals": answer(headers={"cache-control": "Private"}),
    "/private-field": answer(headers={"cache-control": 'max-age=0, private="set-cookie"'}),
    "/on-two-lines": answer(headers=[("cache-control", "max-age=0"), ("cache-control", "no-store")]),
    "/varies-by-cookie": answer(headers={"vary": "Accept, cookie"}),
    "/not-private": answer(headers={"cache-control": 'x="private, no-store"'}),
    "/not-modified": answer(b"", status=304, headers={"etag": '"abc"'}),
    "/late": late,
    "/etag": answer(headers={"etag": '"abc"', "content-length": str(len(TEXT))}),
    "/weak": answer(headers={"etag": 'W/"abc"'}),
    "/vary": answer(headers={"vary": "Accept"}),
    "/error": answer(status=500),
    "/stream": stream,
    "/sync-stream": sync_stream,
    "/listed": listed,
    "/in-list": in_list,
    "/events": events,
    "/file": file,
    "/secret": secret,
    "/cookie": cookie,
}


def start(**options: Any) -> TestClient:
    sessions = SessionMiddleware(MemorySessionStorage())
    return TestClient(
        Site(CompressionMiddleware(**options), sessions, handlers=HANDLERS), base_url="https://example.org"
    )


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1, zstd;q=0.1", "gzip"),
        ("GZIP", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "br"),
        ("deflate", None),
        ("gzip;q=0", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("", None),
        ("gzip;q=x", None),
        ("\x00gzip", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("path", ["/text", "/large", "/error", "/json", "/svg", "/limit"])
def test_what_the_client_accepts(accept: str | None, coding: str | None, path: str) -> None:
    with start() as client:
        plain = client.get(path, headers={"accept-encoding": "identity"}).content
        if accept is not None and "\x00" in accept:
            return
        response = client.get(path, headers={} if accept is None else {"accept-encoding": accept})
        assert response.headers.get("content-encoding") == coding
        assert response.headers["vary"] == "Accept-Encoding"
        if coding is not None:
            assert response.headers.get("content-length", str(len(response.content))) == str(len(response.content))
        assert response.content == plain or decoded(coding, response.content) == plain


@pytest.mark.parametrize("path", ["/small", "/png", "/encoded", "/part", "/no-transform", "/file", "/events"])
def test_what_is_not_worth_it(path: str) -> None:
    with start() as client:
        response = client.get(path, headers={"accept-encoding": "gzip"})
        assert response.headers.get("content-encoding") in {None, "br"}
        assert "accept-encoding" not in response.headers.get("vary", "").lower()


SECRETS = [
    "/secret", "/cookie", "/private", "/no-store", "/text", "/private-in-capitals", "/private-field", "/on-two-lines",
    "/varies-by-cookie",
]  # fmt: skip


@pytest.mark.parametrize("path", SECRETS)
def test_secrets_are_not_compressed(path: str) -> None:
    headers = {"accept-encoding": "gzip", "authorization": "Bearer x"}
    if path != "/text":
        del headers["authorization"]
    with start() as client:
        assert "content-encoding" not in client.get(path, headers=headers).headers
    with start(with_secrets=True) as client:
        assert client.get(path, headers=headers).headers["content-encoding"] == "gzip"


def test_a_stream_may_read_the_session_when_its_headers_are_gone() -> None:
    headers = {"accept-encoding": "gzip"}
    with start() as client:
        assert client.get("/late", headers=headers).headers["content-encoding"] == "gzip"
        client.get("/secret")
        response = client.get("/late", headers=headers)
        assert "content-encoding" not in response.headers
        assert response.text.endswith("1")


def test_what_only_looks_private_is_compressed() -> None:
    with start() as client:
        response = client.get("/not-private", headers={"accept-encoding": "gzip"})
        assert response.headers["content-encoding"] == "gzip"


def test_the_highest_levels_of_zstandard_stay_within_what_browsers_take() -> None:
    # Without a client, which would not wait for this level on a busy machine.
    for level in (20, 22):
        compressor = available_codings()["zstd"](level)
        frame = compressor.compress(TEXT) + compressor.finish()
        assert decoded("zstd", frame) == TEXT
        # RFC 8878 section 3.1.1.1.2: no single segment, so the byte after the descriptor is that of the window.
        assert frame[4] & 0x20 == 0
        assert 10 + (frame[5] >> 3) <= 23


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("path", ["/stream", "/sync-stream", "/listed", "/in-list"])
def test_streams(coding: str, path: str) -> None:
    with start() as client:
        plain = client.get(path).content
        response = client.get(path, headers={"accept-encoding": coding})
        assert response.headers["content-encoding"] == coding
        assert decoded(coding, response.content) == plain
        assert len(response.content) < len(plain)


def test_a_chunk_is_complete_when_it_arrives() -> None:
    with start() as client, client.stream("GET", "/stream", headers={"accept-encoding": "gzip"}) as response:
        inflate = zlib.decompressobj(31)
        first = next(iter(response.iter_bytes()))
        assert inflate.decompress(first).startswith(b"chunk 0 " * 50)


def test_validators_become_weak() -> None:
    with start() as client:
        response = client.get("/etag", headers={"accept-encoding": "gzip"})
        assert response.headers["etag"] == 'W/"abc"'
        assert client.get("/weak", headers={"accept-encoding": "gzip"}).headers["etag"] == 'W/"abc"'
        assert client.get("/etag").headers["etag"] == '"abc"'
        assert client.get("/vary", headers={"accept-encoding": "gzip"}).headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("path", ["/text", "/large", "/stream", "/small"])
def test_head_says_what_get_would(path: str) -> None:
    with start() as client:
        head, get = (client.request(method, path, headers={"accept-encoding": "gzip"}) for method in ("HEAD", "GET"))
        assert head.content == b""
        for name in ("content-encoding", "content-length", "vary"):
            assert head.headers.get(name) == get.headers.get(name), name


def test_not_modified_varies_as_the_whole_answer_does() -> None:
    with start() as client:
        assert client.get("/not-modified").headers["vary"] == "Accept-Encoding"


def test_codings_can_be_chosen() -> None:
    with start(codings=["gzip"], level=9) as client:
        assert client.get("/text", headers={"accept-encoding": "br, gzip"}).headers["content-encoding"] == "gzip"


def test_without_the_packages_there_is_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    for name in ("compression", "backports"):
        monkeypatch.setitem(sys.modules, name, None)
    with start() as client:
        response = client.get("/text", headers={"accept-encoding": "zstd, br, gzip"})
        assert response.headers["content-encoding"] == "gzip"
    with pytest.raises(ValueError, match=r"br cannot be made: install gobstopper-middleware\[brotli,zstd\]"):
        CompressionMiddleware(codings=["br"])


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_any_accept_encoding_gives_a_right_answer(accept: str) -> None:
    site = CLIENT
    response = site.get("/text", headers={"accept-encoding": accept})
    assert decoded(response.headers.get("content-encoding"), response.content) == TEXT


CLIENT: TestClient


@pytest.fixture(scope="module", autouse=True)
def _client() -> Iterator[None]:
    global CLIENT
    with start() as CLIENT:
        yield


@pytest.mark.parametrize("path", ["/closing", "/sync-closing"])
def test_a_stream_that_is_not_read_is_closed(path: str) -> None:
    closed = []

    class Source:
        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> bytes:
            raise AssertionError

        async def aclose(self) -> None:
            closed.append(path)

    class SyncSource:
        def __iter__(self) -> SyncSource:
            return self

        def __next__(self) -> bytes:
            raise AssertionError

        def close(self) -> None:
            closed.append(path)

    async def closing(request: Request) -> Response:
        return StreamingResponse(Source() if path == "/closing" else SyncSource(), content_type="text/plain")

    site = Site(CompressionMiddleware(), handlers={path: closing})
    with TestClient(site) as client:
        response = client.head(path, headers={"accept-encoding": "gzip"})
        assert response.headers["content-encoding"] == "gzip"
    assert closed == [path]


def test_an_answer_that_is_returned_again_goes_to_each_client_as_it_can_read_it() -> None:
    kept = Response(TEXT, content_type="text/plain")

    async def page(request: Request) -> Response:
        return kept

    with TestClient(Site(CompressionMiddleware(), handlers={"/page": page})) as client:
        for accept, coding in (("gzip", "gzip"), ("identity", None), ("gzip", "gzip")):
            response = client.get("/page", headers={"Accept-Encoding": accept})
            assert response.headers.get("content-encoding") == coding
            assert decoded(coding, response.content) == TEXT
