"""From a pattern and values to a path that the pattern matches, giving the same values."""

from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import quote

from ._fallback import TreeMatcher
from .errors import BuildError
from .pattern import Bound, Pattern, Segment
from .slash import PATH_SAFE

_SEGMENT_SAFE = PATH_SAFE.replace("/", "")


class PathBuilder:
    """Writes the paths of one pattern."""

    __slots__ = ("_division", "_fits", "_pattern", "_segments")

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        # A segment without parameters is quoted once.
        self._segments: list[str | Segment] = [
            segment if _parameters(segment) else quote("".join(cast("tuple[str, ...]", segment)), safe=_SEGMENT_SAFE)
            for segment in pattern.segments
        ]
        self._fits = {part.name: _fitting(part) for segment in pattern.segments for part in _parameters(segment)}
        self._division = _division(pattern)

    def build(self, values: Mapping[str, object], name: str = "") -> str:
        """Give the percent-quoted path (RFC 3986 section 3.3) for these values; others are ignored.

        ``name`` is the route's, for messages. Raises :class:`BuildError` for a missing value, and for one that the
        pattern would not give back: it does not fit its converter, holds a ``/`` outside ``path``, NUL, U+FFFD or a
        lone surrogate, or makes a segment ``.`` or ``..``, which clients remove.
        """
        texts: dict[str, str] = {}
        path = ""
        for segment in self._segments:
            if isinstance(segment, str):
                path += "/" + segment
                continue
            written = ""
            for part in segment:
                if isinstance(part, str):
                    written += part
                else:
                    texts[part.name] = text = self._text(part, values, name)
                    written += text
            spans = any(part.spans for part in _parameters(segment))
            if "." in written and not {".", ".."}.isdisjoint(written.split("/")):
                raise self._error(name, f"the segment {written!r} would be removed by clients as a dot segment")
            path += "/" + quote(written, safe=PATH_SAFE if spans else _SEGMENT_SAFE)
        if self._division is not None:
            self._check_division(texts, name)
        return path

    def _text(self, part: Bound, values: Mapping[str, object], name: str) -> str:
        value = values.get(part.name)
        if value is None:
            raise self._error(name, f"the value {part.name!r} is missing")
        given = f"{part.name}={value!r}"
        try:
            text = part.converter.to_url(value)
            if not isinstance(text, str):
                raise TypeError(f"to_url gave {type(text).__name__}, it must give a str")
            text.encode()
        except (TypeError, ValueError, ArithmeticError) as error:
            raise self._error(name, f"{given} cannot be written: {error}") from error
        if "/" in text and not part.spans:
            raise self._error(name, f"{given} holds a '/'; only <path:{part.name}> allows it")
        if "\0" in text or "\ufffd" in text:
            raise self._error(name, f"{given} holds NUL or U+FFFD, which no route accepts")
        if not self._fits[part.name](text):
            converter = part.converter
            reason = f"its converter {type(converter).__name__} (regex {converter.regex!r})"
            raise self._error(name, f"{given} does not fit {reason}")
        return text

    def _check_division(self, texts: Mapping[str, str], name: str) -> None:
        path = "".join(
            "/" + "".join(part if isinstance(part, str) else texts[part.name] for part in segment)
            for segment in self._pattern.segments
        )
        found = cast("TreeMatcher[None]", self._division).match("GET", path)
        given = tuple(texts[parameter] for parameter, _ in self._pattern.parameters)
        if isinstance(found, frozenset) or found[1] != given:
            read = "would not match" if isinstance(found, frozenset) else f"would be read back as {found[1]!r}"
            raise self._error(name, f"the values {given!r} {read}; separate them in the pattern")

    def _error(self, name: str, message: str) -> BuildError:
        text = self._pattern.text
        return BuildError(name, f"url for {f'{name!r} ({text})' if name else text}: {message}")


def build_path(pattern: Pattern, values: Mapping[str, object], name: str = "") -> str:
    """Give the path of a pattern once; see :meth:`PathBuilder.build`."""
    return PathBuilder(pattern).build(values, name)


def _parameters(segment: Segment) -> tuple[Bound, ...]:
    return tuple(part for part in segment if not isinstance(part, str))


def _fitting(part: Bound) -> Callable[[str], bool]:
    """Whether a text is one that the parameter, alone in its segment, would match."""
    match = TreeMatcher([(((part.spec,),), {"GET": None})]).match
    return lambda text: isinstance(match("GET", "/" + text), tuple)


def _division(pattern: Pattern) -> TreeMatcher[None] | None:
    """A matcher that gives the texts of all parameters, if a path could be divided among them in more than one way."""
    several = any(len(_parameters(segment)) > 1 for segment in pattern.segments)
    spanning = sum(part.spans for segment in pattern.segments for part in _parameters(segment))
    if not several and spanning < 2:
        return None
    texts = tuple(
        part if isinstance(part, str) else tuple(p if isinstance(p, str) else (*p[:2], None, *p[3:]) for p in part)
        for part in pattern.spec
    )
    return TreeMatcher([(texts, {"GET": None})])
