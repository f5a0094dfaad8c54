"""Every distribution is complete, and the versions fit together."""

from __future__ import annotations

import importlib
import re
import tomllib

import pytest
from support.workspace import ROOT, Package, packages

PACKAGES = packages()
PUBLISHED = [package for package in PACKAGES if package.published]
each_package = pytest.mark.parametrize("package", PUBLISHED, ids=lambda package: package.name)


@each_package
def test_names_follow_each_other(package: Package) -> None:
    assert package.folder.name == package.name
    assert [path.name for path in (package.folder / "src").iterdir() if not path.name.endswith(".egg-info")] == [
        package.module
    ]


@each_package
def test_the_folder_is_complete(package: Package) -> None:
    assert (package.source / "py.typed").is_file()
    assert (package.folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (package.folder / "README.md").read_text().startswith(f"# {package.name}\n")
    assert package.project["version"] in (package.folder / "CHANGELOG.md").read_text()
    assert list((package.folder / "tests").glob("**/test_*.py")), "a distribution has tests of its own"


@each_package
def test_what_it_exports_is_listed_and_there(package: Package) -> None:
    module = importlib.import_module(package.module)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert not missing
    assert len(set(module.__all__)) == len(module.__all__)


@each_package
def test_what_it_needs_of_ours_is_what_is_here(package: Package) -> None:
    versions = {other.name: other.project["version"] for other in PACKAGES}
    for requirement in [*package.required, *(item for group in package.extras.values() for item in group)]:
        if requirement.name in versions and requirement.name != package.name:
            assert requirement.specifier.contains(versions[requirement.name]), str(requirement)
            assert any(clause.operator in {"<", "=="} for clause in requirement.specifier), (
                f"{requirement}: no upper bound"
            )


@each_package
def test_the_lock_has_its_version(package: Package) -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    versions = [entry["version"] for entry in locked if entry["name"] == package.name]
    assert versions == [package.project["version"]]


@each_package
def test_the_pythons_it_names_are_those_that_ci_runs(package: Package) -> None:
    prefix = "Programming Language :: Python :: 3."
    named = [int(text.removeprefix(prefix)) for text in package.project["classifiers"] if text.startswith(prefix)]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    matrix = re.search(r"python: \[(.+?)\]", workflow)
    assert matrix, "ci.yml names its Pythons in one list"
    assert named == [int(minor) for minor in re.findall(r'"3\.(\d+)"', matrix[1])]
    assert package.project["requires-python"] == f">=3.{named[0]}"


def test_every_workspace_package_is_measured() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {package.module for package in PUBLISHED} <= set(settings["tool"]["coverage"]["run"]["source_pkgs"])
