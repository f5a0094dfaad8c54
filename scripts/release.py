"""Checks that a release tag says what the tree says, and prints what the release workflow needs to know.

`<distribution>-v<version>` is a folder of packages/ or of crates/, at the version that its own files have, with a dated
heading in its changelog.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TAG = re.compile(r"(?P<name>gobstopper(?:-[a-z]+)*)-v(?P<version>\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")


class ReleaseError(Exception):
    """What has to be put right before the tag can be released."""


@dataclass(frozen=True)
class Release:
    """What a tag stands for."""

    name: str
    version: str
    kind: str  # "package" or "crate"
    notes: str


def read(tag: str, root: Path = ROOT) -> Release:
    """Raises ReleaseError, with what to do, if the tree does not agree with the tag."""
    match = TAG.fullmatch(tag)
    if not match:
        raise ReleaseError(f"{tag!r} is no release tag: <distribution>-v<version>, such as gobstopper-http-v0.1.0")
    name, version = match["name"], match["version"]
    kind = next(
        (kind for kind in ("package", "crate") if (root / f"{kind}s" / name / "pyproject.toml").is_file()), None
    )
    if kind is None:
        raise ReleaseError(f"{tag}: neither packages/{name} nor crates/{name} exists")
    folder = root / f"{kind}s" / name
    written = _version(folder, kind)
    if written != version:
        raise ReleaseError(f"{tag}: {folder.relative_to(root)} is at version {written}; tag that, or change it first")
    return Release(name, version, kind, _notes(folder / "CHANGELOG.md", version, tag))


def _version(folder: Path, kind: str) -> str:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if "version" in project or kind == "package":
        return str(project["version"])
    manifest = tomllib.loads((folder / "Cargo.toml").read_text(encoding="utf-8"))
    return str(manifest["package"]["version"])


def _notes(changelog: Path, version: str, tag: str) -> str:
    sections = re.split(r"^## ", changelog.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section in sections[1:]:
        heading, _, body = section.partition("\n")
        if heading.split()[:1] == [version]:
            if not re.search(r"\d{4}-\d\d-\d\d", heading):
                raise ReleaseError(
                    f"{tag}: the heading '## {heading}' of {changelog.name} needs the day, as YYYY-MM-DD"
                )
            return body.strip()
    raise ReleaseError(f"{tag}: {changelog.name} has no section for {version}")


def main(argv: list[str] | None = None) -> int:
    """Prints `name=` and `kind=` lines, or the changelog's section with --notes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag")
    parser.add_argument("--notes", action="store_true")
    options = parser.parse_args(argv)
    try:
        release = read(options.tag)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(release.notes if options.notes else f"name={release.name}\nkind={release.kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
