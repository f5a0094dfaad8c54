"""Accept fields, fields with parameters, Content-Disposition."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http._options import split_quoted
from gobstopper_http.datastructures import check_header
from gobstopper_http.negotiation import (
    Accept,
    best_charset,
    best_encoding,
    best_language,
    best_match,
    content_disposition,
    parse_accept,
    parse_options,
)

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def grows_linearly(call: Callable[[str], object], piece: str) -> bool:
    def cost(size: int) -> float:
        text = piece * size
        best = 1e9
        for _ in range(5):
            start = time.process_time()
            call(text)
            best = min(best, time.process_time() - start)
        return best

    return cost(80_000) < 8 * 4 * max(cost(10_000), 1e-4)


class TestParseAccept:
    def test_best_first_and_stable(self) -> None:
        assert parse_accept("a/b;q=0.5, c/d, E/F;level=1;Q=0.5, g/h;q=0") == [
            ("c/d", 1.0, {}),
            ("a/b", 0.5, {}),
            ("e/f", 0.5, {"level": "1"}),
            ("g/h", 0.0, {}),
        ]

    @pytest.mark.parametrize(
        "header",
        [
            "",
            ",",
            ",,;",
            "a/b;q=x",
            "a/b;q=",
            "a/b;q=.",
            "a/b;q=-1",
            "a/b;q=1e3",
            "a/b;q=nan",
            "a b",
            "a/b/c",
            "/",
            ";q=1",
            "é",
        ],
    )
    def test_malformed_members_are_ignored(self, header: str) -> None:
        assert parse_accept(header) == []
        assert parse_accept(f"{header}, x/y") == [("x/y", 1.0, {})]

    def test_quality_as_old_clients_write_it(self) -> None:
        assert parse_accept("text/html, *; q=.2, */*; q=.2") == [
            ("text/html", 1.0, {}),
            ("*", 0.2, {}),
            ("*/*", 0.2, {}),
        ]
        assert parse_accept('a;q=1.0000, b;q=1.5, c;q="0.5"') == [("a", 1.0, {}), ("b", 1.0, {}), ("c", 0.5, {})]

    def test_commas_in_quotes_do_not_split(self) -> None:
        assert parse_accept('a/b;x="1,2;3";q=0.5, c/d') == [("c/d", 1.0, {}), ("a/b", 0.5, {"x": "1,2;3"})]

    def test_bounded(self) -> None:
        assert len(parse_accept("a/b," * 10_000)) == 64

    @given(st.text())
    def test_never_raises(self, header: str) -> None:
        for _, quality, _ in parse_accept(header):
            assert 0 <= quality <= 1

    @pytest.mark.parametrize("piece", ["a/b,", '"', '\\"', ",", ";", 'a;b="', "a;q=0.5;", '"\\', 'x="\\",'])
    def test_growth_is_linear(self, piece: str) -> None:
        assert grows_linearly(parse_accept, piece)


class TestBestMatch:
    @pytest.mark.parametrize(
        ("header", "offered", "best"),
        [
            (None, ["a/b", "c/d"], "a/b"),
            ("", ["a/b"], "a/b"),
            (";;", ["a/b"], "a/b"),
            (None, [], None),
            ("x/y", [], None),
            (BROWSER, ["application/json", "text/html"], "text/html"),
            ("*/*", ["application/json", "text/html"], "application/json"),
            ("application/json, text/plain, */*", ["text/html", "application/json"], "application/json"),
            ("text/html;q=0.5, application/json;q=0.6", ["text/html", "application/json"], "application/json"),
            ("text/*", ["application/json", "text/plain"], "text/plain"),
            ("text/*;q=0.5, text/html;q=0", ["text/html", "text/plain"], "text/plain"),
            ("*/*, text/html;q=0", ["text/html"], None),
            ("image/png", ["text/html"], None),
            ("TEXT/HTML", ["text/html"], "text/html"),
            ("text/html;level=1;q=0.4, text/html;q=0.7", ["text/html;level=1", "text/html"], "text/html"),
            ("text/html;level=1", ["text/html"], None),
            ("text/html;level=1", ["text/html; level=1"], "text/html; level=1"),
            ("text/html;charset=UTF-8", ["text/html;charset=utf-8"], "text/html;charset=utf-8"),
            ("textx/*", ["text/html"], None),
        ],
    )
    def test_cases(self, header: str | None, offered: list[str], best: str | None) -> None:
        assert best_match(header, offered) == best
        assert Accept(header).best(offered) == best

    def test_default(self) -> None:
        assert best_match("image/png", ["text/html"], "none") == "none"
        assert Accept("image/png").best(["text/html"], "none") == "none"


class TestOthers:
    @pytest.mark.parametrize(
        ("header", "offered", "best"),
        [
            (None, ["de"], "de"),
            (None, [], None),
            ("de-CH, en;q=0.9", ["en", "de"], "de"),
            ("en", ["de", "en-GB"], "en-GB"),
            ("en-US", ["de", "en_GB", "en"], "en"),
            ("en-GB, en;q=0.8", ["en-US", "en-GB"], "en-GB"),
            ("fr, *;q=0.1", ["de", "en"], "de"),
            ("de;q=0, *", ["de", "en"], "en"),
            ("e", ["en"], None),
            ("zh-Hant-TW", ["zh-Hant"], "zh-Hant"),
        ],
    )
    def test_language(self, header: str | None, offered: list[str], best: str | None) -> None:
        assert best_language(header, offered) == best

    @pytest.mark.parametrize(
        ("header", "offered", "best"),
        [
            (None, ["br", "gzip"], None),
            ("", ["br", "gzip"], None),
            ("", ["br", "identity"], "identity"),
            ("gzip, br", ["br", "gzip"], "br"),
            ("gzip, br;q=0.5", ["br", "gzip"], "gzip"),
            ("x-gzip", ["gzip"], "gzip"),
            ("*", ["br"], "br"),
            ("*;q=0.5, br;q=0", ["br", "gzip"], "gzip"),
            ("identity;q=0", ["identity"], None),
            ("*;q=0", ["br", "identity"], None),
            ("gzip;q=0.001", ["identity", "gzip"], "gzip"),
            ("deflate", ["gzip", "identity"], "identity"),
        ],
    )
    def test_encoding(self, header: str | None, offered: list[str], best: str | None) -> None:
        assert best_encoding(header, offered) == best

    def test_charset(self) -> None:
        assert best_charset("iso-8859-5, UTF-8;q=0.8", ["utf-8"]) == "utf-8"
        assert best_charset("*;q=0", ["utf-8"], "x") == "x"
        assert best_charset(None, ["utf-8"]) == "utf-8"


class TestAccept:
    def test_as_a_collection(self) -> None:
        accept = Accept("text/html, image/*;q=0.5, image/gif;q=0")
        assert len(accept) == 3
        assert accept
        assert [value for value, _, _ in accept] == ["text/html", "image/*", "image/gif"]
        assert "text/html" in accept
        assert "image/png" in accept
        assert "image/gif" not in accept
        assert accept.quality("image/png") == 0.5
        assert str(accept) == "text/html, image/*;q=0.5, image/gif;q=0"
        assert repr(accept) == "Accept('text/html, image/*;q=0.5, image/gif;q=0')"

    def test_nothing_sent_means_anything(self) -> None:
        accept = Accept(None)
        assert "a/b" in accept
        assert not accept
        assert str(accept) == ""


class TestParseOptions:
    @pytest.mark.parametrize(
        ("value", "first", "options"),
        [
            ("", "", {}),
            ("Text/HTML", "text/html", {}),
            (" text/html ; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
            ('a; b="x;y"; c=z', "a", {"b": "x;y", "c": "z"}),
            ('a; b="x\\"y\\\\"', "a", {"b": 'x"y\\'}),
            ("a; b", "a", {}),
            ("a; =b", "a", {}),
            ("a;;;b=c;", "a", {"b": "c"}),
            ("a; b=1; b=2", "a", {"b": "1"}),
            ('a; b="open', "a", {"b": "open"}),
            ('a; b="', "a", {"b": ""}),
            ("a; b = c", "a", {"b": "c"}),
            ("a; f=plain; f*=UTF-8''%e2%82%ac", "a", {"f": "€"}),
            ("a; f*=UTF-8'en'%e2%82%ac; f=plain", "a", {"f": "€"}),
            ("a; f*=iso-8859-1''%A3", "a", {"f": "£"}),
            ("a; f=plain; f*=UTF-8''%ff", "a", {"f": "plain"}),
            ("a; f=plain; f*=koi8-r''%ff", "a", {"f": "plain"}),
            ("a; f=plain; f*=%41", "a", {"f": "plain"}),
            ("a; f=plain; f*=utf-8'x", "a", {"f": "plain"}),
            ("a; f*=utf-8''é", "a", {}),
            ("a; *=utf-8''x", "a", {}),
            ("a; f**=utf-8''x", "a", {}),
            ("a; f*0=x; f*1=y; f*3=z", "a", {"f": "xy"}),
            ("a; f*1=y", "a", {}),
            ("a; f*0*=UTF-8''%e2%82; f*1*=%ac; f*2=.txt", "a", {"f": "€.txt"}),
            ("a; f*0=x; f=plain", "a", {"f": "plain"}),
            ("a; f*01=x; f*0=y", "a", {"f": "y"}),
        ],
    )
    def test_cases(self, value: str, first: str, options: dict[str, str]) -> None:
        assert parse_options(value) == (first, options)

    def test_bounded(self) -> None:
        assert len(parse_options("a" + "".join(f";p{n}=1" for n in range(10_000)))[1]) == 64

    @given(st.text())
    def test_never_raises(self, value: str) -> None:
        parse_options(value)

    @given(st.text(st.characters(exclude_characters="\\", max_codepoint=0x2FF), max_size=20))
    def test_quoted_values_round_trip(self, text: str) -> None:
        quoted = text.replace('"', '\\"')
        assert parse_options(f'a; b="{quoted}"; c=d') == ("a", {"b": text, "c": "d"})

    @pytest.mark.parametrize("piece", [';a="', ";", '"', "\\", ';a*0="\\', "; a*=utf-8''%", ';a="b"', " "])
    def test_growth_is_linear(self, piece: str) -> None:
        assert grows_linearly(lambda text: parse_options(f"x;{text}"), piece)


class TestSplit:
    @given(st.text('ab",;\\ '))
    def test_nothing_is_lost_but_separators(self, text: str) -> None:
        kept = "".join(split_quoted(text, ",", 1000))
        assert kept.replace(" ", "").replace(",", "") == text.replace(" ", "").replace(",", "")


class TestContentDisposition:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("report.pdf", 'attachment; filename="report.pdf"'),
            ("my report.pdf", 'attachment; filename="my report.pdf"'),
            ("naïve.txt", "attachment; filename=\"naive.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
            ("€.txt", "attachment; filename=\"download.txt\"; filename*=UTF-8''%E2%82%AC.txt"),
            ('a"b%20.txt', "attachment; filename=\"a_b_20.txt\"; filename*=UTF-8''a%22b%2520.txt"),
            ("日本", "attachment; filename=\"download\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
            ("a\r\nX: y\0", 'attachment; filename="aX: y"'),
            ("../../etc/passwd", 'attachment; filename=".._.._etc_passwd"'),
            ("C:\\x.txt", 'attachment; filename="C:_x.txt"'),
            ("", "attachment; filename=\"download\"; filename*=UTF-8''"),
        ],
    )
    def test_cases(self, name: str, value: str) -> None:
        assert content_disposition("attachment", name) == value

    def test_inline(self) -> None:
        assert content_disposition("inline", "a.txt") == 'inline; filename="a.txt"'

    @given(st.text(max_size=50))
    def test_is_always_a_legal_header_that_gives_the_name_back(self, name: str) -> None:
        value = content_disposition("attachment", name)
        check_header("content-disposition", value)
        kind, options = parse_options(value)
        assert kind == "attachment"
        assert "/" not in options["filename"]
        assert set(options) == {"filename"}
        if name.isprintable() and name and not set(name) & set("/\\"):
            assert options["filename"] == name
