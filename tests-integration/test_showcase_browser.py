"""The showcase in a real browser: a person clicks, types, uploads, and sees what comes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support import GranianServer, granian_server
from support.workspace import ROOT

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

# Without a sandbox, as containers have no user namespaces; and nothing that calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GranianServer]:
    where = {"TASKS": str(tmp_path_factory.mktemp("tasks") / "tasks.duckdb")}
    with granian_server("app:app", cwd=ROOT / "examples" / "showcase", env=where) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Its own download, if there is no chromium of the system.
        running = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, server: GranianServer) -> Iterator[Page]:
    """The open page. A script error on it, or a request to another host, is a failure."""
    context = browser.new_context()
    page = context.new_page()
    wrong: list[str] = []
    allowed = (server.url, "data:")
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(allowed) else wrong.append(request.url))
    page.set_default_timeout(10_000)
    page.goto(server.url)
    yield page
    context.close()
    assert wrong == []


def test_a_link_built_by_url_for(page: Page) -> None:
    page.get_by_role("button", name="/days/2026-02-28").click()
    expect(page.locator("#routing output")).to_contain_text('"weekday": "Saturday"')


def test_json_that_fits_and_that_does_not(page: Page) -> None:
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#json output")).to_contain_text("201")
    page.locator("#sweet").fill('{"name": "Endless", "layers": 101}')
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#json output")).to_contain_text("$.layers")


def test_a_form_is_submitted_and_shown_escaped(page: Page) -> None:
    page.get_by_label("Name").fill("Eve")
    page.get_by_label("A note").fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Write").click()
    page.wait_for_url(re.compile("#forms$"))
    expect(page.locator("#notes li").first).to_have_text("Eve <img src=x onerror=alert(1)>")
    assert page.locator("#notes img").count() == 0


def test_an_upload(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "süß.txt"
    file.write_text("sweet")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    output = page.locator("#uploads output")
    expect(output).to_contain_text('"filename": "süß.txt"')
    expect(output).to_contain_text('"bytes": 5')


def test_events_arrive_stop_and_start(page: Page) -> None:
    log, state = page.locator("#sse-log"), page.locator("#sse-state")
    expect(state).to_have_text("open")
    expect(log).to_contain_text("event 3 at")
    page.get_by_role("button", name="Stop").click()
    expect(state).to_have_text("stopped")
    page.get_by_role("button", name="Start").click()
    expect(log).to_contain_text("event 1 at")


def test_two_pages_talk_over_the_websocket(page: Page, server: GranianServer) -> None:
    other = page.context.new_page()
    other.goto(server.url)
    expect(page.locator("#ws-state")).to_have_text("open")
    expect(other.locator("#ws-state")).to_have_text("open")
    page.get_by_label("Message").fill("hello there")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#ws-log")).to_contain_text("hello there")
    expect(other.locator("#ws-log")).to_contain_text("hello there")


def test_errors_and_the_blueprint(page: Page) -> None:
    errors = page.locator("#errors output")
    for button, text in [("crash", "500"), ("404", "404"), ("405", "does not take GET"), ("418", "Teapot")]:
        page.locator("#errors").get_by_role("button", name=button, exact=True).click()
        expect(errors).to_contain_text(text)
    expect(errors).not_to_contain_text("Traceback")
    page.get_by_role("button", name="/members/", exact=True).click()
    expect(page.locator("#blueprint output")).to_contain_text("keep out")
    page.get_by_role("button", name="/members/?key=sesame", exact=True).click()
    expect(page.locator("#blueprint output")).to_contain_text('"welcome": "Ali"')


def test_blocking_handlers_and_a_stream(page: Page) -> None:
    page.get_by_role("button", name="Four at once").click()
    expect(page.locator("#threads output")).to_contain_text("4 answers in")
    page.get_by_role("button", name="stream").click()
    expect(page.locator("#threads output")).to_contain_text("Lift-off!")


def test_a_background_task_is_watched(page: Page) -> None:
    page.get_by_role("button", name="Bake").click()
    expect(page.locator("#tasks output")).to_contain_text('"baked": 60')


def test_a_basket_is_remembered(page: Page) -> None:
    page.get_by_role("link", name="Open the basket").click()
    expect(page.get_by_role("heading")).to_have_text("An empty basket")
    page.get_by_role("button", name="Fudge").click()
    expect(page.get_by_role("status")).to_have_text("One more fudge.")
    page.get_by_role("button", name="Sherbet").click()
    expect(page.get_by_role("heading")).to_have_text("2 in the basket")
    page.reload()
    expect(page.get_by_role("listitem")).to_have_text(["fudge", "sherbet"])
    expect(page.get_by_role("status")).to_have_count(0)
