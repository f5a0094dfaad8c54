"""The matcher in pure Python: a tree with one level for each segment."""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar, cast

from ._contract import ANY_PATH, PLAIN_WEIGHT, WEBSOCKET, ParameterSpec, RouteSpec, SegmentSpec
from ._segment import Take, compile_segment

T = TypeVar("T")

IMPL: Final = "python"
_ENDLESS: Final = 1 << 62
_NOTHING: Final[frozenset[str]] = frozenset()


class _Stretch(NamedTuple):
    """A spanning value not cut out yet: cutting one for each end that is tried would cost the square of the path."""

    first: int
    last: int
    before: int
    after: int

    def text(self, segments: list[str]) -> str:
        text = "/".join(segments[self.first : self.last + 1])
        return text[self.before : len(text) - self.after]


class _Leaf(Generic[T]):
    """Where patterns end. ``spans``: place and conversion of each spanning value among the values."""

    __slots__ = ("methods", "spans")

    def __init__(self, spans: tuple[tuple[int, Callable[[str], object] | None], ...]) -> None:
        self.methods: dict[str, T] = {}
        self.spans = spans


class _Edge(Generic[T]):
    """One way from a node: a segment with parameters, and what comes after it."""

    __slots__ = ("after", "before", "child", "rank", "spans", "take")

    def __init__(self, segment: tuple[str | ParameterSpec, ...], order: int, *, spans: bool) -> None:
        self.before = segment[0] if isinstance(segment[0], str) else ""
        self.after = segment[-1] if isinstance(segment[-1], str) else ""
        self.spans = spans
        self.take: Take | None = None if spans else compile_segment(segment)
        self.child: _Node[T] = _Node()
        self.rank = (*specificity(segment), order)


class _Node(Generic[T]):
    __slots__ = ("build", "by_first", "edges", "farthest", "leaf", "literals", "nearest", "spans")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.build: dict[Hashable, _Edge[T]] = {}
        # In the order in which they are tried; ``by_first`` narrows them by the segment's first character.
        self.edges: tuple[_Edge[T], ...] = ()
        self.by_first: dict[str, tuple[_Edge[T], ...]] | None = None
        self.spans: tuple[_Edge[T], ...] = ()
        self.leaf: _Leaf[T] | None = None
        # Fewest and most segments that can follow.
        self.nearest = _ENDLESS
        self.farthest = -1


def specificity(segment: tuple[str | ParameterSpec, ...]) -> tuple[int, int, tuple[int, ...]]:
    """Give the key by which the segments with parameters of one node are tried, lowest first."""
    literal = sum(len(part) for part in segment if isinstance(part, str))
    weights = tuple(part[3] for part in segment if not isinstance(part, str))
    group = 1 if literal or len(weights) > 1 else 0 if weights < (PLAIN_WEIGHT,) else 2
    return group, -literal, weights


class TreeMatcher(Generic[T]):
    """See :class:`gobstopper_routing._contract.Matcher`.

    A match goes down the tree and back where a branch fails. Without spanning parameters it sees a node at most once;
    with them, each of their starts that failed is not tried again.
    """

    __slots__ = ("_root",)

    def __init__(self, routes: Sequence[RouteSpec[T]]) -> None:
        self._root: _Node[T] = _Node()
        for order, (segments, methods) in enumerate(routes):
            self._insert(segments, methods, order)
        _freeze(self._root)

    def _insert(self, segments: Sequence[SegmentSpec], methods: Mapping[str, T], order: int) -> None:
        node = self._root
        spans: list[tuple[int, Callable[[str], object] | None]] = []
        count = 0
        for segment in segments:
            if isinstance(segment, str):
                child = node.literals.get(segment)
                if child is None:
                    child = node.literals[segment] = _Node()
                node = child
                continue
            parameters = [part for part in segment if not isinstance(part, str)]
            spanning = any(parameter[5] for parameter in parameters)
            key = tuple(part if isinstance(part, str) else (part[0],) for part in segment)
            edge = node.build.get(key)
            if edge is None:
                edge = node.build[key] = _Edge(segment, order, spans=spanning)
            if spanning:
                spans.append((count, _span_convert(parameters[0])))
            count += len(parameters)
            node = edge.child
        if node.leaf is None:
            node.leaf = _Leaf(tuple(spans))
        for method, target in methods.items():
            node.leaf.methods.setdefault(method, target)

    def match(self, method: str, path: str) -> tuple[T, tuple[object, ...]] | frozenset[str]:
        """Give the target and its values, or the methods that the path has."""
        segments = path.split("/")
        if segments[0]:
            return _NOTHING
        node = self._root
        values: list[object] = []
        # Most paths never have to go back, so the first way is walked without remembering the others.
        for index in range(1, len(segments)):
            segment = segments[index]
            child = node.literals.get(segment)
            if child is None:
                for edge in node.edges if node.by_first is None else node.by_first.get(segment[:1], node.by_first[""]):
                    if edge.take is None:
                        if segment:
                            values.append(segment)
                            break
                    elif taken := edge.take(segment):
                        values += taken
                        break
                else:
                    return self._thorough(method, segments, node, index, tuple(values))
                child = edge.child
            node = child
        if node.leaf is not None and method in node.leaf.methods:
            return node.leaf.methods[method], tuple(values)
        return self._thorough(method, segments, node, len(segments), tuple(values))

    def _thorough(
        self, method: str, segments: list[str], node: "_Node[T]", index: int, values: tuple[object, ...]
    ) -> tuple[T, tuple[object, ...]] | frozenset[str]:
        if node.spans and index < len(segments):
            # Nothing that comes before these is left: what they find is what a search from the root would.
            search: _Search[T] = _Search(method, segments)
            for edge in node.spans:
                found = search.across(edge, index, values)
                if found is not None:
                    return found
        search = _Search(method, segments)
        return search.below(self._root, 1, ()) or search.allowed()


class _Search(Generic[T]):
    """One walk that goes back where it must. Depth-first; no deeper than the longest pattern."""

    __slots__ = ("count", "failed", "method", "missed", "segments")

    def __init__(self, method: str, segments: list[str]) -> None:
        self.method = method
        self.segments = segments
        self.count = len(segments)
        self.missed: list[dict[str, T]] = []
        # Where a spanning edge found no end, it finds none from any later place: all its attempts together are linear.
        self.failed: dict[_Edge[T], int] = {}

    def allowed(self) -> frozenset[str]:
        return frozenset(name for methods in self.missed for name in methods if name != WEBSOCKET)

    def below(self, node: _Node[T], index: int, values: tuple[object, ...]) -> tuple[T, tuple[object, ...]] | None:
        if index == self.count:
            return None if node.leaf is None else self.arrive(node.leaf, values)
        segment = self.segments[index]
        child = node.literals.get(segment)
        found = None if child is None else self.below(child, index + 1, values)
        if found is not None:
            return found
        for edge in node.edges if node.by_first is None else node.by_first.get(segment[:1], node.by_first[""]):
            taken = edge.take(segment) if edge.take else (segment,) if segment else None
            if taken is not None:
                found = self.below(edge.child, index + 1, (*values, *taken))
                if found is not None:
                    return found
        for edge in node.spans:
            found = self.across(edge, index, values)
            if found is not None:
                return found
        return None

    def across(self, edge: _Edge[T], index: int, values: tuple[object, ...]) -> tuple[T, tuple[object, ...]] | None:
        before, after, child = edge.before, edge.after, edge.child
        if index >= self.failed.get(edge, self.count):
            return None
        first = self.segments[index]
        if len(first) <= len(before) or not first.startswith(before):
            return None
        # The fewest and the most segments that can follow leave only these for the last one of the value.
        start = self.count - 1 - child.farthest
        for last in range(max(start, index), self.count - child.nearest):
            segment = self.segments[last]
            if segment.endswith(after) and (last > index or len(segment) > len(before) + len(after)):
                stretch = _Stretch(index, last, len(before), len(after))
                found = self.below(child, last + 1, (*values, stretch))
                if found is not None:
                    return found
        self.failed[edge] = index
        return None

    def arrive(self, leaf: _Leaf[T], values: tuple[object, ...]) -> tuple[T, tuple[object, ...]] | None:
        if leaf.spans:
            cut = list(values)
            try:
                for place, convert in leaf.spans:
                    text = cast("_Stretch", values[place]).text(self.segments)
                    cut[place] = text if convert is None else convert(text)
            except ValueError:
                return None
            values = tuple(cut)
        if self.method in leaf.methods:
            return leaf.methods[self.method], values
        self.missed.append(leaf.methods)
        return None


def _span_convert(parameter: ParameterSpec) -> Callable[[str], object] | None:
    _, regex, convert, _, _, _ = parameter
    if regex == ANY_PATH:
        return convert
    fullmatch = re.compile(regex).fullmatch

    def checked(text: str) -> object:
        if not fullmatch(text):
            raise ValueError(text)
        return text if convert is None else convert(text)

    return checked


def _freeze(node: _Node[T]) -> None:
    """Put everything below ``node`` into the order and the form in which it is searched."""
    if node.leaf is not None:
        methods = node.leaf.methods
        if "GET" in methods:
            methods.setdefault("HEAD", methods["GET"])
        node.nearest = node.farthest = 0
    for child in node.literals.values():
        _freeze(child)
        _measure(node, child.nearest, child.farthest)
    ordered = sorted(node.build.values(), key=lambda edge: edge.rank)
    for edge in ordered:
        _freeze(edge.child)
        _measure(node, edge.child.nearest, _ENDLESS if edge.spans else edge.child.farthest)
    node.edges = tuple(edge for edge in ordered if not edge.spans)
    node.spans = tuple(edge for edge in ordered if edge.spans)
    firsts = {edge.before[:1] for edge in node.edges}
    if firsts - {""}:
        node.by_first = {
            first: tuple(edge for edge in node.edges if edge.before[:1] in ("", first)) for first in (*firsts, "")
        }


def _measure(node: _Node[T], nearest: int, farthest: int) -> None:
    node.nearest = min(node.nearest, 1 + nearest)
    node.farthest = max(node.farthest, 1 + farthest)
