"""Routes, parameters, trailing slashes, url_for, blueprints and redirects of the specification."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from support import GranianServer

from spec.wire import fetch

Example = Callable[..., GranianServer]


def test_registered_routes_answer(example: Example) -> None:
    server = example("route_registration")
    index = fetch(server, "/")
    assert (index.status, index.json, index.headers["content-type"]) == (
        200,
        {"message": "Hello World"},
        "application/json",
    )
    assert fetch(server, "/users", "POST", json_body={"name": "Ada"}).json == {"user": {"name": "Ada"}}
    assert fetch(server, "/users/7", "PUT", json_body={}).json == {"user_id": "7", "updated": True}
    assert fetch(server, "/users/7", "DELETE").json == {"deleted": "7"}
    assert fetch(server, "/users/7", "PATCH").json == {"patched": "7"}
    assert fetch(server, "/users/7", "OPTIONS").json == {"options": "7"}


def test_what_is_not_registered_is_refused(example: Example) -> None:
    server = example("route_registration")
    assert fetch(server, "/nowhere").status == 404
    wrong = fetch(server, "/users/7", "GET")
    assert wrong.status == 405
    assert wrong.headers["allow"] == "DELETE, OPTIONS, PATCH, PUT"
    head = fetch(server, "/", "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "25")
    options = fetch(server, "/", "OPTIONS")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert fetch(server, "/users", "POST", body=b"{").status == 400


@pytest.mark.parametrize(
    ("app", "path", "location"),
    [
        ("app", "/with", "/with/"),
        ("remove", "/without/", "/without"),
    ],
)
def test_the_slash_policy_redirects(example: Example, app: str, path: str, location: str) -> None:
    answer = fetch(example(f"trailing_slash:{app}"), path + "?a=1&b=%20")
    assert (answer.status, answer.headers["location"]) == (308, location + "?a=1&b=%20")
    followed = fetch(example(f"trailing_slash:{app}"), location)
    assert followed.json == {"path": location, "method": "GET"}


def test_the_slash_redirect_keeps_the_method(example: Example) -> None:
    assert fetch(example("trailing_slash"), "/with", "POST").status == 308
    assert fetch(example("trailing_slash"), "/with/", "POST").json == {"path": "/with/", "method": "POST"}


@pytest.mark.parametrize(("app", "path"), [("app", "/nothing"), ("remove", "/nothing/"), ("neither", "/with")])
def test_there_is_no_redirect_to_nothing_or_without_a_policy(example: Example, app: str, path: str) -> None:
    assert fetch(example(f"trailing_slash:{app}"), path).status == 404


def test_both_forms_can_be_routes(example: Example) -> None:
    for path in ("/both", "/both/"):
        assert fetch(example("trailing_slash"), path).json == {"path": path}


def test_a_slash_redirect_never_leaves_the_host(example: Example) -> None:
    answer = fetch(example("trailing_slash"), "//with")
    assert answer.status == 404
    assert "location" not in answer.headers


def test_path_parameters(example: Example) -> None:
    server = example("path_parameters")
    assert fetch(server, "/users/ada").json == {"user_id": "ada"}
    assert fetch(server, "/users/1/posts/2").json == {"user_id": "1", "post_id": "2"}
    assert fetch(server, "/api/v2/users/9").json == {"version": "2", "user_id": "9"}
    assert fetch(server, "/users/a%20b%C3%A9").json == {"user_id": "a bé"}
    assert fetch(server, "/api/2/users/9").status == 404
    assert fetch(server, "/users/").status == 404
    assert fetch(server, "/users/%ff").status == 400


def test_parameters_are_converted_by_hand(example: Example) -> None:
    assert fetch(example("parameter_conversion"), "/users/41").json == {"user": {"id": 41, "next": 42}}
    # int() in the handler raises ValueError, and nobody catches it: the application's mistake, as the document has it.
    assert fetch(example("parameter_conversion"), "/users/x").status == 500


def test_one_route_for_several_methods(example: Example) -> None:
    server = example("generic_route")
    assert fetch(server, "/api/resource").json == {"name": "first"}
    created = fetch(server, "/api/resource", "POST", json_body={"name": "new"})
    assert (created.status, created.json) == (201, {"created": {"name": "new"}})
    assert fetch(server, "/api/resource", "PUT", json_body={"name": "second"}).json == {"name": "second"}
    refused = fetch(server, "/api/resource", "DELETE")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST, PUT")


def test_urls_are_built_from_names(example: Example) -> None:
    server = example("url_for")
    assert fetch(server, "/urls").json == {"user_detail": "/users/123", "dashboard": "/dashboard"}
    assert fetch(server, "/users/123").json == {"user": {"name": "Ada"}}
    assert fetch(server, "/users/abc").status == 404
    assert fetch(server, "/dashboard").json == {"dashboard": True}
    posted = fetch(server, "/users", "POST")
    assert (posted.status, posted.headers["location"], posted.body) == (303, "/users/123", b"")


def test_blueprint_routes_have_qualified_names(example: Example) -> None:
    server = example("blueprints")
    assert fetch(server, "/urls").json == ["/admin/login", "/admin/dashboard"]
    login = fetch(server, "/admin/login")
    assert (login.text, login.headers["content-type"]) == ("<h1>admin/login.html</h1>", "text/html; charset=utf-8")
    assert fetch(server, "/admin/dashboard").text == "<h1>admin/dashboard.html</h1>"
    index = fetch(server, "/")
    assert (index.status, index.headers["location"]) == (302, "/admin/login")
    assert fetch(server, "/login").status == 404


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/302", 302, "/new-page"),
        ("/301", 301, "/new-location"),
        ("/303", 303, "/done"),
        ("/307", 307, "/new-endpoint"),
        ("/308", 308, "/new-endpoint"),
    ],
)
def test_redirects(example: Example, path: str, status: int, location: str) -> None:
    for method in ("GET", "POST"):
        answer = fetch(example("redirects"), path, method)
        assert (answer.status, answer.headers["location"], answer.body) == (status, location, b"")


def test_the_router_in_use_is_told_and_the_code_is_the_same(example: Example) -> None:
    server = example("fallback")
    from gobstopper_routing import IMPL

    expected = "✅ Using Rust router" if IMPL == "rust" else "⚠️ Using Python router"
    assert expected in server.log
    assert fetch(server, "/api/users/5").json == {"user_id": "5"}
    index = fetch(server, "/")
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert re.fullmatch(r"<h1>Welcome</h1>\s*", index.text)
