"""Every block of the README runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_runs(block):
    exec(compile(block, str(README), "exec"), {"__name__": "readme"})


def test_there_are_blocks():
    assert len(BLOCKS) >= 5
