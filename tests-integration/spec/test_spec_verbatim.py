"""The examples say what the specification says, word for word, and none of its code is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCUMENT = [line.strip() for line in (HERE / "application-core.txt").read_text(encoding="utf-8").splitlines()]
EXAMPLES = sorted((HERE / "examples").glob("[!_]*.py"))

# Code that begins like this stands in the document; what is prose begins otherwise.
CODE = re.compile(
    r"(@\w+\.|async def |def |class |from \.?\w[\w.]* import |import \w|return |await |raise |try:|except |finally:|"
    r"if |elif |while |app\.|url = |app = |granian --|task_id = |storage = |redis_client = |data = await |print\()"
)


def blocks(path: Path) -> Iterator[list[str]]:
    """The runs of lines of an example that claim to be the document's."""
    block: list[str] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text == "# spec:":
            block = []
        elif text == "# end":
            assert block, f"{path}: an empty block"
            yield block
            block = None
        elif block is not None and text:
            block.append(text)
    assert block is None, f"{path}: a block without an end"


def positions(block: list[str]) -> list[int]:
    """The indices of DOCUMENT at which the whole block stands."""
    return [start for start in range(len(DOCUMENT)) if DOCUMENT[start : start + len(block)] == block]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_the_documents_text(path: Path) -> None:
    found = list(blocks(path))
    assert found
    for block in found:
        assert positions(block), f"{path.name}: not in the document:\n" + "\n".join(block)


def test_no_code_of_the_document_is_left_out() -> None:
    covered = {
        index
        for path in EXAMPLES
        for block in blocks(path)
        for start in positions(block)
        for index in range(start, start + len(block))
    }
    commands = {index for index, line in enumerate(DOCUMENT) if line.startswith("granian --")}  # test_spec_running.py
    heading = ""
    missing = []
    for index, line in enumerate(DOCUMENT):
        if line.endswith("¶"):
            heading = line.removesuffix("¶")
        elif CODE.match(line) and index not in covered | commands:
            missing.append(f"{index + 1} ({heading}): {line}")
    assert missing == [], "\n".join(missing)
