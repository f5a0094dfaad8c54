"""File answers: ranges, conditions, validators, names."""

from __future__ import annotations

import email
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http._mime import guess_content_type
from gobstopper_http.conditional import (
    evaluate_preconditions,
    format_http_date,
    not_modified,
    quote_etag,
    range_applies,
    strong_match,
    weak_match,
)
from gobstopper_http.datastructures import Headers
from gobstopper_http.errors import AlreadyAnsweredError, HTTPException
from gobstopper_http.files import FileResponse
from gobstopper_http.ranges import MAX_RANGES, content_range, parse_range
from gobstopper_http.request import Request
from gobstopper_http.response import Response
from gobstopper_http.send import send
from gobstopper_http.testing import ClientResponse, TestClient

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)
MODIFIED = 1_600_000_000
DATE = format_http_date(MODIFIED)
LATER, EARLIER = format_http_date(MODIFIED + 1), format_http_date(MODIFIED - 1)


class TestParseRange:
    @pytest.mark.parametrize(
        ("header", "ranges"),
        [
            ("bytes=0-0", [(0, 1)]),
            ("bytes=0-99", [(0, 100)]),
            ("bytes=10-19", [(10, 20)]),
            ("bytes=90-", [(90, 100)]),
            ("bytes=90-1000", [(90, 100)]),
            ("bytes=-10", [(90, 100)]),
            ("bytes=-1000", [(0, 100)]),
            ("bytes=0-9,50-59", [(0, 10), (50, 60)]),
            ("bytes=50-59,0-9", [(50, 60), (0, 10)]),
            ("bytes=0-9,5-20", [(0, 21)]),
            ("bytes=0-9,10-20", [(0, 21)]),
            ("bytes=50-60,0-9,55-99", [(0, 10), (50, 100)]),
            ("bytes=0-0,-1", [(0, 1), (99, 100)]),
            ("bytes=0-0,200-", [(0, 1)]),
            ("bytes=,, 0-0 ,\t,", [(0, 1)]),
            ("BYTES = 0-0", [(0, 1)]),
            ("bytes=000-0000000000000000000000001", [(0, 2)]),
            ("bytes=0-" + "9" * 10_000, [(0, 100)]),
            ("bytes=-" + "9" * 10_000, [(0, 100)]),
            # Nothing to satisfy: 416.
            ("bytes=100-", []),
            ("bytes=100-200", []),
            ("bytes=-0", []),
            ("bytes=" + "9" * 10_000 + "-", []),
            ("bytes=100-,200-", []),
            # Ignored.
            ("", None),
            ("bytes", None),
            ("bytes=", None),
            ("bytes=,", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=5-4", None),
            ("bytes=0-1,x", None),
            ("bytes=0-1-2", None),
            ("bytes=--1", None),
            ("bytes=+1-2", None),
            ("bytes=\u0661-\u0662", None),
            ("bytes=1.0-2", None),
            ("items=0-1", None),
            ("bytes 0-1", None),
            ("bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)), None),
        ],
    )
    def test_cases_of_100_bytes(self, header: str, ranges: list[tuple[int, int]] | None) -> None:
        assert parse_range(header, 100) == ranges

    def test_as_many_as_are_allowed(self) -> None:
        header = "bytes=" + ",".join(f"{n * 3}-{n * 3}" for n in range(MAX_RANGES))
        assert len(parse_range(header, 100) or []) == MAX_RANGES
        assert parse_range("bytes=0-0,2-2", 100, max_ranges=1) is None

    @pytest.mark.parametrize("header", ["bytes=0-0", "bytes=-1", "bytes=0-"])
    def test_an_empty_file_has_none(self, header: str) -> None:
        assert parse_range(header, 0) is None

    @given(st.text("0123456789-, =bytes"), st.integers(0, 50))
    def test_what_comes_out_is_within_and_no_larger_than_the_whole(self, specs: str, size: int) -> None:
        for header in (specs, f"bytes={specs}"):
            ranges = parse_range(header, size) or []
            assert all(0 <= start < end <= size for start, end in ranges)
            assert sum(end - start for start, end in ranges) <= size
            covered = [position for start, end in ranges for position in range(start, end)]
            assert len(covered) == len(set(covered))

    @given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), min_size=1, max_size=8))
    def test_merging_keeps_every_byte(self, wanted: list[list[int]]) -> None:
        header = "bytes=" + ",".join(f"{first}-{last}" for first, last in wanted)
        bytes_wanted = {n for first, last in wanted for n in range(first, last + 1) if n < 50}
        ranges = parse_range(header, 50) or []
        assert {n for start, end in ranges for n in range(start, end)} == bytes_wanted

    def test_growth_is_linear(self) -> None:
        for header in ("bytes=" + "," * 1_000_000, "bytes=" + " " * 1_000_000, "bytes=" + "0-0," * 300_000):
            start = time.process_time()
            parse_range(header, 100)
            assert time.process_time() - start < 3  # minutes, if it were quadratic

    def test_content_range(self) -> None:
        assert content_range(0, 10, 100) == "bytes 0-9/100"


class TestEntityTags:
    @pytest.mark.parametrize(
        ("field", "etag", "weak", "strong"),
        [
            ('"a"', '"a"', True, True),
            ('W/"a"', '"a"', True, False),
            ('"a"', 'W/"a"', True, False),
            ('W/"a"', 'W/"a"', True, False),
            ('"a"', '"b"', False, False),
            ('"x", "y" ,"a"', '"a"', True, True),
            ('"x,a", "y"', '"a"', False, False),
            ('"x,a"', '"x,a"', True, True),
            (" * ", '"a"', True, True),
            ("*", None, True, True),
            ('"a"', None, False, False),
            ("a", '"a"', False, False),
            ("", '"a"', False, False),
            ('"a', '"a"', False, False),
            ('""', '""', True, True),
        ],
    )
    def test_comparison(self, field: str, etag: str | None, weak: bool, strong: bool) -> None:
        assert weak_match(field, etag) is weak
        assert strong_match(field, etag) is strong

    def test_quoting(self) -> None:
        assert quote_etag("abc") == '"abc"'
        assert quote_etag("abc", weak=True) == 'W/"abc"'
        assert quote_etag('"abc"') == '"abc"'
        assert quote_etag('W/"abc"') == 'W/"abc"'
        for bad in ('a"b', "a b", "é", "a\n", '"a', 'W/"a" x'):
            with pytest.raises(ValueError, match="visible ASCII"):
                quote_etag(bad)

    @given(st.text())
    def test_never_raises(self, field: str) -> None:
        weak_match(field, '"a"')
        strong_match(field, '"a"')


class TestPreconditions:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"If-None-Match": '"e"'}, 304),
            ({"If-None-Match": 'W/"e"'}, 304),
            ({"If-None-Match": "*"}, 304),
            ({"If-None-Match": '"x"'}, 200),
            ({"If-Modified-Since": DATE}, 304),
            ({"If-Modified-Since": LATER}, 304),
            ({"If-Modified-Since": "Fri, 31 Dec 9999 23:59:59 GMT"}, 304),
            ({"If-Modified-Since": EARLIER}, 200),
            ({"If-Modified-Since": "yesterday"}, 200),
            ({"If-Modified-Since": "Sunday, 13-Sep-20 12:26:40 GMT"}, 304),
            ({"If-Modified-Since": "Sun Sep 13 12:26:40 2020"}, 304),
            # The entity tag decides alone.
            ({"If-None-Match": '"x"', "If-Modified-Since": LATER}, 200),
            ({"If-None-Match": '"e"', "If-Modified-Since": EARLIER}, 304),
            ({"If-Match": '"e"'}, 200),
            ({"If-Match": "*"}, 200),
            ({"If-Match": '"x"'}, 412),
            ({"If-Match": 'W/"e"'}, 412),
            ({"If-Match": '"e"', "If-Unmodified-Since": EARLIER}, 200),
            ({"If-Unmodified-Since": DATE}, 200),
            ({"If-Unmodified-Since": EARLIER}, 412),
            ({"If-Unmodified-Since": "never"}, 200),
            ({"If-Match": '"x"', "If-None-Match": '"e"'}, 412),
            ({"If-Match": '"e"', "If-None-Match": '"e"'}, 304),
            ({"If-Unmodified-Since": DATE, "If-Modified-Since": DATE}, 304),
        ],
    )
    def test_get(self, headers: dict[str, str], status: int) -> None:
        assert evaluate_preconditions("GET", Headers(headers), '"e"', MODIFIED) == status
        assert evaluate_preconditions("HEAD", Headers(headers), '"e"', MODIFIED) == status

    def test_writing_methods(self) -> None:
        assert evaluate_preconditions("PUT", Headers({"If-None-Match": "*"}), '"e"', MODIFIED) == 412
        assert evaluate_preconditions("PUT", Headers({"If-None-Match": '"x"'}), '"e"', MODIFIED) == 200
        assert evaluate_preconditions("PUT", Headers({"If-Modified-Since": DATE}), '"e"', MODIFIED) == 200
        assert evaluate_preconditions("PUT", Headers(), '"e"', MODIFIED) == 200

    def test_without_validators(self) -> None:
        assert evaluate_preconditions("GET", Headers({"If-Unmodified-Since": EARLIER}), None, None) == 200
        assert not not_modified(Headers({"If-Modified-Since": DATE}), None, None)
        assert not not_modified(Headers({"If-None-Match": '"e"'}), None, MODIFIED)

    def test_several_fields_of_a_name(self) -> None:
        assert not_modified(Headers([("If-None-Match", '"x"'), ("If-None-Match", '"e"')]), '"e"', None)
        assert not not_modified(Headers([("If-Modified-Since", DATE)] * 2), None, MODIFIED)

    @pytest.mark.parametrize(
        ("value", "etag", "applies"),
        [
            ('"e"', '"e"', True),
            ('"x"', '"e"', False),
            ('W/"e"', '"e"', False),
            ('W/"e"', 'W/"e"', False),
            ('"e"', 'W/"e"', False),
            ('"e", "x"', '"e"', False),
            (DATE, '"e"', True),
            (LATER, '"e"', False),
            (EARLIER, '"e"', False),
            ("*", '"e"', False),
            ("", '"e"', False),
        ],
    )
    def test_if_range(self, value: str, etag: str, applies: bool) -> None:
        assert range_applies(Headers({"If-Range": value}), etag, MODIFIED) is applies

    def test_if_range_alone(self) -> None:
        assert range_applies(Headers(), None, None)
        assert not range_applies(Headers([("If-Range", '"e"')] * 2), '"e"', MODIFIED)

    def test_if_range_with_a_date_that_is_too_fresh(self) -> None:
        headers = Headers({"If-Range": DATE})
        assert not range_applies(headers, None, MODIFIED, now=MODIFIED + 0.5)
        assert range_applies(headers, None, MODIFIED, now=MODIFIED + 1)


class App:
    """Answers every request with what `make` gives."""

    make: Callable[[], Response]

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        request = Request.from_rsgi(scope, proto)
        try:
            await send(request, self.make())
        except HTTPException as error:
            await send(request, Response(error.detail, error.status))


Get = Callable[..., ClientResponse]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    os.utime(path, (MODIFIED, MODIFIED))
    return path


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[App, TestClient]]:
    app = App()
    with TestClient(app) as client:
        yield app, client


@pytest.fixture
def get(served: tuple[App, TestClient], path: Path) -> Get:
    app, client = served

    def call(method: str = "GET", headers: Any = None, file: Any = path, **options: Any) -> ClientResponse:
        app.make = lambda: FileResponse(file, **options)
        return client.request(method, "/", headers=headers)

    return call


def parts_of(response: ClientResponse) -> list[tuple[str, str, bytes]]:
    """The parts of a multipart/byteranges, as another parser reads them."""
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + response.content)
    assert message.is_multipart()
    parts: list[Any] = message.get_payload()
    return [(part["content-range"], part.get_content_type(), part.get_payload(decode=True)) for part in parts]


class TestFileResponse:
    def test_whole(self, get: Get) -> None:
        response = get()
        assert response.status == 200
        assert response.content == CONTENT
        assert response.headers["content-length"] == str(SIZE)
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["last-modified"] == DATE
        assert response.headers["accept-ranges"] == "bytes"
        assert response.headers["etag"] == f'"{MODIFIED * 10**9:x}-{SIZE:x}"'
        assert "content-disposition" not in response.headers

    def test_head(self, get: Get) -> None:
        response = get("HEAD", {"Range": "bytes=0-1"})
        assert response.status == 200
        assert response.content == b""
        assert response.headers["content-length"] == str(SIZE)
        assert get("HEAD", {"If-None-Match": "*"}).status == 304

    def test_one_range(self, get: Get) -> None:
        response = get(headers={"Range": "bytes=10-19"})
        assert response.status == 206
        assert response.content == CONTENT[10:20]
        assert response.headers["content-range"] == f"bytes 10-19/{SIZE}"
        assert response.headers["content-length"] == "10"
        assert response.headers["content-type"] == "application/octet-stream"

    def test_a_range_that_is_everything(self, get: Get) -> None:
        response = get(headers={"Range": "bytes=0-"})
        assert (response.status, response.content) == (206, CONTENT)
        assert response.headers["content-range"] == f"bytes 0-{SIZE - 1}/{SIZE}"

    def test_several_ranges(self, get: Get) -> None:
        response = get(headers={"Range": "bytes=500-509,0-9,-1"}, content_type="text/plain")
        assert response.status == 206
        assert "content-range" not in response.headers
        assert int(response.headers["content-length"]) == len(response.content)
        assert parts_of(response) == [
            (f"bytes 500-509/{SIZE}", "text/plain", CONTENT[500:510]),
            (f"bytes 0-9/{SIZE}", "text/plain", CONTENT[:10]),
            (f"bytes {SIZE - 1}-{SIZE - 1}/{SIZE}", "text/plain", CONTENT[-1:]),
        ]

    def test_large_parts(self, get: Get, tmp_path: Path) -> None:
        big = tmp_path / "big"
        big.write_bytes(CONTENT * 1000)
        response = get(headers={"Range": "bytes=0-499999,500010-"}, file=big)
        assert [part for _, _, part in parts_of(response)] == [(CONTENT * 1000)[:500_000], (CONTENT * 1000)[500_010:]]

    def test_ranges_that_overlap_are_sent_once(self, get: Get) -> None:
        response = get(headers={"Range": "bytes=0-99,50-199"})
        assert response.headers["content-range"] == f"bytes 0-199/{SIZE}"
        assert response.content == CONTENT[:200]

    @pytest.mark.parametrize(
        "field", ["bytes=x", "lines=1-2", "bytes=5-4", "bytes=" + "0-0,2-2," * 20, "bytes=0-" + "9" * 5000 + "x"]
    )
    def test_ranges_that_are_ignored(self, get: Get, field: str) -> None:
        assert get(headers={"Range": field}).status == 200

    def test_two_range_fields_are_ignored(self, get: Get) -> None:
        assert get(headers=[("Range", "bytes=0-1"), ("Range", "bytes=2-3")]).status == 200

    def test_not_satisfiable(self, get: Get) -> None:
        response = get(headers={"Range": f"bytes={SIZE}-"})
        assert response.status == 416
        assert response.headers["content-range"] == f"bytes */{SIZE}"
        assert response.content == b""
        assert "content-type" not in response.headers

    def test_if_range(self, get: Get) -> None:
        etag = get().headers["etag"]
        assert get(headers={"Range": "bytes=0-0", "If-Range": etag}).status == 206
        assert get(headers={"Range": "bytes=0-0", "If-Range": DATE}).status == 206
        assert get(headers={"Range": "bytes=0-0", "If-Range": '"x"'}).status == 200
        assert get(headers={"Range": "bytes=0-0", "If-Range": LATER}).status == 200
        assert get(headers={"Range": "bytes=0-0", "If-Range": f"W/{etag}"}).status == 200
        # A stale copy gets the whole, never 416.
        assert get(headers={"Range": f"bytes={SIZE}-", "If-Range": '"x"'}).status == 200
        assert get(headers={"Range": "x", "If-Range": etag}).status == 200

    def test_not_modified(self, get: Get) -> None:
        etag = get().headers["etag"]
        response = get(headers={"If-None-Match": etag}, filename="x.txt", max_age=60)
        assert response.status == 304
        assert response.content == b""
        assert response.headers["etag"] == etag
        assert response.headers["cache-control"] == "max-age=60"
        assert "content-type" not in response.headers
        assert "content-length" not in response.headers
        assert "content-disposition" not in response.headers
        assert get(headers={"If-Modified-Since": DATE}).status == 304
        assert get(headers={"If-None-Match": etag, "Range": "bytes=0-1"}).status == 304

    def test_precondition_failed(self, get: Get) -> None:
        response = get(headers={"If-Match": '"x"', "Range": "bytes=0-1"})
        assert (response.status, response.content) == (412, b"")

    def test_the_tag_changes_with_the_file(self, get: Get, path: Path) -> None:
        tags = {get().headers["etag"]}
        os.utime(path, ns=(MODIFIED, MODIFIED * 10**9 + 1))
        tags.add(get().headers["etag"])
        path.write_bytes(CONTENT[:-1])
        os.utime(path, (MODIFIED, MODIFIED))
        tags.add(get().headers["etag"])
        assert len(tags) == 3

    def test_other_methods_and_statuses_are_neither_conditional_nor_partial(self, get: Get) -> None:
        headers = {"If-None-Match": "*", "Range": "bytes=0-1"}
        assert get("POST", headers).status == 200
        response = get(headers=headers, status=404)
        assert (response.status, response.content) == (404, CONTENT)

    def test_an_empty_file(self, get: Get, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        response = get(headers={"Range": "bytes=0-"}, file=tmp_path / "empty")
        assert (response.status, response.content) == (200, b"")
        assert response.headers["content-length"] == "0"

    @pytest.mark.parametrize("name", ["missing", ".", "a\0b", "data.bin/x", "x" * 5000])
    def test_what_is_no_file(self, get: Get, tmp_path: Path, name: str) -> None:
        assert get(file=f"{tmp_path}/{name}").status == 404

    def test_what_is_no_regular_file(self, get: Get, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        assert get(file=tmp_path / "fifo").status == 404
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        assert get(file=tmp_path / "link").status == 404

    def test_what_may_not_be_read(self, get: Get, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Root may read everything, so the permission bits would prove nothing here.
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert get().status == 404

    def test_a_stat_that_is_known_is_used(self, get: Get, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        known = path.stat()
        monkeypatch.setattr("gobstopper_http.files._stat", None)
        assert get(stat_result=known).content == CONTENT
        directory = path.parent.stat()
        assert stat.S_ISDIR(directory.st_mode)
        assert get(stat_result=directory).status == 404

    def test_a_path_that_is_not_utf8(self, get: Get, tmp_path: Path) -> None:
        name = os.fsencode(tmp_path) + b"/\xff.bin"
        Path(os.fsdecode(name)).write_bytes(CONTENT)
        file = os.fsdecode(name)
        response = get(file=file)
        assert (response.content, response.headers["content-length"]) == (CONTENT, str(SIZE))
        response = get(headers={"Range": "bytes=5-9"}, file=file)
        assert (response.status, response.content) == (206, CONTENT[5:10])

    def test_a_time_in_the_future_is_not_sent(self, get: Get, path: Path) -> None:
        os.utime(path, (4e9, 4e9))
        assert "last-modified" not in get().headers

    def test_names(self, get: Get) -> None:
        response = get(filename="naïve.txt")
        assert response.headers["content-disposition"] == (
            "attachment; filename=\"naive.txt\"; filename*=UTF-8''na%C3%AFve.txt"
        )
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert get(filename="a.pdf", disposition="inline").headers["content-disposition"] == 'inline; filename="a.pdf"'

    def test_headers_of_ones_own_win(self, path: Path) -> None:
        response = FileResponse(
            path,
            headers={"Content-Type": "a/b", "Cache-Control": "no-store", "Content-Disposition": "inline"},
            filename="x.txt",
            max_age=60,
        )
        assert response.headers["content-type"] == "a/b"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-disposition"] == "inline"
        assert FileResponse(path, headers={"Content-Type": "a/b"}, content_type="c/d").headers["content-type"] == "c/d"

    def test_validators_of_ones_own(self, get: Get, served: tuple[App, TestClient], path: Path) -> None:
        assert get(etag="v1").headers["etag"] == '"v1"'
        assert get(headers={"If-None-Match": '"v1"'}, etag="v1").status == 304
        assert "etag" not in get(etag=False).headers
        assert get(headers={"If-None-Match": '"x"'}, etag=False).status == 200
        with pytest.raises(ValueError, match="ETag"):
            FileResponse(path, etag='a"b')
        app, client = served
        app.make = lambda: FileResponse(
            path, headers={"ETag": '"mine"', "Last-Modified": LATER, "Accept-Ranges": "none"}
        )
        response = client.get("/", headers={"Range": "bytes=0-1"})
        assert response.status == 200
        assert (response.headers["etag"], response.headers["last-modified"]) == ('"mine"', LATER)
        assert client.get("/", headers={"If-Modified-Since": DATE}).status == 200
        assert client.get("/", headers={"If-Modified-Since": LATER}).status == 304
        assert client.get("/", headers={"If-Modified-Since": LATER}).headers["accept-ranges"] == "none"

    def test_a_length_of_ones_own_is_not_believed(self, served: tuple[App, TestClient], path: Path) -> None:
        app, client = served
        app.make = lambda: FileResponse(path, headers={"Content-Length": "7", "Content-Range": "bytes 0-0/1"})
        response = client.get("/")
        assert (response.content, response.headers.getlist("content-length")) == (CONTENT, [str(SIZE)])
        assert "content-range" not in response.headers

    def test_without_a_content_type(self, served: tuple[App, TestClient], path: Path) -> None:
        def make() -> Response:
            response = FileResponse(path)
            del response.headers["content-type"]
            return response

        app, client = served
        app.make = make
        assert "content-type" not in client.get("/").headers
        parts = parts_of(client.get("/", headers={"Range": "bytes=0-0,2-2"}))
        assert [part[1] for part in parts] == ["application/octet-stream"] * 2

    def test_sent_twice_it_is_the_same(self, served: tuple[App, TestClient], path: Path) -> None:
        app, client = served
        response = FileResponse(path)
        app.make = lambda: response
        assert client.get("/", headers={"Range": "bytes=0-1"}).status == 206
        second = client.get("/")
        assert (second.status, second.content) == (200, CONTENT)
        assert "content-range" not in second.headers

    def test_cannot_be_sent_at_once_or_as_a_second_answer(self, path: Path) -> None:
        with pytest.raises(RuntimeError, match=r"await response\.send"):
            FileResponse(path).send_now(None)

        class Twice(App):
            error: BaseException | None = None

            async def __rsgi__(self, scope: Any, proto: Any) -> None:
                request = Request.from_rsgi(scope, proto)
                await FileResponse(path).send(request)
                try:
                    await FileResponse(path).send(request)
                except AlreadyAnsweredError as error:
                    self.error = error

        app = Twice()
        with TestClient(app) as client:
            assert client.get("/").content == CONTENT
        assert app.error is not None

    def test_a_header_that_may_not_be_sent(self, path: Path) -> None:
        with pytest.raises(ValueError, match="control character"):
            FileResponse(path, headers={"X": "a\r\nb"})

    @pytest.mark.parametrize("size", [100, 100_000])
    def test_a_file_that_is_exchanged_after_the_first_look(self, get: Get, path: Path, size: int) -> None:
        known = path.stat()
        path.with_name("new").write_bytes(b"n" * size)
        path.with_name("new").replace(path)
        now = path.stat()
        response = get(stat_result=known)
        assert (response.content, response.headers["content-length"]) == (b"n" * size, str(size))
        assert response.headers["etag"] == f'"{now.st_mtime_ns:x}-{size:x}"'
        part = get(headers={"Range": "bytes=0-9,20-29"}, stat_result=known)
        assert [field for field, _, _ in parts_of(part)] == [f"bytes 0-9/{size}", f"bytes 20-29/{size}"]
        assert get(headers={"If-None-Match": response.headers["etag"]}, stat_result=known).status == 304
        path.unlink()
        assert get(stat_result=known).status == 404

    def test_a_file_that_changes_all_the_time(self, get: Get, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gobstopper_http._opened.is_same_version", lambda *_: False)
        assert get().status == 503

    def test_links_are_followed_unless_one_says_no(self, get: Get, path: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(path)
        (tmp_path / "folder").symlink_to(tmp_path)
        real = Path(os.path.realpath(path))
        for link in (tmp_path / "link", tmp_path / "folder" / path.name):
            assert get(file=link).content == CONTENT
            assert get(file=link, follow_links=False).status == 503
        assert get(file=real, follow_links=False).content == CONTENT

    def test_a_subclass_says_what_another_version_is(self, served: tuple[App, TestClient], path: Path) -> None:
        class Mine(FileResponse):
            def entity_tag(self, status: os.stat_result) -> str | None:
                return f'"{status.st_size}"'

            def look_again(self) -> os.stat_result | None:
                self.headers["x-again"] = "1"
                return super().look_again()

        app, client = served
        known = path.stat()
        app.make = lambda: Mine(path, stat_result=known)
        first = client.get("/")
        assert (first.headers["etag"], "x-again" in first.headers) == (f'"{SIZE}"', False)
        path.with_name("new").write_bytes(b"new")
        path.with_name("new").replace(path)
        second = client.get("/")
        assert (second.headers["etag"], second.headers["x-again"], second.content) == ('"3"', "1", b"new")


class TestContentTypes:
    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("a.txt", "text/plain; charset=utf-8"),
            ("A.HTML", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.webmanifest", "application/manifest+json; charset=utf-8"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"),
            ("a.png", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("a.svgz", "application/gzip"),
            ("a.txt.bz2", "application/x-bzip2"),
            ("a.txt.Z", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.unknown", "application/octet-stream"),
            ("/dir.txt/a", "application/octet-stream"),
            ("data:text/html,x", "application/octet-stream"),
            ("c:\\x\\a.pdf", "application/pdf"),
        ],
    )
    def test_cases(self, name: str, content_type: str) -> None:
        assert guess_content_type(name) == content_type
