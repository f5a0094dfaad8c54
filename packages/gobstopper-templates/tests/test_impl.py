"""The choice between Jinja2 and the wheel, with a stand-in for the wheel."""

import subprocess
import sys
import types

import pytest

import gobstopper_templates as gt
from gobstopper_templates import RustTemplateEngineWrapper, TemplateEngine, _impl


class FakeRenderer:
    def __init__(self, name):
        self.name = name

    def render(self, variables):
        return f"rust {self.name} {variables.get('x')}"

    def generate(self, variables):
        yield "rust "
        yield f"{self.name} {variables.get('x')}"


def compile_one(environment, name):
    assert environment.get_template(name).name == name
    return "it uses a filter block" if name.startswith("odd") else FakeRenderer(name)


@pytest.fixture
def wheel(monkeypatch):
    module = types.ModuleType("gobstopper_templates_rs")
    module.IMPL = "rust"
    module.compile = compile_one
    module.__spec__ = types.SimpleNamespace(name=module.__name__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setitem(sys.modules, "gobstopper_templates_rs", None)
    monkeypatch.setattr(_impl, "find_spec", lambda _name: None)


LOADER = gt.DictLoader({"page": "jinja page {{ x }}", "odd": "jinja odd {{ x }}"})


def test_without_the_wheel_nothing_is_a_wrapper(no_wheel):
    for use_rust in (None, False):
        engine = TemplateEngine(LOADER, use_rust=use_rust)
        assert type(engine) is TemplateEngine
        assert not isinstance(engine, RustTemplateEngineWrapper)
    message = r"use_rust=True, but the wheel gobstopper-templates-rs cannot be imported .*pip install"
    for make in (lambda: TemplateEngine(LOADER, use_rust=True), lambda: RustTemplateEngineWrapper(LOADER)):
        with pytest.raises(ImportError, match=message.replace("use_rust=True", "use_rust=True")):
            make()
    with pytest.raises(ImportError, match="use_rust=True"):
        RustTemplateEngineWrapper(LOADER, use_rust=False)


async def test_the_wheel_renders_what_it_can(wheel):
    engine = TemplateEngine(LOADER)
    assert isinstance(engine, RustTemplateEngineWrapper)
    assert engine.engine_name == "rust"
    assert await engine.render_template("page", {"x": 1}) == "rust page 1"
    assert engine.render_template_sync("page", {"x": 2}) == "rust page 2"
    assert [chunk async for chunk in await engine.render_template("page", {"x": 3}, stream=True)] == ["rust page 3"]
    assert engine.engine_for("page") == ("rust", "the wheel knows all that the template uses")
    assert await engine.render_template("odd", {"x": 1}) == "jinja odd 1"
    assert engine.engine_for("odd") == ("jinja2", "it uses a filter block")
    assert await engine.render_string("{{ x }}", {"x": "string"}) == "string"


async def test_the_wheel_is_not_used_where_it_is_not_wanted(wheel):
    assert type(TemplateEngine(LOADER, use_rust=False)) is TemplateEngine
    assert await TemplateEngine(LOADER, use_rust=False).render_template("page", {"x": 1}) == "jinja page 1"
    engine = TemplateEngine(LOADER, enable_async=True)
    assert engine.engine_for("page") == ("jinja2", "enable_async=True")
    assert await engine.render_template("page", {"x": 1}) == "jinja page 1"
    assert engine.engine_for(engine.environment.from_string("s")).engine == "jinja2"


@pytest.mark.parametrize(("value", "rust"), [("auto", True), ("python", False), ("rust", True)])
def test_the_environment_variable_decides(wheel, monkeypatch, value, rust):
    monkeypatch.setenv("GOBSTOPPER_IMPL", value)
    assert isinstance(TemplateEngine(LOADER), RustTemplateEngineWrapper) is rust
    assert isinstance(TemplateEngine(LOADER, use_rust=True), RustTemplateEngineWrapper)


def test_asked_for_and_missing(no_wheel, monkeypatch):
    monkeypatch.setenv("GOBSTOPPER_IMPL", "rust")
    with pytest.raises(ImportError, match="GOBSTOPPER_IMPL=rust, but the wheel"):
        TemplateEngine(LOADER)
    assert type(TemplateEngine(LOADER, use_rust=False)) is TemplateEngine
    monkeypatch.setenv("GOBSTOPPER_IMPL", "fortran")
    with pytest.raises(ImportError, match="GOBSTOPPER_IMPL='fortran' is unknown: use auto, python or rust"):
        _impl.choose()


def test_a_broken_wheel_warns(monkeypatch):
    monkeypatch.setitem(sys.modules, "gobstopper_templates_rs", None)
    monkeypatch.setattr(_impl, "find_spec", lambda _name: object())
    monkeypatch.setenv("GOBSTOPPER_IMPL", "auto")
    with pytest.warns(UserWarning, match="installed but broken"):
        assert _impl.choose() is None


def test_importing_costs_no_babel_and_no_asyncio_loop():
    code = "import sys, gobstopper_templates as g; print(g.IMPL, 'babel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [gt.IMPL, "False"]


def test_nothing_else_of_the_house_is_imported():
    code = "import sys, gobstopper_templates; print([m for m in sys.modules if m.startswith('gobstopper')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.split(".")[0].startswith("gobstopper_templates") for name in eval(done.stdout))
