from collections.abc import Callable
from typing import Any

import pytest

from gobstopper_routing import (
    Converter,
    Converters,
    PathConverter,
    Problem,
    Route,
    check_hook,
    check_routes,
    format_problems,
)

CONVERTERS = Converters()
CONVERTERS.register("heavy", type("Heavy", (Converter,), {"weight": 150}))
CONVERTERS.register("low", type("Low", (Converter,), {"regex": "[a-z]+"}))
CONVERTERS.register("pages", type("Pages", (PathConverter,), {"weight": 150}))


def take(*args: Any, **kwargs: Any) -> None: ...


def route(text: str, handler: Callable[..., Any] = take, name: str | None = None) -> Route:
    """``"GET,POST /users/<id>"``, or a pattern alone for GET."""
    methods, _, pattern = text.rpartition(" ")
    return Route.declare(pattern, (methods or "GET").split(","), handler, name, converters=CONVERTERS)


def kinds(*texts: str) -> list[tuple[str, str]]:
    return [(problem.severity, problem.kind) for problem in check_routes(map(route, texts))]


@pytest.mark.parametrize(
    "texts",
    [
        ["/", "/users", "/users/<id>", "/users/<int:id>/posts"],
        ["GET /a", "POST /a"],
        ["/a", "/a/"],
        ["/a/<x>", "/a/<int:x>"],
        ["GET /a/<x>", "WEBSOCKET /a/<y>"],
        ["HEAD /a", "GET /a"],
        ["/x/a", "/x/<any(a,b):k>"],
        ["POST /x/a", "POST /x/b", "GET /x/<any(a,b):k>"],
        ["/x/a", "/x/b", "/x/<any(a,b):k>/<y>"],
        ["/<any(a,b):k>", "/<any(b,c):k>"],
        ["/<int(max=5):k>", "/<int:k>"],
        ["/<int(signed=True,min=-5):k>", "/<int:k>"],
        ["/<low:k>", "/<str:k>"],
        ["/<int:k>/a", "/<any(1,2):k>/b"],
        ["/<any(1,2):k>/<low:x>", "/<any(1,2):k>/<any(3,4):x>"],
        ["/<any(a,b):a><any(c,d):b>", "/<low:x>"],
        ["/<int:a>", "/<low:b>1"],
        ["/p/<any(a,b):k>/<s>", "/p/a/<low:y>"],
        ["/<path:p>", "/<pages:q>"],
        ["/<path:p>/x", "/<low:y>/x"],
    ],
)
def test_sound_routes(texts: list[str]) -> None:
    assert [kind for kind in kinds(*texts) if kind[0] == "error"] == []


@pytest.mark.parametrize(
    "texts",
    [
        ["/a", "/a"],
        ["/a/<x>", "/a/<y>"],
        ["/a/<x>", "/a/<string:y>"],
        ["GET,POST /a", "POST,PUT /a"],
        ["/<any(a,b):x>", "/<any(b,a):y>"],
        ["WEBSOCKET /ws", "WEBSOCKET /ws"],
    ],
)
def test_duplicates(texts: list[str]) -> None:
    assert kinds(*texts) == [("error", "duplicate")]


@pytest.mark.parametrize(
    "texts",
    [
        ["/x/a", "/x/b", "/x/<any(a,b):k>"],
        ["/x/a1", "/x/b1", "/x/<any(a,b):k>1"],
        ["/<s>", "/<heavy:h>"],
        ["/<heavy:h>", "/<s>"],
        ["/<any(a,b,c):k>", "/<any(a,b):k>"],
        ["/<s>/x", "/<heavy:h>/x"],
        ["/<int(signed=True):k>", "/<int(signed=True,max=5):k>", "/<s>/<t>", "/<heavy:a>/<heavy:b>"],
    ],
)
def test_routes_that_can_never_match(texts: list[str]) -> None:
    assert ("error", "unreachable") in kinds(*texts)
    assert kinds(*texts).count(("error", "unreachable")) == 1


def test_too_many_lists_are_left_alone() -> None:
    items = ",".join(f"i{k}" for k in range(20))
    assert kinds(f"/<any({items}):a>/<any({items}):b>") == []


def test_messages_name_both_places() -> None:
    def second(x: str) -> None: ...

    (problem,) = check_routes([route("/a/<x>"), route("/a/<x>", second, "other")])
    line, other = second.__code__.co_firstlineno, take.__code__.co_firstlineno
    assert problem.location == f"{__file__}:{line}"
    assert str(problem) == (
        f"{__file__}:{line}: GET /a/<x> (second) has the same paths as"
        f" GET /a/<x> (take) at {__file__}:{other}; remove one"
    )


def test_every_problem_is_found_at_once_errors_first() -> None:
    def needs(request: object, id: int) -> None: ...

    problems = check_routes(
        [
            route("/files/<path:p>"),
            route("/files/readme"),
            route("/<nope:x>"),
            route("/b", needs),
            route("/c", lambda: None, "take"),
            route("/files/readme"),
        ]
    )
    assert [problem.kind for problem in problems] == ["pattern", "signature", "name", "duplicate", "shadow"]
    assert [problem.severity for problem in problems] == ["error"] * 4 + ["note"]
    text = format_problems(problems)
    assert text.startswith("4 problems:\n")
    assert len(text.splitlines()) == 5
    assert "there is no converter 'nope'" in text
    assert "it takes 'id', which the pattern does not give" in text
    assert "the name 'take' is taken twice" in text


@pytest.mark.parametrize(
    ("texts", "notes"),
    [
        (["/files/<path:p>", "/files/readme"], 1),
        (["/files/<path:p>", "/files/<int:id>"], 1),
        (["/files/readme", "/files/<path:p>"], 0),
        (["GET /files/<path:p>", "POST /files/readme"], 0),
        (["/files/<path:p>", "/other"], 0),
        (["/users/<id>", "/users/me"], 1),
        (["/users/me", "/users/<id>"], 0),
        (["POST /users/<id>", "GET /users/me"], 0),
        (["/<path:p>", "/a", "/b/<x>"], 2),
        (["/<path:p>/edit", "/a/edit"], 0),
    ],
)
def test_wider_routes_before_narrower_ones_are_noted(texts: list[str], notes: int) -> None:
    assert kinds(*texts) == [("note", "shadow")] * notes


def test_hooks() -> None:
    def hook(response: object) -> None: ...

    assert check_hook("before_request", hook) is None
    problem = check_hook("after_request", hook)
    assert problem is not None
    assert (problem.kind, problem.severity) == ("hook", "error")
    assert problem.location == f"{__file__}:{hook.__code__.co_firstlineno}"
    assert "write def hook(request, response)" in problem.message


def test_format_of_few() -> None:
    assert format_problems([]) == "no problems"
    assert format_problems([Problem("x", "note", "m", "f:1")]) == "no problems"
    assert format_problems([Problem("x", "error", "m", "f:1")]) == "1 problem:\n  f:1: m"


@pytest.mark.parametrize(
    "tails", [("", "<int:id>", "<id>/x", "files/<path:p>"), ("<any(a,b):x>", "<heavy:x>/y", "a<low:x>", "<path:p>")]
)
def test_a_thousand_routes_are_checked_fast(tails: tuple[str, ...]) -> None:
    import time

    texts = [f"/api/r{k}/{tail}" for k in range(250) for tail in tails]
    routes = [route(text) for text in texts]
    for each in routes:
        each.compiled  # noqa: B018
    start = time.process_time()
    assert check_routes(routes) == []
    assert time.process_time() - start < 2
