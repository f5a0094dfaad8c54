import re
from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gobstopper_routing import Converter, Converters, PathConverter, PatternError, RouteError, Router
from gobstopper_routing.pattern import Bound, Pattern, Segment


def router(*patterns: str, methods: tuple[str, ...] = ("GET",)) -> Router[str]:
    made: Router[str] = Router()
    for pattern in patterns:
        made.add(pattern, methods, pattern)
    made.compile()
    return made


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("/", "/", ()),
        ("/users", "/users", ()),
        ("/users/<id>", "/users/7", ("7",)),
        ("/users/<string:id>", "/users/7", ("7",)),
        ("/users/<int:id>", "/users/007", (7,)),
        ("/users/<id>/posts/<post>", "/users/a/posts/b", ("a", "b")),
        ("/api/v<version>/users/<id>", "/api/v2/users/x", ("2", "x")),
        ("/v<int:major>.<int:minor>", "/v10.2", (10, 2)),
        ("/<name>.<ext>", "/archive.tar.gz", ("archive.tar", "gz")),
        ("/<slug>-<int:id>", "/a-b-5", ("a-b", 5)),
        ("/<int:a><any(x,y):b>", "/12x", (12, "x")),
        ("/files/<path:p>", "/files/a/b.txt", ("a/b.txt",)),
        ("/files/<path:p>", "/files/a/b/", ("a/b/",)),
        ("/files/<path:p>", "/files/a//b", ("a//b",)),
        ("/files/<path:p>.txt", "/files/a/b.txt", ("a/b",)),
        ("/x-<path:p>/end", "/x-a/b/end", ("a/b",)),
        ("/<path:a>/x/<path:b>", "/1/x/2/x/3", ("1", "2/x/3")),
        ("/d/<date:d>", "/d/2024-02-29", (date(2024, 2, 29),)),
        ("/f/<float:f>", "/f/1.50", (1.5,)),
        ("/u/<uuid:u>", "/u/12345678-1234-5678-1234-567812345678", (UUID("12345678123456781234567812345678"),)),
        ("/k/<any(a,b):k>/", "/k/b/", ("b",)),
        ("/a//b", "/a//b", ()),
        ("/ä/<x>", "/ä/ü\n", ("ü\n",)),
    ],
)
def test_path_that_matches(pattern: str, path: str, values: tuple[object, ...]) -> None:
    assert router(pattern).match("GET", path) == (pattern, values)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/", ""),
        ("/", "*"),
        ("/", "//"),
        ("/users", "/users/"),
        ("/users/", "/users"),
        ("/users/<id>", "/users/"),
        ("/users/<id>", "/users/a/b"),
        ("/users/<id>", "/Users/a"),
        ("/users/<int:id>", "/users/-1"),
        ("/users/<int:id>", "/users/\u0661"),
        ("/users/<int:id>", "/users/" + "1" * 40),
        ("/users/<int:id>", "/users/1\n"),
        ("/f/<float:f>", "/f/1"),
        ("/f/<float:f>", "/f/1e5"),
        ("/d/<date:d>", "/d/2023-02-29"),
        ("/d/<date:d>", "/d/20240229"),
        ("/k/<any(a,b):k>", "/k/c"),
        ("/api/v<version>", "/api/v"),
        ("/files/<path:p>", "/files/"),
        ("/files/<path:p>", "/files//etc/passwd"),
        ("/x-<path:p>", "/x-/a"),
        ("/<path:p>.txt", "/.txt"),
        ("/a-<path:p>-a", "/a-a"),
        ("/<a>.<b>", "/.x"),
        ("/v<x>v", "/vv"),
    ],
)
def test_path_that_does_not_match(pattern: str, path: str) -> None:
    assert router(pattern).match("GET", path) == frozenset()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/x/new", "/x/new"),
        ("/x/a", "/x/<any(a,b):k>"),
        ("/x/12345678-1234-5678-1234-567812345678", "/x/<uuid:u>"),
        ("/x/2024-01-01", "/x/<date:d>"),
        ("/x/7", "/x/<int:i>"),
        ("/x/7.5", "/x/<float:f>"),
        ("/x/v7", "/x/v<v>"),
        ("/x/other", "/x/<s>"),
        ("/x/other/more", "/x/<path:p>"),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_narrower_goes_first_in_any_order_of_registration(path: str, expected: str, backwards: bool) -> None:
    tails = ["<path:p>", "<s>", "v<v>", "<float:f>", "<int:i>", "<date:d>", "<uuid:u>", "<any(a,b):k>", "new"]
    patterns = [f"/x/{tail}" for tail in tails]
    found = router(*(reversed(patterns) if backwards else patterns)).match("GET", path)
    assert isinstance(found, tuple)
    assert found[0] == expected


def test_decision_is_made_segment_by_segment_from_the_left() -> None:
    assert router("/<x>/b", "/a/<y>").match("GET", "/a/b") == ("/a/<y>", ("b",))


def test_more_literal_text_goes_first_within_a_segment() -> None:
    routes = router("/v<x>", "/v1<x>", "/<x>.txt")
    assert routes.match("GET", "/v12") == ("/v1<x>", ("2",))
    assert routes.match("GET", "/v1.txt") == ("/<x>.txt", ("v1",))


def test_failed_branch_goes_back() -> None:
    routes = router("/a/b/c", "/a/<x>/d", "/<x>/b/e", "/<path:p>/f")
    assert routes.match("GET", "/a/b/d") == ("/a/<x>/d", ("b",))
    assert routes.match("GET", "/a/b/e") == ("/<x>/b/e", ("a",))
    assert routes.match("GET", "/a/b/f") == ("/<path:p>/f", ("a/b",))
    assert routes.match("GET", "/a/b/g") == frozenset()


def test_values_of_a_failed_branch_are_forgotten() -> None:
    assert router("/<int:a>/<b>/x", "/<c>/<d>/y").match("GET", "/1/2/y") == ("/<c>/<d>/y", ("1", "2"))


def test_branch_without_the_method_is_left_for_one_with_it() -> None:
    routes: Router[str] = Router()
    routes.add("/users/me", ["GET"], "me")
    routes.add("/users/<id>", ["GET", "DELETE"], "one")
    assert routes.match("DELETE", "/users/me") == ("one", ("me",))
    assert routes.match("GET", "/users/me") == ("me", ())


def test_allowed_methods_are_those_of_all_routes_of_the_path() -> None:
    routes: Router[str] = Router()
    routes.add("/users/me", ["GET"], "me")
    routes.add("/users/<id>", ["DELETE"], "one")
    routes.add("/<path:p>", ["PATCH"], "any")
    assert routes.match("POST", "/users/me") == frozenset({"GET", "HEAD", "DELETE", "PATCH"})
    assert routes.match("POST", "/users/x") == frozenset({"DELETE", "PATCH"})


def test_head_is_answered_from_get_unless_it_has_a_route() -> None:
    routes: Router[str] = Router()
    routes.add("/a", ["GET"], "get")
    routes.add("/a", ["HEAD"], "head")
    routes.add("/b/<x>", ["GET"], "get b")
    assert routes.match("HEAD", "/a") == ("head", ())
    assert routes.match("HEAD", "/b/1") == ("get b", ("1",))
    assert routes.static == {"/a": {"GET": "get", "HEAD": "head"}}


def test_websocket_is_no_method_that_http_is_told_of() -> None:
    routes: Router[str] = Router()
    routes.add("/ws", ["WEBSOCKET"], "ws")
    assert routes.match("WEBSOCKET", "/ws") == ("ws", ())
    assert routes.match("GET", "/ws") == frozenset()
    routes.add("/ws", ["GET"], "page")
    routes.compile()
    assert routes.match("POST", "/ws") == frozenset({"GET", "HEAD"})
    assert routes.match("GET", "/ws") == ("page", ())


def test_first_of_two_equal_routes_wins() -> None:
    routes: Router[int] = Router()
    for target in (1, 2):
        routes.add("/a", ["GET"], target)
        routes.add(f"/b/<x{target}>", ["GET"], target)
    assert routes.match("GET", "/a") == (1, ())
    assert routes.match("GET", "/b/c") == (1, ("c",))
    routes.compile()
    assert routes.static["/a"]["GET"] == 1
    assert routes.tails["/b"]["GET"] == 1


def test_route_counts_from_the_next_compile_on() -> None:
    routes = router("/a")
    before = routes.static
    routes.add("/b", ["GET"], "b")
    routes.compile()
    assert routes.match("GET", "/b") == ("b", ())
    assert before.keys() == {"/a"}
    assert routes.static.keys() == {"/a", "/b"}


def test_tails_hold_heads_that_decide_alone() -> None:
    routes: Router[str] = Router()
    routes.add("/plain/<x>", ["GET"], "plain")
    routes.add("/plain/static", ["GET"], "static")
    routes.add("/plain/<path:p>", ["GET"], "path")
    routes.add("/typed/<x>", ["GET", "POST"], "typed")
    routes.add("/typed/<int:x>", ["GET"], "int")
    routes.add("/mixed/<x>", ["GET"], "mixed")
    routes.add("/mixed/v<x>", ["GET"], "v")
    routes.add("/deep/<x>/more", ["GET"], "deep")
    routes.add("/<x>/plain", ["GET"], "first")
    routes.add("/<x>", ["GET"], "root")
    routes.add("/bounded/<str(length=2):x>", ["GET"], "bounded")
    routes.compile()
    assert routes.tails == {
        "/plain": {"GET": "plain", "HEAD": "plain"},
        "/typed": {"POST": "typed"},
        "": {"GET": "root", "HEAD": "root"},
    }


def test_route_without_methods_is_refused() -> None:
    with pytest.raises(RouteError, match="no methods"):
        Router[int]().add("/", [], 1)


def test_bad_pattern_is_refused() -> None:
    with pytest.raises(PatternError, match="column 8: there is no converter 'nope'"):
        Router[int]().add("/users/<nope:id>", ["GET"], 1)


def test_alternative_is_the_other_form_if_it_is_a_route() -> None:
    routes = router("/a/", "/b", "/c/<x>/")
    assert routes.alternative("/a", "add_slash") == "/a/"
    assert routes.alternative("/c/1", "add_slash") == "/c/1/"
    assert routes.alternative("/b", "add_slash") is None
    assert routes.alternative("/b/", "remove_slash") == "/b"
    assert routes.alternative("/a/", "remove_slash") is None
    assert routes.alternative("/", "remove_slash") is None
    assert routes.alternative("/a", None) is None
    assert routes.alternative("/a", "add_slash", method="GET") == "/a/"
    assert routes.alternative("/a", "add_slash", method="POST") is None


class Letters(Converter):
    regex = "[ab]+"


class Heavy(Converter):
    regex = "[a1]*"  # matches nothing at all, which a parameter never is
    weight = 150


class Groups(Converter):
    regex = r"(a)|(?P<x>b)\Z"

    def convert(self, value: str) -> object:
        if value == "b":
            raise ValueError("no b")
        return value.upper()


class Picky(PathConverter):
    def convert(self, value: str) -> object:
        if "b" in value:
            raise ValueError("no b")
        return value.split("/")


class Narrow(PathConverter):
    regex = "[a/]+"


CONVERTERS = Converters()
for name, converter in {"low": Letters, "heavy": Heavy, "groups": Groups, "picky": Picky, "narrow": Narrow}.items():
    CONVERTERS.register(name, converter)


# The same rules as a list of all the ways in which each route can match, sorted.

Trace = tuple[tuple[object, ...], ...]


def divisions(parts: Segment, text: str) -> Iterator[tuple[str, ...]]:
    """Every way to divide a segment, each parameter as long as possible first."""
    if not parts:
        if not text:
            yield ()
        return
    head, *rest = parts
    if isinstance(head, str):
        if text.startswith(head):
            yield from divisions(tuple(rest), text[len(head) :])
        return
    for end in range(len(text), 0, -1):
        if re.fullmatch(head.converter.regex, text[:end]):
            for more in divisions(tuple(rest), text[end:]):
                yield (text[:end], *more)


def spanned(parts: Segment, text: str) -> str | None:
    before = parts[0] if isinstance(parts[0], str) else ""
    after = parts[-1] if isinstance(parts[-1], str) else ""
    if len(text) <= len(before) + len(after) or not text.startswith(before) or not text.endswith(after):
        return None
    value = text[len(before) : len(text) - len(after)]
    return None if value.startswith("/") else value


def shape(segment: Segment) -> object:
    return tuple(part if isinstance(part, str) else (part.key,) for part in segment)


def ways(  # noqa: C901
    pattern: Pattern, orders: dict[object, int], segments: list[str]
) -> Iterator[tuple[Trace, list[object]]]:
    """Every way in which a pattern takes the segments: the rank of each choice, and the raw values."""

    def go(place: int, index: int) -> Iterator[tuple[Trace, list[object]]]:
        if place == len(pattern.segments):
            if index == len(segments):
                yield (), []
            return
        segment = pattern.segments[place]
        bound = [part for part in segment if isinstance(part, Bound)]
        order = orders[tuple(map(shape, pattern.segments[: place + 1]))]
        literal = sum(len(part) for part in segment if isinstance(part, str))
        weights = tuple(part.converter.weight for part in bound)
        if index >= len(segments):
            return
        if not bound:
            if "".join(part for part in segment if isinstance(part, str)) == segments[index]:
                for trace, values in go(place + 1, index + 1):
                    yield ((0,), *trace), values
        elif bound[0].spans:
            for last in range(index, len(segments)):
                value = spanned(segment, "/".join(segments[index : last + 1]))
                if value is not None:
                    for trace, values in go(place + 1, last + 1):
                        yield ((2, -literal, weights, order, last), *trace), [value, *values]
        else:
            texts = next(divisions(segment, segments[index]), None)
            if texts is None:
                return
            try:
                here = [part.converter.convert(text) for part, text in zip(bound, texts, strict=True)]
            except ValueError:
                return
            group = 1 if literal or len(bound) > 1 else 0 if weights[0] < 100 else 2
            for trace, values in go(place + 1, index + 1):
                yield ((1, group, -literal, weights, order), *trace), [*here, *values]

    yield from go(0, 0)


def reference(routes: list[tuple[Pattern, str]], method: str, path: str) -> object:
    """The route whose first way is the least of all, found without any tree."""
    orders: dict[object, int] = {}
    for order, (pattern, _) in enumerate(routes):
        for end in range(len(pattern.segments)):
            orders.setdefault(tuple(map(shape, pattern.segments[: end + 1])), order)
    found: list[tuple[Trace, int, tuple[object, ...]]] = []
    allowed: set[str] = set()
    for order, (pattern, offered) in enumerate(routes):
        first = min(ways(pattern, orders, path.split("/")[1:]), key=lambda way: way[0], default=None)
        if first is None:
            continue
        trace, values = first
        bound = [part for segment in pattern.segments for part in segment if isinstance(part, Bound)]
        try:
            for place, part in enumerate(bound):
                if part.spans:
                    if part.converter.regex != PathConverter.regex and not re.fullmatch(
                        part.converter.regex, str(values[place])
                    ):
                        raise ValueError
                    values[place] = part.converter.convert(str(values[place]))
        except ValueError:
            continue
        allowed.add(offered)
        if offered == method:
            found.append((trace, order, tuple(values)))
    if found:
        _, order, taken = min(found, key=lambda each: each[:2])
        return order, taken
    return frozenset(allowed)


TEXTS = st.sampled_from(["a", "b", "1", "ab", "a1", "-", "a-b", "1-1", "2024-01-01", "1.5", "a-1-b", "--", "1a"])
CONVERTER_NAMES = st.sampled_from(
    ["str", "int", "float", "date", "any(a,b)", "any(b,1)", "low", "heavy", "groups", "int(max=1)", "str(minlength=2)"]
)


@st.composite
def segment_text(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["literal", "literal", "one", "one", "mixed", "several", "path"]))
    if kind == "literal":
        return draw(TEXTS | st.just(""))
    if kind == "one":
        return f"<{draw(CONVERTER_NAMES)}:@>"
    if kind == "path":
        name = draw(st.sampled_from(["path", "path", "picky", "narrow"]))
        return draw(st.sampled_from(["", "a", "a-"])) + f"<{name}:@>" + draw(st.sampled_from(["", "a", "-b"]))
    between = st.sampled_from(["", "-", "a", "1"])
    count = 1 if kind == "mixed" else draw(st.integers(2, 3))
    parts = [draw(between)]
    for _ in range(count):
        parts += [f"<{draw(CONVERTER_NAMES)}:@>", draw(between)]
    return "".join(parts)


FITTING = {
    "int": ["1", "0", "1"],
    "float": ["1.5", "1.1"],
    "date": ["2024-01-01", "2023-02-29"],
    "any": ["a", "b", "1"],
    "low": ["a", "ab", "b"],
    "heavy": ["a1", "1", "a"],
    "groups": ["a", "b"],
    "str": ["a", "b", "1", "a-b", "ab", "1.5", "a1"],
    "path": ["a", "a/b", "1/a/1", "a/", "b//a", "a/a/a/a"],
    "picky": ["a", "a/1", "b/a"],
    "narrow": ["a", "a/a", "a/b"],
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[str]]:
    """Routes that share segments, and paths most of which were made from one of their patterns."""
    segments = draw(st.lists(segment_text(), min_size=2, max_size=6))
    texts = draw(
        st.lists(st.lists(st.sampled_from(segments), min_size=1, max_size=4), min_size=2, max_size=8, unique_by=tuple)
    )
    routes = []
    for text in ("/" + "/".join(each) for each in texts):
        pieces = (("/a" + text[1:]) if text.startswith("//") else text).split("@")
        numbered = "".join(f"{piece}p{place}" for place, piece in enumerate(pieces[:-1])) + pieces[-1]
        routes.append((numbered, draw(st.sampled_from(["POST", "PUT"]))))
    paths = []
    for _ in range(draw(st.integers(2, 10))):
        text, _method = draw(st.sampled_from(routes))
        paths.append(re.sub(r"<(\w+)[^>]*>", lambda found: draw(st.sampled_from(FITTING[found[1]])), text))
    paths += draw(
        st.lists(st.lists(TEXTS | st.just(""), max_size=5).map(lambda parts: "/" + "/".join(parts)), max_size=3)
    )
    return routes, paths


@settings(max_examples=500, deadline=None)
@given(cases())
def test_tree_agrees_with_a_naive_search(case: tuple[list[tuple[str, str]], list[str]]) -> None:
    routes, paths = case
    parsed = [(Pattern.parse(text, CONVERTERS), method) for text, method in routes]
    made: Router[int] = Router(CONVERTERS)
    for order, (pattern, method) in enumerate(parsed):
        made.add(pattern, [method], order)
    made.compile()
    for path in paths:
        for method in ("POST", "PUT", "GET"):
            found = made.match(method, path)
            assert found == reference(parsed, method, path)
            head, _, tail = path.rpartition("/")
            if method in made.static.get(path, {}):
                assert found == (made.static[path][method], ())
            elif tail and method in made.tails.get(head, {}):
                assert found == (made.tails[head][method], (tail,))
