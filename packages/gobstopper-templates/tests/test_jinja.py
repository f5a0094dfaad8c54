"""The drop-in environment and template: what a Jinja2 user relies on beyond the output."""

import copy
import pickle
import traceback

import jinja2
import pytest

import gobstopper_templates as ours
from gobstopper_templates import nativetypes, sandbox


def test_environment_and_template_are_jinja2s():
    environment = ours.Environment(loader=ours.DictLoader({"a": "{{ x }}"}))
    template = environment.get_template("a")
    assert isinstance(environment, jinja2.Environment)
    assert isinstance(template, jinja2.Template)
    assert isinstance(template, ours.Template)
    assert isinstance(ours.Template("x"), ours.Template)
    assert type(ours.Template("x").environment) is ours.Environment
    assert environment.select_template(["nope", "a"]).render(x=1) == "1"
    assert environment.get_template(template) is template


@pytest.mark.parametrize(
    "environment_class",
    [
        ours.Environment,
        ours.SandboxedEnvironment,
        ours.ImmutableSandboxedEnvironment,
        nativetypes.NativeEnvironment,
    ],
)
def test_pickled_environments_work(environment_class):
    environment = environment_class(autoescape=True, trim_blocks=True, loader=ours.DictLoader({"a": "{{ '<' }}"}))
    for clone in (pickle.loads(pickle.dumps(environment)), copy.copy(environment), copy.deepcopy(environment)):
        assert type(clone) is environment_class
        assert clone.get_template("a").render() == environment.get_template("a").render()
        assert clone.autoescape
        assert clone.trim_blocks
        with pytest.raises(ZeroDivisionError) as caught:
            clone.from_string("\n{{ 1 / 0 }}").render()
        assert ours.template_trace(caught.value)[0].lineno == 2


def test_overlays_share_and_override():
    base = ours.Environment(loader=ours.DictLoader({"a": "{{ x }}{{ y }}"}))
    overlay = base.overlay(autoescape=True, variable_start_string="{{")
    base.globals["y"] = "&"
    assert type(overlay) is ours.Environment
    assert overlay.overlayed
    assert overlay.linked_to is base
    assert overlay.get_template("a").render(x="<") == "&lt;&amp;"
    assert base.get_template("a").render(x="<") == "<&"


def test_spontaneous_environments_are_shared_by_options():
    one, two, other = ours.Template("a"), ours.Template("b"), ours.Template("c", trim_blocks=True)
    assert one.environment is two.environment
    assert one.environment is not other.environment
    assert one.environment.shared


def test_own_subclasses_keep_working():
    class MyTemplate(jinja2.Template):
        pass

    class MyEnvironment(ours.Environment):
        template_class = MyTemplate

        def join_path(self, template, parent):
            return parent.rpartition("/")[0] + "/" + template

    environment = MyEnvironment(loader=ours.DictLoader({"d/a": "{% include 'b' %}", "d/b": "{{ x }}"}))
    template = environment.get_template("d/a")
    assert type(template) is MyTemplate
    assert template.render(x=1) == "1"
    assert type(environment.from_string("x", template_class=ours.Template)) is ours.Template


def test_template_globals_keep_their_places():
    environment = ours.Environment(loader=ours.DictLoader({"a": "{{ one }}{{ two }}{{ three }}"}))
    environment.globals.update(one="env", two="env", three="env")
    template = environment.get_template("a", globals={"two": "template", "three": "template"})
    assert template.render(three="render") == "envtemplaterender"
    environment.globals["one"] = "later"
    assert template.render() == "latertemplatetemplate"
    assert environment.from_string("{{ one }}{{ g }}", globals={"g": "G"}).render() == "laterG"
    assert list(template.new_context({"v": 1}, locals={"w": 2}).get_all())[-2:] == ["v", "w"]
    assert template.new_context({"only": 1}, shared=True).get_all() == {"only": 1}


def test_context_names_must_be_strings_as_in_jinja2():
    for family in (jinja2, ours):
        with pytest.raises(TypeError, match="keywords must be strings"):
            family.Environment().from_string("x").render({1: 2})


def test_compile_expression_and_templates(tmp_path):
    environment = ours.Environment(loader=ours.DictLoader({"a.html": "{{ x }}!"}))
    assert environment.compile_expression("x * 2 + y|length")(x=2, y="ab") == 6
    assert environment.compile_expression("nope")() is None
    environment.compile_templates(tmp_path, zip=None)
    compiled = ours.Environment(loader=ours.ModuleLoader(tmp_path))
    assert compiled.get_template("a.html").render(x=1) == "1!"
    assert environment.list_templates() == ["a.html"]


def test_generate_stream_dump_and_module(tmp_path):
    template = ours.Template("{% macro m() %}M{% endmacro %}{% set v = 1 %}a{{ x }}b")
    assert list(template.generate(x=1)) == ["a", "1", "b"]
    stream = template.stream(x=2)
    stream.enable_buffering(3)
    assert list(stream) == ["a2b"]
    template.stream(x=3).dump(str(tmp_path / "out"), encoding="utf-8")
    assert (tmp_path / "out").read_text() == "a3b"
    assert template.module.m() == "M"
    assert template.module.v == 1


async def test_async_rendering():
    async def fetch():
        return 5

    environment = ours.Environment(enable_async=True)
    template = environment.from_string("{{ fetch() }}")
    assert await template.render_async(fetch=fetch) == "5"
    assert [piece async for piece in template.generate_async(fetch=fetch)] == ["5"]
    assert str(await template.make_module_async({"fetch": fetch})) == "5"
    with pytest.raises(RuntimeError, match="async mode"):
        await ours.Template("x").render_async()


def test_native_templates_are_native():
    template = nativetypes.NativeEnvironment().from_string("{{ x }}")
    assert isinstance(template, nativetypes.NativeTemplate)
    assert template.render(x=[1]) == [1]
    assert nativetypes.NativeTemplate("{{ 1 + 1 }}").render() == 2


def test_sandbox_refuses():
    for environment_class in (sandbox.SandboxedEnvironment, sandbox.ImmutableSandboxedEnvironment):
        environment = environment_class()
        assert isinstance(environment, ours.Environment)
        assert isinstance(environment, jinja2.sandbox.SandboxedEnvironment)
        with pytest.raises(sandbox.SecurityError):
            environment.from_string("{{ ''.__class__.mro() }}").render()
    with pytest.raises(sandbox.SecurityError):
        sandbox.ImmutableSandboxedEnvironment().from_string("{{ [].append(1) }}").render()


def test_nothing_is_escaped_by_default():
    """`Environment` keeps Jinja2's defaults; the safe ones are the engine's."""
    assert ours.Environment().from_string("{{ x }}{{ y }}{{ range(200000)|length }}").render(x="<") == "<200000"


def test_traceback_shows_the_template():
    environment = ours.Environment(loader=ours.DictLoader({"a": "\n\n{{ boom() }}"}))
    with pytest.raises(jinja2.UndefinedError) as caught:
        environment.get_template("a").render()
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.lineno for frame in frames if frame.filename == "<template>"] == [3]
