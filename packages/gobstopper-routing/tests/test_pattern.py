import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_routing import Pattern, PatternError, Router, parameter_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/", ()),
        ("/users/<id>", ("id",)),
        ("/api/v<version>/users/<int:user_id>", ("version", "user_id")),
        ("/<any(a, b , 'c>'):k>/<path:rest>", ("k", "rest")),
        ("/<int( min = 1 , max=2 ):x>", ("x",)),
        ("/<int():x>", ("x",)),
        ("/a//<ünï>/", ("ünï",)),
    ],
)
def test_names_of_parameters(text: str, names: tuple[str, ...]) -> None:
    assert parameter_names(text) == names
    assert tuple(name for name, _ in Pattern.parse(text).parameters) == names


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "begins with '/'; write '/'"),
        ("users", 1, "write '/users'"),
        ("<x>/a", 1, "begins with '/'"),
        ("//evil", 2, "another host"),
        ("/\\evil", 2, "another host"),
        ("/.", 2, "clients remove the segment '.'"),
        ("/a/../b", 4, "clients remove the segment '..'"),
        ("/a..b/<x>/./", 11, "clients remove the segment '.'"),
        ("/a/<id", 4, "'<' without its '>'"),
        ("/a/<int:id", 4, "'<' without its '>'"),
        ("/a/id>", 6, "'>' without its '<'"),
        ("/a/<<id>", 4, "'<' without"),
        ("/a/<>", 5, "no parameter name"),
        ("/a/<int:>", 9, "no parameter name"),
        ("/a/<class>", 5, "no parameter name"),
        ("/a/<1a>", 5, "no parameter name"),
        ("/a/<user-id>", 5, "Python identifier"),
        ("/a/<a b>", 5, "Python identifier"),
        ("/a/<:id>", 5, "no converter name"),
        ("/a/<nope:id>", 4, "there is no converter 'nope'; known are any, date"),
        ("/<a>/<a>", 6, "'a' is there twice"),
        ("/search?q=<q>", 8, "no query string"),
        ("/a#b", 3, "fragment"),
        ("/a\x00", 3, "never reaches"),
        ("/a\ufffd", 3, "never reaches"),
        ("/<any(a,:x>", 9, "missing or not closed"),
        ("/<any(a:x>", 7, "missing or not closed"),
        ("/<any(a,,b):x>", 9, "missing"),
        ("/<any(a)>", 9, "comes ':'"),
        ("/<int(min=1,2):x>", 13, "without a name comes after"),
        ("/<int(min=1,min=2):x>", 13, "'min' is there twice"),
        ("/<path:p>-<x>", 8, "cannot share its segment"),
        ("/<x><path:xx>", 11, "cannot share its segment"),
        ("/a" * 129, 1, "129 segments; 128 are the most"),
    ],
)
def test_error_names_column_cause_and_fix(text: str, column: int, message: str) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern.parse(text)
    assert caught.value.column == column, str(caught.value)
    assert caught.value.pattern == text
    assert f"pattern {text!r}, column {column}: " in str(caught.value)
    assert message in str(caught.value)


@given(st.text(alphabet="/<>():,=ab1'\" ?#-.intpathy") | st.text())
def test_any_text_is_a_pattern_or_a_pattern_error(text: str) -> None:
    try:
        pattern = Pattern.parse("/" + text)
    except PatternError as error:
        column = error.column
    else:
        column = 1
        assert pattern.text == "/" + text
        Router[int]().add(pattern, ["GET"], 1)
    assert 1 <= column <= len(text) + 2


@given(st.lists(st.text(alphabet="abcü %+&;\\", max_size=4), min_size=1, max_size=5).map("/".join))
def test_text_without_parameters_matches_itself_alone(text: str) -> None:
    if text.startswith(("/", "\\")):
        text = "a" + text
    router: Router[int] = Router()
    router.add("/" + text, ["GET"], 1)
    assert router.match("GET", "/" + text) == (1, ())
    assert router.match("GET", "/" + text + "x") == frozenset()
    assert Pattern.parse("/" + text).literal == "/" + text


def test_shape_ignores_names_and_nothing_else() -> None:
    assert Pattern.parse("/a/<x>").shape == Pattern.parse("/a/<string:y>").shape
    assert Pattern.parse("/a/<x>").shape != Pattern.parse("/a/<int:x>").shape
    assert Pattern.parse("/a/<x>").shape != Pattern.parse("/a/<x>/").shape
    assert Pattern.parse("/a/<x>").literal is None


def test_repr_shows_the_text() -> None:
    assert repr(Pattern.parse("/a/<x>")) == "Pattern('/a/<x>')"


def test_quotes_are_not_part_of_an_argument() -> None:
    router: Router[str] = Router()
    router.add("""/<any("a, b",'c',d):x>""", ["GET"], "target")
    assert [router.match("GET", f"/{text}") for text in ("a, b", "c", "d")] == [
        ("target", (text,)) for text in ("a, b", "c", "d")
    ]
    assert router.match("GET", "/'c'") == frozenset()
