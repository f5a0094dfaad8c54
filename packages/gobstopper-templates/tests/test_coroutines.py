# mypy: disable-error-code="redundant-expr"
"""Async functions in templates: an option; without it a coroutine that reaches the output is an error."""

import warnings

import pytest

import gobstopper_templates as gt
from gobstopper_templates import TemplateEngine


async def fetch(value="got"):
    return value


class Lazy:
    def __str__(self):
        return "lazy"

    @property
    def name(self):
        return fetch("named")


REACHES_OUTPUT = [
    "{{ fetch() }}",
    "{{ made }}",
    "{{ lazy.name }}",
    "{{ lazy['name'] }}",
    "{{ fetch()|upper }}",
    "{{ fetch()|e }}",
    "{{ fetch()|string }}",
    "{{ lazy|later }}",
    "{{ nope|default(fetch()) }}",
    "{{ fetch()|default('x') }}",
    "{{ 'a' ~ fetch() }}",
    "{{ ('a' ~ made) ~ 'b' }}",
    "{{ [fetch()] }}",
    "{{ (1, [fetch()]) }}",
    "{{ {'k': fetch()} }}",
    "{{ ['a', 'b']|join(fetch()) }}",
    "{{ 'a b'|replace('a', fetch()) }}",
    "{{ '%s' % fetch() }}",
    "{{ '%s %s' % ('a', fetch()) }}",
    "{{ '%(x)s' % {'x': fetch()} }}",
    "{{ '%s'|format(fetch()) }}",
    "{{ '%(x)s'|format(x=fetch()) }}",
    "{{ fetch() if true }}",
    "{{ false or fetch() }}",
    "{% set x = fetch() %}{{ x }}",
    "{% set x %}{{ fetch() }}{% endset %}",
    "{% macro m(v) %}{{ v }}{% endmacro %}{{ m(fetch()) }}",
    "{% for c in [made] %}{{ c }}{% endfor %}",
    "{% filter upper %}{{ fetch() }}{% endfilter %}",
    "{% autoescape false %}{{ fetch() }}{% endautoescape %}",
    "{% print fetch() %}",
    "{% trans x=fetch() %}hi {{ x }}{% endtrans %}",
]


@pytest.mark.parametrize("source", REACHES_OUTPUT)
@pytest.mark.parametrize("newstyle", [False, True])
async def test_a_coroutine_in_the_output_is_an_error(source, newstyle):
    engine = TemplateEngine(extensions=["jinja2.ext.i18n"])
    engine.environment.install_null_translations(newstyle=newstyle)
    engine.add_global("fetch", fetch)
    engine.add_filter("later", fetch)
    made = fetch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(gt.TemplateRuntimeError, match=r"the coroutine of fetch\(\) reached the output: await it"):
            await engine.render_string(source, {"made": made, "lazy": Lazy()})
    made.close()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (source, None)
        for source in REACHES_OUTPUT
        if "[" not in source and "(1" not in source and "%" not in source.strip("{%")
    ]
    + [
        ("{{ fetch() }}", "got"),
        ("{{ made }}", "got"),
        ("{{ lazy.name }}", "named"),
        ("{{ 'a' ~ fetch() }}", "agot"),
        ("{{ 'a' ~ made }}", "agot"),
        ("{{ '%s' % made }}", "got"),
        ("{{ made|upper }}", "GOT"),
        ("{{ [made] }}", "[&#39;got&#39;]"),
        ("{% for c in [made] %}{{ c }}{% endfor %}", "got"),
        ("{% macro m(v) %}{{ v }}{% endmacro %}{{ m(made) }}", "got"),
    ],
)
async def test_with_enable_async_it_is_awaited(source, expected):
    engine = TemplateEngine(enable_async=True)
    engine.add_global("fetch", fetch)
    engine.add_filter("later", fetch)
    made = fetch()
    text = await engine.render_string(source, {"made": made, "lazy": Lazy()})
    assert "coroutine" not in text
    assert expected is None or text == expected
    made.close()


async def test_coroutines_may_be_handed_on():
    engine = TemplateEngine()
    seen = []
    engine.add_global("fetch", fetch)
    engine.add_global("start", lambda coroutine: seen.append(coroutine) or "started")
    engine.add_filter("run", lambda coroutine: seen.append(coroutine) or "run")
    assert await engine.render_string("{{ start(fetch()) }} {{ fetch()|run }}") == "started run"
    assert [await coroutine for coroutine in seen] == ["got", "got"]


async def test_async_iteration_and_streams():
    async def numbers():
        for number in range(3):
            yield number

    engine = TemplateEngine(
        gt.DictLoader({"a": "{% for n in numbers() %}{{ n }}{{ loop.last }}{% endfor %}"}), enable_async=True
    )
    engine.add_global("numbers", numbers)
    expected = "0False1False2True"
    assert await engine.render_template("a") == expected
    assert "".join([chunk async for chunk in await engine.render_template("a", stream=True)]) == expected
    assert engine.enable_async


def test_sync_twin_outside_a_loop():
    engine = TemplateEngine(gt.DictLoader({"a": "{{ fetch() }}"}), enable_async=True)
    engine.add_global("fetch", fetch)
    assert engine.render_template_sync("a") == "got"
    assert engine.render_string_sync("{{ fetch() }}") == "got"


async def test_sync_twins_inside_a_loop_say_what_to_do():
    engine = TemplateEngine(enable_async=True)
    with pytest.raises(RuntimeError, match=r"render_string_sync: .* await render_string\(\)"):
        engine.render_string_sync("x")
    with pytest.raises(RuntimeError, match=r"await render_template\(\)"):
        engine.render_template_sync("x")
    assert TemplateEngine().render_string_sync("x") == "x"


def test_sync_templates_are_compiled_sync():
    source = TemplateEngine().environment.compile("{{ x }}{% include 'y' %}{{ f() }}", raw=True)
    assert "async" not in source
    assert "await" not in source


def test_what_cannot_be_a_coroutine_is_not_checked():
    environment = TemplateEngine().environment
    source = environment.compile(
        "text {{ 1 }}{{ 'a' ~ 'b' }}{{ x == 1 }}{{ not x }}{{ x is odd }}{{ x + 1 }}", raw=True
    )
    assert "_v" not in source
    assert environment.compile("{{ x }}", raw=True).count("CoroutineType") == 2


def test_compiling_stays_linear():
    import time

    environment = TemplateEngine().environment

    def cost(count):
        source = "{{ ('a'|upper) ~ x ~ [y, z|lower] }}" * count
        best = 9e9
        for _ in range(3):
            start = time.process_time()
            environment.compile(source, raw=True)
            best = min(best, time.process_time() - start)
        return best

    cost(50)
    assert cost(1600) < 4 * 16 * cost(100), "sixteen times as much; what is quadratic takes 256 times as long"
