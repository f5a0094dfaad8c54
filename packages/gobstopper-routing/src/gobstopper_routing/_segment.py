"""Matching one segment that holds parameters, in time linear in its length."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ._contract import ANY_TEXT, MIXED_LIMIT, ParameterSpec, PartSpec

Take = Callable[[str], "tuple[object, ...] | None"]


def compile_segment(parts: Sequence[PartSpec]) -> Take | None:
    """Give a function that turns a segment's text into its values, or into None where it does not match.

    None instead of a function stands for one parameter that takes any text.
    """
    parameters = [part for part in parts if not isinstance(part, str)]
    if len(parameters) > 1:
        return _several(parts, parameters)
    before = parts[0] if isinstance(parts[0], str) else ""
    after = parts[-1] if isinstance(parts[-1], str) else ""
    one = parameters[0]
    if not before and not after:
        return None if one[1] == ANY_TEXT and one[2] is None else _single(one)
    return _surrounded(before, _single(one), after)


def _single(parameter: ParameterSpec) -> Take:
    _, regex, convert, _, _, _ = parameter
    # The flag is for regexes that match nothing at all: a parameter is never empty.
    fullmatch, empty = re.compile(regex).fullmatch, re.fullmatch(regex, "") is not None

    def matching(text: str) -> tuple[object] | None:
        if fullmatch(text) is None or (empty and not text):
            return None
        return (text,)

    if convert is None:
        return matching

    def converted(text: str) -> tuple[object] | None:
        if fullmatch(text) is None or (empty and not text):
            return None
        try:
            return (convert(text),)
        except ValueError:
            return None

    return converted


def _surrounded(before: str, take: Take, after: str) -> Take:
    start, end, least = len(before), -len(after) or None, len(before) + len(after)

    def surrounded(text: str) -> tuple[object, ...] | None:
        if len(text) > least and text.startswith(before) and text.endswith(after):
            return take(text[start:end])
        return None

    return surrounded


def _several(parts: Sequence[PartSpec], parameters: Sequence[ParameterSpec]) -> Take:
    divide = Division(parts).divide
    converts = [parameter[2] for parameter in parameters]

    def several(text: str) -> tuple[object, ...] | None:
        texts = divide(text)
        if texts is None:
            return None
        try:
            return tuple(
                text if convert is None else convert(text) for convert, text in zip(converts, texts, strict=True)
            )
        except ValueError:
            return None

    return several


class Division:
    """Divides a segment's text among its parts: each parameter takes the longest text that lets the rest match.

    A plain search that goes back can cost n to the number of parameters. Here each (part, start) is given up at most
    once; and because a free parameter that failed from one place fails from every later one, all its attempts
    together are linear.
    """

    def __init__(self, parts: Sequence[PartSpec]) -> None:
        self._before = parts[0] if isinstance(parts[0], str) else ""
        self._after = parts[-1] if isinstance(parts[-1], str) else ""
        inner = parts[bool(self._before) : len(parts) - bool(self._after)]
        # One step for each parameter, with the literal text that comes after it.
        self._steps: list[tuple[Callable[..., re.Match[str] | None] | None, Callable[..., object], int, str]] = []
        self._limit = 0
        for place, part in enumerate(inner):
            if isinstance(part, str):
                continue
            follower = inner[place + 1] if place + 1 < len(inner) else ""
            _, regex, _, _, max_length, _ = part
            free = regex == ANY_TEXT
            compiled = re.compile(regex)
            adjoins = place > 0 and not isinstance(inner[place - 1], str)
            if adjoins or not (free or max_length):
                self._limit = MIXED_LIMIT
            self._steps.append(
                (
                    None if free else compiled.match,
                    compiled.fullmatch,
                    max_length,
                    follower if isinstance(follower, str) else "",
                )
            )

    def divide(self, text: str) -> list[str] | None:
        """Give the text of each parameter, or None."""
        if self._limit and len(text) > self._limit:
            return None
        start, end = len(self._before), len(text) - len(self._after)
        if start >= end or not text.startswith(self._before) or not text.endswith(self._after):
            return None
        return self._from(text[start:end], 0, 0, _Dead({}, set()))

    def _from(self, text: str, step: int, start: int, dead: "_Dead") -> list[str] | None:
        if step == len(self._steps):
            return [] if start == len(text) else None
        prefix, fullmatch, max_length, literal = self._steps[step]
        last = step + 1 == len(self._steps)
        if prefix is None:
            # From the start that failed on, every end was tried before; from here only those up to it are new.
            furthest = min(dead.free.get(step, len(text)), len(text))
            dead.free[step] = start
        else:
            dead.starts.add((step, start))
            furthest = len(text)
            if max_length:
                found = prefix(text[start : start + max_length])
                furthest = start + found.end() if found else start
        for end in _ends(text, start, furthest, literal, last=last):
            following = end + len(literal)
            # A slice, so that ^ and lookbehind see the value alone.
            if not dead.has(step + 1, following) and (prefix is None or fullmatch(text[start:end])):
                rest = self._from(text, step + 1, following, dead)
                if rest is not None:
                    return [text[start:end], *rest]
        return None


class _Dead(NamedTuple):
    """Starts from which the rest cannot be divided: of each free step the first such start, of the others each."""

    free: dict[int, int]
    starts: set[tuple[int, int]]

    def has(self, step: int, start: int) -> bool:
        return (step, start) in self.starts or start >= self.free.get(step, start + 1)


def _ends(text: str, start: int, furthest: int, literal: str, *, last: bool) -> Iterator[int]:
    """Places where a value from ``start`` may end so that ``literal`` comes next, the last one first."""
    if last:
        if start < len(text) <= furthest:
            yield len(text)
        return
    if not literal:
        yield from range(min(furthest, len(text)), start, -1)
        return
    end = text.rfind(literal, start + 1, furthest + len(literal))
    while end > start:
        yield end
        end = text.rfind(literal, start + 1, end + len(literal) - 1)
