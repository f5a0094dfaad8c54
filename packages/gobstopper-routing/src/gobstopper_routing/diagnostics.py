"""What is wrong with a set of routes and hooks, found before the first request."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ._fallback import specificity
from .convertors import AnyConverter, IntConverter
from .errors import RouteError, RoutingError
from .pattern import Bound, Segment
from .route import Route, handler_name, location_of
from .router import Router
from .signature import check_signature, hook_mismatch
from .urls import URLMap

_MAX_EXPANSION: Final = 256

_Skeleton: TypeAlias = tuple[str | None, ...]


class Problem(NamedTuple):
    """One finding. An ``error`` ought to end the start, a ``note`` is only worth a line in the log.

    ``kind`` is one of ``pattern``, ``signature``, ``name``, ``duplicate``, ``unreachable``, ``shadow``, ``hook``;
    ``location`` is ``file:line`` of the function it is about.
    """

    kind: str
    severity: Literal["error", "note"]
    message: str
    location: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


def format_problems(problems: Iterable[Problem]) -> str:
    """Give the errors among ``problems`` as one text, one line each."""
    lines = [f"  {problem}" for problem in problems if problem.severity == "error"]
    return f"{len(lines)} problem{'s' * (len(lines) != 1)}:\n" + "\n".join(lines) if lines else "no problems"


def check_hook(kind: str, function: Callable[..., Any]) -> Problem | None:
    """Look at the arguments of a hook: ``before_request(request)``, ``after_request(request, response)`` and so on.

    ``kind`` is the name of the decorator. ``on_startup``, ``on_shutdown`` and ``context_processor`` give no arguments.
    """
    message = hook_mismatch(kind, function)
    return None if message is None else Problem("hook", "error", message, location_of(function))


def check_routes(routes: Iterable[Route]) -> list[Problem]:
    """Look at complete routes: errors first, then notes, each in the order of registration.

    Errors: a pattern that cannot be read, a handler that does not fit it, one name for two handlers, two routes with
    the same paths and methods, a route that others before it leave nothing. Notes: a parameter or ``path`` that was
    registered before a narrower route which is tried first all the same.
    """
    problems: list[Problem] = []
    sound: list[Route] = []
    names = URLMap()
    for route in routes:
        found = list(_alone(route, names))
        problems.extend(found)
        if not any(problem.kind == "pattern" for problem in found):
            sound.append(route)
    distinct = list(_without_duplicates(sound, problems))
    problems.extend(_unreachable(distinct))
    problems.extend(_notes(distinct))
    return sorted(problems, key=lambda problem: problem.severity != "error")


def _alone(route: Route, names: URLMap) -> Iterator[Problem]:
    try:
        route.compiled  # noqa: B018 - raises
    except RoutingError as error:
        yield Problem("pattern", "error", f"{handler_name(route.handler)}: {error}", route.location)
        return
    try:
        check_signature(route.handler, route.parameters, route.pattern)
    except RoutingError as error:
        yield Problem("signature", "error", str(error).removeprefix(f"{route.location}: "), route.location)
    try:
        names.add(route)
    except RouteError as error:
        yield Problem("name", "error", str(error), route.location)


def _methods(route: Route) -> set[str]:
    return {*route.methods, "HEAD"} if "GET" in route.methods else set(route.methods)


def _title(route: Route) -> str:
    return f"{','.join(route.methods)} {route.pattern} ({handler_name(route.handler)})"


def _without_duplicates(routes: Sequence[Route], problems: list[Problem]) -> Iterator[Route]:
    first: dict[object, Route] = {}
    for route in routes:
        again = [first[key] for method in route.methods if (key := (method, route.compiled.shape)) in first]
        if again:
            message = f"{_title(route)} has the same paths as {_title(again[0])} at {again[0].location}; remove one"
            problems.append(Problem("duplicate", "error", message, route.location))
        else:
            yield route
        for method in route.methods:
            first.setdefault((method, route.compiled.shape), route)


def _unreachable(routes: Sequence[Route]) -> Iterator[Problem]:
    static: dict[str, dict[str, Route]] = {}
    for route in routes:
        if not route.parameters:
            static.setdefault(route.pattern, {}).update(dict.fromkeys(_methods(route), route))
    # A segment of literal text takes nothing but itself: candidates have the same text wherever they have any.
    skeletons = [_skeleton(route) for route in routes]
    peers: dict[_Skeleton, list[tuple[int, Route]]] = {}
    for order, route in enumerate(routes):
        peers.setdefault(skeletons[order], []).append((order, route))
    masks = {tuple(text is not None for text in skeleton) for skeleton in peers}
    for order, route in enumerate(routes):
        if not any(_is_unusual(segment) for segment in route.compiled.segments):
            continue
        others = [other for mask in masks for other in peers.get(_masked(skeletons[order], mask), ())]
        winner = next(
            (other for place, other in sorted(others, key=_place) if _hides(other, route, place < order)), None
        )
        winners = [winner] if winner else _static_cover(route, static)
        if winners:
            by = " and ".join(f"{_title(other)} at {other.location}" for other in winners)
            yield Problem(
                "unreachable", "error", f"{_title(route)} can never match: {by} takes all its paths", route.location
            )


def _skeleton(route: Route) -> _Skeleton:
    """The text of each segment that has no parameters, None for the others."""
    return tuple(
        "".join(part for part in segment if isinstance(part, str)) if all(isinstance(p, str) for p in segment) else None
        for segment in route.compiled.segments
    )


def _masked(skeleton: _Skeleton, mask: tuple[bool, ...]) -> _Skeleton:
    """What the skeleton of a route with text at the places of ``mask`` has to be, to take the paths of this one."""
    if len(mask) != len(skeleton):
        return ()
    return tuple(text if kept else None for text, kept in zip(skeleton, mask, strict=True))


def _place(found: tuple[int, Route]) -> int:
    return found[0]


def _is_unusual(segment: Segment) -> bool:
    """Whether a wider segment can come before it: so it is with custom, bounded and listing converters alone."""
    return any(not isinstance(part, str) and part.spec[3] not in (20, 30, 40, 50, 100, 200) for part in segment)


def _hides(winner: Route, route: Route, earlier: bool) -> bool:
    if winner is route or not _methods(route) <= _methods(winner):
        return False
    decided = False
    for ours, theirs in zip(winner.compiled.segments, route.compiled.segments, strict=True):
        if not _covers(ours, theirs):
            return False
        if not decided and ours != theirs and _shape(ours) != _shape(theirs):
            mine, other = _rank(ours), _rank(theirs)
            if mine > other or (mine == other and not earlier):
                return False
            decided = True
    return decided


def _shape(segment: Segment) -> object:
    return tuple(part if isinstance(part, str) else (part.key,) for part in segment)


def _rank(segment: Segment) -> tuple[int, ...]:
    # Literal text goes before every parameter.
    if all(isinstance(part, str) for part in segment):
        return (-1,)
    group, literal, weights = specificity(tuple(part if isinstance(part, str) else part.spec for part in segment))
    return (group, literal, *weights)


def _covers(ours: Segment, theirs: Segment) -> bool:
    """Whether every text of ``theirs`` is one of ``ours``; False where that is not known."""
    if _shape(ours) == _shape(theirs):
        return True
    if len(ours) != 1 or not isinstance(ours[0], Bound) or not theirs or any(_spans(part) for part in (*ours, *theirs)):
        return False
    converter = ours[0].converter
    if ours[0].spec[1:3] == ("[^/]+", None):
        return True
    if len(theirs) != 1:
        return False
    other = theirs[0]
    if isinstance(other, str):
        return isinstance(converter, AnyConverter) and other in converter.items
    if isinstance(converter, AnyConverter):
        return isinstance(other.converter, AnyConverter) and other.converter.items <= converter.items
    plain = type(converter) is IntConverter and converter.weight == IntConverter.weight
    return plain and type(other.converter) is IntConverter and not other.converter.regex.startswith("-")


def _spans(part: str | Bound) -> bool:
    return not isinstance(part, str) and part.spans


def _static_cover(route: Route, static: dict[str, dict[str, Route]]) -> list[Route]:
    """The routes without parameters that take all paths of one whose parameters are lists; else nothing."""
    choices: list[Sequence[str]] = []
    size = 1
    for segment in route.compiled.segments:
        choices.append("/")
        for part in segment:
            if isinstance(part, str):
                choices.append((part,))
            elif isinstance(part.converter, AnyConverter):
                choices.append(sorted(part.converter.items))
                size *= len(part.converter.items)
            else:
                return []
    if size > _MAX_EXPANSION:
        return []
    winners: list[Route] = []
    for texts in product(*choices):
        methods = static.get("".join(texts), {})
        if not _methods(route) <= methods.keys():
            return []
        winners.extend(methods[method] for method in route.methods if methods[method] not in winners)
    return winners


def _notes(routes: Sequence[Route]) -> Iterator[Problem]:
    freely: Router[int] = Router()
    paths: dict[str, list[tuple[int, Route]]] = {}
    for order, route in enumerate(routes):
        *front, last = route.compiled.segments
        if any(_spans(part) for segment in route.compiled.segments for part in segment):
            if len(last) == 1 and all(isinstance(part, str) for segment in front for part in segment):
                paths.setdefault(route.pattern[: route.pattern.index("<")], []).append((order, route))
        elif route.parameters:
            freely.add(route.compiled, route.methods, order)
    for order, route in enumerate(routes):
        wider = next((path for place, path in _paths_around(route, paths) if place < order), None)
        if wider is None and not route.parameters:
            found = freely.match(route.methods[0], route.pattern)
            if isinstance(found, tuple) and found[0] < order:
                wider = routes[found[0]]
        if wider is not None:
            message = (
                f"{_title(route)} is tried before {_title(wider)} at {wider.location}, though it was registered later"
            )
            yield Problem("shadow", "note", message, route.location)


def _paths_around(route: Route, paths: Mapping[str, list[tuple[int, Route]]]) -> Iterator[tuple[int, Route]]:
    """The routes that end in a ``path`` and take what this narrower one takes, with their places."""
    pattern = route.pattern
    for end, character in enumerate(pattern, 1):
        if character == "/" and end < len(pattern):
            for place, path in paths.get(pattern[:end], ()):
                if not _methods(route).isdisjoint(_methods(path)):
                    yield place, path
