"""Whatever the path, twice its length may cost at most slightly more than twice as much."""

import gc
import sys
import time
from collections.abc import Callable

import pytest

from gobstopper_routing import Converter, Converters, Router


class Slug(Converter):
    regex = "[a-z0-9-]+"


CONVERTERS = Converters()
CONVERTERS.register("slug", Slug)

HARD: list[tuple[str, list[str], Callable[[int], str]]] = [
    ("free parts", ["/<a>-<b>-<c>-<d>.<e>"], lambda n: "/" + "-" * n),
    ("free parts, no end", ["/<a>-<b>.<c>-<d>"], lambda n: "/" + "a-" * n),
    ("numbers between free parts", ["/<a>-<int:b>-<c>-<int:d>.<e>"], lambda n: "/" + "1-" * n),
    ("long numbers", ["/<a>-<int:b>-<c>.<e>"], lambda n: "/" + "1" * n + "-1" * n),
    ("floats", ["/<a>-<float:b>-<c>-<float:d>!<e>"], lambda n: "/" + "1.1-" * n),
    ("any", ["/<a>-<any(a,aa,aaa):b>-<c>-<any(a,aa):d>!<e>"], lambda n: "/" + "a-" * n),

    ("one path", ["/<path:a>/x"], lambda n: "/x" * n + "/"),
    ("paths", ["/<path:a>/x/<path:b>/x/<path:c>/x/<path:d>/y"], lambda n: "/x" * n),
    ("paths and parameters", ["/<path:a>/<b>/<path:c>/<int:d>/<path:e>/y"], lambda n: "/1" * n),
    ("paths that share text", ["/a<path:p>a/<path:q>/b", "/a<path:p>a/<path:q>/c<x>"], lambda n: "/aa" * n),
    ("two ways at every level", ["".join(f"/<int:i{k}>" for k in range(9)) + f"/{end}" for end in "xyz"]
     + ["".join(f"/<s{k}>" for k in range(9)) + "/w"], lambda n: "/1" * 9 + "/" + "1" * n),
    ("wrong methods", ["/<path:a>/x/<path:b>", "/<path:c>"], lambda n: "/x" * n),
    ("empty segments", ["/<path:a>/b"], lambda n: "/a" + "/" * n),
]  # fmt: skip


def calls(function: Callable[[], object]) -> int:
    """Count calls of Python and C functions: unlike time, it is the same in every run."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def seconds(function: Callable[[], object]) -> float:
    gc.disable()
    try:
        start = time.process_time()
        function()
        return max(time.process_time() - start, 1e-6)
    finally:
        gc.enable()


@pytest.mark.parametrize(("patterns", "path"), [case[1:] for case in HARD], ids=[case[0] for case in HARD])
def test_cost_is_linear_in_the_path(patterns: list[str], path: Callable[[int], str]) -> None:
    router: Router[str] = Router(CONVERTERS)
    for pattern in patterns:
        router.add(pattern, ["GET"], pattern)
    router.compile()
    # 16 kB is about the longest path that a server takes.
    short, long = path(4000), path(8000)
    assert calls(lambda: router.match("POST", long)) <= 2.2 * calls(lambda: router.match("POST", short)) + 50
    # Loops inside C functions show in the time alone. A quadratic one takes four times as long in every round;
    # other programs disturb some of them.
    rounds = []
    for _ in range(8):
        taken = seconds(lambda: router.match("POST", long))
        rounds.append(taken / seconds(lambda: router.match("POST", short)))
        assert taken < 1.5
        if min(rounds) < 2.8:
            break
    assert min(rounds) < 2.8


@pytest.mark.parametrize(
    "pattern",
    [
        "/<a><any(a,aa,aaa):b><c><any(a,aa):d>!<e>",
        "/<a><slug:b><c><slug:d>.<e>",
        "/<slug:a>-<slug:b>-<slug:c>!<e>",
        "/<a><int:b><c><int:d>.<e>",
        "/<slug:a><int:b><slug:c><int:d>.<e>",
    ],
)
@pytest.mark.parametrize("text", ["a", "a-", "1", "a1"])
def test_cost_of_parameters_that_adjoin_is_bounded(pattern: str, text: str) -> None:
    router: Router[str] = Router(CONVERTERS)
    router.add(pattern, ["GET"], pattern)
    # Each place is left by each parameter once, for each of the ends that lie after it: at most the square of 256.
    for path in (f"/{text * (255 // len(text))}", f"/{text * (253 // len(text))}!."):
        assert calls(lambda path=path: router.match("GET", path)) < 256 * 256 * 5
    assert router.match("GET", "/" + text * 500) == frozenset()


def mixed(count: int) -> list[str]:
    patterns: list[str] = []
    for k in range((count + 4) // 5):
        name = f"res{k}"
        patterns += [
            f"/{name}",
            f"/{name}/<int:id>",
            f"/{name}/<int:id>/items/<item>",
            f"/api/v<version>/{name}/<id>",
            f"/{name}/files/<path:p>",
        ]
    return patterns[:count]


def hits(count: int) -> list[str]:
    paths: list[str] = []
    for k in range(count // 5):
        name = f"res{k}"
        paths += [f"/{name}", f"/{name}/42", f"/{name}/42/items/abc", f"/api/v2/{name}/x", f"/{name}/files/a/b"]
    return paths


def test_many_routes_match_as_fast_as_few() -> None:
    counts = []
    for count in (10, 500):
        router: Router[str] = Router()
        for pattern in mixed(count):
            router.add(pattern, ["GET"], pattern)
        router.compile()
        paths = hits(count)
        assert [router.match("GET", path)[0] for path in paths] == mixed(count)
        counts.append(calls(lambda router=router, paths=paths: [router.match("GET", p) for p in paths]) / len(paths))
    assert counts[1] <= 1.05 * counts[0]


def test_neighbours_that_begin_differently_do_not_slow_each_other() -> None:
    router: Router[str] = Router()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        router.add(f"/{letter}<int:x>", ["GET"], letter)
    router.compile()
    assert router.match("GET", "/z7") == ("z", (7,))
    alone: Router[str] = Router()
    alone.add("/z<int:x>", ["GET"], "z")
    alone.compile()
    assert calls(lambda: router.match("GET", "/z7")) == calls(lambda: alone.match("GET", "/z7"))


def test_building_grows_with_the_number_of_routes() -> None:
    def build(count: int) -> None:
        router: Router[str] = Router()
        for pattern in mixed(count):
            router.add(pattern, ["GET"], pattern)
        router.compile()

    build(10)  # what is done once
    assert calls(lambda: build(1000)) < 2.3 * calls(lambda: build(500))


def test_every_call_counts() -> None:
    assert calls(lambda: [len("a") for _ in range(10)]) >= 10
