"""`render_block`: one block of a page, with what surrounds it known but not printed."""

import pytest

import gobstopper_templates as gt
from gobstopper_templates import BlockNotFoundError, TemplateEngine

FILES = {
    "base.html": "<html>{{ effect('base') }}{% set site = 'Site' %}{% import 'macros.html' as m %}"
    "{% block title %}{{ site }}{% endblock %}{% block body %}base{% endblock %}"
    "{% include 'effect.html' %}{% for x in [1] %}{{ effect('loop') }}{% endfor %}"
    "{% block foot %}{{ m.mark('f') }} {{ user }}{% endblock %}</html>",
    "macros.html": "{% macro mark(x) %}<b>{{ x }}{{ user }}</b>{% endmacro %}",
    "effect.html": "{{ effect('include') }}",
    "page.html": "{% extends 'base.html' %}{% set n = 3 %}{% from 'macros.html' import mark as local %}"
    "{% macro own(x) %}[{{ x }}]{% endmacro %}{{ effect('page') }}"
    "{% block body %}{{ super() }}+{{ n }}{{ own(n) }}"
    "{{ local('<') }}{% block inner %}in {{ user }}{% endblock %}{% endblock %}",
    "leaf.html": "{% extends 'page.html' %}{% block inner %}leaf {{ super() }} {{ self.title() }}{% endblock %}",
    "totals.html": "{% set ns = namespace(t=0) %}"
    "{% for i in [1, 2] %}{% set ns.t = ns.t + i %}{{ effect('x') }}{% endfor %}"
    "{% if flag %}{% set word = 'yes' %}{{ effect('x') }}{% else %}{% set word = 'no' %}{% endif %}"
    "{% set kept %}<i>{{ user }}</i>{% endset %}{% filter upper %}{{ effect('x') }}{% endfilter %}"
    "{% macro box() %}{{ caller() }}{% endmacro %}{% call box() %}{{ effect('x') }}{% endcall %}"
    "{% with a = 1 %}{{ effect('x') }}{% endwith %}"
    "{% block total %}{{ ns.t }}{{ word }}{{ kept }}{% call box() %}called{% endcall %}"
    "{% filter upper %}up{% endfilter %}{% for i in [1, 2] %}{{ i }}{% endfor %}{% include 'part.txt' %}{% endblock %}",
    "part.txt": "part {{ user }}",
    "required.html": "{% block must required %}{% endblock %}{% block other %}other{% endblock %}",
    "dynamic.html": "{% extends layout %}{% block title %}{{ super() }}!{% endblock %}",
    "conditional.html": "{% if not bare %}{% extends 'base.html' %}{% endif %}{% block body %}c{% endblock %}",
    "raising.html": "{% extends 'base.html' %}\n{% block body %}\n{{ 1 / 0 }}{% endblock %}",
    "broken_set.html": "\n{% set x = 1 / 0 %}{% block b %}{% endblock %}",
    "cycle.html": "{% extends 'cycle.html' %}",
}


def engine_with(**options):
    effects = []
    engine = TemplateEngine(gt.DictLoader(dict(FILES)), **options)
    engine.add_global("effect", effects.append)
    return engine, effects


@pytest.mark.parametrize("enable_async", [False, True])
@pytest.mark.parametrize(
    ("name", "block", "expected"),
    [
        ("base.html", "title", "Site"),
        ("base.html", "foot", "<b>f</b> &lt;u&gt;"),
        ("page.html", "title", "Site"),
        ("page.html", "body", "base+3[3]<b>&lt;</b>in &lt;u&gt;"),
        ("page.html", "inner", "in &lt;u&gt;"),
        ("leaf.html", "inner", "leaf in &lt;u&gt; Site"),
        ("leaf.html", "body", "base+3[3]<b>&lt;</b>leaf in &lt;u&gt; Site"),
        ("totals.html", "total", "3no<i>&lt;u&gt;</i>calledUP12part <u>"),
        ("required.html", "other", "other"),
        ("dynamic.html", "title", "Site!"),
        ("conditional.html", "body", "c"),
        ("conditional.html", "title", "Site"),
    ],
)
async def test_blocks(name, block, expected, enable_async):
    engine, effects = engine_with(enable_async=enable_async)
    context = {"user": "<u>", "layout": "base.html"}
    for _ in range(2):
        assert await engine.render_block(name, block, context) == expected
    assert effects == [], "what the page prints around the block must not run"
    if not enable_async:
        assert engine.render_block_sync(name, block, context) == expected


@pytest.mark.parametrize(("name", "block"), [("page.html", "body"), ("leaf.html", "inner"), ("base.html", "foot")])
async def test_a_block_is_a_piece_of_its_page(name, block):
    engine, _ = engine_with()
    context = {"user": "<u>"}
    assert await engine.render_block(name, block, context) in await engine.render_template(name, context)


async def test_extends_a_template_object():
    engine, effects = engine_with()
    for layout in (engine.environment.get_template("base.html"), engine.environment.from_string(FILES["base.html"])):
        assert await engine.render_block("dynamic.html", "title", {"layout": layout}) == "Site!"
    assert effects == ["base", "include", "loop"], "a layout without a source runs as it is, its output dropped"


async def test_a_template_of_another_environment():
    engine, _ = engine_with()
    foreign = gt.Environment().from_string("top {% set n = 1 %}{% block b %}block {{ n }}{% endblock %}")
    assert await engine.render_block(foreign, "b") == "block 1"


async def test_context_processors_apply():
    engine, _ = engine_with()
    engine.add_context_processor(lambda: {"user": "app"})
    engine.add_context_processor(lambda: {"user": "blueprint"}, "b")
    assert await engine.render_block("page.html", "inner", blueprints=["b"]) == "in blueprint"
    assert engine.render_block_sync("page.html", "inner", {"user": "explicit"}) == "in explicit"


@pytest.mark.parametrize("enable_async", [False, True])
async def test_an_unknown_block_is_answered_with_those_there_are(enable_async):
    engine, _ = engine_with(enable_async=enable_async)
    with pytest.raises(
        BlockNotFoundError,
        match=r"'page.html' has no block 'bdy'; did you mean 'body'\? \(it has body, foot, inner, title\)",
    ):
        await engine.render_block("page.html", "bdy")
    with pytest.raises(BlockNotFoundError, match=r"no block 'x' \(it has none\)"):
        await engine.render_block("macros.html", "x")
    assert issubclass(BlockNotFoundError, gt.TemplateRuntimeError)


@pytest.mark.parametrize("enable_async", [False, True])
async def test_errors_in_a_block_have_notes(enable_async):
    engine, _ = engine_with(enable_async=enable_async)
    with pytest.raises(ZeroDivisionError) as caught:
        await engine.render_block("raising.html", "body")
    frame = gt.template_trace(caught.value)[0]
    assert (frame.name, frame.lineno) == ("raising.html", 3)
    with pytest.raises(ZeroDivisionError) as caught:
        await engine.render_block("broken_set.html", "b")
    assert gt.template_trace(caught.value)[0].lineno == 2
    with pytest.raises(gt.TemplateNotFound):
        await engine.render_block("nope.html", "b")
    with pytest.raises(RecursionError):
        await engine.render_block("cycle.html", "b")


def test_sync_blocks_need_a_sync_engine():
    engine, _ = engine_with(enable_async=True)
    with pytest.raises(RuntimeError, match=r"await render_block\(\)"):
        engine.render_block_sync("page.html", "body")


async def test_changed_parents_are_noticed():
    files = {"base": "{% set v = 1 %}{% block b %}{{ v }}{% endblock %}", "page": "{% extends 'base' %}"}
    engine = TemplateEngine(gt.DictLoader(files), auto_reload=True)
    assert await engine.render_block("page", "b") == "1"
    files["base"] = "{% set v = 2 %}{% block b %}{{ v }}{% endblock %}"
    assert await engine.render_block("page", "b") == "2"


async def test_blocks_of_compiled_templates(tmp_path):
    engine, effects = engine_with()
    engine.environment.compile_templates(tmp_path, zip=None)
    compiled = TemplateEngine(gt.ModuleLoader(tmp_path))
    compiled.add_global("effect", effects.append)
    assert await compiled.render_block("page.html", "inner", {"user": "u"}) == "in u"


async def test_sandboxed_blocks():
    engine, _ = engine_with(sandboxed=True)
    assert await engine.render_block("page.html", "inner", {"user": "u"}) == "in u"
