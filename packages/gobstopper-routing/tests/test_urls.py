from datetime import date, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_routing import BuildError, Route, RouteError, URLMap


def show(request: object) -> None: ...
def other(request: object) -> None: ...


def urls(*patterns: str, methods: tuple[str, ...] = ("GET",)) -> URLMap:
    return URLMap(Route.declare(pattern, methods, show) for pattern in patterns)


@pytest.mark.parametrize(
    ("pattern", "values", "url"),
    [
        ("/", {}, "/"),
        ("/users/<int:id>", {"id": 123}, "/users/123"),
        ("/users/<int:id>", {"id": "123"}, "/users/123"),
        ("/users/<id>", {"id": "a b/ü?".replace("/", "")}, "/users/a%20b%C3%BC%3F"),
        ("/x/<a>", {"a": "!$&'()*+,;=:@-._~"}, "/x/!$&'()*+,;=:@-._~"),
        ("/x/<a>", {"a": "50%"}, "/x/50%25"),
        ("/ü b/<a>", {"a": 1}, "/%C3%BC%20b/1"),
        ("/v<version>/x", {"version": 2}, "/v2/x"),
        ("/files/<path:p>", {"p": "a/b c.txt"}, "/files/a/b%20c.txt"),
        ("/d/<date:d>", {"d": date(2024, 2, 29)}, "/d/2024-02-29"),
        ("/f/<float:f>", {"f": 1e-7}, "/f/0.0000001"),
        ("/f/<float:f>", {"f": 3}, "/f/3.0"),
        ("/u/<uuid:u>", {"u": UUID(int=1)}, "/u/00000000-0000-0000-0000-000000000001"),
        ("/users", {"q": "a b", "page": 2}, "/users?q=a+b&page=2"),
        ("/users", {"tag": ["a", None, "b"], "none": None, "flag": True}, "/users?tag=a&tag=b&flag=True"),
        ("/users", {"q": "ü&="}, "/users?q=%C3%BC%26%3D"),
        ("/users", {"empty": []}, "/users"),
    ],
)
def test_url(pattern: str, values: dict[str, object], url: str) -> None:
    assert urls(pattern).build("show", values) == url


@pytest.mark.parametrize(
    ("pattern", "values", "message"),
    [
        ("/users/<int:id>", {}, "no value for 'id'"),
        ("/users/<int:id>", {"id": None}, "no value for 'id'"),
        ("/users/<int:id>", {"i_d": 1}, "did you mean that by 'i_d'?"),
        ("/users/<int:id>", {"id": "x"}, "id='x' cannot be written"),
        ("/users/<int:id>", {"id": -1}, "does not fit its converter IntConverter"),
        ("/users/<int:id>", {"id": 10**39}, "does not fit"),
        ("/users/<id>", {"id": "a/b"}, "holds a '/'; only <path:id> allows it"),
        ("/users/<id>", {"id": ""}, "does not fit"),
        ("/users/<id>", {"id": ".."}, "dot segment"),
        ("/users/<id>", {"id": "."}, "dot segment"),
        ("/<a>.", {"a": "."}, "dot segment"),
        ("/users/<id>", {"id": "a\0"}, "NUL or U+FFFD"),
        ("/users/<id>", {"id": "\ufffd"}, "NUL or U+FFFD"),
        ("/users/<id>", {"id": "\ud800"}, "cannot be written"),
        ("/<path:p>", {"p": "/etc"}, "does not fit"),
        ("/<path:p>", {"p": ""}, "does not fit"),
        ("/<path:p>", {"p": "a/../b"}, "dot segment"),
        ("/d/<date:d>", {"d": date}, "cannot be written"),
        ("/d/<date:d>", {"d": datetime(2024, 1, 1)}, "has a time"),  # noqa: DTZ001
        ("/<a>-<b>", {"a": "x", "b": "y-z"}, "would be read back as ('x-y', 'z')"),
        ("/<path:a>/x/<path:b>", {"a": "1/x/2", "b": "3"}, "would be read back as ('1', '2/x/3')"),
        ("/<int:a><int:b>", {"a": 1, "b": 20}, "would be read back as"),
    ],
)
def test_url_that_would_not_match_back_is_refused(pattern: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        urls(pattern).build("show", values)
    assert message in str(caught.value)
    assert "'show'" in str(caught.value)
    assert caught.value.name == "show"


def test_unknown_name_lists_the_nearest() -> None:
    map_ = URLMap([Route.declare("/", ["GET"], show, "user_detail"), Route.declare("/b", ["GET"], show, "dashboard")])
    with pytest.raises(BuildError, match="no route named 'user_details'; did you mean 'user_detail'") as caught:
        map_.build("user_details", {})
    assert caught.value.suggestions == ("user_detail",)
    with pytest.raises(BuildError, match=r"no route named 'zzz'$"):
        map_.build("zzz", {})


def test_pattern_that_fits_the_values_is_taken() -> None:
    map_ = urls("/users/", "/users/<int:id>", "/users/page/<int:page>")
    assert map_.build("show", {}) == "/users/"
    assert map_.build("show", {"id": 1}) == "/users/1"
    assert map_.build("show", {"page": 2, "q": "x"}) == "/users/page/2?q=x"
    assert map_.build("show", {"id": 1, "page": 2}) == "/users/1?page=2"
    assert [route.pattern for route in map_.routes("show")] == ["/users/", "/users/<int:id>", "/users/page/<int:page>"]


def test_next_pattern_is_tried_if_a_value_does_not_fit() -> None:
    map_ = urls("/n/<int:id>", "/s/<id>")
    assert map_.build("show", {"id": "x"}) == "/s/x"
    with pytest.raises(BuildError, match="/n/<int:id>"):
        map_.build("show", {"id": "a/b"})


def test_method_chooses_among_patterns() -> None:
    map_ = URLMap([Route.declare("/get", ["GET"], show), Route.declare("/post", ["POST"], show)])
    assert map_.url_for("show", {}) == "/get"
    assert map_.url_for("show", {"_method": "post"}) == "/post"
    assert map_.url_for("show", {"_method": "PUT"}) == "/get"


def test_name_of_two_handlers_is_refused_naming_both() -> None:
    map_ = urls("/a")
    with pytest.raises(RouteError) as caught:
        map_.add(Route.declare("/b", ["GET"], other, "show"))
    for place in (f"{__file__}:{show.__code__.co_firstlineno}", f"{__file__}:{other.__code__.co_firstlineno}"):
        assert place in str(caught.value)


def test_options_of_url_for() -> None:
    map_ = urls("/a/<x>")
    base = "https://example.com:8443/mount/"
    assert map_.url_for("show", {"x": 1, "_anchor": "top ü#"}) == "/a/1#top%20%C3%BC%23"
    assert map_.url_for("show", {"x": 1, "q": 2, "_external": True}, base) == "https://example.com:8443/mount/a/1?q=2"
    assert map_.url_for("show", {"x": 1, "_scheme": "http"}, lambda: base) == "http://example.com:8443/mount/a/1"
    assert map_.url_for("show", {"x": 1, "_external": False}, base) == "/a/1"
    with pytest.raises(BuildError, match="_scheme needs _external=True"):
        map_.url_for("show", {"x": 1, "_scheme": "http", "_external": False}, base)
    with pytest.raises(BuildError, match="needs the host"):
        map_.url_for("show", {"x": 1, "_external": True})
    with pytest.raises(BuildError, match="is not absolute"):
        map_.url_for("show", {"x": 1, "_external": True}, "example.com")


def test_base_is_not_asked_for_in_vain() -> None:
    def base() -> str:
        raise AssertionError

    assert urls("/a").url_for("show", {}, base) == "/a"


def test_websocket_urls_have_their_own_schemes() -> None:
    map_ = urls("/ws", methods=("WEBSOCKET",))
    assert map_.url_for("show", {"_external": True}, "https://h") == "wss://h/ws"
    assert map_.url_for("show", {"_external": True}, "http://h") == "ws://h/ws"
    assert map_.url_for("show", {"_scheme": "wss"}, "http://h") == "wss://h/ws"


def test_map_tells_its_names() -> None:
    map_ = urls("/a")
    assert list(map_) == ["show"]
    assert len(map_) == 1
    assert "show" in map_
    assert "nope" not in map_


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
)
def test_query_reads_back(key: str, values: list[str]) -> None:
    if key.startswith("_"):
        key = "a" + key
    url = urls("/a").url_for("show", {key: values})
    assert parse_qs(urlsplit(url).query, keep_blank_values=True) == ({key: values} if values else {})
