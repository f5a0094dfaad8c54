"""The scripts start, say what is wrong, and the ones that judge (branches, links, releases) judge rightly."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.workspace import ROOT


def script(name: str) -> ModuleType:
    """A module of scripts/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


branches, links, release = script("branches"), script("links"), script("release")


@pytest.mark.parametrize("name", ["demo", "test", "lint", "bench", "wheels", "../.ci/run"])
def test_scripts_start(name: str) -> None:
    path = ROOT / "scripts" / name
    assert path.stat().st_mode & 0o111, f"{path} is not executable"
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_scripts_say_that_python_is_missing(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho\n")  # what the probe prints on a Python that is too old
    old.chmod(0o755)
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    done = subprocess.run(
        ["/bin/bash", "-c", f'source "{ROOT}/scripts/_setup.sh"'],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr


def report(**files: tuple[int, int]) -> str:
    """What `coverage json` writes, as far as branches.py reads it."""
    summaries = {
        path: {"summary": {"covered_branches": ran, "num_branches": total}} for path, (ran, total) in files.items()
    }
    return json.dumps({"files": summaries})


@pytest.mark.parametrize(("ran", "code"), [(95, 0), (94, 2)])
def test_the_share_of_branches(tmp_path: Path, capsys: pytest.CaptureFixture[str], ran: int, code: int) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(report(**{"packages/a/src/a/x.py": (ran, 100), "packages/b/src/b/x.py": (0, 0)}))
    assert branches.main([str(path), "--fail-under", "95"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["a", str(ran), "of", "100", f"{ran:.2f}", "%"]
    assert lines[1].split() == ["b", "0", "of", "0", "100.00", "%"]
    assert lines[2].endswith(f"{ran:.2f} %")


def test_every_link_leads_somewhere() -> None:
    assert [line for page in links.pages() for line in links.broken(page)] == []


def test_links_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# One heading\n\n## The `same`, twice!\n\n## The same twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[good](other.md#one-heading) [good](other.md#the-same-twice-1) [out](https://example.org/x) [self](#here)\n"
        "# Here\n"
        "```\n[code](nowhere.md)\n```\n"
        "[gone](missing.md) and [bad](other.md#two)\n"
    )
    assert list(links.broken(page, tmp_path)) == [
        "page.md:6: no such file: missing.md",
        "page.md:6: no such heading: other.md#two",
    ]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A workspace with a package and a crate, ready for release."""
    package = tmp_path / "packages" / "gobstopper-http"
    crate = tmp_path / "crates" / "gobstopper-http-rs"
    for folder in (package, crate):
        folder.mkdir(parents=True)
        (folder / "CHANGELOG.md").write_text(
            "# Log\n\n## 1.2.0 - 2026-01-31\n\n- New.\n\n## 1.1.0 - 2025-12-01\n\n- Old.\n"
        )
    (package / "pyproject.toml").write_text('[project]\nname = "gobstopper-http"\nversion = "1.2.0"\n')
    (crate / "pyproject.toml").write_text('[project]\nname = "gobstopper-http-rs"\ndynamic = ["version"]\n')
    (crate / "Cargo.toml").write_text('[package]\nname = "gobstopper-http-rs"\nversion = "1.2.0"\n')
    return tmp_path


@pytest.mark.parametrize(("name", "kind"), [("gobstopper-http", "package"), ("gobstopper-http-rs", "crate")])
def test_a_tag_that_agrees_with_the_tree(tree: Path, name: str, kind: str) -> None:
    assert release.read(f"{name}-v1.2.0", tree) == release.Release(name, "1.2.0", kind, "- New.")


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("v1.2.0", "is no release tag"),
        ("gobstopper-http-v1.2", "is no release tag"),
        ("gobstopper-http-v1.2.0;echo", "is no release tag"),
        ("gobstopper-other-v1.2.0", "neither packages/gobstopper-other nor crates/gobstopper-other exists"),
        ("gobstopper-http-v1.3.0", "is at version 1.2.0"),
    ],
)
def test_a_tag_that_does_not(tree: Path, tag: str, message: str) -> None:
    with pytest.raises(release.ReleaseError, match=message):
        release.read(tag, tree)


@pytest.mark.parametrize(
    ("log", "message"), [("## 1.2.0 - unreleased\n", "needs the day"), ("## 1.1.0\n", "no section for 1.2.0")]
)
def test_a_changelog_that_is_not_ready(tree: Path, log: str, message: str) -> None:
    (tree / "packages/gobstopper-http/CHANGELOG.md").write_text(log)
    with pytest.raises(release.ReleaseError, match=message):
        release.read("gobstopper-http-v1.2.0", tree)


def test_the_workflow_is_told_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["gobstopper-nothing-v0.1.0"]) == 1
    assert "neither packages/gobstopper-nothing" in capsys.readouterr().err
