"""The corpus, side by side with plain Jinja2: the same bytes, or the same exception at the same line."""

import inspect
import types

import jinja2
import jinja2.defaults
import jinja2.ext
import pytest
from jinja2 import nodes

import corpus_cases
import gobstopper_templates
import gobstopper_templates.nativetypes
import gobstopper_templates.sandbox
from corpus_cases import CASES, environment_class, generated, module_of, options_for, outcome, prepare, rendered

SYNC = [case for case in CASES if not case.async_only]
ENGINE = [case for case in CASES if case.engine and not {"native", "sandbox", "loader"} & case.env.keys()]
ASYNC = [case for case in CASES if not case.sync_only]
every_sync_case = pytest.mark.parametrize("case", SYNC, ids=str)


def both(case, tmp_path, **overrides):
    pair = []
    for family in (jinja2, gobstopper_templates):
        options, rest = options_for(case, tmp_path, **overrides)
        pair.append(prepare(environment_class(family, rest)(**options), rest))
    return pair


@every_sync_case
def test_cases_mean_what_they_say(case, tmp_path):
    """A case that names no error must render: a corpus of misspelt templates would compare errors only."""
    theirs, _ = both(case, tmp_path)
    result = rendered(theirs, case)
    assert ("" if result[0] == "value" else result[1]) in (case.error.split(",") if case.error else [""]), result


@every_sync_case
def test_environment(case, tmp_path):
    theirs, ours = both(case, tmp_path)
    assert isinstance(ours, jinja2.Environment)
    assert rendered(ours, case) == rendered(theirs, case)
    assert rendered(ours, case) == rendered(theirs, case), "the second render, from the cache"
    assert generated(ours, case) == generated(theirs, case)
    assert module_of(ours, case) == module_of(theirs, case)
    raw = [outcome(lambda env=env: env.compile(case.source, case.name, raw=True)) for env in (theirs, ours)]
    assert raw[0] == raw[1]


@pytest.mark.parametrize("case", [case for case in SYNC if "autoescape" not in case.env], ids=str)
def test_environment_that_escapes(case, tmp_path):
    theirs, ours = both(case, tmp_path, autoescape=True)
    assert rendered(ours, case) == rendered(theirs, case)


@pytest.mark.parametrize("case", ASYNC, ids=str)
def test_async_environment(case, tmp_path):
    theirs, ours = both(case, tmp_path, enable_async=True)
    expected = rendered(theirs, case)
    assert rendered(ours, case) == expected
    assert generated(ours, case) == generated(theirs, case)
    if case.async_only:
        assert ("" if expected[0] == "value" else expected[1]) == case.error


@every_sync_case
def test_overlay(case, tmp_path):
    pair = []
    for family in (jinja2, gobstopper_templates):
        options, rest = options_for(case, tmp_path)
        base = environment_class(family, rest)(cache_size=50, trim_blocks=True, autoescape=True)
        overlay = base.overlay(trim_blocks=options.pop("trim_blocks", False), **options)
        pair.append(prepare(overlay, rest))
    theirs, ours = pair
    assert type(ours) is type(ours.linked_to)
    assert rendered(ours, case) == rendered(theirs, case)


@pytest.mark.parametrize("case", [case for case in SYNC if not case.files and not case.env], ids=str)
def test_spontaneous_environment(case):
    def render(template_class):
        return outcome(lambda: template_class(case.source, autoescape=True).render(case.variables))

    assert render(gobstopper_templates.Template) == render(jinja2.Template)


def engine_and_plain(case, tmp_path, **engine_options):
    """An engine, and plain Jinja2 with what the engine documents as its defaults."""
    options, rest = options_for(case, tmp_path)
    options.setdefault("autoescape", gobstopper_templates.autoescape_by_name)
    debug = engine_options.get("debug", False)
    options.setdefault("undefined", jinja2.StrictUndefined if debug else jinja2.Undefined)
    options.setdefault("auto_reload", debug)
    plain = prepare(jinja2.Environment(**options, enable_async=engine_options.get("enable_async", False)), rest)
    options, rest = options_for(case, tmp_path)
    loader = options.pop("loader")
    engine = gobstopper_templates.TemplateEngine(loader, **options, **engine_options)
    prepare(engine.base_environment, rest)
    return engine, plain


@pytest.mark.parametrize("debug", [False, True], ids=["production", "debug"])
@pytest.mark.parametrize("case", [case for case in ENGINE if not case.async_only], ids=str)
def test_engine(case, debug, tmp_path):
    engine, plain = engine_and_plain(case, tmp_path, debug=debug)
    assert outcome(lambda: engine.render_template_sync(case.name, case.variables)) == rendered(plain, case)
    assert rendered(engine.environment, case) == rendered(plain, case)
    assert generated(engine.environment, case) == generated(plain, case)


@pytest.mark.parametrize("case", [case for case in ENGINE if not case.sync_only], ids=str)
def test_async_engine(case, tmp_path):
    engine, plain = engine_and_plain(case, tmp_path, enable_async=True)
    assert rendered(engine.environment, case) == rendered(plain, case)


# -- what the corpus covers


def node_classes():
    seen = set()
    environment = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", "jinja2.ext.i18n"])
    for case in CASES:
        for source in [case.source, *case.files.values()]:
            try:
                tree = environment.parse(source)
            except jinja2.TemplateSyntaxError:
                continue
            seen |= {(type(node), getattr(node, "name", None)) for node in tree.find_all(nodes.Node)}
    return seen


def used_in_sources(name):
    return any(name in case.source or any(name in text for text in case.files.values()) for case in CASES)


def test_there_are_enough_templates():
    assert len({case.id for case in CASES}) == len(CASES) >= 300


def test_corpus_covers_every_node():
    parsed_by_jinja2 = {
        value
        for value in vars(nodes).values()
        if isinstance(value, type) and issubclass(value, nodes.Node) and not value.abstract
    }
    # Only extensions and the compiler make these; RepeatExtension and i18n make some of them all the same.
    made_by_code = {
        nodes.ContextReference,
        nodes.DerivedContextReference,
        nodes.EnvironmentAttribute,
        nodes.ImportedName,
        nodes.InternalName,
        nodes.MarkSafe,
        nodes.OverlayScope,
        nodes.EvalContextModifier,
        nodes.ExtensionAttribute,
        nodes.Scope,
        nodes.Template,
    }
    missing = parsed_by_jinja2 - made_by_code - {kind for kind, _ in node_classes()}
    assert not missing


def test_corpus_covers_every_filter_test_and_global():
    seen = node_classes()
    filters = {name for kind, name in seen if kind is nodes.Filter}
    tests = {name for kind, name in seen if kind is nodes.Test}
    assert not set(jinja2.defaults.DEFAULT_FILTERS) - filters
    spelt = {name for name in set(jinja2.defaults.DEFAULT_TESTS) - tests if used_in_sources(f'"{name}"')}
    assert not set(jinja2.defaults.DEFAULT_TESTS) - tests - spelt
    names = {name for kind, name in seen if kind is nodes.Name}
    assert not set(jinja2.defaults.DEFAULT_NAMESPACE) - names


def test_corpus_covers_every_option():
    parameters = set(inspect.signature(jinja2.Environment).parameters)
    used = {key for case in CASES for key in case.env} | {"loader", "enable_async"}
    assert not parameters - used


def test_corpus_covers_every_extension():
    known = {
        f"jinja2.ext.{name}"
        for name in ("do", "loopcontrols", "debug", "i18n")
        if isinstance(getattr(jinja2.ext, name), type)
    }
    assert not known - {name for case in CASES for name in case.env.get("extensions", ())}


def test_every_public_name_is_there():
    public = {
        name
        for name, value in vars(jinja2).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert not public - set(gobstopper_templates.__all__)
    same = {name for name in public if getattr(gobstopper_templates, name) is getattr(jinja2, name)}
    assert public - same == {"Environment", "Template"}
    for name in ("sandbox", "nativetypes"):
        theirs, ours = getattr(jinja2, name), getattr(gobstopper_templates, name)
        defined = {key for key, value in vars(theirs).items() if getattr(value, "__module__", "") == theirs.__name__}
        assert not {key for key in defined - {"F"} if not key.startswith("_")} - set(ours.__all__)
    assert corpus_cases.FOLDER.is_dir()
