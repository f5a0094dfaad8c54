"""The router: patterns with methods and targets on one side, a path's target and values on the other."""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeAlias, TypeVar

from ._contract import ANY_TEXT, PLAIN_WEIGHT, Matcher, RouteSpec
from ._impl import build_matcher
from .convertors import Converters
from .errors import RouteError
from .pattern import Bound, Pattern, Segment
from .slash import SlashPolicy, other_form

T = TypeVar("T")
Methods: TypeAlias = dict[str, T]


class Router(Generic[T]):
    """Maps paths to targets, of any type.

    :meth:`add` takes patterns, :meth:`compile` builds the tables; the first of two routes with one shape and method
    wins (:func:`gobstopper_routing.check_routes` reports the second). The order in which patterns are tried does not
    otherwise depend on the order in which they were added: static text before parameters, segment by segment from the
    left, narrower converters before ``str``, ``path`` last, and back again when a branch fails. Paths are taken
    literally: neither slashes nor dots are normalised.

    ``static``
        Full path to method to target, for patterns without parameters.
    ``tails``
        For a path ``head + "/" + tail`` with a ``tail`` that is neither empty nor holds a ``/``: if it is not in
        ``static`` for a method and ``tails[head]`` has this method, that target with the one value ``tail`` is what
        :meth:`match` would find.

    In both, HEAD stands for GET unless it has a route of its own. Both are new objects after each :meth:`compile`.
    """

    def __init__(self, converters: Converters | None = None) -> None:
        self.static: dict[str, Methods[T]] = {}
        self.tails: dict[str, Methods[T]] = {}
        self._converters = converters
        self._added: list[tuple[Pattern, Methods[T]]] = []
        self._matcher: Matcher[T] | None = None

    def add(self, pattern: str | Pattern, methods: Iterable[str], target: T) -> None:
        """Add a route. It counts from the next :meth:`compile` on.

        ``methods`` are upper case names; a WebSocket route has the pseudo method ``WEBSOCKET``.
        Raises :class:`PatternError`, and :class:`RouteError` without methods.
        """
        parsed = Pattern.parse(pattern, self._converters) if isinstance(pattern, str) else pattern
        table = dict.fromkeys((methods,) if isinstance(methods, str) else methods, target)
        if not table:
            raise RouteError(f"route {parsed.text!r} has no methods; give at least one, as in ['GET']")
        self._added.append((parsed, table))

    def compile(self) -> None:
        """Build the tables from everything added so far."""
        specs: list[RouteSpec[T]] = [(pattern.spec, table) for pattern, table in self._added]
        matcher: Matcher[T] = build_matcher(specs)
        static: dict[str, Methods[T]] = {}
        for pattern, table in self._added:
            if pattern.literal is not None:
                _merge(static.setdefault(pattern.literal, {}), table)
        for methods in static.values():
            _fill_head(methods)
        self.static, self.tails, self._matcher = static, _tails(self._added), matcher

    def match(self, method: str, path: str) -> tuple[T, tuple[object, ...]] | frozenset[str]:
        """Give the target and the converted values in pattern order, or the methods that the path has (empty: 404).

        A branch that fits but lacks the method is left for one that has it. HEAD falls back to GET. ``WEBSOCKET`` is
        never among the methods given: to HTTP, a path with nothing but WebSockets is unknown. OPTIONS is there only
        if it was added.
        """
        if self._matcher is None:
            self.compile()
            return self.match(method, path)
        return self._matcher.match(method, path)

    def alternative(self, path: str, policy: SlashPolicy, method: str | None = None) -> str | None:
        """Give ``path`` with (``add_slash``) or without (``remove_slash``) its last slash, if that is a route.

        With ``method``, only if the other form has that method.
        """
        other = other_form(path, policy)
        if other is None:
            return None
        found = self.match(method or "GET", other)
        if isinstance(found, frozenset) and (method is not None or not found):
            return None
        return other


def _merge(into: Methods[T], table: Methods[T]) -> None:
    for method, target in table.items():
        into.setdefault(method, target)


def _fill_head(methods: Methods[T]) -> None:
    if "GET" in methods:
        methods.setdefault("HEAD", methods["GET"])


def _tails(added: Sequence[tuple[Pattern, Methods[T]]]) -> dict[str, Methods[T]]:
    """Heads below which a plain ``<name>`` decides.

    Literal text goes before parameters, so only what lies below the same literal head can come before it: parameters
    of one segment that are tried before a plain one. Methods that such a neighbour has are left out.
    """
    plain: dict[str, Methods[T]] = {}
    earlier: dict[str, set[str]] = {}
    for pattern, table in added:
        *front, last = pattern.segments
        if not _is_literal_text(front) or _is_literal_text([last]):
            continue
        head = pattern.text[: pattern.text.rindex("/", 0, pattern.text.index("<"))]
        if _is_plain(last):
            _merge(plain.setdefault(head, {}), table)
        elif _comes_first(last):
            earlier.setdefault(head, set()).update(table, ("HEAD",) if "GET" in table else ())
    for methods in plain.values():
        _fill_head(methods)
    tails = {
        head: {method: target for method, target in methods.items() if method not in earlier.get(head, ())}
        for head, methods in plain.items()
    }
    return {head: methods for head, methods in tails.items() if methods}


def _is_literal_text(segments: Sequence[Segment]) -> bool:
    return all(isinstance(part, str) for segment in segments for part in segment)


def _is_plain(segment: Segment) -> bool:
    if len(segment) != 1 or not isinstance(segment[0], Bound):
        return False
    _, regex, convert, weight, _, spans = segment[0].spec
    return regex == ANY_TEXT and convert is None and weight == PLAIN_WEIGHT and not spans


def _comes_first(segment: Segment) -> bool:
    """Whether it may be tried before a plain parameter; a doubt counts as yes."""
    return not any(part.spans for part in segment if isinstance(part, Bound))
