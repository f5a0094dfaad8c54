"""Each wheel, installed alone by its path in a clean environment, is complete, imports, and passes its own tests there.

The wheels of ours that it needs are given by path too: an index may hold other projects under these names.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from readme_renderer import markdown
from support.workspace import ROOT, Package, find_uv, packages

PACKAGES = {package.name: package for package in packages()}
each_package = pytest.mark.parametrize(
    "package", [package for package in PACKAGES.values() if package.published], ids=lambda package: package.name
)
# Of the dev group, what checks the source; tests need the rest of it.
TOOLS = {"coverage", "mypy", "pyright", "readme-renderer", "ruff"}
# Killed processes and servers, broken files: minutes of it, and the same however the distribution was installed. That
# its processes start from the wheel, the rest of the tests says; these run once, with all suites.
FAULTS = ("faults", "test_crashes.py")
UV = find_uv()


def clean_environment() -> dict[str, str]:
    """Ours without what this run put there: coverage would measure it, pytest take options, Python find src/."""
    unwanted = ("COVERAGE_", "COV_", "PYTEST_", "PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command to its end; its output explains a failure."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\nexit {done.returncode}\n{done.stdout}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every distribution's wheel, built from its sdist as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    for package in PACKAGES.values():
        run(UV, "build", "--no-sources", "--quiet", "--out-dir", folder, package.folder, cwd=ROOT)
    return {package.name: next(folder.glob(f"{package.module}-*.whl")) for package in PACKAGES.values()}


@pytest.fixture(scope="module")
def constraints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The versions of uv.lock, so that a new release elsewhere does not decide today's result."""
    every = ["--all-packages", "--all-extras", "--all-groups", "--no-emit-workspace", "--no-hashes"]
    path = tmp_path_factory.mktemp("constraints") / "constraints.txt"
    path.write_text(run(UV, "export", "--frozen", "--quiet", *every, cwd=ROOT))
    return path


def own_needs(names: list[str]) -> list[str]:
    """Those and all of ours that they need, extras included."""
    known: list[str] = []
    while names:
        name, *names = names
        if name not in known:
            known.append(name)
            names += sorted(PACKAGES[name].declared & set(PACKAGES))
    return known


def environment(folder: Path) -> Path:
    """A new, empty environment of this Python; returns its interpreter."""
    run(UV, "venv", "--quiet", "--python", sys.executable, folder, cwd=folder.parent)
    return folder / "bin" / "python"


def install(python: Path, wanted: list[str], wheels: dict[str, Path], constraints: Path) -> None:
    """Installs what is wanted, ours by path."""
    requirements = [Requirement(text) for text in wanted]
    extras = {requirement.name: ",".join(requirement.extras) for requirement in requirements}
    names = own_needs([name for name in extras if name in PACKAGES])
    ours = [f"{name}[{extras.get(name, '')}] @ {wheels[name].as_uri()}" for name in names]
    others = [str(requirement) for requirement in requirements if requirement.name not in PACKAGES]
    run(UV, "pip", "install", "--quiet", "--python", python, "-c", constraints, *ours, *others, cwd=python.parent)


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


@each_package
def test_the_wheel_holds_what_it_should(package: Package, wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels[package.name]) as archive:
        held = set(archive.namelist())
    info = f"{package.module}-{package.project['version']}.dist-info"
    assert {f"{package.module}/py.typed", f"{package.module}/__init__.py", f"{info}/licenses/LICENSE"} <= held
    assert {name.partition("/")[0] for name in held} <= {package.module, info}
    sources = {f"{package.module}/{file.relative_to(package.source).as_posix()}" for file in package.files()}
    assert sources == {name for name in held if name.endswith(".py")}


@each_package
def test_the_page_on_the_index_renders(package: Package, wheels: dict[str, Path]) -> None:
    described = metadata(wheels[package.name])
    assert described["Description-Content-Type"] == "text/markdown"
    assert described["Summary"]
    assert described["License-Expression"] == "MIT"
    assert described["License-File"] == "LICENSE"
    body = described.get_payload()
    assert isinstance(body, str)
    page = markdown.render(body) or ""
    assert "<h1" in page
    # The page stands alone: nothing lies beside it there.
    assert [
        link for link in re.findall(r'(?:href|src)="([^"]*)"', page) if not link.startswith(("https://", "#"))
    ] == []


@each_package
def test_it_imports_with_nothing_but_what_it_requires(
    package: Package, wheels: dict[str, Path], constraints: Path, tmp_path: Path
) -> None:
    python = environment(tmp_path / "venv")
    install(python, [package.name], wheels, constraints)
    where = run(python, "-I", "-c", f"import {package.module} as module; print(module.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path / "venv")
    listed = run(UV, "pip", "list", "--python", python, "--format", "freeze", cwd=tmp_path)
    ours = {canonicalize_name(line.partition("==")[0]) for line in listed.splitlines()} & set(PACKAGES)
    needed = {requirement.name for requirement in package.required} & set(PACKAGES)
    assert needed | {package.name} <= ours
    for command in package.project.get("scripts", {}):
        assert run(python.parent / command, "--help", cwd=tmp_path)


@each_package
@pytest.mark.timeout(900)
def test_its_own_tests_pass_there(package: Package, wheels: dict[str, Path], constraints: Path, tmp_path: Path) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    for_tests = [text for text in groups["dev"] if Requirement(text).name not in {*TOOLS, *PACKAGES}]
    for_tests += [f"{other.name}[{','.join(other.extras)}]" for other in PACKAGES.values() if not other.published]
    # What a suite needs beyond that (another distribution's test kit), its own pyproject.toml says.
    for_tests += package.pyproject.get("dependency-groups", {}).get("test", [])
    python = environment(tmp_path / "venv")
    itself = f"{package.name}[{','.join(package.extras)}]"
    install(python, [itself, *for_tests], wheels, constraints)

    # A copy without src/: only what the wheel brought can be imported.
    copy = tmp_path / package.name
    shutil.copytree(package.folder, copy, ignore=shutil.ignore_patterns("src", "__pycache__", "dist", ".*", *FAULTS))
    # Two files at a time, as in scripts/test: half of the longest suites is waiting.
    run(
        *(python, "-m", "pytest", "-q", "--timeout", "300", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile"),
        *("-c", ROOT / "pyproject.toml", "--rootdir", copy, copy / "tests"),
        cwd=copy,
    )
