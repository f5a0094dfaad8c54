import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gobstopper_routing import resolve_folder, root_path


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "routing_alone.py").write_text("")
    package = tmp_path / "routing_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (tmp_path / "routing_namespace").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("routing_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("routing_alone", "."),
        ("routing_package", "routing_package"),
        ("routing_package.inner", "routing_package/inner"),
        ("routing_namespace", "routing_namespace"),
    ],
)
def test_root_is_the_folder_of_the_module(importable: Path, name: str, folder: str) -> None:
    assert root_path(name) == (importable / folder).resolve()
    assert name not in sys.modules


def test_root_of_an_imported_module() -> None:
    assert root_path("pytest") == Path(pytest.__file__).resolve().parent


@pytest.mark.parametrize("name", [None, "", "no_such_module", "no_such.module", "sys", "not a name", "builtins", ".x"])
def test_root_is_the_working_directory_otherwise(
    name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert root_path(name) == Path.cwd()


def test_relative_folders_count_from_the_root(importable: Path) -> None:
    assert resolve_folder("routing_package", "templates") == importable.resolve() / "routing_package" / "templates"
    assert resolve_folder("routing_package", importable / "else") == importable / "else"


def test_main_counts_from_its_file(importable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Main:
        __file__ = str(importable / "routing_alone.py")

    monkeypatch.setitem(sys.modules, "__main__", Main)
    assert root_path("__main__") == importable.resolve()
