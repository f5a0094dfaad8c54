# mypy: disable-error-code="redundant-expr"
"""The engine: folders, context processors, defaults, debug, sandbox, strings."""

import asyncio
from pathlib import Path

import jinja2
import pytest

import gobstopper_templates as gt
from gobstopper_templates import TemplateEngine, TemplateRegistry


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "page.html").write_text("<h1>{{ title }}</h1>{{ user }}")
    (tmp_path / "mail.txt").write_text("Dear {{ user }}")
    return tmp_path


def engine_of(**sources):
    return TemplateEngine(gt.DictLoader({name.replace("__", "."): source for name, source in sources.items()}))


async def test_render_template(folder):
    engine = TemplateEngine(folder)
    assert await engine.render_template("page.html", {"title": "T", "user": "<u>"}) == "<h1>T</h1>&lt;u&gt;"
    assert await engine.render_template("mail.txt", {"user": "<u>"}) == "Dear <u>"
    assert await engine.render_template(["nope.html", "page.html"], {"title": 1}) == "<h1>1</h1>"
    assert await engine.render_template(engine.environment.get_template("mail.txt")) == "Dear "
    assert engine.render_template_sync("page.html", {"title": "S"}) == "<h1>S</h1>"


async def test_any_name_is_a_variable(folder):
    (folder / "names.html").write_text("{{ name }}{{ stream }}{{ context }}{{ blueprints }}{{ block }}{{ source }}")
    names = ("name", "stream", "context", "blueprints", "block", "source")
    engine = TemplateEngine(folder)
    assert await engine.render_template("names.html", dict(zip(names, "abcdef", strict=True))) == "abcdef"


async def test_render_string():
    engine = engine_of(base__html="[{% block b %}{% endblock %}]")
    source = "{% extends 'base.html' %}{% block b %}{{ x }}{% endblock %}"
    assert await engine.render_string(source, {"x": "<"}) == "[&lt;]"
    assert await engine.render_string(source, {"x": 2}) == "[2]"
    assert engine.render_string_sync("{{ x }}" + " " * 20_000, {"x": 1}).strip() == "1"
    with pytest.raises(TypeError, match="a template string is a str, not int"):
        await engine.render_string(5)


async def test_strings_kept_are_few():
    engine = TemplateEngine()
    for number in range(300):
        assert await engine.render_string(f"{{{{ x }}}}{number}", {"x": 1}) == f"1{number}"
    assert len(engine._strings) == 100


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a.html", True),
        ("a.xml", True),
        ("a.svg", True),
        ("a.js", True),
        ("a.json", True),
        ("a", True),
        ("dir.txt/a", True),
        ("a.txt", False),
        ("A.TXT", False),
        ("a.md", False),
        ("README.rst", False),
        ("list.csv", False),
        ("mail.txt.j2", False),
        ("mail.md.jinja", False),
        ("page.html.j2", True),
        ("page.j2", True),
    ],
)
async def test_everything_but_plain_text_is_escaped(name, escaped):
    engine = TemplateEngine(gt.DictLoader({name: "{{ x }}"}))
    assert await engine.render_template(name, {"x": "<"}) == ("&lt;" if escaped else "<")
    assert gt.autoescape_by_name(name) is escaped


def test_autoescape_can_be_loosened_by_name():
    assert TemplateEngine(autoescape=False).render_string_sync("{{ x }}", {"x": "<"}) == "<"
    assert TemplateEngine(autoescape=lambda name: name is not None).render_string_sync("{{ x }}", {"x": "<"}) == "<"


# -- context processors


async def test_context_processors_in_order_and_explicit_context_wins():
    engine = engine_of(page__html="{{ a }}{{ b }}{{ c }}{{ d }}")

    async def second():
        await asyncio.sleep(0)
        return {"b": 2, "c": 2, "d": 2}

    engine.add_context_processor(lambda: {"a": 1, "b": 1, "c": 1, "d": 1})
    engine.add_context_processor(second)
    engine.add_context_processor(lambda: {"c": 3, "d": 3}, blueprint="admin")
    engine.add_context_processor(lambda: {"d": 4}, blueprint="admin.users")
    assert await engine.render_template("page.html") == "1222"
    assert await engine.render_template("page.html", blueprints=("admin",)) == "1233"
    assert await engine.render_template("page.html", blueprints=("admin", "admin.users")) == "1234"
    assert await engine.render_template("page.html", {"a": 9, "d": 9}, blueprints=("admin", "admin.users")) == "9239"
    assert await engine.render_string("{{ a }}{{ d }}", {"a": 7}) == "72"
    assert await engine.render_string("{{ d }}", blueprints=["admin"]) == "3"


async def test_context_processors_run_once_per_render():
    calls = []
    engine = engine_of(page__html="{% include 'part.html' %}{% include 'part.html' %}", part__html="{{ n }}")
    engine.add_context_processor(lambda: calls.append(1) or {"n": len(calls)})
    assert await engine.render_template("page.html") == "11"
    assert await engine.render_template("page.html") == "22"


async def test_bad_context_processors_are_named():
    engine = engine_of(page__html="")

    def gives_nothing():
        return None

    engine.add_context_processor(gives_nothing)
    with pytest.raises(TypeError, match=r"gives a dict of variables; .*gives_nothing gave None"):
        await engine.render_template("page.html")
    with pytest.raises(TypeError, match="gives_nothing"):
        engine.render_template_sync("page.html")
    with pytest.raises(TypeError, match="without parameters"):
        engine.add_context_processor("name")


async def test_what_a_context_processor_raises_is_unchanged_but_noted():
    engine = engine_of(page__html="")

    async def fails():
        raise LookupError("no users")

    engine.add_context_processor(fails)
    with pytest.raises(LookupError, match="no users") as caught:
        await engine.render_template("page.html")
    assert "In the context processor" in caught.value.__notes__[0]
    assert "fails" in caught.value.__notes__[0]


def test_async_context_processors_need_await():
    engine = engine_of(page__html="")

    async def later():
        return {}

    class Awaitable:
        def __await__(self):
            yield

    for processor in (later, Awaitable):
        engine = engine_of(page__html="")
        engine.add_context_processor(processor)
        with pytest.raises(RuntimeError, match=r"is async: use `await render_template"):
            engine.render_template_sync("page.html")


# -- registering


async def test_filters_tests_and_globals_before_and_after():
    registry = TemplateRegistry()
    registry.add_filter("before", lambda value: f"b{value}")
    registry.add_test("small", lambda value: value < 5)
    registry.add_global("version", "1.0")
    engine = TemplateEngine(registry=registry)
    registry.add_filter("after", lambda value: f"a{value}")
    engine.add_test("big", lambda value: value > 5)
    engine.add_global("later", lambda: "L")
    source = "{{ 1|before }}{{ 1|after }}{{ 1 is small }}{{ 9 is big }}{{ version }}{{ later() }}"
    assert await engine.render_string(source) == "b1a1TrueTrue1.0L"


async def test_a_filter_registered_after_its_template_was_compiled_is_used():
    engine = engine_of(page__html="{% if true %}{{ 1|late }}{% endif %}{{ 'x'|upper }}")
    with pytest.raises(gt.TemplateRuntimeError, match="No filter named 'late'"):
        await engine.render_template("page.html")

    @gt.pass_context
    def late(context, value):
        return f"{context.name}{value}"

    engine.add_filter("late", late)
    engine.add_filter("upper", lambda value: "mine")
    assert await engine.render_template("page.html") == "page.html1mine"


async def test_registering_in_debug_reaches_the_debug_environment():
    engine = TemplateEngine(debug=True)
    assert await engine.render_string("{{ 1 }}") == "1"
    engine.add_global("g", 1)
    engine.add_filter("f", lambda value: value + 1)
    assert await engine.render_string("{{ g|f }}") == "2"
    assert engine.environment.filters is engine.base_environment.filters


def test_engines_are_not_kept_alive_by_their_registry():
    registry = TemplateRegistry()
    for _ in range(5):
        TemplateEngine(registry=registry)
    import gc

    gc.collect()
    assert len(registry._listeners) == 0
    registry.add_global("x", 1)


@pytest.mark.parametrize("name", ["", "a b", "a-b", "1a", ".a", "a."])
def test_names_no_template_can_say_are_refused(name):
    registry = TemplateRegistry()
    with pytest.raises(ValueError, match="no template can name it"):
        registry.add_filter(name, str)
    with pytest.raises(ValueError, match="no template can name it"):
        registry.add_test(name, bool)
    with pytest.raises(ValueError, match="no template can name it"):
        registry.add_global(name, 1)


def test_filters_and_tests_are_functions():
    with pytest.raises(TypeError, match="template filter 'x' must be a function, not 5"):
        TemplateRegistry().add_filter("x", 5)
    with pytest.raises(TypeError, match="template test 'x' must be a function"):
        TemplateRegistry().add_test("x", "no")
    with pytest.raises(ValueError, match=r"template global 'a\.b'"):
        TemplateRegistry().add_global("a.b", 1)


async def test_extensions():
    engine = TemplateEngine(extensions=["jinja2.ext.do"], trim_blocks=True)
    assert await engine.render_string("{% set l = [] %}\n{% do l.append(1) %}\n{{ l }}") == "[1]"
    engine.add_extension("jinja2.ext.loopcontrols")
    assert (
        await engine.render_string("{% for i in range(5) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}")
        == "01"
    )


# -- debug


async def test_undefined_names_are_errors_in_debug_only():
    production, debug = TemplateEngine(), TemplateEngine(debug=True)
    assert await production.render_string("[{{ usre }}]", {"user": 1}) == "[]"
    with pytest.raises(gt.UndefinedError) as caught:
        await debug.render_string("[{{ usre }}]", {"user": 1})
    assert str(caught.value) == "'usre' is undefined"
    assert "did you mean 'user'?" in caught.value.__notes__[0]
    assert await debug.render_string("{{ nope is defined }}{{ nope|default(1) }}") == "False1"


async def test_debug_may_change_at_any_time():
    state = {"debug": False}
    engine = TemplateEngine(gt.DictLoader({"a": "[{{ nope }}]"}), debug=lambda: state["debug"])
    assert await engine.render_template("a") == "[]"
    state["debug"] = True
    assert engine.debug
    for _ in range(2):
        with pytest.raises(gt.UndefinedError):
            await engine.render_template("a")
        with pytest.raises(gt.UndefinedError):
            await engine.render_string("{{ nope }}")
    state["debug"] = False
    assert await engine.render_template("a") == "[]"
    assert await engine.render_string("{{ nope }}") == ""


async def test_undefined_can_be_chosen():
    for debug in (True, False):
        engine = TemplateEngine(undefined=gt.ChainableUndefined, debug=debug)
        assert await engine.render_string("[{{ a.b.c }}]") == "[]"
        assert engine.environment.undefined is gt.ChainableUndefined


async def test_a_missing_template_is_answered_with_the_nearest(folder):
    engine = TemplateEngine(folder, debug=True)
    with pytest.raises(gt.TemplateNotFound) as caught:
        await engine.render_template("pages.html")
    assert caught.value.name == "pages.html"
    assert caught.value.__notes__ == ["Did you mean the template 'page.html'?"]
    with pytest.raises(gt.TemplateNotFound) as caught:
        await engine.render_string("{% include 'pages.html' %}")
    assert any("Did you mean" in note for note in caught.value.__notes__)
    with pytest.raises(gt.TemplateNotFound) as caught:
        await TemplateEngine(folder).render_template("pages.html")
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(gt.TemplatesNotFound):
        await engine.render_template([])


async def test_a_loader_that_cannot_list_gives_no_suggestion():
    engine = TemplateEngine(gt.FunctionLoader(lambda _name: None), debug=True)
    with pytest.raises(gt.TemplateNotFound) as caught:
        await engine.render_template("a")
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(gt.TemplatesNotFound):
        await engine.render_template(["a", "b"])


# -- limits


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("a", {"a": "{% include 'a' %}"}),
        ("a", {"a": "{% extends 'a' %}"}),
        ("a", {"a": "{% import 'a' as m %}"}),
        ("a", {"a": "{% extends 'b' %}", "b": "{% include 'a' %}"}),
        ("a", {"a": "{% block x %}{% include ['none', 'a'] %}{% endblock %}"}),
    ],
)
async def test_cycles_end_and_the_next_render_works(name, sources):
    engine = TemplateEngine(gt.DictLoader({**sources, "fine": "fine"}))
    for _ in range(2):
        with pytest.raises(RecursionError, match="more than 100 templates include, extend or import one another"):
            await engine.render_template(name)
    assert await engine.render_template("fine") == "fine"


async def test_macros_without_end_are_recursion_errors():
    engine = TemplateEngine()
    with pytest.raises(RecursionError):
        await engine.render_string("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")
    assert await engine.render_string("fine") == "fine"


async def test_depth_is_by_option_and_honest_nesting_is_not_counted():
    files = {str(n): f"{n} {{% include '{n + 1}' %}}" for n in range(30)} | {"30": "end"}
    assert (await TemplateEngine(gt.DictLoader(files), max_depth=31).render_template("0")).endswith("29 end")
    with pytest.raises(RecursionError, match="more than 10 "):
        await TemplateEngine(gt.DictLoader(files), max_depth=10).render_template("0")

    async def deep(level):
        if level:
            return await deep(level - 1)
        return await TemplateEngine(gt.DictLoader(files), max_depth=31).render_template("0")

    assert (await deep(200)).endswith("end")


async def test_range_is_bounded():
    engine = TemplateEngine()
    assert await engine.render_string("{{ range(3)|list }}{{ range(100000)|length }}") == "[0, 1, 2]100000"
    for source in ("{{ range(100001) }}", "{{ range(0, 10**30) }}", "{{ range(10**9, 0, -1) }}"):
        with pytest.raises(OverflowError, match="the limit is 100000: page the data, or raise max_range"):
            await engine.render_string(source)
    assert await TemplateEngine(max_range=3).render_string("{{ range(3)|length }}") == "3"
    with pytest.raises(TypeError):
        await engine.render_string("{{ range() }}")


@pytest.mark.parametrize("options", [{"max_depth": 0}, {"max_range": -1}, {"chunk_size": 0}, {"cache_size": -2}])
def test_senseless_limits_are_refused(options):
    with pytest.raises(ValueError, match="at least"):
        TemplateEngine(**options)


@pytest.mark.parametrize("size", [0, 1, -1])
async def test_cache_sizes(size):
    engine = TemplateEngine(gt.DictLoader({"a": "{% include 'b' %}", "b": "{{ x }}"}), cache_size=size)
    for number in range(3):
        assert await engine.render_template("a", {"x": number}) == str(number)
    engine.add_filter("f", str)


async def test_production_checks_nothing_per_render():
    checks = []
    loader = gt.FunctionLoader(lambda _name: ("x", None, lambda: checks.append(1) or True))
    production, debug = TemplateEngine(loader), TemplateEngine(loader, debug=True)
    for engine in (production, debug):
        await engine.render_template("a")
        await engine.render_template("a")
        assert len(checks) == (0 if engine is production else 1)


# -- sandbox


async def test_sandbox_by_name():
    engine = TemplateEngine(sandboxed=True)
    assert isinstance(engine.environment, gt.ImmutableSandboxedEnvironment)
    for source in ("{{ x.__class__.__mro__ }}", "{{ l.append(1) }}", "{{ '{0.__class__.__mro__}'.format(x) }}"):
        with pytest.raises(jinja2.exceptions.SecurityError):
            await engine.render_string(source, {"x": "a", "l": []})
    with pytest.raises(OverflowError):
        await engine.render_string("{{ range(1000000) }}")
    assert await engine.render_string("{{ x.upper() }}", {"x": "<a>"}) == "&lt;A&gt;"


# -- bad input, and what follows it


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("{% include 'nope' %}", gt.TemplateNotFound),
        ("{% if %}", gt.TemplateSyntaxError),
        ("\n{{ nope.x }}", gt.UndefinedError),
        ("\n{{ 1|boom }}", ZeroDivisionError),
        ("{{ bad }}", LookupError),
        ("{% include 'self' %}", RecursionError),
        ("{{ abort(404) }}", PermissionError),
    ],
)
@pytest.mark.parametrize("enable_async", [False, True])
async def test_bad_input_is_the_same_exception_with_a_note_and_the_next_render_works(source, kind, enable_async):
    class Bad:
        def __html__(self):
            raise LookupError("no html")

    def abort(status):
        raise PermissionError(status)

    engine = TemplateEngine(gt.DictLoader({"page": source, "self": "{% include 'self' %}"}), enable_async=enable_async)
    engine.add_filter("boom", lambda _value: 1 / 0)
    for stream in (False, True):
        with pytest.raises(kind) as caught:
            await engine.render_template("page", {"bad": Bad(), "abort": abort}, stream=stream)
        assert gt.template_trace(caught.value)
        assert await engine.render_string("{{ x }}", {"x": "fine"}) == "fine"


@pytest.mark.parametrize("name", [None, 5, Path("page.html")])
def test_names_are_strings(folder, name):
    with pytest.raises(TypeError, match="a template's name is a str relative to its folder, not"):
        TemplateEngine(folder).render_template_sync(name)


def test_sources_are_listed_with_who_brought_them(folder):
    engine = TemplateEngine(folder)
    engine.add_folder([folder / "a", gt.DictLoader({})], blueprint="shop")
    assert [blueprint for blueprint, _ in engine.sources] == [None, "shop", "shop"]
    assert engine.sources[0][1].folder == folder


def test_engine_for():
    engine = engine_of(page__html="")
    assert engine.engine_for("page.html") == ("jinja2", "the wheel gobstopper-templates-rs is not in use")
    assert engine.engine_name == "jinja2"
    with pytest.raises(gt.TemplateNotFound):
        engine.engine_for("nope.html")
