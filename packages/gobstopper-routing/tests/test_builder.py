from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gobstopper_routing import BuildError, Converter, Converters, Pattern, Router, build_path


def test_path_of_a_pattern_alone() -> None:
    assert build_path(Pattern.parse("/a/<x>"), {"x": "b"}) == "/a/b"
    with pytest.raises(BuildError, match="url for /a/<x>: the value 'x' is missing"):
        build_path(Pattern.parse("/a/<x>"), {})


class Odd(Converter):
    regex = "[a-z/]+"

    def to_url(self, value: object) -> str:
        return value  # type: ignore[return-value]


def test_converter_that_gives_no_text_is_refused() -> None:
    converters = Converters()
    converters.register("odd", Odd)
    pattern = Pattern.parse("/<odd:x>", converters)
    with pytest.raises(BuildError, match="to_url gave int, it must give a str"):
        build_path(pattern, {"x": 1})
    with pytest.raises(BuildError, match="holds a '/'"):
        build_path(pattern, {"x": "a/b"})


VALUES: dict[str, st.SearchStrategy[object]] = {
    "str": st.text(),
    "str(maxlength=3)": st.text(max_size=5),
    "int": st.integers(-5, 10**40),
    "int(signed=True,fixed_digits=3)": st.integers(-1200, 1200),
    "float": st.floats(),
    "date": st.dates(),
    "uuid": st.uuids(),
    "path": st.lists(st.text(), min_size=1, max_size=4).map("/".join),
    "any(a,b,'c d')": st.sampled_from(["a", "b", "c d", "e"]),
}
LITERALS = st.text(
    st.characters(exclude_characters="/<>?#\x00\x7f\ufffd", min_codepoint=32, exclude_categories=["Cs"]), max_size=4
)


@st.composite
def builds(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    segments: list[str] = []
    values: dict[str, object] = {}
    for _ in range(draw(st.integers(1, 4))):
        text = draw(LITERALS)
        for _ in range(draw(st.integers(0, 2))):
            converter = draw(st.sampled_from(sorted(VALUES)))
            if converter == "path" and "<" in text:
                break
            text += f"<{converter}:p{len(values)}>"
            values[f"p{len(values)}"] = draw(VALUES[converter])
            text += draw(LITERALS)
            if converter == "path":
                break
        segments.append(text)
    pattern = "/" + "/".join(segments)
    return ("/a" + pattern if pattern.startswith(("//", "/\\")) else pattern), values


@settings(max_examples=500, deadline=None)
@given(builds())
@example(("/<path:a>", {"a": "//evil"}))
@example(("/<a>/<b>", {"a": "", "b": "evil"}))
@example(("/<a>", {"a": "\\evil"}))
def test_what_is_built_matches_back(case: tuple[str, dict[str, object]]) -> None:
    text, values = case
    try:
        pattern = Pattern.parse(text)
        url = build_path(pattern, values)
    except (BuildError, ValueError):
        return
    assert url.isascii()
    assert not url.startswith(("//", "/\\"))
    assert urlsplit(url)[:2] == ("", "")
    if pattern.parameters:
        assert not {".", ".."} & set(unquote(url).split("/"))
    router: Router[int] = Router()
    router.add(pattern, ["GET"], 1)
    assert router.match("GET", unquote(url)) == (1, tuple(values[name] for name, _ in pattern.parameters))
