"""Every name that the specification imports from `gobstopper…` is the very object of the distribution it comes from."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest
from support.workspace import ROOT, Package

# facade, names, the module that they come from
FACADES = [
    ("gobstopper", ["Request", "Response", "JSONResponse", "HTTPException", "WebSocket"], "gobstopper_http"),
    ("gobstopper", ["WebSocketDisconnect", "abort", "redirect"], "gobstopper_http"),
    ("gobstopper", ["Blueprint"], "gobstopper_routing"),
    ("gobstopper", ["Gobstopper"], "gobstopper.core.app"),
    ("gobstopper.http", ["redirect", "JSONResponse", "HTTPException", "Request", "Response"], "gobstopper_http"),
    ("gobstopper.http", ["FileResponse", "StreamingResponse", "EventStream", "ServerSentEvent"], "gobstopper_http"),
    ("gobstopper.http", ["HTMLResponse", "TextResponse", "RedirectResponse", "UploadFile", "abort"], "gobstopper_http"),
    ("gobstopper.core.blueprint", ["Blueprint"], "gobstopper_routing"),
    ("gobstopper.testing", ["TestClient", "AsyncTestClient"], "gobstopper_http.testing"),
    ("gobstopper.templates", ["RustTemplateEngineWrapper"], "gobstopper_templates"),
    ("gobstopper.tasks.queue", ["TaskPriority"], "gobstopper_tasks"),
    ("gobstopper.sessions.storage", ["FileSessionStorage"], "gobstopper_sessions"),
    ("gobstopper.sessions.memory_storage", ["MemorySessionStorage"], "gobstopper_sessions"),
    ("gobstopper.sessions.redis_storage", ["AsyncRedisSessionStorage"], "gobstopper_sessions"),
    ("gobstopper.sessions.postgres_storage", ["PostgresSessionStorage"], "gobstopper_sessions"),
    ("gobstopper.middleware.cors", ["CORSMiddleware"], "gobstopper_middleware"),
    ("gobstopper.middleware.security", ["SecurityMiddleware"], "gobstopper_middleware"),
    ("gobstopper.middleware.static", ["StaticMiddleware"], "gobstopper_middleware"),
    ("gobstopper.middleware.rust_static", ["RustStaticMiddleware"], "gobstopper_middleware"),
]
GOBSTOPPER = Package(ROOT / "packages" / "gobstopper")
JOINED = {"gobstopper"} | {name.replace("-", "_") for name in GOBSTOPPER.declared}
"""What the meta-package needs: a distribution's facades are due once it does."""

ROWS = [(facade, name, home) for facade, names, home in FACADES for name in names]


@pytest.mark.parametrize(
    ("facade", "name", "home"),
    [pytest.param(*row, id=f"{row[0]}.{row[1]}") for row in ROWS if row[2].partition(".")[0] in JOINED],
)
def test_a_facade_gives_the_very_object(facade: str, name: str, home: str) -> None:
    module = importlib.import_module(facade)
    assert getattr(module, name) is getattr(importlib.import_module(home), name)
    assert name in module.__all__


def test_every_import_of_the_specification_is_in_the_table() -> None:
    document = (Path(__file__).parent / "spec" / "application-core.txt").read_text(encoding="utf-8")
    found = re.findall(r"^from (gobstopper[\w.]*) import (.+)$", document, re.MULTILINE)
    assert len(found) >= 8
    table = {(facade, name) for facade, name, _ in ROWS}
    missing = [(facade, name) for facade, names in found for name in names.split(", ") if (facade, name) not in table]
    assert missing == []


@pytest.mark.parametrize("facade", sorted({row[0] for row in ROWS if row[2].partition(".")[0] in JOINED}))
def test_a_facade_is_nothing_but_explicit_imports(facade: str) -> None:
    """So that mypy and pyright see through it."""
    module = importlib.import_module(facade)
    source = inspect.getsource(module)
    for name in module.__all__:
        assert re.search(rf"^from \S+ import {name} as {name}$", source, re.MULTILINE), name


@pytest.mark.parametrize("part", ["http", "templates", "tasks", "sessions", "middleware"])
def test_a_facade_has_all_that_its_distribution_has(part: str) -> None:
    """Whoever installed `gobstopper` need not know which distribution a name lives in."""
    facade, home = importlib.import_module(f"gobstopper.{part}"), importlib.import_module(f"gobstopper_{part}")
    public = set(home.__all__) - {"IMPL"}
    assert {name for name in public if getattr(facade, name, None) is not getattr(home, name)} == set()
    assert public <= set(facade.__all__)
