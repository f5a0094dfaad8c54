"""The documentation is true: every block of code in it runs, and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.markdown import blocks
from support.workspace import ROOT, packages

HERE = Path(__file__).parent
READMES = [ROOT / "README.md", *(package.folder / "README.md" for package in packages() if package.published)]
PAGES = [*READMES, *sorted(ROOT.glob("docs/**/*.md"))]
WITH_CODE = [page for page in PAGES if any(block.language for block in blocks(page.read_text(encoding="utf-8")))]

# What is run or parsed (see support/page.py), and what only a reader makes use of.
RUN = {"python", "check", "console", "toml", "json", "html"}
READ = {"", "text", "ini", "nginx", "dockerfile", "yaml", "javascript", "bash", "sql", "http", "css"}


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "support.page", str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE), "PYTHONWARNINGS": "error::DeprecationWarning:page"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    known = RUN | READ
    wrong = [
        f"{page.name}:{block.line}: {block.language!r}"
        for block in blocks(page.read_text())
        if block.language not in known
    ]
    assert wrong == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#:]+\.md)", index)}
    assert {page for page in PAGES if "docs" in page.parts and page.name != "index.md"} - linked == set()


def test_the_reference_is_up_to_date() -> None:
    """So every public name is in it, with the signature and the words that it has in the code."""
    script = ROOT / "docs" / "reference" / "generate.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", READMES[1:], ids=lambda page: page.parent.name)
def test_a_packages_readme_stands_alone(page: Path) -> None:
    """The index shows it without the rest of the repository: a relative link would lead nowhere."""
    targets = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nassert 1 == 2\n```\n", "x.md:2: the block failed"),
        ("```python\nx = 1\n```\ntext\n<!-- check\nassert x == 2\n-->\n", "x.md:6: the block failed"),
        ("```console\n$ python -c 'print(1)'\n2\n```\n", "but the page has:\n2"),
        ("```python\n# app.py\nimport nowhere\n```\n", "x.md:2: app.py cannot be imported"),
        ("```console\n$ curl http://127.0.0.1:8000/\n```\n", "no server of this page"),
        ("```console\n$ python -c 'raise SystemExit(3)'\n```\n", "exit code 3"),
    ],
)
def test_a_page_that_is_not_true_is_found_out(tmp_path: Path, text: str, message: str) -> None:
    page = tmp_path / "x.md"
    page.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "support.page", str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
