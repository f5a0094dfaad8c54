"""Forms: multipart, urlencoded, their limits, and uploads."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gobstopper_http._charsets import form_charset
from gobstopper_http._multipart import MultipartReader
from gobstopper_http._uploads import safe_basename
from gobstopper_http.datastructures import FormData, Headers, MultiDict
from gobstopper_http.errors import HTTPException
from gobstopper_http.multipart import FormLimits, FormParser, UploadFile

BOUNDARY = "XX"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
URLENCODED = "application/x-www-form-urlencoded"


def part(content: bytes, name: str = "a", *headers: str, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    lines = [f"Content-Disposition: {disposition}", *headers]
    return b"\r\n".join([f"--{BOUNDARY}".encode(), *(line.encode() for line in lines), b"", content, b""])


END = f"--{BOUNDARY}--\r\n".encode()


_opened: list[UploadFile] = []


@pytest.fixture(autouse=True)
def _close_uploads() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().file.close()


def parse(*chunks: bytes, content_type: str = TYPE, **limits: int) -> tuple[FormData, MultiDict[UploadFile]]:
    parser = FormParser(content_type, FormLimits(**limits))
    for chunk in chunks:
        parser.feed(chunk)
    form, files = parser.finish()
    _opened.extend(upload for _, upload in files.items(multi=True))
    return form, files


def outcome(*chunks: bytes, content_type: str = TYPE, **limits: int) -> Any:
    """Everything that can be seen of a form, or the error's status."""
    try:
        form, files = parse(*chunks, content_type=content_type, **limits)
    except HTTPException as error:
        return error.status
    uploads = [(name, f.filename, f.content_type, f.file.read(), f.size) for name, f in files.items(multi=True)]
    while _opened:
        _opened.pop().file.close()
    return form.items(multi=True), uploads


def failure(*chunks: bytes, content_type: str = TYPE, **limits: int) -> HTTPException:
    with pytest.raises(HTTPException) as caught:
        parse(*chunks, content_type=content_type, **limits)
    return caught.value


class TestMultipart:
    def test_fields_and_files(self) -> None:
        form, files = parse(
            part(b"1") + part(b"x", "f", "Content-Type: text/plain", filename="x.txt") + part("ü".encode(), "b") + END
        )
        assert form == {"a": "1", "b": "ü"}
        upload = files["f"]
        assert (upload.filename, upload.content_type, upload.size) == ("x.txt", "text/plain", 1)
        assert upload.headers["Content-Type"] == "text/plain"
        assert upload.file.read() == b"x"
        assert repr(upload) == "<UploadFile 'x.txt' text/plain 1 bytes>"

    def test_repeated_names(self) -> None:
        form, files = parse(part(b"1") + part(b"2") + part(b"", "f", filename="a") + part(b"", "f", filename="b") + END)
        assert form.getlist("a") == ["1", "2"]
        assert [upload.filename for upload in files.getlist("f")] == ["a", "b"]

    def test_a_file_input_left_empty(self) -> None:
        _, files = parse(part(b"", "f", "Content-Type: application/octet-stream", filename="") + END)
        assert not files["f"]
        assert files["f"].filename == ""
        assert files["f"].size == 0

    def test_no_parts_at_all(self) -> None:
        assert outcome(END) == ([], [])

    def test_content_may_hold_anything_but_the_boundary(self) -> None:
        content = bytes(range(256)) + b"\r\n--X\r\n--\r\n\r\n-XX--"
        assert outcome(part(content, "f", filename="x") + END)[1][0][3] == content

    def test_text_that_is_not_utf8_is_replaced(self) -> None:
        assert parse(part(b"a\xffb") + END)[0]["a"] == "a\ufffdb"

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\a.txt", "a.txt"),
            ("\\\\server\\share\\a.txt", "a.txt"),
            ("/etc/passwd", "passwd"),
            ("..", ""),
            (".", ""),
            ("a/..", ""),
            ("dir/", ""),
            (".htaccess", ".htaccess"),
            ("na%22me.txt", 'na"me.txt'),
            ("x%0D%0Ay.txt", "xy.txt"),
            ("ünïcode.txt", "ünïcode.txt"),
            ("a;b.txt", "a;b.txt"),
            ("100%.txt", "100%.txt"),
        ],
    )
    def test_hostile_file_names(self, sent: str, kept: str) -> None:
        assert parse(part(b"x", "f", filename=sent) + END)[1]["f"].filename == kept

    @given(st.text())
    def test_a_kept_name_is_one_component(self, name: str) -> None:
        kept = safe_basename(name)
        assert kept not in {".", ".."}
        assert not set(kept) & {"/", "\\", "\0", "\n", "\r"}

    def test_nul_in_a_header_is_malformed(self) -> None:
        assert failure(part(b"x", "f", filename="a\0.txt") + END).status == 400

    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            ("form-data; name=f; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
            ("form-data; name=f; filename=plain; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
            ("form-data; name=f; filename=plain; filename*=bogus", "plain"),
            ("form-data; name=f; filename*=UTF-8''..%2f..%2fx", "x"),
            ("form-data; name=f; filename*0=a; filename*1=b.txt", "ab.txt"),
            ("form-data; name=f; filename=token.txt", "token.txt"),
        ],
    )
    def test_extended_file_names(self, disposition: str, name: str) -> None:
        body = f"--XX\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n".encode() + END
        assert parse(body)[1]["f"].filename == name

    def test_a_boundary_in_quotes(self) -> None:
        body = part(b"1").replace(b"XX", b"a b'c") + END.replace(b"XX", b"a b'c")
        assert parse(body, content_type='Multipart/Form-Data; Boundary="a b\'c"')[0] == {"a": "1"}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"--XX",
            part(b"1"),
            part(b"1") + b"--XX-",
            part(b"1")[:-1],
            part(b"1")[:20],
            part(b"x" * 1000, "f", filename="x")[:-10],
        ],
    )
    def test_cut_off(self, body: bytes) -> None:
        error = failure(body)
        assert error.status == 400
        assert "ended early" in error.detail

    @pytest.mark.parametrize(
        ("body", "word"),
        [
            (b"hello\r\n" + END, "start with its boundary"),
            (b"\r\n\r\n" + END, "start with its boundary"),
            (b"--XY\r\n" + END, "start with its boundary"),
            (b"--XX\n" + END, "line break"),
            (b"--XXX\r\n" + END, "after first boundary"),
            (b"--XX\r\n\r\n1\r\n" + END, "Missing Content-Disposition"),
            (b"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n" + END, "Wrong type"),
            (b"--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n" + END, "Missing name"),
            (b"--XX\r\nContent-Disposition: form-data; name=a\nX: y\r\n\r\n1\r\n" + END, "control character"),
            (b"--XX\r\nContent-Disposition: form-data; name=\xff\r\n\r\n1\r\n" + END, "decode"),
            (b"--XX\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n" + END, "continuation"),
            (b"--XX\r\nnocolon\r\n\r\n1\r\n" + END, "Malformed"),
            (b"--XX\r\nX Y: z\r\n\r\n1\r\n" + END, "name"),
            (part(b"1", "a", "Content-Length: 2") + END, "size"),
            (part(b"1", "a", "Content-Type: text/plain; charset=nope") + END, "charset"),
            (part(b"1\r\n--XXfoo") + END, "after boundary"),
        ],
    )
    def test_malformed(self, body: bytes, word: str) -> None:
        error = failure(body)
        assert error.status == 400
        assert word in error.detail

    def test_one_line_break_before_the_first_boundary_and_an_epilogue(self) -> None:
        body = b"\r\n" + part(b"1") + END
        assert parse(body)[0] == {"a": "1"}
        assert parse(body + b"epilogue", b"more", b"and more")[0] == {"a": "1"}
        assert parse(body, b"epilogue", b"")[0] == {"a": "1"}

    @pytest.mark.parametrize(
        ("content_type", "status"),
        [
            ("", 415),
            ("application/json", 415),
            ("multipart/mixed; boundary=XX", 415),
            ("multipart/form-data", 400),
            ("multipart/form-data; boundary=", 400),
            (f"multipart/form-data; boundary={'x' * 71}", 400),
            ('multipart/form-data; boundary="x "', 400),
            ('multipart/form-data; boundary="x\\\r\ny"', 400),
            ("multipart/form-data; boundary=é", 400),
        ],
    )
    def test_bad_content_types(self, content_type: str, status: int) -> None:
        assert failure(content_type=content_type).status == status

    def test_a_boundary_of_70(self) -> None:
        assert outcome(b"--" + b"x" * 70 + b"--", content_type=f"multipart/form-data; boundary={'x' * 70}") == ([], [])


class TestCharsets:
    def test_of_a_part(self) -> None:
        body = part("ü".encode("latin-1"), "a", "Content-Type: text/plain; charset=ISO-8859-1") + END
        assert parse(body)[0]["a"] == "ü"

    def test_of_the_form(self) -> None:
        assert parse(part("ü".encode("cp1252")) + END, content_type=f"{TYPE}; charset=windows-1252")[0]["a"] == "ü"
        assert parse(part("ü".encode()) + END, content_type=f"{TYPE}; charset=nope")[0]["a"] == "ü"

    def test_of_the_charset_field_wherever_it_is(self) -> None:
        body = part("ü".encode("koi8-u", "replace") + "я".encode("koi8-u")) + part(b"koi8-u", "_charset_") + END
        assert parse(body)[0]["a"] == "?я"
        body = part(b"nonsense", "_charset_") + part("я".encode()) + END
        assert parse(body)[0]["a"] == "я"
        body = part(b"x" * 1000, "_charset_") + part("я".encode()) + END
        assert parse(body)[0]["a"] == "я"

    def test_urlencoded(self) -> None:
        assert parse(b"a=%FC", content_type=f"{URLENCODED}; charset=latin1")[0]["a"] == "ü"
        assert parse(b"_charset_=windows-1252&a=%FC", content_type=URLENCODED)[0]["a"] == "ü"
        assert parse(b"_charset_=utf-8&a=%C3%BC", content_type=URLENCODED)[0]["a"] == "ü"
        assert parse(b"_charset_=nope&a=%C3%BC", content_type=URLENCODED)[0]["a"] == "ü"
        assert failure(b"a=b", content_type=f"{URLENCODED}; charset=nope").status == 400

    @pytest.mark.parametrize(
        "label", ["zip", "base64", "idna", "punycode", "unicode_escape", "utf-7", "rot13", "é", "x" * 99, "a\0"]
    )
    def test_codecs_that_are_no_charsets_of_the_web(self, label: str) -> None:
        assert form_charset(label) is None

    @pytest.mark.parametrize(
        "label", ["UTF-8", "utf8", "", "us-ascii", "Shift_JIS", "windows-1251", "ISO-8859-15", "gbk"]
    )
    def test_charsets_of_the_web(self, label: str) -> None:
        assert form_charset(label) is not None


class TestLimits:
    def test_parts(self) -> None:
        assert outcome(part(b"") * 100 + END) != 413
        error = failure(part(b"") * 101 + END)
        assert error.status == 413
        assert "count" in error.detail
        assert outcome(part(b"") * 250 + END, max_parts=250) != 413

    def test_text_of_all_fields_together(self) -> None:
        assert outcome(part(b"x" * 50) * 2 + END, max_text=100) != 413
        assert outcome(part(b"x" * 50) * 2 + part(b"y") + END, max_text=100) == 413
        assert outcome(part(b"x" * 500, "f", filename="x") + END, max_text=100) != 413

    def test_text_is_stopped_before_the_body_ends(self) -> None:
        parser = FormParser(TYPE, FormLimits(max_text=100))
        with pytest.raises(HTTPException):
            parser.feed(part(b"x" * 200)[:-20])

    def test_headers_of_a_part(self) -> None:
        more = [f"X-{n}: y" for n in range(7)]
        assert outcome(part(b"", "a", *more) + END) != 413
        assert outcome(part(b"", "a", *more, "X-7: y") + END) == 413

    def test_size_of_a_header(self) -> None:
        fits = "X: " + "y" * (4096 - 3)
        assert outcome(part(b"", "a", fits) + END) != 413
        assert outcome(part(b"", "a", fits + "y") + END) == 413
        assert outcome(part(b"", "a", "X: " + "y" * 100_000) + END) == 413
        assert outcome(b"--XX\r\nX: " + b"y" * 100_000) == 413

    def test_urlencoded(self) -> None:
        assert outcome(b"a=1&" * 999 + b"a=1", content_type=URLENCODED) != 413
        assert outcome(b"a=1&" * 1000 + b"a=1", content_type=URLENCODED) == 413
        assert outcome(b"a=1&" * 1000 + b"a=1", content_type=f"{URLENCODED};charset=latin1") == 413
        assert outcome(b"a" * 100, content_type=URLENCODED, max_text=100) == ([("a" * 100, "")], [])
        assert outcome(b"a" * 50, b"a" * 51, content_type=URLENCODED, max_text=100) == 413


class TestUrlencoded:
    @pytest.mark.parametrize(
        ("body", "pairs"),
        [
            (b"", []),
            (b"a=1&b=2&a=3", [("a", "1"), ("a", "3"), ("b", "2")]),
            (b"a+b=c%20d&e", [("a b", "c d"), ("e", "")]),
            (b"a=%C3%BC&b=%zz&c=%ff", [("a", "ü"), ("b", "%zz"), ("c", "\ufffd")]),
            ("a=ü".encode(), [("a", "ü")]),
        ],
    )
    def test_cases(self, body: bytes, pairs: list[tuple[str, str]]) -> None:
        assert outcome(body, content_type=f"{URLENCODED}; charset=UTF-8") == (pairs, [])
        assert outcome(*(body[i : i + 1] for i in range(len(body))), content_type=URLENCODED) == (pairs, [])

    async def test_afeed_and_close(self) -> None:
        parser = FormParser(URLENCODED)
        await parser.afeed(b"a=1")
        assert parser.finish()[0] == {"a": "1"}
        parser.close()
        parser.close()


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\%/'), min_size=1, max_size=10)
contents = st.binary(max_size=60).filter(lambda content: b"\r\n--XX" not in content)
fields = st.tuples(names, contents, st.none() | names.filter(lambda name: name not in {".", ".."}))


class TestProperties:
    @given(st.lists(fields, max_size=6), st.data())
    def test_round_trip_whatever_the_chunks(
        self, sent: list[tuple[str, bytes, str | None]], data: st.DataObject
    ) -> None:
        body = b"".join(part(content, name, filename=filename) for name, content, filename in sent) + END
        cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
        chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        form, files = parse(*chunks)
        texts = [(name, content.decode(errors="replace")) for name, content, filename in sent if filename is None]
        for name in {name for name, _, _ in sent}:
            assert form.getlist(name) == [text for key, text in texts if key == name]
            uploads = [(filename, content) for key, content, filename in sent if key == name and filename is not None]
            assert [(f.filename, f.file.read()) for f in files.getlist(name)] == uploads
        while _opened:
            _opened.pop().file.close()

    @settings(max_examples=300)
    @given(
        st.lists(
            st.sampled_from(
                [
                    b"--XX\r\n",
                    b"--XX--",
                    b"\r\n",
                    b"\r",
                    b"\n",
                    b"--",
                    b"XX",
                    b"x",
                    b" ",
                    b"\0",
                    b"Content-Disposition: ",
                    b"form-data; name=a",
                    b'; filename="f"',
                    b"Content-Length: 1\r\n",
                    part(b"x"),
                    part(b"y", filename="f"),
                ]
            ),
            max_size=12,
        ),
        st.integers(1, 5),
    )
    def test_chunks_do_not_matter_to_garbage_either(self, pieces: list[bytes], size: int) -> None:
        body = b"".join(pieces)
        assert outcome(body) == outcome(*(body[i : i + size] for i in range(0, len(body), size)))

    @given(st.binary(max_size=200))
    def test_only_http_errors_come_out(self, body: bytes) -> None:
        outcome(b"--XX\r\n" + body)
        outcome(body)
        outcome(body, content_type=URLENCODED)

    @pytest.mark.parametrize(
        "piece",
        [
            b"x",
            b"\r",
            b"\r\n",
            b"\r\n--X",
            b"\r\n--",
            b"-",
            b"\r\n--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n",
        ],
    )
    @pytest.mark.parametrize("chunk", [64, 10**9])
    def test_growth_is_linear(self, piece: bytes, chunk: int) -> None:
        def cost(size: int) -> float:
            body = part(piece * (size // len(piece)), "f", filename="x") + END
            best = 1e9
            for _ in range(3):
                start = time.process_time()
                outcome(*(body[i : i + chunk] for i in range(0, len(body), chunk)), max_parts=10**6, max_text=10**9)
                best = min(best, time.process_time() - start)
            return best

        assert cost(800_000) < 8 * 4 * max(cost(100_000), 1e-3)


class TestSpooling:
    async def upload(self, size: int, chunk: int = 65536, **limits: int) -> UploadFile:
        body = part(bytes(range(256)) * (size // 256), "f", filename="x") + END
        parser = FormParser(TYPE, FormLimits(**limits))
        for start in range(0, len(body), chunk):
            await parser.afeed(body[start : start + chunk])
        return parser.finish()[1]["f"]

    async def test_small_ones_stay_in_memory_and_need_no_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(asyncio, "to_thread", None)
        async with await self.upload(1024) as upload:
            assert not upload.on_disk
            assert await upload.read(2) == b"\0\1"
            assert len(await upload.read()) == 1022
            await upload.seek(1)
            assert await upload.read(1) == b"\1"
        assert upload.file.closed

    @pytest.mark.parametrize("chunk", [4096, 300_000, 10**9])
    async def test_large_ones_go_to_disk_in_threads(self, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
        here = threading.get_ident()
        seen = set()
        write = MultipartReader._write

        def recorded(self: Any) -> None:
            if self._pending_size >= 256 * 1024:
                seen.add(threading.get_ident())
            write(self)

        monkeypatch.setattr(MultipartReader, "_write", recorded)
        async with await self.upload(1_024_000, chunk, spool_size=100_000) as upload:
            assert upload.on_disk
            assert upload.size == 1_024_000
            assert await upload.read() == bytes(range(256)) * 4000
        assert seen
        assert here not in seen

    def test_the_sync_feed_writes_too(self) -> None:
        content = b"x" * 1_000_000
        files = parse(*[part(content, "f", filename="x")] * 3, END, spool_size=1000)[1]
        for upload in files.getlist("f"):
            assert upload.on_disk
            assert upload.file.read() == content
            upload.file.close()

    def test_memory_is_shared_by_all_files(self) -> None:
        one = part(b"x" * 600, "f", filename="x")
        files = parse(one * 4 + END, spool_size=1000)[1].getlist("f")
        assert sum(upload.size for upload in files if not upload.on_disk) <= 1000
        assert [upload.file.read() for upload in files] == [b"x" * 600] * 4
        for upload in files:
            upload.file.close()

    async def test_an_error_drops_the_files(self) -> None:
        parser = FormParser(TYPE, FormLimits(spool_size=10))
        await parser.afeed(part(b"x" * 300_000, "f", filename="x"))
        reader: Any = parser._reader
        upload = reader._uploads[0][1]
        assert upload.on_disk
        with pytest.raises(HTTPException):
            await parser.afeed(b"\r\n--XXgarbage")
        assert upload.file.closed

    async def test_a_cancelled_write_ends_before_the_file_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parser = FormParser(TYPE, FormLimits(spool_size=10))
        reader: Any = parser._reader
        started, go_on = threading.Event(), threading.Event()
        rollover = SpooledTemporaryFile.rollover

        def slow(file: Any) -> None:
            started.set()
            assert go_on.wait(5)
            rollover(file)

        monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", slow)
        task = asyncio.create_task(parser.afeed(part(b"x" * 300_000, "f", filename="x")))
        await asyncio.to_thread(started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        upload = reader._uploads[0][1]
        assert not upload.file.closed
        go_on.set()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if upload.file.closed:
                break
        assert upload.file.closed

    async def test_a_full_disk_is_the_servers_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", full)
        with pytest.raises(OSError, match="No space"):
            await self.upload(1_000_000, spool_size=10)

    @pytest.mark.parametrize("spool_size", [10, 10**6])
    async def test_save(self, spool_size: int, tmp_path: Path) -> None:
        upload = await self.upload(25_600, spool_size=spool_size)
        content = bytes(range(256)) * 100
        await upload.seek(5)
        await upload.save(tmp_path / "a")
        await upload.save(str(tmp_path / "b"))
        buffer = io.BytesIO()
        await upload.save(buffer)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == buffer.getvalue() == content
        assert await upload.read() == content[5:]
        with pytest.raises(OSError):
            await upload.save(tmp_path / "none" / "a")
        await upload.close()

    def test_an_upload_made_by_hand(self) -> None:
        upload = UploadFile("a.txt")
        assert upload.headers == Headers()
        assert upload
        upload.file.close()
