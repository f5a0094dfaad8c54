"""What an exception in a template carries: the template, the line, the source around it, and how it was reached.

The exception itself stays as it was raised; all of this is one note (PEP 678), a `str` that also has `frames`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Self

import jinja2
from jinja2.debug import get_template_locals

__all__ = [
    "BlockNotFoundError",
    "TemplateFrame",
    "TemplateNote",
    "add_note",
    "annotate",
    "nearest",
    "template_trace",
]

_AROUND = 2  # lines of source shown before and after
_LINE = 160  # characters shown of one line: a minified page is one line of a megabyte
_CHAIN = 12  # places shown of a chain
_NOTES = 8  # notes of ours on one exception: a user may raise the same object for ever
_NAMES = 500  # names looked at for a suggestion


class BlockNotFoundError(jinja2.TemplateRuntimeError):
    """`render_block` was asked for a block that neither the template nor its parents define."""


@dataclass(frozen=True, slots=True)
class TemplateFrame:
    """One place in a template that was being rendered.

    `name` is the template's name (`None` for a string), `filename` its file if it has one, `lineno` counts from 1,
    `source` holds the lines around it as `(number, text)` pairs and is empty when the source cannot be read.
    """

    name: str | None
    filename: str | None
    lineno: int
    source: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        name = "a template string" if self.name is None else f"template {self.name!r}"
        return f"{name}, line {self.lineno}"


class TemplateNote(str):
    """A note on an exception, with the places it tells of as `frames`, innermost first."""

    __slots__ = ("frames",)

    frames: tuple[TemplateFrame, ...]

    def __new__(cls, text: str, frames: tuple[TemplateFrame, ...] = ()) -> Self:
        """A `str` with frames."""
        note = super().__new__(cls, text)
        note.frames = frames
        return note


def template_trace(error: BaseException) -> tuple[TemplateFrame, ...]:
    """The places in templates that `error` passed through, innermost first; empty if it met none."""
    notes = getattr(error, "__notes__", ())
    return tuple(frame for note in notes if isinstance(note, TemplateNote) for frame in note.frames)


def nearest(name: str, names: Iterable[object], count: int = 3, cutoff: float = 0.6) -> list[str]:
    """The names that look most like `name`, best first; underscored ones are left out."""
    public = [other for other in islice(names, _NAMES) if isinstance(other, str) and not other.startswith("_")]
    return difflib.get_close_matches(name[:100], public, count, cutoff)


def add_note(error: BaseException, note: str) -> None:
    """Add `note` unless it is there already; an exception with odd notes of its own is left alone."""
    notes = getattr(error, "__notes__", None) or ()
    ours = [other for other in notes if isinstance(other, TemplateNote)]
    if note in ours or len(ours) >= _NOTES:
        return
    with suppress(TypeError):  # `__notes__` may hold anything
        error.add_note(note)


def annotate(environment: jinja2.Environment, error: BaseException, source: str | None) -> None:
    """Add the note to an exception that is being handled, before Jinja2 rewrites its traceback."""
    if isinstance(error, jinja2.TemplateSyntaxError) and not error.translated:
        lines = () if source is None else _excerpt(source, error.lineno)
        frames = [TemplateFrame(error.name, error.filename, error.lineno, lines)]
    else:
        frames = _frames(environment, error.__traceback__)
    if frames:
        add_note(error, TemplateNote(_text(frames, _suggestion(error)), tuple(frames)))


def _frames(environment: jinja2.Environment, traceback: TracebackType | None) -> list[TemplateFrame]:
    places: list[tuple[jinja2.Template, int]] = []
    while traceback is not None:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            places.append((template, traceback.tb_lineno))
        traceback = traceback.tb_next
    # Recursion passes the same few places a thousand times: lines are worked out once for each.
    compiled = dict.fromkeys(reversed(places))
    lines_of = dict.fromkeys((template, template.get_corresponding_lineno(lineno)) for template, lineno in compiled)
    frames: list[TemplateFrame] = []
    for template, lineno in islice(lines_of, _CHAIN):
        lines = () if frames else _excerpt(_source(environment, template), lineno)
        frames.append(TemplateFrame(template.name, _file(template.filename), lineno, lines))
    return frames


def _file(filename: str | None) -> str | None:
    return None if filename in {None, "<template>", "<unknown>"} else filename


def _source(environment: jinja2.Environment, template: jinja2.Template) -> str:
    """The template's source, as good as it can be had: an error must never hide another."""
    kept = getattr(template, "_source", None)
    if isinstance(kept, str):
        return kept
    if environment.loader is None or template.name is None:
        return ""
    try:
        return environment.loader.get_source(environment, template.name)[0]
    except Exception:  # noqa: BLE001 - a loader is user code
        return ""


def _excerpt(source: str, lineno: int) -> tuple[tuple[int, str], ...]:
    lines = source.splitlines()
    if not 1 <= lineno <= len(lines):
        return ()
    first = max(lineno - _AROUND, 1)
    return tuple(
        (number, _printable(lines[number - 1])) for number in range(first, min(lineno + _AROUND, len(lines)) + 1)
    )


def _printable(line: str) -> str:
    cut = line if len(line) <= _LINE else line[:_LINE] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in cut.expandtabs(4)).rstrip()


def _text(frames: list[TemplateFrame], suggestion: str) -> str:
    place, *outer = frames
    where = f" ({place.filename})" if place.filename else ""
    lines = [f"In {place}{where}{suggestion}"]
    width = len(str(place.source[-1][0])) if place.source else 0
    for number, text in place.source:
        mark = ">" if number == place.lineno else " "
        lines.append(f"  {mark} {number:>{width}} | {text}".rstrip())
    lines += [f"  reached from {frame}" for frame in outer]
    return "\n".join(lines)


def _suggestion(error: BaseException) -> str:
    """For an undefined name, the nearest ones: those of the context, or of the object that was asked."""
    if not isinstance(error, jinja2.UndefinedError):
        return ""
    undefined: object = None
    scope: Mapping[str, object] = {}
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if "__jinja_template__" in frame.f_globals:
            scope = frame.f_locals
        undefined = frame.f_locals.get("self")
        traceback = traceback.tb_next
    if not isinstance(undefined, jinja2.Undefined) or not isinstance(undefined._undefined_name, str):
        return ""
    try:
        found = nearest(undefined._undefined_name, _names(undefined._undefined_obj, scope))
    except Exception:  # noqa: BLE001 - `dir()` and `keys()` of a user's object are user code
        return ""
    return f"; did you mean {' or '.join(repr(name) for name in found)}?" if found else ""


def _names(obj: object, scope: Mapping[str, object]) -> Iterable[object]:
    if obj is jinja2.utils.missing:
        return get_template_locals(scope)
    return [*obj, *dir(obj)] if isinstance(obj, Mapping) else dir(obj)
