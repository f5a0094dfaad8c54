import re
from datetime import date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_routing import (
    AnyConverter,
    Converter,
    ConverterError,
    Converters,
    DateConverter,
    FloatConverter,
    IntConverter,
    Pattern,
    Router,
    StrConverter,
    UUIDConverter,
)


def round_trip(converter: Converter, value: object) -> object:
    text = converter.to_url(value)
    assert re.fullmatch(converter.regex, text), text
    return converter.convert(text)


@given(st.integers(0, 10**39 - 1))
def test_int_round_trips(value: int) -> None:
    assert round_trip(IntConverter(), value) == value
    assert round_trip(IntConverter(signed=True), -value) == -value


@given(st.integers(-99_999, 99_999))
def test_int_of_fixed_digits_round_trips(value: int) -> None:
    text = IntConverter(fixed_digits=5, signed=True).to_url(value)
    assert len(text.removeprefix("-")) == 5
    assert round_trip(IntConverter(fixed_digits=5, signed=True), value) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float_round_trips_exactly(value: float) -> None:
    assert round_trip(FloatConverter(signed=True), value) == value


@given(st.uuids())
def test_uuid_round_trips(value: UUID) -> None:
    assert round_trip(UUIDConverter(), value) == value
    assert round_trip(UUIDConverter(), str(value).upper()) == value


@given(st.dates())
def test_date_round_trips(value: date) -> None:
    assert round_trip(DateConverter(), value) == value
    assert round_trip(DateConverter(), value.isoformat()) == value


@given(st.lists(st.text(st.characters(exclude_characters="/"), min_size=1), min_size=1), st.data())
def test_any_matches_its_items_alone(items: list[str], data: st.DataObject) -> None:
    converter = AnyConverter(*items)
    assert round_trip(converter, data.draw(st.sampled_from(items))) in items
    other = data.draw(st.text())
    assert (re.fullmatch(converter.regex, other) is not None) == (other in items)


@pytest.mark.parametrize(
    ("converter", "value"),
    [
        (IntConverter(), "x"),
        (IntConverter(), 1.5),
        (IntConverter(max=5), 6),
        (FloatConverter(), float("nan")),
        (FloatConverter(), float("inf")),
        (FloatConverter(min=1.0), 0.5),
        (UUIDConverter(), "x"),
        (DateConverter(), datetime(2024, 1, 1)),  # noqa: DTZ001
        (DateConverter(), "2024-13-01"),
    ],
)
def test_value_that_cannot_be_written_is_refused(converter: Converter, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        converter.to_url(value)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/<int(min=2,max=3):x>", ["2", "3", "003"], ["1", "4", "-2"]),
        ("/<int(signed=True):x>", ["-1", "1"], ["--1", "+1"]),
        ("/<int(fixed_digits=3):x>", ["007"], ["7", "0007"]),
        ("/<int(3):x>", ["007"], ["7"]),
        ("/<float(min=1,max=2.5):x>", ["1.0", "2.50"], ["0.9", "2.6"]),
        ("/<float(signed=True):x>", ["-1.5"], ["-", "-.5"]),
        ("/<float:x>", ["0." + "0" * 323 + "5"], ["9" * 309 + ".0", "1" * 310 + ".0", ".5", "5."]),
        ("/<str(length=2):x>", ["ab", "äö"], ["a", "abc"]),
        ("/<str(minlength=2,maxlength=3):x>", ["ab", "abc"], ["a", "abcd"]),
        ("/<str(minlength=2):x>", ["ab", "a" * 999], ["a"]),
        ("/<any(a,'b c',\"d,)\"):x>", ["a", "b c", "d,)"], ["b", "d", "a,b c"]),
        ("/<any(007,1.50,True):x>", ["007", "1.50", "True"], ["7", "1.5"]),
        ("/<any(a.b,a):x>", ["a.b", "a"], ["axb"]),
    ],
)
def test_arguments_bound_what_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    router: Router[int] = Router()
    router.add(pattern, ["GET"], 1)
    for text in yes:
        assert isinstance(router.match("GET", f"/{text}"), tuple), text
    for text in no:
        assert router.match("GET", f"/{text}") == frozenset(), text


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/<any():x>", "at least one item"),
        ("/<any(''):x>", "not empty"),
        ("/<any('a/b'):x>", "no '/'"),
        ("/<int(low=1):x>", "low"),
        ("/<int(fixed_digits=99):x>", "fixed_digits"),
        ("/<str(length=0):x>", "minlength"),
        ("/<str(minlength=3,maxlength=2):x>", "minlength"),
        ("/<uuid(1):x>", "argument"),
    ],
)
def test_wrong_arguments_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"column 2: converter '\w+' refuses these arguments: ") as caught:
        Pattern.parse(pattern)
    assert message in str(caught.value)


class Version(Converter):
    regex = r"(\d+)\.(?P<minor>\d+)$"

    def convert(self, value: str) -> tuple[int, ...]:
        return tuple(map(int, value.split(".")))

    def to_url(self, value: object) -> str:
        assert isinstance(value, tuple)
        return ".".join(map(str, value))


class Plain:
    """Not derived from anything of ours."""

    regex = "(?i)yes|no"

    def convert(self, value: str) -> bool:
        return value.lower() == "yes"

    def to_url(self, value: object) -> str:
        return "yes" if value else "no"


def test_custom_class_and_object() -> None:
    converters = Converters()
    converters.register("version", Version)
    converters.register("yes", Plain())
    router: Router[str] = Router(converters)
    router.add("/<version:v>/<yes:y>/<x>", ["GET"], "all")
    router.add("/<other>/<yes:y>/<x>", ["GET"], "rest")
    assert router.match("GET", "/1.2/YES/a") == ("all", ((1, 2), True, "a"))
    assert router.match("GET", "/1.2x/no/a") == ("rest", ("1.2x", False, "a"))


def test_anchors_of_a_custom_regex_see_the_value_alone() -> None:
    class Anchored(Converter):
        regex = r"^\d+$"

    converters = Converters()
    converters.register("n", Anchored)
    router: Router[str] = Router(converters)
    router.add("/a<n:x>-<n:y>b", ["GET"], "r")
    assert router.match("GET", "/a1-22b") == ("r", ("1", "22"))


def test_other_errors_of_a_custom_converter_pass_through() -> None:
    class Broken(Converter):
        def convert(self, value: str) -> object:
            raise RuntimeError(value)

    converters = Converters()
    converters.register("broken", Broken)
    router: Router[str] = Router(converters)
    router.add("/<broken:x>", ["GET"], "r")
    with pytest.raises(RuntimeError, match="oops"):
        router.match("GET", "/oops")


@pytest.mark.parametrize(
    ("name", "converter", "message"),
    [
        ("not a name", Version, "identifier"),
        ("x", object(), "no 'regex'"),
        ("x", type("W", (), {"regex": "a", "to_python": str, "to_url": str}), "to_python"),
    ],
)
def test_registration_of_what_is_no_converter_is_refused(name: str, converter: object, message: str) -> None:
    with pytest.raises(ConverterError, match=message):
        Converters().register(name, converter)


def test_bad_regexes_are_refused_where_they_are_used() -> None:
    converters = Converters()
    converters.register("open", type("Open", (Converter,), {"regex": "("}))
    converters.register("bytes", type("Bytes", (Converter,), {"regex": b"a"}))
    converters.register("object", Version())
    with pytest.raises(ConverterError, match="cannot be compiled"):
        converters.make("open")
    with pytest.raises(ConverterError, match="must be a str"):
        converters.make("bytes")
    with pytest.raises(ConverterError, match="takes no arguments"):
        converters.make("object", (1,))


def test_registry_is_a_mapping_and_copies_are_independent() -> None:
    converters = Converters()
    copy = converters.copy()
    copy.register("version", Version)
    assert copy["version"] is Version
    assert "version" not in converters
    assert len(copy) == len(converters) + 1
    assert {"any", "date", "float", "int", "path", "str", "string", "uuid"} <= set(converters)


def test_arguments_of_a_pattern_are_typed() -> None:
    given: list[object] = []

    class Recorder(Converter):
        def __init__(self, *args: object, **options: object) -> None:
            given.append((args, options))

    converters = Converters()
    converters.register("rec", Recorder)
    Pattern.parse("/<rec(1, -2.5, True, None, 'q,)', bare text, a=\"1\", b = x.y):x>", converters)
    assert given == [((1, -2.5, True, None, "q,)", "bare text"), {"a": "1", "b": "x.y"})]


def test_equal_converters_share_a_key_and_others_do_not() -> None:
    converters = Converters()
    assert converters.make("int", (), {"min": 1})[1] == converters.make("int", (), {"min": 1})[1]
    assert converters.make("int", (), {"min": 1})[1] != converters.make("int")[1]
    assert converters.make("any", ("a", "b"))[1] == converters.make("any", ("b", "a"))[1]
    assert converters.make("str")[1] == converters.make("string")[1]


def test_str_gives_what_it_is_given() -> None:
    assert StrConverter().to_url(5) == "5"
    assert StrConverter().convert("a") == "a"
