"""Settings from the environment, TOML files and objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from gobstopper import Config, Gobstopper


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "APP_DEBUG": "true", "APP_PORT": "8", "APP_NAME": "shop", "APP_LIST": '["a"]', "APP_DB__HOST": "h",
        "APP_DB__PORT": "5", "APP_ON": "True", "OTHER_X": "1", "APP_": "nothing",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    config = Config().from_env("APP_")
    assert config == {
        "DEBUG": True, "PORT": 8, "NAME": "shop", "LIST": ["a"], "DB": {"HOST": "h", "PORT": 5}, "ON": True,
    }  # fmt: skip


def test_from_toml(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text('DEBUG = true\n[DB]\nHOST = "h"\n')
    (tmp_path / "bad.toml").write_text("DEBUG =")
    config = Config(root=tmp_path).from_toml("good.toml")
    assert config == {"DEBUG": True, "DB": {"HOST": "h"}}
    with pytest.raises(ValueError, match=r"bad\.toml"):
        config.from_toml("bad.toml")
    with pytest.raises(FileNotFoundError):
        config.from_toml("none.toml")
    assert config.from_toml("none.toml", silent=True) is config


class Settings:
    DEBUG = True
    lower = "left out"


def test_from_object(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Config().from_object(Settings) == {"DEBUG": True}
    assert Config().from_object("string:digits") == {}
    assert Config().from_object("signal")["SIGTERM"] == 15


@pytest.mark.parametrize(
    ("value", "debug"),
    [
        (True, True),
        (False, False),
        ("1", True),
        ("false", False),
        ("OFF", False),
        ("", False),
        ("no", False),
        (None, False),
    ],
)
def test_debug_flag(value: object, debug: bool) -> None:
    app = Gobstopper("x", config={"DEBUG": value})
    assert app.debug is debug


def test_any_mapping_can_be_assigned() -> None:
    app = Gobstopper("x")
    app.config = {"A": 1}
    assert isinstance(app.config, Config)
    assert app.config.get("A") == 1
    config = Config({"B": 2})
    app.config = config
    assert app.config is config


def test_instance_folder_is_made_when_needed(tmp_path: Path) -> None:
    from gobstopper.middlewares import SetupContext

    app = Gobstopper("x", config={"SECRET_KEY": "one"})
    app.root_path = tmp_path
    context = SetupContext(app)
    assert context.secret_keys == ["one"]
    assert not app.instance_path.exists()
    assert context.make_instance().stat().st_mode & 0o777 == 0o700
    app.config["SECRET_KEY"] = ["new", "old"]
    assert context.secret_keys == ["new", "old"]
