from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gobstopper_http import Request, Response, StreamingResponse
from gobstopper_http.testing import TestClient
from gobstopper_middleware import SecurityHeadersMiddleware
from middleware_site import Site


async def page(request: Request) -> Response:
    return Response(f"<script nonce={request.csp_nonce}>{request.csp_nonce == request.csp_nonce}</script>")


async def own(request: Request) -> Response:
    headers = {"x-frame-options": "SAMEORIGIN", "content-security-policy": "default-src *", "x-other": "1"}
    return Response("own", headers=headers)


HANDLERS = {"/page": page, "/own": own}


@pytest.mark.parametrize("dressed", [True, False])
def test_every_answer_has_the_defaults(dressed: bool) -> None:
    with TestClient(Site(SecurityHeadersMiddleware(), handlers=HANDLERS, dressed=dressed)) as client:
        for path, status in (("/", 200), ("/nowhere", 404)):
            response = client.get(path)
            assert response.status == status
            headers = response.headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert "camera=()" in headers["permissions-policy"]
            policy = headers["content-security-policy"]
            for part in ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
                assert part in policy
            assert "unsafe" not in policy
            assert "nonce" not in policy  # nobody asked for one, so nothing inline is allowed
            assert "strict-transport-security" not in headers
            assert len({*headers}) == len(headers.items())


def test_hsts_is_for_https_alone() -> None:
    with TestClient(Site(SecurityHeadersMiddleware()), base_url="https://example.org") as client:
        assert client.get("/").headers["strict-transport-security"] == "max-age=31536000"


def test_the_nonce_is_new_for_each_request() -> None:
    with TestClient(Site(SecurityHeadersMiddleware(), handlers=HANDLERS)) as client:
        nonces = set()
        for _ in range(5):
            response = client.get("/page")
            found = re.fullmatch(r"<script nonce=([A-Za-z0-9_-]{22})>True</script>", response.text)
            assert found is not None
            policy = response.headers["content-security-policy"]
            assert f"script-src 'self' 'nonce-{found[1]}'" in policy
            assert f"style-src 'self' 'nonce-{found[1]}'" in policy
            nonces.add(found[1])
        assert len(nonces) == 5


def test_what_the_handler_says_stays() -> None:
    with TestClient(Site(SecurityHeadersMiddleware(), handlers=HANDLERS)) as client:
        headers = client.get("/own").headers
        assert headers.getlist("x-frame-options") == ["SAMEORIGIN"]
        assert headers.getlist("content-security-policy") == ["default-src *"]
        assert headers["x-content-type-options"] == "nosniff"


def test_each_can_be_turned_off_or_changed() -> None:
    middleware = SecurityHeadersMiddleware(
        content_security_policy=None, hsts=None, referrer_policy="no-referrer", permissions_policy=None
    )
    with TestClient(Site(middleware, handlers=HANDLERS), base_url="https://example.org") as client:
        headers = client.get("/page").headers
        for name in ("content-security-policy", "strict-transport-security", "permissions-policy"):
            assert name not in headers
        assert headers["referrer-policy"] == "no-referrer"


def test_a_policy_of_another_shape_always_has_its_nonce() -> None:
    middleware = SecurityHeadersMiddleware(content_security_policy="script-src 'strict-dynamic' nonce-{nonce}")
    with TestClient(Site(middleware)) as client:
        assert re.search(r"nonce-[\w-]{22}$", client.get("/").headers["content-security-policy"])


@pytest.mark.parametrize("option", ["content_security_policy", "hsts", "referrer_policy", "permissions_policy"])
def test_a_value_that_no_header_may_have(option: str) -> None:
    options: dict[str, Any] = {option: "a\r\nset-cookie: x=y"}
    with pytest.raises(ValueError, match="control character|without max-age"):
        SecurityHeadersMiddleware(**options)


def test_shared_header_lists_are_not_changed() -> None:
    shared = Response("x").headers.raw
    before = list(shared)
    with TestClient(Site(SecurityHeadersMiddleware())) as client:
        client.get("/")
    assert shared == before


def test_a_stream_may_ask_for_the_nonce_late() -> None:
    async def stream(request: Request) -> Response:
        async def chunks() -> AsyncIterator[str]:
            yield "<p>first"
            yield request.csp_nonce

        return StreamingResponse(chunks())

    with TestClient(Site(SecurityHeadersMiddleware(), handlers={"/stream": stream})) as client:
        response = client.get("/stream")
        nonce = response.text.removeprefix("<p>first")
        assert len(nonce) == 22
        assert f"'nonce-{nonce}'" in response.headers["content-security-policy"]


def test_a_page_with_a_nonce_is_not_kept() -> None:
    async def page(request: Request) -> Response:
        return Response(f"<script nonce={request.csp_nonce}></script>")

    async def own(request: Request) -> Response:
        return Response(f"<script nonce={request.csp_nonce}></script>", headers={"cache-control": "private"})

    site = Site(SecurityHeadersMiddleware(), handlers={"/page": page, "/own": own})
    with TestClient(site) as client:
        assert client.get("/page").headers["cache-control"] == "no-cache"
        assert client.get("/own").headers.getlist("cache-control") == ["private"]
        assert "cache-control" not in client.get("/").headers
    with TestClient(Site(SecurityHeadersMiddleware(content_security_policy=None), handlers={"/page": page})) as client:
        assert "cache-control" not in client.get("/page").headers
