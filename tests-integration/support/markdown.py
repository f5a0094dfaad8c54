"""The code blocks of a Markdown page, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(
    r"^(?P<indent> {0,3})```(?P<info>[^`\n]*)\n(?P<code>.*?)^(?P=indent)```[ \t]*$", re.MULTILINE | re.DOTALL
)
_HIDDEN = re.compile(r"^<!-- check\n(?P<code>.*?)^-->[ \t]*$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|//|<!--|\{#) ([\w./-]+\.[a-z]+)(?: -->| #\})?\s*")


@dataclass(frozen=True)
class Block:
    """One block: `language` is the first word of its fence, `check` for a hidden one; `line` is its code's first."""

    language: str
    code: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that the block is, if its first line is nothing but a comment with a name: `# shop/app.py`."""
        first = self.code.partition("\n")[0]
        match = _FILE.fullmatch(first)
        return match[1] if match else None


def blocks(text: str) -> Iterator[Block]:
    """Fenced blocks, and hidden checks: an HTML comment whose first line is `<!-- check`."""
    found = [*_FENCE.finditer(text), *_HIDDEN.finditer(text)]
    for match in sorted(found, key=lambda match: match.start()):
        language = ["check"] if match.re is _HIDDEN else match["info"].split()
        line = text.count("\n", 0, match.start("code")) + 1
        yield Block(language[0] if language else "", match["code"], line)
