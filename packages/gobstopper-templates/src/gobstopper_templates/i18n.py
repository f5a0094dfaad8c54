"""Translations: Jinja2's i18n extension, with catalogues that Babel reads and a locale that may differ per render.

Needs the extra: `pip install 'gobstopper-templates[i18n]'`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .engine import TemplateEngine

if TYPE_CHECKING:
    from babel.support import NullTranslations

__all__ = ["Translations", "install_translations"]


class Translations:
    """The catalogues `<folder>/<locale>/LC_MESSAGES/<domain>.mo`, read when first needed and then kept.

    `get_locale` is asked at every translated text; it gives a locale name (`de`, `pt_BR`, `pt-BR`), several in order
    of preference (as from `Accept-Language`), or `None`. Only locales that have a catalogue are ever read, so the name
    may come from a client; what is unknown falls back to its language, then to `default_locale`, then to the
    untranslated text.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        domain: str = "messages",
        default_locale: str = "en",
        get_locale: Callable[[], str | Iterable[str] | None] | None = None,
    ) -> None:
        try:
            from babel.support import NullTranslations
            from babel.support import Translations as Catalogue
        except ImportError as error:
            raise ImportError("translations need Babel: pip install 'gobstopper-templates[i18n]'") from error
        self._folder = Path(folder)
        self._domain = domain
        self._default = default_locale
        self._get_locale = get_locale
        self._load = Catalogue.load
        self._untranslated = NullTranslations()
        self._catalogues: dict[str, NullTranslations] = {}
        found = self._folder.glob(f"*/LC_MESSAGES/{domain}.mo")
        #: Locales that have a catalogue, by their name in lower case with underscores.
        self.locales = {path.parts[-3].lower(): path.parts[-3] for path in sorted(found)}

    def choose(self) -> str | None:
        """The locale of this render, one of `locales`; `None` if not even the default has a catalogue."""
        wanted = self._get_locale() if self._get_locale is not None else None
        names = [wanted] if isinstance(wanted, str) else [*(wanted or ())]
        for name in (*names, self._default):
            key = name.replace("-", "_").lower()
            if key in self.locales:
                return self.locales[key]
            language = key.partition("_")[0]
            if language in self.locales:
                return self.locales[language]
        return None

    @property
    def catalogue(self) -> NullTranslations:
        """The catalogue of this render."""
        locale = self.choose()
        if locale is None:
            return self._untranslated
        catalogue = self._catalogues.get(locale)
        if catalogue is None:
            catalogue = self._catalogues[locale] = self._load(str(self._folder), [locale], self._domain)
        return catalogue

    def gettext(self, message: str) -> str:
        """The translation of `message`."""
        return str(self.catalogue.ugettext(message))

    def ngettext(self, singular: str, plural: str, num: int) -> str:
        """The form for `num` things."""
        return str(self.catalogue.ungettext(singular, plural, num))

    def pgettext(self, context: str, message: str) -> str:
        """The translation of `message` in a context."""
        return str(self.catalogue.pgettext(context, message))

    def npgettext(self, context: str, singular: str, plural: str, num: int) -> str:
        """The form for `num` things in a context."""
        return str(self.catalogue.npgettext(context, singular, plural, num))


def install_translations(engine: TemplateEngine, translations: Translations, *, newstyle: bool = True) -> None:
    """Give the engine's templates `{% trans %}`, `_()`, `gettext`, `ngettext`, `pgettext` and `npgettext`.

    With `newstyle`, `gettext("Hello %(name)s", name=user)` fills in and escapes the values itself.
    """
    engine.add_extension("jinja2.ext.i18n")
    install = engine.base_environment.install_gettext_callables  # type: ignore[attr-defined]
    install(
        gettext=translations.gettext,
        ngettext=translations.ngettext,
        pgettext=translations.pgettext,
        npgettext=translations.npgettext,
        newstyle=newstyle,
    )
