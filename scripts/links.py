"""Checks that every relative link of the repository's Markdown leads to a file, and every anchor to a heading."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*~*[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def prose(text: str) -> str:
    """The text without its code, line numbers kept."""
    return CODE.sub("", FENCE.sub(lambda match: "\n" * match[0].count("\n"), text))


def anchors(text: str) -> set[str]:
    """The anchors of a page: its headings in lower case, spaces to hyphens, punctuation gone, doubles numbered."""
    seen: dict[str, int] = {}
    found = set()
    fenceless = FENCE.sub("", text)
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", fenceless, flags=re.MULTILINE):
        label = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", label.lower()).replace(" ", "-")
        found.add(slug if slug not in seen else f"{slug}-{seen[slug]}")
        seen[slug] = seen.get(slug, 0) + 1
    return found


def broken(page: Path, root: Path = ROOT) -> Iterator[str]:
    """Says, for each link of a page that leads nowhere, where it is."""
    text = prose(page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target = match[1]
        if re.match(r"[a-z][a-z0-9+.-]*:", target, flags=re.IGNORECASE):
            continue
        place = f"{page.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1}"
        path, _, anchor = target.partition("#")
        file = (page.parent / unquote(path)).resolve() if path else page
        if not file.exists():
            yield f"{place}: no such file: {target}"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield f"{place}: no such heading: {target}"


def pages(root: Path = ROOT) -> list[Path]:
    """The Markdown files that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({root / name for name in listed.stdout.split("\0") if name and (root / name).exists()})


def main() -> int:
    """Prints the links that lead nowhere; returns 1 if there are any."""
    found = [line for page in pages() for line in broken(page)]
    print("\n".join(found) or "every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
