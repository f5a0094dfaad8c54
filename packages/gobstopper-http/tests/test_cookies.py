"""Writing Set-Cookie and reading Cookie."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http._dates import format_http_date, parse_http_date
from gobstopper_http.cookies import MAX_COOKIE_SIZE, dump_cookie, parse_cookie
from gobstopper_http.datastructures import check_header


class TestDump:
    def test_defaults_are_safe_ones(self) -> None:
        assert dump_cookie("a", "b") == "a=b; Path=/; SameSite=Lax"

    def test_everything(self) -> None:
        assert dump_cookie(
            "a",
            "b",
            max_age=60,
            expires=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
            path="/x y",
            domain=".Bücher.example",
            secure=True,
            httponly=True,
            samesite="None",
            partitioned=True,
        ) == (
            "a=b; Domain=xn--bcher-kva.example; Expires=Wed, 02 Jan 2030 03:04:05 GMT; Max-Age=60; Path=/x%20y; "
            "Secure; HttpOnly; SameSite=None; Partitioned"
        )

    def test_what_is_left_out(self) -> None:
        assert dump_cookie("a", samesite=None, path=None) == "a="

    def test_deleting(self) -> None:
        assert dump_cookie("a", max_age=0, expires=0) == (
            "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax"
        )

    def test_max_age_as_timedelta(self) -> None:
        assert "Max-Age=5400" in dump_cookie("a", max_age=timedelta(hours=1.5))

    def test_expires_in_other_zones(self) -> None:
        east = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
        assert "Expires=Tue, 01 Jan 2030 00:00:00 GMT" in dump_cookie("a", expires=east)
        assert "Expires=Tue, 01 Jan 2030 00:00:00 GMT" in dump_cookie("a", expires=datetime(2030, 1, 1))  # noqa: DTZ001

    @pytest.mark.parametrize("samesite", ["lax", "STRICT", "Lax"])
    def test_samesite_in_any_case(self, samesite: Any) -> None:
        assert dump_cookie("a", samesite=samesite).endswith(f"SameSite={samesite.capitalize()}")

    @pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "é", "a\n"])
    def test_bad_names(self, name: str) -> None:
        with pytest.raises(ValueError, match="not a token"):
            dump_cookie(name)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"name": "__Host-a"}, "__Host- demands"),
            ({"name": "__Host-a", "secure": True, "path": "/x"}, "__Host- demands"),
            ({"name": "__Host-a", "secure": True, "domain": "a.example"}, "__Host- demands"),
            ({"name": "__host-a"}, "__Host- demands"),
            ({"name": "__Secure-a"}, "__Secure- demands"),
            ({"name": "a", "samesite": "None"}, "demands secure"),
            ({"name": "a", "partitioned": True}, "demands secure"),
            ({"name": "a", "samesite": "Loose"}, "unknown"),
            ({"name": "a", "path": "x"}, "does not start with '/'"),
            ({"name": "a", "domain": "a b"}, "not a host name"),
            ({"name": "a", "domain": "a..b"}, "not a host name"),
            ({"name": "a", "domain": "a;b"}, "not a host name"),
            ({"name": "a", "domain": "x" * 64}, "not a host name"),
            ({"name": "a", "value": "x" * MAX_COOKIE_SIZE}, "browsers drop it"),
        ],
    )
    def test_what_browsers_would_drop_is_an_error(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            dump_cookie(**arguments)

    def test_prefixes_kept(self) -> None:
        assert dump_cookie("__Host-a", "b", secure=True) == "__Host-a=b; Path=/; Secure; SameSite=Lax"
        assert dump_cookie("__Secure-a", "b", secure=True, domain="a.example").startswith("__Secure-a=b; Domain=")

    @given(st.text(max_size=200))
    def test_any_value_round_trips_and_is_a_legal_header(self, value: str) -> None:
        try:
            value.encode()
        except UnicodeEncodeError:
            return
        cookie = dump_cookie("n", value)
        check_header("set-cookie", cookie)
        pair = cookie.removesuffix("; Path=/; SameSite=Lax")
        assert ";" not in pair
        assert parse_cookie(f"x=1; {pair}; y=2") == {"x": "1", "n": value, "y": "2"}

    def test_the_path_cannot_add_attributes(self) -> None:
        assert "; Path=/%3B%20Domain=evil.example;" in dump_cookie("a", path="/; Domain=evil.example")


class TestParse:
    @pytest.mark.parametrize(
        ("header", "cookies"),
        [
            ("", {}),
            ("a=1", {"a": "1"}),
            ("a=1;b=2 ;  c = 3 ", {"a": "1", "b": "2", "c": "3"}),
            ("a=1; a=2", {"a": "1"}),
            ("a=x=y", {"a": "x=y"}),
            ("a=", {"a": ""}),
            ("a", {}),
            ("=x", {}),
            (";;;", {}),
            ('a="b c"', {"a": "b c"}),
            ('a="', {"a": '"'}),
            ('a="b', {"a": '"b'}),
            ('a=""', {"a": ""}),
            ('a="\\303\\251"', {"a": "é"}),
            ('a="\\377"', {"a": "\ufffd"}),
            ('a="\\"', {"a": "\\"}),
            ('a="x\\\\y\\"z"', {"a": 'x\\y"z'}),
        ],
    )
    def test_cases(self, header: str, cookies: dict[str, str]) -> None:
        assert parse_cookie(header) == cookies

    @given(st.text())
    def test_never_raises(self, header: str) -> None:
        parse_cookie(header)

    @pytest.mark.parametrize("piece", ['a="\\', "a;", '"', "=", '\\1"', 'a="\\303\\251";'])
    def test_growth_is_linear(self, piece: str) -> None:
        def cost(size: int) -> float:
            header = piece * size
            best = 1e9
            for _ in range(5):
                start = time.process_time()
                parse_cookie(header)
                best = min(best, time.process_time() - start)
            return best

        assert cost(80_000) < 8 * 4 * max(cost(10_000), 1e-4)


class TestDates:
    @pytest.mark.parametrize(
        "text",
        [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " sun, 06 nov 1994 08:49:37 GMT ",
        ],
    )
    def test_all_three_forms(self, text: str) -> None:
        assert parse_http_date(text) == 784111777

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "784111777",
            "Sun, 30 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Sun, ٠٦ Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
            "x" * 100_000,
        ],
    )
    def test_what_is_no_date(self, text: str) -> None:
        assert parse_http_date(text) is None

    def test_leap_second(self) -> None:
        assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == parse_http_date("Sun, 01 Jan 2017 00:00:00 GMT")

    def test_century_of_two_digits(self) -> None:
        now = 1_800_000_000  # 2027
        assert parse_http_date("Friday, 01-Jan-77 00:00:00 GMT", now=now) == 3376684800  # 2077: 50 years ahead
        assert parse_http_date("Saturday, 01-Jan-78 00:00:00 GMT", now=now) == 252460800  # 1978

    def test_far_future(self) -> None:
        assert parse_http_date("Fri, 31 Dec 9999 23:59:59 GMT") == 253402300799
        assert format_http_date(1e30) == "Fri, 31 Dec 9999 23:59:59 GMT"
        assert format_http_date(-1e30) == "Mon, 01 Jan 0001 00:00:00 GMT"

    @given(st.integers(-62135596800, 253402300799))
    def test_round_trip(self, seconds: int) -> None:
        assert parse_http_date(format_http_date(seconds)) == seconds

    @given(st.text())
    def test_never_raises(self, text: str) -> None:
        parse_http_date(text)

    def test_the_zone_of_the_machine_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            # In the hour that is skipped there when daylight saving begins.
            assert format_http_date(1741501800) == "Sun, 09 Mar 2025 06:30:00 GMT"
            assert parse_http_date("Sun, 09 Mar 2025 07:30:00 GMT") == 1741505400
        finally:
            monkeypatch.undo()
            time.tzset()
