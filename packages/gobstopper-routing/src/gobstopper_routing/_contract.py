"""What an implementation of the matcher takes and gives, in builtin types: a compiled twin needs none of ours.

A route is ``(segments, methods)``. A segment is a ``str`` (literal text, may be empty) or a tuple of parts, and a
part is a ``str`` (literal text, not empty) or a parameter::

    (key, regex, convert, weight, max_length, spans)

``key``
    Hashable; two parameters with equal keys match the same texts and give the same values.
``regex``
    The value's text matches it whole. ``[^/]+`` with ``convert`` None means any text.
``convert``
    Callable that gives the value or raises ``ValueError``; None gives the text.
``weight``
    Lower is tried first.
``max_length``
    Most characters of a value, 0 if not known. Not 0 means also that ``regex`` matched from the left takes its
    longest text.
``spans``
    True for a value that may hold slashes. It shares its segment with literal text at most. Where it ends is decided
    as if its ``regex`` were ``[^/].*`` (and the dot took newlines); another ``regex`` is held against the value
    before ``convert``.

The search goes left to right and takes, for each segment, in this order, going back when a branch fails:

1. the same literal text;
2. a single parameter whose weight is below 100, lower first;
3. parameters mixed with literal text: more literal characters first, then lower weights;
4. a single parameter of weight 100 or more, lower first;
5. a spanning parameter: more literal text first, then lower weight; the shortest value that lets the rest match.

What is still equal is tried in the order of registration. In a segment with several parameters, each takes the
longest text that lets the rest of the segment match. How a segment or a spanning value is divided is decided by
``regex`` alone; if ``convert`` then refuses a value, no other division is tried. A parameter is never empty. A
segment that holds several parameters matches up to 256 characters if two of them adjoin, or if one has no
``max_length`` and a ``regex`` other than ``[^/]+``.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

ParameterSpec: TypeAlias = tuple[Hashable, str, "Callable[[str], object] | None", int, int, bool]
PartSpec: TypeAlias = str | ParameterSpec
SegmentSpec: TypeAlias = str | tuple[PartSpec, ...]
RouteSpec: TypeAlias = tuple[Sequence[SegmentSpec], Mapping[str, T]]

ANY_TEXT: Final = "[^/]+"
ANY_PATH: Final = "[^/].*"
PLAIN_WEIGHT: Final = 100
MIXED_LIMIT: Final = 256
WEBSOCKET: Final = "WEBSOCKET"


class Matcher(Protocol[T_co]):
    """A frozen set of routes."""

    def match(self, method: str, path: str) -> tuple[T_co, tuple[object, ...]] | frozenset[str]:
        """Give the target and its values in pattern order, or the methods that the path has (none: unknown path).

        HEAD is answered by GET where nothing has HEAD. ``WEBSOCKET`` is never among the methods given.
        """
        ...


class MatcherFactory(Protocol):
    """Builds a :class:`Matcher`; of two routes of one shape and method the first wins."""

    def __call__(self, routes: Sequence[RouteSpec[T]], /) -> Matcher[T]:
        """Build it."""
        ...
