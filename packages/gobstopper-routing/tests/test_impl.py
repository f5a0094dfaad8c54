import os
import subprocess
import sys
from pathlib import Path

import pytest

import gobstopper_routing
from gobstopper_routing._fallback import TreeMatcher
from gobstopper_routing._impl import WHEEL, choose


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, WHEEL, raising=False)
    return tmp_path / f"{WHEEL}.py"


def test_python_is_always_there() -> None:
    assert choose("python") == ("python", TreeMatcher)


def test_auto_forgives_that_the_wheel_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if "gobstopper" not in repr(finder)])
    if __import__("importlib.util").util.find_spec(WHEEL) is None:
        assert choose("auto") == ("python", TreeMatcher)


def test_rust_without_the_wheel_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, WHEEL, None)
    with pytest.raises(ImportError, match=r"GOBSTOPPER_IMPL=rust, but gobstopper_routing_rs .* install"):
        choose("rust")


def test_unknown_choice_is_an_error() -> None:
    with pytest.raises(ImportError, match="set it to auto, python or rust"):
        choose("fast")


@pytest.mark.parametrize("source", ["raise RuntimeError('no symbol')", "import no_such_module", "x = 1"])
def test_broken_wheel_warns_or_raises(wheel: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel.write_text(source)
    with pytest.warns(RuntimeWarning, match="is installed but broken"):
        assert choose("auto") == ("python", TreeMatcher)
    monkeypatch.delitem(sys.modules, WHEEL, raising=False)
    with pytest.raises(ImportError, match="is broken"):
        choose("rust")


@pytest.mark.parametrize("mode", ["auto", "rust"])
def test_working_wheel_is_used(wheel: Path, mode: str) -> None:
    wheel.write_text("class TreeMatcher: pass")
    name, factory = choose(mode)
    assert name == "rust"
    assert factory.__module__ == WHEEL


@pytest.mark.parametrize(("mode", "code"), [("python", 0), ("fast", 1)])
def test_environment_decides_at_import(mode: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import gobstopper_routing; print(gobstopper_routing.IMPL)"],
        env={**os.environ, "GOBSTOPPER_IMPL": mode},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert (done.stdout.strip() == "python") if code == 0 else ("GOBSTOPPER_IMPL is 'fast'" in done.stderr)


def test_public_names_are_there_and_typed() -> None:
    assert gobstopper_routing.IMPL in ("python", "rust")
    for name in gobstopper_routing.__all__:
        assert hasattr(gobstopper_routing, name)
    assert (Path(gobstopper_routing.__file__).parent / "py.typed").is_file()
