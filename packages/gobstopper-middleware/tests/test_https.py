from __future__ import annotations

from typing import Any

import pytest

from gobstopper_http.testing import TestClient, WebSocketRejected
from gobstopper_middleware import HTTPSRedirectMiddleware
from middleware_site import Site, make_context


def start(base_url: str = "http://example.org", **options: Any) -> TestClient:
    context = {"config": options.pop("config", {}), "debug": options.pop("debug", False)}
    return TestClient(Site(HTTPSRedirectMiddleware(**options), **context), base_url=base_url, follow_redirects=False)


def test_http_is_redirected() -> None:
    with start(allowed_hosts=["example.org"]) as client:
        response = client.post("/a%20b/%C3%A9?x=1&y=%20", headers={"host": "example.org:80"})
        assert response.status == 308
        assert response.headers["location"] == "https://example.org/a%20b/%C3%A9?x=1&y=%20"
        assert client.get("//evil.org").headers["location"] == "https://example.org//evil.org"
        assert client.get("/", headers={"host": "evil.org"}).status == 400


def test_https_goes_on() -> None:
    with start("https://example.org", host="example.org") as client:
        assert client.get("/").text == "hello"


def test_a_fixed_host_and_exemptions() -> None:
    with start(host="secure.example:8443", exempt=["/"]) as client:
        assert client.get("/").text == "hello"
        response = client.get("/x", headers={"host": "evil.org"})
        assert response.headers["location"] == "https://secure.example:8443/x"


def test_hosts_come_from_the_application() -> None:
    with start(config={"ALLOWED_HOSTS": ["example.org"]}) as client:
        assert client.get("/").headers["location"] == "https://example.org/"
    with start(debug=True) as client:
        assert client.get("/").headers["location"] == "https://example.org/"


def test_websockets_are_refused() -> None:
    with start(host="example.org") as client, pytest.raises(WebSocketRejected), client.websocket("/"):
        pass
    with start("https://example.org", host="example.org") as client, client.websocket("/") as socket:
        assert socket.receive_text() == "hello"


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="set ALLOWED_HOSTS"):
        HTTPSRedirectMiddleware().setup(make_context())
    with pytest.raises(ValueError, match="write the name alone"):
        HTTPSRedirectMiddleware(host="https://example.org/")
    with pytest.raises(TypeError, match="sequence of paths"):
        HTTPSRedirectMiddleware(host="example.org", exempt="/health")


def test_without_an_application_it_has_to_be_known_where_to() -> None:
    # A redirection to whatever Host says could be kept by a cache and lead others astray.
    site = Site(HTTPSRedirectMiddleware(), dressed=False)
    with TestClient(site) as client, pytest.raises(RuntimeError, match="not known where to redirect: give host="):
        client.get("/", headers={"host": "evil.example"})
    site = Site(HTTPSRedirectMiddleware(allowed_hosts=["example.org"]), dressed=False)
    with TestClient(site, base_url="http://example.org", follow_redirects=False) as client:
        assert client.get("/").headers["location"] == "https://example.org/"
        assert client.get("/", headers={"host": "evil.example"}).status == 400
