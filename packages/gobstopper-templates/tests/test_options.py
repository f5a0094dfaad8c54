# mypy: disable-error-code="redundant-expr"
"""The bytecode cache in a folder."""

import errno
import logging
import os
import sys
import tempfile

import pytest

import gobstopper_templates as gt
from gobstopper_templates import TemplateEngine

FILES = {"page.html": "{% include 'part.html' %}{{ x }}", "part.html": "[{{ x }}]"}


def render(folder, **options):
    engine = TemplateEngine(gt.DictLoader(dict(FILES)), bytecode_cache=folder, **options)
    return engine.render_template_sync("page.html", {"x": "<"})


def count_compilations(monkeypatch):
    compiled = []
    original = gt.Environment.compile
    monkeypatch.setattr(gt.Environment, "compile", lambda self, *a, **k: compiled.append(a) or original(self, *a, **k))
    return compiled


def test_compiled_templates_outlive_the_engine(tmp_path, monkeypatch):
    folder = tmp_path / "made" / "cache"
    compiled = count_compilations(monkeypatch)
    assert render(folder) == "[&lt;]&lt;"
    assert len(compiled) == 2
    assert render(folder) == "[&lt;]&lt;"
    assert len(compiled) == 2
    assert len(list(folder.iterdir())) == 2
    assert folder.stat().st_mode & 0o777 == 0o700


def test_other_options_have_other_files(tmp_path):
    assert render(tmp_path) == "[&lt;]&lt;"
    assert render(tmp_path, autoescape=False) == "[<]<"
    assert render(tmp_path, autoescape=lambda _name: False) == "[<]<"
    assert render(tmp_path, enable_async=True) == "[&lt;]&lt;"
    assert render(tmp_path, extensions=["jinja2.ext.do"], trim_blocks=True) == "[&lt;]&lt;"
    assert len({path.name.split("_")[1] for path in tmp_path.iterdir()}) == 5


def test_changed_sources_are_compiled_again(tmp_path):
    files = {"a": "1"}
    for expected in ("1", "2", "1"):
        files["a"] = expected
        assert TemplateEngine(gt.DictLoader(files), bytecode_cache=str(tmp_path)).render_template_sync("a") == expected


def test_damaged_files_are_compiled_again(tmp_path, caplog):
    render(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:20])
    with caplog.at_level(logging.WARNING, "gobstopper.templates"):
        assert render(tmp_path) == "[&lt;]&lt;"
    assert "cannot read" in caplog.text
    caplog.clear()
    assert render(tmp_path) == "[&lt;]&lt;"
    assert not caplog.records


def test_a_full_disk_is_no_reason_to_fail(tmp_path, monkeypatch, caplog):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with caplog.at_level(logging.WARNING, "gobstopper.templates"):
        assert render(tmp_path) == "[&lt;]&lt;"
    assert "cannot write" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders are POSIX")
def test_a_folder_that_others_can_write_to_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match="others can write to it"):
        render(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="owners of folders are POSIX")
def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    if tmp_path.stat().st_uid == 0:
        os.chown(tmp_path, 12345, -1)
    with pytest.raises(PermissionError, match="use a folder of your own"):
        render(tmp_path)


def test_a_cache_of_jinja2s_is_taken_as_it_is(tmp_path):
    cache = gt.FileSystemBytecodeCache(str(tmp_path))
    assert render(cache) == "[&lt;]&lt;"
    assert all(path.name.startswith("__jinja2_") for path in tmp_path.iterdir())
