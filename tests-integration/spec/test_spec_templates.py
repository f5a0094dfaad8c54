"""The specification's template examples."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest
from support import GranianServer

from spec.wire import fetch

Example = Callable[..., GranianServer]

WHEEL = find_spec("gobstopper_templates_rs") is not None


def test_initialization_and_detection(example: Example) -> None:
    server = example("templates_engine")
    detected, forced, jinja, custom = fetch(server, "/").json
    assert jinja == "TemplateEngine"
    if WHEEL:
        assert detected == forced == custom == "RustTemplateEngineWrapper"
    else:
        assert detected == custom == "TemplateEngine"
        assert "gobstopper-templates" in forced
    assert ("Using Rust template engine" if WHEEL else "Using Jinja2 template engine") in server.log


def test_rendering_with_context_processors(example: Example) -> None:
    server = example("templates_pages")
    page = fetch(server, "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    year = datetime.now(UTC).year
    assert page.text.strip() == (f"<h1>Home Page</h1><p>Hello Ada &amp; Co</p><footer>MyApp {year} False</footer>")
    dashboard = fetch(server, "/dashboard").text
    assert "<li>Ada</li><li>&lt;Grace&gt;</li><p>1234 visits, 7 online, fine</p>" in dashboard


def test_streaming(example: Example) -> None:
    report = fetch(example("templates_pages"), "/report")
    assert report.headers["transfer-encoding"] == "chunked"
    assert report.text.count("<tr>") == 50_000
    assert report.text.strip().endswith("</table>")


def test_filters_and_globals(example: Example) -> None:
    assert fetch(example("templates_pages"), "/price").text.strip() == "$9.50 https://api.example"


@pytest.mark.parametrize("part", ["auth", "api", "admin"])
def test_application_structure(example: Example, part: str) -> None:
    answer = fetch(example("structured"), f"/{part}")
    assert answer.json["part"] == part
    assert answer.headers["x-marked"] == "yes"
