from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http import HTTPException, Request, Response
from gobstopper_http.testing import TestClient
from gobstopper_middleware import CORSMiddleware
from middleware_site import Site

FRIEND, STRANGER = "https://friend.example", "https://stranger.example"


async def fails(request: Request) -> Response:
    raise HTTPException(418)


async def own(request: Request) -> Response:
    return Response("own", headers={"vary": "Accept", "access-control-allow-origin": "https://own.example"})


HANDLERS = {"/fails": fails, "/own": own}


def start(**options: Any) -> TestClient:
    return TestClient(Site(CORSMiddleware(**options), handlers=HANDLERS))


def test_nothing_is_allowed_by_default() -> None:
    with start() as client:
        headers = client.get("/", headers={"origin": FRIEND}).headers
        assert not any(name.startswith("access-control") for name in headers)
        refused = client.options("/", headers={"origin": FRIEND, "access-control-request-method": "GET"})
        assert refused.status == 403
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("path", ["/", "/fails", "/nowhere"])
def test_answers_depend_on_the_origin(path: str) -> None:
    with start(allow_origins=[FRIEND], allow_credentials=True, expose_headers=["X-Total"]) as client:
        allowed = client.get(path, headers={"origin": FRIEND}).headers
        assert allowed["access-control-allow-origin"] == FRIEND
        assert allowed["access-control-allow-credentials"] == "true"
        assert allowed["access-control-expose-headers"] == "X-Total"
        for origin in (STRANGER, "null", None, FRIEND + "/", FRIEND.upper(), FRIEND + ".evil.org", "x" * 9000):
            headers = client.get(path, headers={"origin": origin} if origin else {}).headers
            assert "access-control-allow-origin" not in headers
            assert "Origin" in headers["vary"]
        assert "Origin" in allowed["vary"]


def test_everybody() -> None:
    with start(allow_origins=["*"]) as client:
        for origin in (FRIEND, "null", None):
            headers = client.get("/", headers={"origin": origin} if origin else {}).headers
            assert headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in headers
            assert "vary" not in headers


@pytest.mark.parametrize("dressed", [True, False])
def test_a_preflight(dressed: bool) -> None:
    options: dict[str, Any] = {
        "allow_origins": [FRIEND],
        "allow_headers": ["X-Token"],
        "max_age": 60,
        "allow_credentials": True,
    }
    with TestClient(Site(CORSMiddleware(**options), dressed=dressed)) as client:
        response = client.options(
            "/nowhere",
            headers={
                "origin": FRIEND,
                "access-control-request-method": "PUT",
                "access-control-request-headers": "x-token, Content-Type",
            },
        )
        assert response.status == 204
        headers = response.headers
        assert headers.getlist("access-control-allow-origin") == [FRIEND]
        assert headers["access-control-allow-credentials"] == "true"
        assert "PUT" in headers["access-control-allow-methods"]
        assert headers["access-control-allow-headers"] == "X-Token"
        assert headers["access-control-max-age"] == "60"
        assert headers["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"origin": STRANGER}, "origin"),
        ({"origin": "null"}, "origin"),
        ({"access-control-request-method": "TRACE"}, "method"),
        ({"access-control-request-method": "put"}, "method"),
        ({"access-control-request-headers": "x-other"}, "headers"),
        ({"access-control-request-headers": "x-token,,"}, "headers"),
        ({"access-control-request-headers": ",".join(["x"] * 5000)}, "headers"),
    ],
)
def test_refused_preflights(headers: dict[str, str], reason: str) -> None:
    with start(allow_origins=[FRIEND], allow_headers=["X-Token"]) as client:
        sent = {"origin": FRIEND, "access-control-request-method": "PUT"} | headers
        response = client.options("/", headers=sent)
        assert response.status == 403
        assert reason in response.json()["detail"]
        assert "Origin" in response.headers["vary"]
        assert "access-control-allow-methods" not in response.headers


def test_two_origins_are_none() -> None:
    with start(allow_origins=[FRIEND]) as client:
        headers = [("origin", STRANGER), ("origin", FRIEND), ("access-control-request-method", "PUT")]
        assert client.options("/", headers=headers).status == 403


def test_options_without_a_preflight_goes_on() -> None:
    with start(allow_origins=[FRIEND]) as client:
        assert client.options("/", headers={"origin": FRIEND}).text == "hello"
        assert client.options("/", headers={"access-control-request-method": "PUT"}).text == "hello"


def test_every_header() -> None:
    with start(allow_origins=[FRIEND], allow_headers=["*"], allow_credentials=True) as client:
        sent = {"origin": FRIEND, "access-control-request-method": "PUT", "access-control-request-headers": "X-Any, b"}
        assert client.options("/", headers=sent).headers["access-control-allow-headers"] == "x-any, b"
        assert client.options("/", headers=sent | {"access-control-request-headers": "a b"}).status == 403
        without = client.options("/", headers={"origin": FRIEND, "access-control-request-method": "PUT"})
        assert "access-control-allow-headers" not in without.headers


def test_a_pattern_matches_the_whole_origin() -> None:
    with start(allow_origin_regex=r"https://[a-z]+\.example", allow_credentials=True) as client:
        for origin, allowed in (
            (FRIEND, True),
            (FRIEND + ".evil.org", False),
            ("https://evil.org/https://friend.example", False),
            ("x" + FRIEND, False),
        ):
            headers = client.get("/", headers={"origin": origin}).headers
            assert (headers.get("access-control-allow-origin") == origin) is allowed
            assert headers["vary"] == "Origin"


def test_null_never_has_credentials() -> None:
    with start(allow_origin_regex="null|https://x\\.example", allow_credentials=True) as client:
        assert "access-control-allow-origin" not in client.get("/", headers={"origin": "null"}).headers
    with start(allow_origins=["null"]) as client:
        assert client.get("/", headers={"origin": "null"}).headers["access-control-allow-origin"] == "null"


def test_what_the_handler_says_stays() -> None:
    with start(allow_origins=[FRIEND]) as client:
        headers = client.get("/own", headers={"origin": FRIEND}).headers
        assert headers["access-control-allow-origin"] == "https://own.example"
        assert headers["vary"] == "Accept, Origin"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow_origins": ["*"], "allow_credentials": True}, "any site act as its visitors"),
        ({"allow_origins": ["null"], "allow_credentials": True}, "any site act as its visitors"),
        ({"allow_origins": ["https://a.example/"]}, "no origin"),
        ({"allow_origins": ["https://*.example"]}, "no origin"),
        ({"allow_methods": ["GET POST"]}, "allow_methods: 'GET POST' is no name"),
        ({"allow_headers": ["X-A\r\n"]}, "allow_headers"),
        ({"expose_headers": ["a:b"]}, "expose_headers"),
    ],
)
def test_mistakes_end_the_start(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CORSMiddleware(**options)


def test_a_single_string_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="allow_headers='X-A': give a sequence"):
        CORSMiddleware(allow_headers="X-A")


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_no_other_origin_is_allowed(origin: str) -> None:
    middleware = CORSMiddleware(allow_origins=[FRIEND], allow_origin_regex=r"https://[a-z]{3}\.example")
    name = origin.removeprefix("https://").removesuffix(".example")
    expected = origin == FRIEND or (origin == f"https://{name}.example" and len(name) == 3 and name.islower())
    assert middleware.is_allowed(origin) is expected


def test_two_origins_are_nobodys() -> None:
    with start(allow_origins=[FRIEND], allow_credentials=True) as client:
        for origins in ([FRIEND, "https://evil.example"], ["https://evil.example", FRIEND], [FRIEND, FRIEND]):
            fields = [("origin", origin) for origin in origins]
            response = client.get("/", headers=fields)
            assert "access-control-allow-origin" not in response.headers
            assert response.headers["vary"] == "Origin"
            refused = client.options("/", headers=[*fields, ("access-control-request-method", "PUT")])
            assert refused.status == 403
            assert "access-control-allow-origin" not in refused.headers


def test_every_method() -> None:
    with start(allow_origins=[FRIEND], allow_methods=["*"]) as client:
        for method, status in (("PURGE", 204), ("GET", 204), ("B AD", 403)):
            headers = {"origin": FRIEND, "access-control-request-method": method}
            response = client.options("/", headers=headers)
            assert response.status == status
            if status == 204:
                assert response.headers["access-control-allow-methods"] == method
