"""Imports go down only, in no circle, to what is declared; and a file stays one concept."""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions

import pytest
from packaging.utils import canonicalize_name
from support.workspace import Import, Package, imports, packages

# Who may import whom. A distribution that is not in the table has to be given its place first.
MAY_IMPORT: dict[str, set[str]] = {
    "gobstopper-http": set(),
    "gobstopper-routing": set(),
    "gobstopper-templates": set(),
    "gobstopper-tasks": set(),
    "gobstopper-sessions": {"gobstopper-http"},
    "gobstopper-middleware": {"gobstopper-http", "gobstopper-sessions"},
    "gobstopper": {
        "gobstopper-http",
        "gobstopper-routing",
        "gobstopper-templates",
        "gobstopper-tasks",
        "gobstopper-sessions",
        "gobstopper-middleware",
    },
}
LINES = 450
# The standard library of Pythons newer than the oldest that is supported.
NEWER = {"annotationlib", "compression"}

PACKAGES = [package for package in packages() if package.published]
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def found(package: Package) -> list[tuple[str, Import]]:
    """Every import of a package that runs, each with `file:line`."""
    return [
        (f"{file.relative_to(package.folder.parent)}:{item.line}", item)
        for file in package.files()
        for item in imports(
            file.read_text(encoding="utf-8"), package.module_of(file), is_package=file.name == "__init__.py"
        )
    ]


def strings(package: Package) -> set[str]:
    """Every string of a package's code, as a whole."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in package.files()]
    constants = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {node.value for node in constants if isinstance(node.value, str)}


def is_test_kit(place: str) -> bool:
    """Whether a file is for suites, which have pytest: its plugin, or the tests that every engine has to pass."""
    return "/testing/" in place or "/conformance" in place


@each_package
def test_imports_of_ours_go_down_only(package: Package) -> None:
    assert package.name in MAY_IMPORT, f"give {package.name} its layer in MAY_IMPORT"
    ours = {name.replace("-", "_"): name for name in MAY_IMPORT}
    wrong = [
        f"{place} imports {item.module}"
        for place, item in found(package)
        if (name := ours.get(item.module.partition(".")[0], package.name)) != package.name
        and name not in MAY_IMPORT[package.name]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_table_itself_has_no_circle() -> None:
    tuple(TopologicalSorter(MAY_IMPORT).static_order())


@each_package
def test_no_circle_among_the_modules(package: Package) -> None:
    modules = {package.module_of(file) for file in package.files()}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for file in package.files():
        module = package.module_of(file)
        text = file.read_text(encoding="utf-8")
        for item in imports(text, module, is_package=file.name == "__init__.py"):
            # `from package import module` needs the module; `from package import name` needs the package's __init__.
            deeper = f"{item.module}.{item.name}"
            target = deeper if deeper in modules else item.module
            if target in modules:
                graph[module].add(target)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail("imports in a circle: " + " <- ".join(error.args[1]))


@each_package
def test_declares_exactly_what_it_imports(package: Package) -> None:
    # Editable ones are not among those that importlib.metadata knows the modules of.
    owners = {**packages_distributions(), **{other.module: [other.name] for other in packages()}}
    imported: dict[str, str] = {}
    unknown = []
    for place, item in found(package):
        top = item.module.partition(".")[0]
        # The wheels' modules are optional twins, chosen in _impl.py.
        if top in sys.stdlib_module_names | NEWER or top == package.module or top.endswith("_rs"):
            continue
        if top not in owners:
            unknown.append(f"{place} imports {top}, which is not installed here")
        if top == "pytest" and is_test_kit(place):
            continue
        for owner in owners.get(top, []):
            imported.setdefault(canonicalize_name(owner), f"{place} imports {top}")
    assert not unknown, "\n".join(unknown)
    undeclared = [f"{place}, from {name}" for name, place in imported.items() if name not in package.declared]
    # A module that is named in a string is imported by that name, or started as a program (`python -m granian`).
    named = {str(canonicalize_name(owner)) for text in strings(package) for owner in owners.get(text, [])}
    unused = sorted(package.declared - set(imported) - named)
    assert not undeclared, "imported, not declared:\n" + "\n".join(undeclared)
    assert not unused, f"declared, imported nowhere: {unused}"


@each_package
def test_a_file_is_one_concept(package: Package) -> None:
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in package.files()}
    named = {str(file.relative_to(package.folder)): count for file, count in lengths.items()}
    long = [f"{name}: {count} lines" for name, count in named.items() if count > LINES]
    assert not long, f"longer than {LINES} lines, so more than one concept:\n" + "\n".join(long)


@pytest.mark.parametrize(
    ("line", "module", "is_package", "expected"),
    [
        ("import a.b", "p.m", False, ("a.b", None)),
        ("from a.b import c", "p.m", False, ("a.b", "c")),
        ("from . import c", "p.m", False, ("p", "c")),
        ("from .b import c", "p.m", False, ("p.b", "c")),
        ("from .b import c", "p.q", True, ("p.q.b", "c")),
        ("from ..b import c", "p.q", True, ("p.b", "c")),
        ("from ..b import c", "p.q.m", False, ("p.b", "c")),
        ("def f():\n    import a", "p.m", False, ("a", None)),
        ("importlib.import_module('a.b')", "p.m", False, ("a.b", None)),
        ("if TYPE_CHECKING:\n    import a", "p.m", False, None),
    ],
)
def test_the_reader_of_imports(
    line: str, module: str, is_package: bool, expected: tuple[str, str | None] | None
) -> None:
    read = [(item.module, item.name) for item in imports(line, module, is_package)]
    assert read == ([expected] if expected else [])
