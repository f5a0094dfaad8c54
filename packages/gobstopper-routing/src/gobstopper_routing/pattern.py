"""The pattern grammar: ``/users/<int:id>``, ``/api/v<version>/x``, ``/files/<path:name>``.

::

    pattern   = 1*( "/" segment )
    segment   = *( literal / parameter )
    parameter = "<" [ converter [ "(" [ argument *( "," argument ) ] ")" ] ":" ] name ">"
    argument  = [ identifier "=" ] value
    value     = quoted / number / "True" / "False" / "None" / bare text

Slashes at the end and in the middle count as they are written. A literal stands for the decoded path.
"""

import re
from collections.abc import Hashable, Mapping
from functools import cached_property
from keyword import iskeyword
from typing import Final, TypeAlias

from ._contract import ParameterSpec, SegmentSpec
from .convertors import Converter, Converters, PathConverter
from .errors import ConverterError, PatternError


class Parameter:
    """One ``<converter:name>`` of a pattern, as written: nothing is looked up yet. ``column`` is 1-based."""

    __slots__ = ("args", "column", "converter", "name", "options")

    def __init__(
        self, name: str, converter: str, args: tuple[str, ...], options: Mapping[str, str], column: int
    ) -> None:
        self.name = name
        self.converter = converter
        self.args = args
        self.options = options
        self.column = column


class Bound:
    """A parameter with its converter.

    Equal ``key`` means the same language and the same values; ``spans``, that the value may hold slashes.
    """

    __slots__ = ("converter", "key", "name", "spans")

    def __init__(self, name: str, converter: Converter, key: Hashable) -> None:
        self.name = name
        self.converter = converter
        self.key = key
        self.spans = isinstance(converter, PathConverter)

    @property
    def spec(self) -> ParameterSpec:
        """The parameter in the builtin types of the matcher's contract."""
        converter = self.converter
        # Texts that stay as they are need no call.
        idle = getattr(type(converter), "convert", None) is Converter.convert
        return (
            self.key,
            converter.regex,
            None if idle else converter.convert,
            getattr(converter, "weight", Converter.weight),
            getattr(converter, "max_length", None) or 0,
            self.spans,
        )


Part: TypeAlias = str | Parameter
Segment: TypeAlias = tuple[str | Bound, ...]

MAX_SEGMENTS: Final = 128

# Compiled when they are first used, for the sake of the time that an import takes.
_ARGUMENT = r"""[ ]*("[^"]*"|'[^']*'|[^,()<>'"]+?)[ ]*(?=[,)])"""
_OPTION = r"[ ]*([A-Za-z_]\w*)[ ]*="
_FORBIDDEN = "[\x00-\x1f\x7f\ufffd\ud800-\udfff]"
_WORDS: dict[str, object] = {"True": True, "False": False, "None": None}


def parse_segments(text: str) -> list[list[Part]]:
    """Read a pattern without looking converters up: a list of parts for each segment after the first slash.

    Raises :class:`PatternError` with the column, the cause and the fix.
    """
    if not text.startswith("/"):
        raise PatternError(text, 1, f"a pattern begins with '/'; write {'/' + text!r}")
    if text.startswith(("//", "/\\")):
        raise PatternError(text, 2, "a URL that begins so would name another host; begin with one '/'")
    segments: list[list[Part]] = [[]]
    names: set[str] = set()
    position, start = 1, 1
    while position < len(text):
        character = text[position]
        if character == "<":
            _literal(text, start, position, segments[-1])
            parameter, position = _parameter(text, position)
            if parameter.name in names:
                raise PatternError(text, parameter.column, f"parameter {parameter.name!r} is there twice; rename one")
            names.add(parameter.name)
            segments[-1].append(parameter)
            start = position
        elif character == "/":
            _literal(text, start, position, segments[-1])
            segments.append([])
            position = start = position + 1
        else:
            position += 1
    _literal(text, start, position, segments[-1])
    for parts in segments:
        if parts in (["."], [".."]):
            column = f"{text}/".index(f"/{parts[0]}/") + 2
            raise PatternError(
                text, column, f"clients remove the segment {parts[0]!r}, and never ask for it; remove it"
            )
    if len(segments) > MAX_SEGMENTS:
        raise PatternError(text, 1, f"it has {len(segments)} segments; {MAX_SEGMENTS} are the most")
    return segments


def parameter_names(text: str) -> tuple[str, ...]:
    """Give the names of a pattern's parameters, left to right. Raises :class:`PatternError`."""
    return tuple(part.name for parts in parse_segments(text) for part in parts if not isinstance(part, str))


def _literal(text: str, start: int, end: int, parts: list[Part]) -> None:
    literal = text[start:end]
    if not literal:
        return
    for wrong, reason in (
        (">", "'>' without its '<'"),
        ("?", "a pattern has no query string; read it from the request"),
        ("#", "a fragment never reaches the server"),
    ):
        if wrong in literal:
            raise PatternError(text, start + literal.index(wrong) + 1, f"{reason}; remove {wrong!r}")
    if found := re.search(_FORBIDDEN, literal):
        raise PatternError(text, start + found.start() + 1, f"{found[0]!r} never reaches a route; remove it")
    parts.append(literal)


def _parameter(text: str, start: int) -> tuple[Parameter, int]:
    """Read from the ``<`` at ``start``; give the parameter and the place after its ``>``."""
    position = start + 1
    head = re.compile(r"[^<>():/]*").match(text, position)
    first = head[0] if head else ""
    position += len(first)
    args: tuple[str, ...] = ()
    options: dict[str, str] = {}
    converter, name, name_at = "str", first, start + 1
    following = text[position : position + 1]
    if following == "(":
        args, options, position = _arguments(text, position + 1)
        following = text[position : position + 1]
        if following != ":":
            raise PatternError(text, position + 1, f"after '<{first}(…)' comes ':' and the parameter's name")
    if following == ":":
        converter, name_at = first, position + 1
        end = text.find(">", name_at)
        name = text[name_at:] if end < 0 else text[name_at:end]
        position = name_at + len(name)
        following = text[position : position + 1]
    if following != ">":
        raise PatternError(text, start + 1, "'<' without its '>'; write <name> or <converter:name>")
    if not name.isidentifier() or iskeyword(name):
        raise PatternError(
            text, name_at + 1, f"{name!r} is no parameter name; use a Python identifier, as in <user_id>"
        )
    if not converter.isidentifier():
        raise PatternError(text, start + 2, f"{converter!r} is no converter name; write <{name}> or <int:{name}>")
    return Parameter(name, converter, args, options, start + 1), position + 1


def _arguments(text: str, position: int) -> tuple[tuple[str, ...], dict[str, str], int]:
    args: list[str] = []
    options: dict[str, str] = {}
    if text[position : position + 1] == ")":
        return (), options, position + 1
    while True:
        option = re.compile(_OPTION).match(text, position)
        value = re.compile(_ARGUMENT).match(text, option.end() if option else position)
        if value is None:
            raise PatternError(
                text, position + 1, "a converter's argument is missing or not closed; write (a,b) or (max=9)"
            )
        if option is None and options:
            raise PatternError(
                text, position + 1, "an argument without a name comes after one with a name; reorder them"
            )
        if option is None:
            args.append(value[1])
        elif option[1] in options:
            raise PatternError(text, position + 1, f"argument {option[1]!r} is there twice; remove one")
        else:
            options[option[1]] = value[1]
        position = value.end() + 1
        if text[position - 1] == ")":
            return tuple(args), options, position


def _unquoted(value: str) -> str:
    return value[1:-1] if value[0] in "\"'" else value


def _typed(value: str) -> object:
    if value[0] in "\"'":
        return value[1:-1]
    if value in _WORDS:
        return _WORDS[value]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


class Pattern:
    """A pattern with its converters.

    ``text`` is what was parsed, ``segments`` one tuple of ``str | Bound`` for each segment, ``parameters`` the pairs
    of name and converter from left to right, ``shape`` is equal for patterns that match the same paths whatever their
    parameters are called.
    """

    __slots__ = ("__dict__", "parameters", "segments", "text")

    def __init__(self, text: str, segments: tuple[Segment, ...]) -> None:
        self.text = text
        self.segments = segments
        self.parameters = tuple(
            (part.name, part.converter) for segment in segments for part in segment if not isinstance(part, str)
        )

    @classmethod
    def parse(cls, text: str, converters: Converters | None = None) -> "Pattern":
        """Read ``text``. Raises :class:`PatternError`, for an unknown converter or its arguments too."""
        known = DEFAULT_CONVERTERS if converters is None else converters
        segments = tuple(tuple(_bind(text, part, known) for part in parts) for parts in parse_segments(text))
        for segment in segments:
            _check_span(text, segment)
        return cls(text, segments)

    @cached_property
    def shape(self) -> tuple[tuple[Hashable, ...], ...]:
        """Equal for patterns that match the same paths, whatever their parameters are called."""
        return tuple(
            tuple(part if isinstance(part, str) else (part.key,) for part in segment) for segment in self.segments
        )

    @cached_property
    def spec(self) -> tuple[SegmentSpec, ...]:
        """The pattern in the builtin types of the matcher's contract."""
        return tuple(_segment_spec(segment) for segment in self.segments)

    @property
    def literal(self) -> str | None:
        """The one path that a pattern without parameters matches, else None."""
        return None if self.parameters else self.text

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


DEFAULT_CONVERTERS = Converters()


def _bind(text: str, part: Part, known: Converters) -> str | Bound:
    if isinstance(part, str):
        return part
    verbatim = getattr(known.get(part.converter), "verbatim", False)
    read = _unquoted if verbatim else _typed
    try:
        converter, key = known.make(
            part.converter,
            tuple(read(value) for value in part.args),
            {name: read(value) for name, value in part.options.items()},
        )
    except ConverterError as error:
        raise PatternError(text, part.column, str(error)) from error
    return Bound(part.name, converter, key)


def _check_span(text: str, segment: Segment) -> None:
    bound = [part for part in segment if not isinstance(part, str)]
    if len(bound) > 1 and any(part.spans for part in bound):
        name = next(part.name for part in bound if part.spans)
        column = text.index(f"{name}>") + 1
        raise PatternError(
            text, column, f"a path may hold slashes, so {name!r} cannot share its segment; put a '/' between"
        )


def _segment_spec(segment: Segment) -> SegmentSpec:
    if not segment:
        return ""
    if len(segment) == 1 and isinstance(segment[0], str):
        return segment[0]
    return tuple(part if isinstance(part, str) else part.spec for part in segment)
