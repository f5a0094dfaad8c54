"""Field values with parameters: reading ``a; b=c`` (RFC 9110 5.6.6, RFC 8187, RFC 2231) and writing dispositions."""

from __future__ import annotations

import re
import unicodedata
from itertools import islice
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

__all__ = ["content_disposition", "parse_options", "split_quoted"]

# Possessive, so that an unclosed quote costs one pass and no search from each place anew.
_ITEMS = {separator: re.compile(rf'(?:[^"{separator}]++|"(?:[^"\\]++|\\.)*+"?+)++', re.DOTALL) for separator in ",;"}
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_CONTINUED = re.compile(r"(?P<name>[^*]+)\*(?P<index>0|[1-9]\d{0,2})(?P<encoded>\*?)", re.ASCII)
_MAX_PARAMETERS = 64
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}
# attr-char of RFC 8187, without the letters and digits that quote() leaves alone anyway.
_ATTR_CHARS = "!#$&+-.^_`|~"


def split_quoted(text: str, separator: Literal[",", ";"], limit: int) -> list[str]:
    """Split at the separators that are not inside double quotes; the parts are stripped, empty ones left out.

    Args:
        text: the field value.
        separator: what separates.
        limit: how many parts are looked at, empty ones included.
    """
    if '"' in text:
        parts = [match[0] for match in islice(_ITEMS[separator].finditer(text), limit)]
    else:
        parts = text.split(separator, limit)[:limit]
    return [stripped for part in parts if (stripped := part.strip(" \t"))]


def parse_options(value: str) -> tuple[str, dict[str, str]]:
    """Read a value with parameters, as in ``Content-Type`` and ``Content-Disposition``.

    ``name*=UTF-8''...`` (RFC 8187) is decoded and preferred to ``name=``; ``name*0=`` and so on (RFC 2231) are joined.
    What is malformed is left out; of a doubled parameter the first counts; at most 64 are looked at.

    Returns:
        The value in lower case, and its parameters by name in lower case.
    """
    if ";" not in value:
        return value.strip(" \t").lower(), {}
    first, _, rest = value.partition(";")
    plain: dict[str, str] = {}
    for part in split_quoted(rest, ";", _MAX_PARAMETERS):
        name, equals, text = part.partition("=")
        name = name.strip(" \t").lower()
        if equals and name and name not in plain:
            plain[name] = unquote_string(text.strip(" \t"))
    if not any("*" in name for name in plain):
        return first.strip(" \t").lower(), plain
    return first.strip(" \t").lower(), _resolve_extended(plain)


def unquote_string(text: str) -> str:
    """Take off the quotes of a quoted-string and its backslashes; other text stays as it is."""
    if text[:1] != '"':
        return text
    inner = text[1:-1] if len(text) > 1 and text[-1] == '"' else text[1:]
    return _PAIR.sub(r"\1", inner) if "\\" in inner else inner


def _resolve_extended(raw: dict[str, str]) -> dict[str, str]:
    options = {name: text for name, text in raw.items() if "*" not in name}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in raw.items():
        if match := _CONTINUED.fullmatch(name):
            pieces.setdefault(match["name"], {})[int(match["index"])] = (text, bool(match["encoded"]))
    for name, numbered in pieces.items():
        if name not in options and (joined := _join(numbered)) is not None:
            options[name] = joined
    for name, text in raw.items():
        base = name[:-1]
        if name.endswith("*") and "*" not in base and base and (decoded := _decode_extended(text)) is not None:
            options[base] = decoded
    return options


def _decode_extended(text: str) -> str | None:
    """Decode the ext-value of RFC 8187 3.2.1; `None` if it is malformed or its charset is not one of the two known."""
    charset, _, rest = text.partition("'")
    codec = _CHARSETS.get(charset.lower())
    _, quote_mark, encoded = rest.partition("'")
    if codec is None or not quote_mark or not encoded.isascii():
        return None
    try:
        return unquote_to_bytes(encoded).decode(codec)
    except UnicodeDecodeError:
        return None


def _join(numbered: dict[int, tuple[str, bool]]) -> str | None:
    """Join the pieces of RFC 2231 section 3 up to the first gap; `None` if the first is missing or malformed."""
    if 0 not in numbered:
        return None
    first, encoded = numbered[0]
    codec = "utf-8"
    if encoded:
        charset, _, rest = first.partition("'")
        _, _, first = rest.partition("'")
        codec = _CHARSETS.get(charset.lower(), "utf-8")
    chunks = [unquote_to_bytes(first) if encoded else first.encode(codec, "replace")]
    index = 1
    while index in numbered:
        text, encoded = numbered[index]
        chunks.append(unquote_to_bytes(text) if encoded else text.encode(codec, "replace"))
        index += 1
    return b"".join(chunks).decode(codec, "replace")


def content_disposition(disposition: Literal["attachment", "inline"], filename: str) -> str:
    """Write a ``Content-Disposition`` (RFC 6266) that old and new browsers read.

    A name that is not plain ASCII gets a readable ASCII stand-in as ``filename`` and the true one as ``filename*``.
    Control characters are dropped, and slashes become underscores: a name is no path.
    """
    name = "".join(c for c in filename.replace("/", "_").replace("\\", "_") if unicodedata.category(c) not in _UNSAFE)
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    # Browsers disagree on escapes inside the quotes, so the stand-in has none (RFC 6266 appendix D).
    stand_in = re.sub(r'[%"/\\]', "_", ascii_name).strip() or "download"
    if stand_in.startswith(".") and not name.startswith("."):
        stand_in = f"download{stand_in}"
    if stand_in == name:
        return f'{disposition}; filename="{name}"'
    return f"{disposition}; filename=\"{stand_in}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
