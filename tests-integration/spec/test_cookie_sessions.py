"""Sessions that live in the cookie, on a real Granian: what they promise, and what they cannot do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from security.browser import Browser
from support import GranianServer, granian_server

ROOT = Path(__file__).resolve().parents[1]
NAME = "__Host-session"
OLD, NEW = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


def serve(*keys: str) -> AbstractContextManager[GranianServer]:
    return granian_server("spec.cookie_app:app", cwd=ROOT, env={"EXAMPLE_KEYS": ",".join(keys)})


@pytest.fixture(scope="module")
def server() -> Iterator[GranianServer]:
    with serve(OLD) as running:
        yield running


@pytest.fixture
def browser(server: GranianServer) -> Browser:
    return Browser(server.port)


def test_login_nested_changes_and_flashes(browser: Browser) -> None:
    assert browser.get("/session").json() == {}
    assert NAME not in browser.cookies  # nothing was written
    answer = browser.post("/login", "user=ada")
    attributes = answer["set-cookie"].split("; ")[1:]
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]
    assert answer["cache-control"] == "no-store"
    assert "ada" not in browser.cookies[NAME]
    for number in range(3):
        before = browser.cookies[NAME]
        assert browser.post(f"/cart/{number}").json() == {"items": list(range(number + 1))}  # a list inside of a dict
        assert browser.cookies[NAME] != before
    browser.post("/flash/saved")
    browser.post("/flash/twice")
    assert browser.get("/messages").json() == [["info", "saved"], ["info", "twice"]]
    assert browser.get("/messages").json() == []
    answer = browser.get("/session")
    assert answer.json() == {"user": "ada", "cart": {"items": [0, 1, 2]}}
    assert "set-cookie" not in answer  # nothing changed
    browser.post("/logout")
    assert NAME not in browser.cookies
    assert browser.get("/session").json() == {}


def test_a_tampered_cookie_is_no_session(browser: Browser) -> None:
    browser.post("/login", "user=ada")
    value = browser.cookies[NAME]
    middle = len(value) // 2
    changed = [
        value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :],
        ("A" if value[0] != "A" else "B") + value[1:],
        value[:-1],
        value + "AAAA",
        value[::-1],
        value[:43],
        "A" * len(value),
        "A" * 8000,
    ]
    for forged in changed:
        assert Browser(browser.port, cookies={NAME: forged}).get("/session").json() == {}
    assert browser.get("/session").json() == {"user": "ada"}


def test_what_the_server_cannot_do(browser: Browser) -> None:
    """Ending a session reaches the browser only: a copy of the cookie works on, with the data that it had."""
    browser.post("/login", "user=ada")
    kept = dict(browser.cookies)
    browser.post("/cart/1")
    browser.post("/logout")
    assert browser.get("/session").json() == {}
    assert Browser(browser.port, cookies=kept).get("/session").json() == {"user": "ada"}


def test_too_much_is_an_error_that_says_what_to_do(server: GranianServer, browser: Browser) -> None:
    browser.post("/login", "user=ada")
    before = dict(browser.cookies)
    answer = browser.post("/fill/5000")
    assert answer.status == 500
    assert "set-cookie" not in answer
    assert "makes a cookie of" in server.log
    assert "keep less in it, or use a storage on the server" in server.log
    assert browser.cookies == before
    assert browser.get("/session").json() == {"user": "ada"}
    assert browser.post("/fill/2600").status == 200  # about 2.8 kB fit
    assert len(browser.cookies[NAME]) < 4000
    assert len(browser.get("/session").json()["filling"]) == 2600


def test_keys_rotate(browser: Browser) -> None:
    browser.post("/login", "user=ada")
    with serve(NEW, OLD) as both:
        browser.port = both.port
        assert browser.get("/session").json() == {"user": "ada"}
        browser.post("/cart/1")
    with serve(NEW) as new:
        browser.port = new.port
        assert browser.get("/session").json() == {"user": "ada", "cart": {"items": [1]}}
    with serve(secrets.token_urlsafe(32)) as stranger:
        browser.port = stranger.port
        assert browser.get("/session").json() == {}


def test_csrf_tokens_belong_to_the_session(browser: Browser) -> None:
    browser.modern = False
    token = browser.get("/token").body.decode()
    assert browser.post("/login", "user=ada").status == 403
    assert browser.post("/login", "user=ada", x_csrf_token=token).status == 200
    assert browser.post("/logout", x_csrf_token=token).status == 403  # it ended with the old id
    assert browser.post("/logout", x_csrf_token=browser.get("/token").body.decode()).status == 200
