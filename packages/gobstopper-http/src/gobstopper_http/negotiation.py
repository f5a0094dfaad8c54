"""Content negotiation (RFC 9110 section 12): what the client would rather have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar, overload

from ._options import content_disposition as content_disposition
from ._options import parse_options as parse_options
from ._options import split_quoted, unquote_string

__all__ = [
    "Accept",
    "best_charset",
    "best_encoding",
    "best_language",
    "best_match",
    "content_disposition",
    "parse_accept",
    "parse_options",
]

_T = TypeVar("_T")

Preference: TypeAlias = tuple[str, float, dict[str, str]]
"""A value in lower case, its quality from 0 to 1, its parameters."""

_MAX_ITEMS = 64
_TCHARS = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = re.compile(rf"{_TCHARS}(?:/{_TCHARS})?")
# The grammar says at most three decimals and a leading digit; "q=.2" is sent by every old Java client.
_QUALITY = re.compile(r"(?:0{0,3}|1)(?:\.\d{0,10})?", re.ASCII)


def parse_accept(header: str) -> list[Preference]:
    """Read ``Accept``, ``Accept-Language``, ``Accept-Encoding`` or ``Accept-Charset``.

    Malformed members are ignored; at most 64 are looked at.

    Returns:
        The members with the highest quality first, in the order of the header where it is the same; those with quality
        0 (refused) are included.
    """
    found: list[Preference] = []
    for item in split_quoted(header, ",", _MAX_ITEMS):
        value, *options = split_quoted(item, ";", _MAX_ITEMS) or [""]
        quality = 1.0
        parameters: dict[str, str] = {}
        for option in options:
            name, _, text = option.partition("=")
            name = name.strip(" \t").lower()
            text = unquote_string(text.strip(" \t"))
            if name != "q":
                parameters[name] = text
                continue
            if not text.strip(".") or not _QUALITY.fullmatch(text):
                break
            quality = min(float(text), 1.0)
        else:
            if _VALUE.fullmatch(value):
                found.append((value.lower(), quality, parameters))
    found.sort(key=lambda preference: -preference[1])
    return found


# How well a member of the header fits an offer: 0 not at all; the higher, the more specific.
_Fit: TypeAlias = Callable[[Preference, str, dict[str, str]], int]


def _fit_media(preference: Preference, offer: str, parameters: dict[str, str]) -> int:
    """RFC 9110 12.5.1: ``type/subtype;parameters`` before ``type/subtype`` before ``type/*`` before ``*/*``."""
    wanted, _, demanded = preference
    if demanded and any(parameters.get(name, "").lower() != text.lower() for name, text in demanded.items()):
        return 0
    if wanted == offer:
        return 3 + len(demanded)
    if wanted in {"*/*", "*"}:
        return 1
    kind, _, subtype = wanted.partition("/")
    return 2 if subtype == "*" and offer.startswith(f"{kind}/") else 0


def _fit_language(preference: Preference, offer: str, _: dict[str, str]) -> int:
    """RFC 4647: the tag itself, a longer one (``en`` takes ``en-GB``), a shorter one (``en-GB`` takes ``en``)."""
    wanted = preference[0]
    if wanted == offer:
        return 4
    if wanted == "*":
        return 1
    if offer.startswith(f"{wanted}-"):
        return 3
    return 2 if wanted.startswith(f"{offer}-") else 0


def _fit_token(preference: Preference, offer: str, _: dict[str, str]) -> int:
    wanted = preference[0]
    if wanted.removeprefix("x-") == offer.removeprefix("x-"):
        return 2
    return 1 if wanted == "*" else 0


def _score(preferences: list[Preference], offer: str, parameters: dict[str, str], fit: _Fit) -> tuple[float, int]:
    """Quality of the most specific member that fits, and how specific it is; ``(0.0, 0)`` if none fits."""
    best = (0, 0.0)
    for preference in preferences:
        specificity = fit(preference, offer, parameters)
        if specificity > best[0]:
            best = (specificity, preference[1])
    return best[1], best[0]


def _best(
    preferences: list[Preference], offered: Sequence[str], default: _T, fit: _Fit, *, identity: bool = False
) -> str | _T:
    winner: str | _T = default
    highest = (0.0, 0)
    for offer in offered:
        value, parameters = parse_options(offer.replace("_", "-") if fit is _fit_language else offer)
        score = _score(preferences, value, parameters, fit)
        if identity and value == "identity" and score[1] == 0:
            # No encoding is acceptable unless it is refused by name or by "*" (RFC 9110 12.5.3), but never preferred.
            score = (0.0001, 0)
        if score[0] > 0 and score > highest:
            winner, highest = offer, score
    return winner


@overload
def best_match(header: str | None, offered: Sequence[str]) -> str | None: ...
@overload
def best_match(header: str | None, offered: Sequence[str], default: _T) -> str | _T: ...
def best_match(header: str | None, offered: Sequence[str], default: object = None) -> object:
    """Choose the media type that an ``Accept`` field likes best.

    The highest quality wins, then what was named more exactly, then what was offered first. Without a header (or with
    one that has nothing readable in it) that is the first offer.

    Args:
        header: the field value, or `None`.
        offered: media types, the server's favourite first.
        default: returned if the client accepts none of them.
    """
    preferences = parse_accept(header) if header else []
    if not preferences:
        return offered[0] if offered else default
    return _best(preferences, offered, default, _fit_media)


@overload
def best_language(header: str | None, offered: Sequence[str]) -> str | None: ...
@overload
def best_language(header: str | None, offered: Sequence[str], default: _T) -> str | _T: ...
def best_language(header: str | None, offered: Sequence[str], default: object = None) -> object:
    """Choose the language tag that an ``Accept-Language`` field likes best (RFC 4647); as `best_match` otherwise."""
    preferences = parse_accept(header) if header else []
    if not preferences:
        return offered[0] if offered else default
    return _best(preferences, offered, default, _fit_language)


@overload
def best_charset(header: str | None, offered: Sequence[str]) -> str | None: ...
@overload
def best_charset(header: str | None, offered: Sequence[str], default: _T) -> str | _T: ...
def best_charset(header: str | None, offered: Sequence[str], default: object = None) -> object:
    """Choose the charset that an ``Accept-Charset`` field likes best; as `best_match` otherwise."""
    preferences = parse_accept(header) if header else []
    if not preferences:
        return offered[0] if offered else default
    return _best(preferences, offered, default, _fit_token)


@overload
def best_encoding(header: str | None, offered: Sequence[str]) -> str | None: ...
@overload
def best_encoding(header: str | None, offered: Sequence[str], default: _T) -> str | _T: ...
def best_encoding(header: str | None, offered: Sequence[str], default: object = None) -> object:
    """Choose the content coding that an ``Accept-Encoding`` field likes best (RFC 9110 12.5.3).

    Without a header the answer is the default: such a client seldom means "any". ``x-gzip`` is ``gzip``.

    Args:
        header: the field value, or `None`.
        offered: codings, the server's favourite first; ``identity`` may be one of them.
        default: returned if none is acceptable: send the body as it is.
    """
    if header is None:
        return default
    return _best(parse_accept(header), offered, default, _fit_token, identity=True)


class Accept:
    """The ``Accept`` field of a request: iterates over ``(media type, quality, parameters)``, the best first.

    Args:
        header: the field value, or `None` if the client sent none: it takes anything then.
    """

    __slots__ = ("_header", "_preferences")

    def __init__(self, header: str | None) -> None:
        self._header = header
        self._preferences: list[Preference] | None = None

    @property
    def preferences(self) -> list[Preference]:
        """What `parse_accept` gives for the field."""
        if self._preferences is None:
            self._preferences = parse_accept(self._header) if self._header else []
        return self._preferences

    @overload
    def best(self, offered: Sequence[str]) -> str | None: ...
    @overload
    def best(self, offered: Sequence[str], default: _T) -> str | _T: ...
    def best(self, offered: Sequence[str], default: object = None) -> object:
        """Choose among media types, the server's favourite first; see `best_match`."""
        if not self.preferences:
            return offered[0] if offered else default
        return _best(self.preferences, offered, default, _fit_media)

    def quality(self, media_type: str) -> float:
        """How much the client likes a media type: from 0 (not at all) to 1."""
        if not self.preferences:
            return 1.0
        value, parameters = parse_options(media_type)
        return _score(self.preferences, value, parameters, _fit_media)[0]

    def __contains__(self, media_type: str) -> bool:
        return self.quality(media_type) > 0

    def __iter__(self) -> Iterator[Preference]:
        return iter(self.preferences)

    def __len__(self) -> int:
        return len(self.preferences)

    def __bool__(self) -> bool:
        return bool(self.preferences)

    def __str__(self) -> str:
        return self._header or ""

    def __repr__(self) -> str:
        return f"Accept({self._header!r})"
