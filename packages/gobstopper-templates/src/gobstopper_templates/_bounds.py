"""Limits and defaults of the engine: `range`, depth, and which names are plain text."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["PLAIN_TEXT", "BoundedRange", "autoescape_by_name", "check_depth"]

#: Endings of names whose templates are not HTML or XML and have nothing to escape.
PLAIN_TEXT = (".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".csv", ".tsv", ".log", ".eml")
_WRAPPERS = (".j2", ".jinja", ".jinja2")


def autoescape_by_name(name: str | None) -> bool:
    """Escape everything but plain text: strings (no name), `.html`, `.xml`, `.svg`, `.js` and whatever is unknown.

    An ending `.j2`, `.jinja` or `.jinja2` is looked through: `mail.txt.j2` is plain text.
    """
    if name is None:
        return True
    name = name.lower()
    for wrapper in _WRAPPERS:
        name = name.removesuffix(wrapper)
    return not name.endswith(PLAIN_TEXT)


class BoundedRange:
    """`range` for templates: as the builtin, but `OverflowError` beyond `limit` items."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, *args: int) -> range:
        """The range, or `OverflowError`."""
        result = range(*args)
        try:
            size = len(result)
        except OverflowError:  # more than a C ssize_t counts
            size = sys.maxsize
        if size > self.limit:
            raise OverflowError(
                f"range of {size} items in a template; the limit is {self.limit}: page the data, or raise max_range"
            )
        return result


def check_depth(limit: int, name: object) -> None:
    """`RecursionError` if more than `limit` templates are inside one another on this stack.

    Python's own limit would catch it too, but ten times later, with a traceback of a thousand frames to rewrite, and
    not where someone has raised that limit.
    """
    try:
        frame: FrameType | None = sys._getframe(limit)
    except ValueError:  # the stack is not even that deep: the usual case, and cheap
        return
    frame = sys._getframe(1)
    chain: list[str | None] = []
    while frame is not None:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None and frame.f_code.co_name == "root":
            chain.append(template.name)
        frame = frame.f_back
    if len(chain) > limit:
        shown = " -> ".join(repr(other) for other in dict.fromkeys(reversed([*chain[-4:], str(name)])))
        raise RecursionError(
            f"more than {limit} templates include, extend or import one another ({shown}): "
            "break the cycle, or raise max_depth"
        )
