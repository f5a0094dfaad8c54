"""Translations with catalogues compiled by Babel."""

import contextvars
import io
import sys

import pytest
from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo

import gobstopper_templates as gt
from gobstopper_templates import TemplateEngine, Translations, install_translations


def catalogue(folder, locale, messages, domain="messages"):
    catalog = Catalog(locale=locale)
    for message, translation in messages.items():
        context, _, text = message.rpartition("|") if isinstance(message, str) else ("", "", message)
        catalog.add(text, translation, context=context or None)
    target = folder / locale / "LC_MESSAGES"
    target.mkdir(parents=True)
    with (target / f"{domain}.mo").open("wb") as file:
        write_mo(file, catalog)


@pytest.fixture
def folder(tmp_path):
    catalogue(
        tmp_path,
        "de",
        {
            "Hello": "Hallo",
            "Hello %(name)s": "Hallo %(name)s",
            ("one dog", "%(num)s dogs"): ("ein Hund", "%(num)s Hunde"),
            "month|May": "Mai",
        },
    )
    catalogue(tmp_path, "pt_BR", {"Hello": "Oi"})
    catalogue(tmp_path, "pt", {"Hello": "Olá"})
    return tmp_path


def engine_for(folder, locale=None, **options):
    engine = TemplateEngine()
    install_translations(engine, Translations(folder, get_locale=lambda: locale, **options))
    return engine


async def test_everything_that_translates(folder):
    engine = engine_for(folder, "de")
    source = (
        "{{ _('Hello') }} {% trans %}Hello{% endtrans %} {{ gettext('Hello %(name)s', name=user) }} "
        "{% trans name=user %}Hello {{ name }}{% endtrans %} "
        "{% trans num=n %}one dog{% pluralize %}{{ num }} dogs{% endtrans %} "
        "{{ ngettext('one dog', '%(num)s dogs', 1) }} "
        "{{ pgettext('month', 'May') }} {{ npgettext('x', 'a', 'b', 2) }} {{ _('untranslated') }}"
    )
    assert await engine.render_string(source, {"user": "<b>", "n": 3}) == (
        "Hallo Hallo Hallo &lt;b&gt; Hallo &lt;b&gt; 3 Hunde ein Hund Mai b untranslated"
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("de", "Hallo"),
        ("de_AT", "Hallo"),
        ("de-at", "Hallo"),
        ("pt-BR", "Oi"),
        ("PT_br", "Oi"),
        ("pt", "Olá"),
        ("pt_PT", "Olá"),
        ("fr", "Hello"),
        (None, "Hello"),
        ("", "Hello"),
        (["fr", "pt-BR", "de"], "Oi"),
        (["fr"], "Hello"),
        ("../../etc", "Hello"),
        ("de\0", "Hello"),
        ("de/../pt", "Hello"),
    ],
)
async def test_locales(folder, wanted, expected):
    assert await engine_for(folder, wanted).render_string("{{ _('Hello') }}") == expected


async def test_default_locale(folder):
    assert await engine_for(folder, "fr", default_locale="de").render_string("{{ _('Hello') }}") == "Hallo"
    assert Translations(folder, default_locale="de").choose() == "de"
    assert Translations(folder).choose() is None


async def test_each_render_has_its_own_locale(folder):
    locale = contextvars.ContextVar("locale", default="de")
    engine = TemplateEngine(gt.DictLoader({"a": "{% trans %}Hello{% endtrans %}"}))
    translations = Translations(folder, get_locale=locale.get)
    install_translations(engine, translations)
    assert await engine.render_template("a") == "Hallo"
    locale.set("pt_BR")
    assert await engine.render_template("a") == "Oi"
    for number in range(200):
        locale.set(f"x{number}")
        await engine.render_template("a")
    assert set(translations._catalogues) == {"de", "pt_BR"}


async def test_old_style_debug_and_later_changes(folder):
    engine = TemplateEngine(debug=True)
    assert await engine.render_string("before") == "before"
    install_translations(engine, Translations(folder, get_locale=lambda: "de"), newstyle=False)
    assert await engine.render_string("{{ _('Hello %(name)s')|format(name='x') }}") == "Hallo x"
    install_translations(engine, Translations(folder, get_locale=lambda: "de"))
    assert await engine.render_string("{{ _('Hello %(name)s', name='x') }}") == "Hallo x"


def test_babel_extracts_from_our_templates():
    source = io.BytesIO(b"{% trans name=user %}Hello {{ name }}{% endtrans %}\n{{ _('Other') }}")
    found = list(extract("jinja2.ext:babel_extract", source, options={"newstyle_gettext": "true"}))
    assert [(line, message) for line, message, _, _ in found] == [(1, "Hello %(name)s"), (2, "Other")]


def test_without_babel_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "babel.support", None)
    with pytest.raises(ImportError, match=r"pip install 'gobstopper-templates\[i18n\]'"):
        Translations(folder)
