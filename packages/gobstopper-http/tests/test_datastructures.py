"""Headers, multi-dicts, addresses, URLs and the state bag."""

from __future__ import annotations

import enum
from collections.abc import Mapping, MutableMapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import BadRequestKeyError, _headers
from gobstopper_http.datastructures import (
    URL,
    Address,
    FormData,
    Headers,
    MultiDict,
    QueryParams,
    State,
    check_header,
    parse_address,
)

TOKEN_CHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
names = st.text(TOKEN_CHARS, min_size=1, max_size=20)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


class TestCheckHeader:
    def test_name_comes_back_in_lower_case(self) -> None:
        assert check_header("X-Frame-Options", "DENY") == ("x-frame-options", "DENY")

    @given(names, values)
    def test_what_rfc_9110_allows_passes(self, name: str, value: str) -> None:
        assert check_header(name, value) == (name.lower(), value)

    @given(st.text(max_size=10), st.text(max_size=10))
    def test_what_passes_is_safe_to_send(self, name: str, value: str) -> None:
        try:
            key, text = check_header(name, value)
        except ValueError:
            return
        assert key
        assert all(c in TOKEN_CHARS for c in key)
        assert all(c == "\t" or " " <= c <= "~" for c in text)

    @pytest.mark.parametrize("name", ["", "a b", "a:b", "a\n", "é", "a\0", "(a)"])
    def test_bad_names(self, name: str) -> None:
        with pytest.raises(ValueError, match="is not a token"):
            check_header(name, "x")

    @pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\n", "\0", "\x7f", "a\x0bb"])
    def test_control_characters(self, value: str) -> None:
        with pytest.raises(ValueError, match=r"'X-A' has a control character.*remove CR"):
            check_header("X-A", value)

    def test_non_ascii_says_what_to_do(self) -> None:
        with pytest.raises(ValueError, match=r"percent-encode.*RFC 8187"):
            check_header("X-A", "naïve")

    def test_tab_passes(self) -> None:
        assert check_header("x-a", "a\tb")[1] == "a\tb"

    def test_int_is_written_in_decimal(self) -> None:
        assert check_header("Retry-After", 5) == ("retry-after", "5")

    @pytest.mark.parametrize("value", [None, 1.5, True, b"x", ["x"]])
    def test_other_types_are_refused(self, value: object) -> None:
        with pytest.raises(TypeError, match="'X-A'"):
            check_header("X-A", value)

    def test_name_of_another_type_is_refused(self) -> None:
        with pytest.raises(TypeError, match="header name b'x' is bytes"):
            check_header(b"x", "y")

    def test_a_str_enum_gives_its_value(self) -> None:
        class Colour(str, enum.Enum):  # noqa: UP042 - str() of it is not its value
            RED = "red"

        key, value = check_header("x-colour", Colour.RED)
        assert value == "red"
        assert type(value) is str
        assert type(key) is str

    def test_long_values_are_cut_in_the_message(self) -> None:
        with pytest.raises(ValueError) as caught:
            check_header("x-a", "\0" * 10_000)
        assert len(str(caught.value)) < 400

    def test_the_cache_of_names_is_bounded(self) -> None:
        for number in range(2 * _headers._NAMES_LIMIT):
            check_header(f"x-{number}", "")
        assert len(_headers._names) <= _headers._NAMES_LIMIT
        assert check_header(f"X-{2 * _headers._NAMES_LIMIT}", "")[0] == f"x-{2 * _headers._NAMES_LIMIT}"


class TestHeaders:
    def test_is_case_insensitive(self) -> None:
        headers = Headers({"Content-Type": "text/plain"})
        assert headers["content-type"] == headers["CONTENT-TYPE"] == headers.get("Content-type") == "text/plain"
        assert "Content-Type" in headers
        assert 1 not in headers

    def test_missing(self) -> None:
        headers = Headers()
        assert headers.get("x") is None
        assert headers.get("x", "y") == "y"
        assert headers.getlist("x") == []
        assert "x" not in headers
        assert not headers
        with pytest.raises(KeyError):
            headers["x"]
        with pytest.raises(KeyError):
            del headers["x"]
        with pytest.raises(KeyError):
            headers.pop("x")
        assert headers.pop("x", 1) == 1

    def test_first_value_and_all_values(self) -> None:
        headers = Headers([("Set-Cookie", "a=1"), ("x", "y"), ("set-cookie", "b=2")])
        assert headers["set-cookie"] == "a=1"
        assert headers.getlist("Set-Cookie") == ["a=1", "b=2"]
        assert headers.items() == [("set-cookie", "a=1"), ("x", "y"), ("set-cookie", "b=2")]
        assert headers.keys() == list(headers) == ["set-cookie", "x"]
        assert headers.values() == ["a=1", "y", "b=2"]
        assert len(headers) == 2

    def test_setting_replaces_all_and_keeps_the_place(self) -> None:
        headers = Headers([("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")])
        headers["A"] = "6"
        assert headers.items() == [("a", "6"), ("b", "2"), ("c", "4")]
        headers["d"] = 7
        assert headers.raw[-1] == ("d", "7")

    def test_delete_and_pop_remove_all(self) -> None:
        headers = Headers([("a", "1"), ("b", "2"), ("a", "3")])
        assert headers.pop("A") == "1"
        assert headers.items() == [("b", "2")]
        del headers["B"]
        assert headers.items() == []

    def test_add_extend_update_setdefault_clear(self) -> None:
        headers = Headers({"a": "1"})
        headers.add("A", "2")
        headers.extend([("a", "3"), ("b", "4")])
        assert headers.getlist("a") == ["1", "2", "3"]
        headers.update([("a", "5"), ("a", "6"), ("c", "7")])
        assert headers.items() == [("a", "5"), ("b", "4"), ("a", "6"), ("c", "7")]
        headers.update(Headers({"c": "8"}))
        assert headers["c"] == "8"
        assert headers.setdefault("c", "9") == "8"
        assert headers.setdefault("D", 10) == "10" == headers["d"]
        headers.clear()
        assert headers.items() == []

    @pytest.mark.parametrize("write", ["add", "setdefault", "__setitem__"])
    def test_every_write_is_checked(self, write: str) -> None:
        headers = Headers({"a": "1"})
        with pytest.raises(ValueError, match="control character"):
            getattr(headers, write)("x", "a\r\nb")
        with pytest.raises(ValueError, match="token"):
            getattr(headers, write)("x y", "a")
        assert headers.items() == [("a", "1")]

    @pytest.mark.parametrize("write", ["extend", "update"])
    def test_a_bad_pair_changes_nothing(self, write: str) -> None:
        headers = Headers({"a": "1"})
        with pytest.raises(ValueError, match="control character"):
            getattr(headers, write)([("a", "2"), ("b", "x\n")])
        assert headers.items() == [("a", "1")]

    def test_the_constructor_checks(self) -> None:
        with pytest.raises(ValueError, match="control character"):
            Headers({"a": "b\n"})

    @pytest.mark.parametrize(
        "write",
        [
            lambda h: h.__setitem__("a", "2"),
            lambda h: h.__setitem__("b", "2"),
            lambda h: h.__delitem__("a"),
            lambda h: h.add("a", "2"),
            lambda h: h.extend([("b", "2")]),
            lambda h: h.vary("Cookie"),
            lambda h: h.clear(),
            lambda h: h.pop("a"),
        ],
    )
    def test_a_shared_list_is_copied_at_the_first_write(self, write: object) -> None:
        shared = [("a", "1")]
        headers = Headers.shared(shared)
        assert headers.raw is shared
        write(headers)
        assert shared == [("a", "1")]
        assert headers.raw is not shared
        assert Headers.shared(shared)["a"] == "1"

    def test_a_copy_is_independent(self) -> None:
        headers = Headers({"a": "1"})
        copy = headers.copy()
        copy["a"] = "2"
        other = Headers(headers)
        other["a"] = "3"
        assert (headers["a"], copy["a"], other["a"]) == ("1", "2", "3")

    def test_items_is_a_copy(self) -> None:
        headers = Headers({"a": "1"})
        headers.items().clear()
        assert headers["a"] == "1"

    def test_vary(self) -> None:
        headers = Headers()
        headers.vary()
        assert headers.items() == []
        headers.vary("Origin")
        headers.vary("origin", "Cookie", "COOKIE")
        assert headers["vary"] == "Origin, Cookie"
        headers.add("Vary", "Accept")
        headers.vary("Origin")
        assert headers.getlist("vary") == ["Origin, Cookie, Accept"]
        headers.vary("*")
        assert headers["vary"] == "*"
        headers.vary("Cookie")
        assert headers["vary"] == "*"

    def test_equality(self) -> None:
        assert Headers({"A": "1"}) == Headers([("a", "1")])
        assert Headers({"A": "1"}) == {"a": "1"} == Headers({"A": "1"})
        assert Headers({"A": "1"}) != {"a": "2"}
        assert Headers([("a", "1"), ("a", "2")]) != {"a": "1"}
        assert Headers() != 1
        with pytest.raises(TypeError):
            hash(Headers())

    def test_is_a_mapping_for_those_who_ask(self) -> None:
        headers = Headers([("a", "1"), ("b", "2")])
        anything: object = headers
        assert isinstance(anything, MutableMapping)
        assert dict(headers) == {"a": "1", "b": "2"}
        assert repr(headers) == "Headers([('a', '1'), ('b', '2')])"

    @given(st.lists(st.tuples(st.sampled_from(["set", "add", "del"]), st.sampled_from("aAbBc"), values)))
    def test_behaves_as_a_list_of_pairs(self, steps: list[tuple[str, str, str]]) -> None:
        headers = Headers()
        model: list[tuple[str, str]] = []
        for step, name, value in steps:
            key = name.lower()
            if step == "add":
                headers.add(name, value)
                model.append((key, value))
            elif step == "set":
                headers[name] = value
                at = next((i for i, pair in enumerate(model) if pair[0] == key), len(model))
                model = [p for p in model[:at] if p[0] != key] + [(key, value)] + [p for p in model[at:] if p[0] != key]
            else:
                headers.pop(name, None)
                model = [pair for pair in model if pair[0] != key]
            assert headers.items() == model


class TestMultiDict:
    def test_first_value_as_in_werkzeug(self) -> None:
        values = MultiDict([("a", "1"), ("b", "x"), ("a", "2")])
        assert values["a"] == values.get("a") == "1"
        assert values.getlist("a") == ["1", "2"]
        assert values.getlist("z") == []
        assert list(values) == list(values.keys()) == ["a", "b"]
        assert len(values) == 2
        assert list(values.items()) == list(values.items(multi=False)) == [("a", "1"), ("b", "x")]
        assert values.items(multi=True) == [("a", "1"), ("a", "2"), ("b", "x")]
        assert list(values.values()) == ["1", "x"]
        assert values.lists() == [("a", ["1", "2"]), ("b", ["x"])]
        assert values.to_dict() == {"a": "1", "b": "x"}
        assert values.to_dict(flat=False) == {"a": ["1", "2"], "b": ["x"]}
        assert "a" in values
        assert "z" not in values
        with pytest.raises(KeyError):
            values["z"]

    def test_get_with_a_type(self) -> None:
        values = MultiDict([("n", "5"), ("bad", "x")])
        assert values.get("n", type=int) == 5
        assert values.get("bad", type=int) is None
        assert values.get("bad", 7, type=int) == 7
        assert values.get("none", 7, type=int) == 7
        assert values.get("none", "d") == "d"

    def test_getlist_with_a_type_leaves_bad_ones_out(self) -> None:
        assert MultiDict([("n", "5"), ("n", "x"), ("n", "6")]).getlist("n", type=int) == [5, 6]

    def test_cannot_be_changed(self) -> None:
        values = MultiDict([("a", "1")])
        values.getlist("a").append("2")
        values.lists()[0][1].append("2")
        values.to_dict(flat=False)["a"].append("2")
        assert values.items(multi=True) == [("a", "1")]
        with pytest.raises(TypeError):
            values["a"] = "2"
        with pytest.raises(TypeError):
            hash(values)

    def test_equality(self) -> None:
        assert MultiDict([("a", "1"), ("a", "2")]) == MultiDict([("a", "1"), ("a", "2")])
        assert MultiDict([("a", "1"), ("a", "2")]) != {"a": "1"}
        assert MultiDict([("a", "1")]) == {"a": "1"}
        assert MultiDict([("a", "1")]) != [("a", "1")]
        assert repr(FormData([("a", "1")])) == "FormData([('a', '1')])"
        assert isinstance(FormData(), Mapping)

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
    def test_keeps_every_value_in_order(self, pairs: list[tuple[str, int]]) -> None:
        values = MultiDict(pairs)
        for key in "abc":
            assert values.getlist(key) == [value for name, value in pairs if name == key]

    def test_query_params_encode_again(self) -> None:
        assert str(QueryParams([("a", "1 2"), ("a", "ü")])) == "a=1+2&a=%C3%BC"


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("127.0.0.1:47524", "127.0.0.1", 47524),
            ("[::1]:80", "::1", 80),
            ("::1:80", "::1", 80),
            ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
            ("1.2.3.4:0", "1.2.3.4", 0),
            ("unix:/run/app.sock", "unix:/run/app.sock", None),
            ("unix:", "unix:", None),
        ],
    )
    def test_what_the_server_writes(self, text: str, host: str, port: int | None) -> None:
        assert parse_address(text) == Address(host, port)

    @pytest.mark.parametrize(
        "text",
        [
            *("", ":", "x", "localhost:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:\u0663"),
            *(
                "1.2.3:80",
                "[::1:80",
                "[",
                "[]:80",
                "[1.2.3.4]:80",
                "1\0:80",
                ":80",
                "1.2.3.4:999999999999",
                "[::1] :80",
            ),
        ],
    )
    def test_garbage_is_none(self, text: str) -> None:
        assert parse_address(text) is None

    @given(st.text())
    def test_never_raises(self, text: str) -> None:
        parse_address(text)

    @given(st.ip_addresses(), st.integers(0, 65535))
    def test_every_address(self, address: object, port: int) -> None:
        text = f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"
        assert parse_address(text) == (str(address), port)


class TestURL:
    def test_parts(self) -> None:
        url = URL("https://user:pw@Example.com:8443/a%20b?x=1&y=2#top")
        assert url.scheme == "https"
        assert url.netloc == "user:pw@Example.com:8443"
        assert url.host == "example.com"
        assert url.port == 8443
        assert url.path == "/a%20b"
        assert url.query == "x=1&y=2"
        assert url.fragment == "top"
        assert str(url) == "https://user:pw@Example.com:8443/a%20b?x=1&y=2#top"

    def test_parts_that_are_missing(self) -> None:
        url = URL("/a")
        assert (url.scheme, url.netloc, url.host, url.port, url.query) == ("", "", None, None, "")

    def test_equals_its_text_and_can_be_a_key(self) -> None:
        assert URL("/a") == "/a"
        assert URL("/a") == URL(URL("/a"))
        assert URL("/a") != 1
        assert {URL("/a"): 1}["/a"] == 1
        assert repr(URL("/a")) == "URL('/a')"

    def test_replace(self) -> None:
        url = URL("http://u@a.example:80/x?q=1#f")
        assert url.replace(scheme="https", port=None) == "https://u@a.example/x?q=1#f"
        assert url.replace(host="::1") == "http://u@[::1]:80/x?q=1#f"
        assert url.replace(host="[::1]", port=1) == "http://u@[::1]:1/x?q=1#f"
        assert url.replace(path="/y", query="", fragment="") == "http://u@a.example:80/y"
        assert url.replace(netloc="b") == "http://b/x?q=1#f"
        assert URL("/x").replace(host="h", scheme="http") == "http://h/x"
        with pytest.raises(TypeError, match="no part hots"):
            url.replace(hots="x")
        with pytest.raises(TypeError, match="either netloc"):
            url.replace(netloc="x", port=1)

    def test_query_parameters(self) -> None:
        url = URL("/x?a=1&b=&a=2")
        assert url.include_query_params(a=3) == "/x?b=&a=3"
        assert url.include_query_params(c=["1", "2"]) == "/x?a=1&b=&a=2&c=1&c=2"
        assert url.remove_query_params("a") == "/x?b="

    @pytest.mark.parametrize("text", ["http://a:b/", "http://a:99999/", "http://[::1/"])
    def test_malformed(self, text: str) -> None:
        with pytest.raises(ValueError):
            URL(text)


class TestState:
    def test_attributes_and_items_are_the_same(self) -> None:
        state = State(a=1)
        state.b = 2
        state["c"] = 3
        assert (state["a"], state["b"], state.c) == (1, 2, 3)
        assert list(state) == ["a", "b", "c"]
        assert len(state) == 3
        assert "a" in state
        assert state.get("z", 0) == 0
        del state.a
        del state["b"]
        assert state == State(c=3)
        assert state != {"c": 3}
        assert repr(state) == "State(c=3)"

    def test_missing_attribute_names_what_is_there(self) -> None:
        with pytest.raises(AttributeError, match="no 'usr'; set so far: user"):
            _ = State(user=1).usr
        with pytest.raises(AttributeError, match="set so far: nothing"):
            _ = State().usr
        with pytest.raises(KeyError):
            State()["x"]

    def test_typed_subclass(self) -> None:
        class Mine(State):
            user: str = "nobody"

        state = Mine()
        assert state.user == "nobody"
        state.user = "ann"
        assert state.user == "ann"
        assert isinstance(hash(state), int)


@pytest.mark.parametrize("kind", [MultiDict, FormData, QueryParams])
def test_a_field_that_was_not_sent_is_a_bad_request(kind: type[MultiDict[str]]) -> None:
    with pytest.raises(BadRequestKeyError) as raised:
        kind([("a", "1")])["name"]
    assert isinstance(raised.value, KeyError)
    assert (raised.value.status, raised.value.detail) == (400, "The field 'name' is missing.")
