"""The charsets that a form may be sent in: those of the web, none of the codecs that are slow or transform."""

from __future__ import annotations

import codecs

__all__ = ["form_charset"]

# Python's canonical names. Not looked up here: that would import a module for each.
_KNOWN = frozenset({
    "utf-8", "utf-16", "utf-16-be", "utf-16-le", "ascii", "iso8859-1",
    "shift_jis", "cp932", "euc_jp", "iso2022_jp", "gb2312", "gbk", "gb18030", "big5", "euc_kr",
    "koi8-r", "koi8-u", "mac-roman", "cp866", "cp874",
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258",
    "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-9",
    "iso8859-10", "iso8859-11", "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16",
})  # fmt: skip


def form_charset(label: str) -> str | None:
    """Python's name of a charset that a form may use; `None` for one that it may not, or that is unknown."""
    label = label.strip().lower()
    if label in {"utf-8", "utf8", ""}:
        return "utf-8"
    if len(label) > 40 or not label.isascii():
        return None
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    return name if name in _KNOWN else None
