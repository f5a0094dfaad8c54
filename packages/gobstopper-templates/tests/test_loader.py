"""Folders and loaders: names that stay inside, several sources, and changes that are noticed."""

import os
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gobstopper_templates as gt
from gobstopper_templates import FolderLoader, SearchPath, TemplateEngine


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def secret(tmp_path):
    write(tmp_path, "secret.html", "SECRET")
    write(tmp_path, "templates/page.html", "page")
    write(tmp_path, "templates/sub/part.html", "part")
    return tmp_path / "templates"


ESCAPES = [
    "../secret.html",
    "sub/../../secret.html",
    "..",
    ".",
    "",
    "/",
    "/../secret.html",
    "..\\secret.html",
    "sub\\..\\..\\secret.html",
    "page.html\0",
    "\0",
    "sub",
    "sub/",
    "....//secret.html",
    "%2e%2e/secret.html",
    "\ud800",
    "a" * 5000,
]


@pytest.mark.parametrize("name", ESCAPES)
def test_names_cannot_leave_the_folder(secret, name):
    engine = TemplateEngine(secret)
    for source in (f"{name}", f"/{secret.parent}/secret.html"):
        with pytest.raises(gt.TemplateNotFound):
            engine.render_template_sync(source)
    with pytest.raises(gt.TemplateNotFound):
        engine.render_string_sync("{% include name %}", {"name": name})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["..", ".", "", "secret.html", "page.html", "sub", "templates", "\\", "\0", "~"]), max_size=6
    )
)
def test_no_name_finds_the_secret(secret, pieces):
    try:
        text = TemplateEngine(secret).render_template_sync("/".join(pieces))
    except gt.TemplateNotFound:
        return
    assert text in {"page", "part"}


def test_slashes_and_dots_that_stay_inside(secret):
    engine = TemplateEngine(secret)
    assert engine.render_template_sync("./sub//part.html") == "part"
    assert engine.render_template_sync("/page.html") == "page"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_unless_forbidden(secret):
    (secret / "link.html").symlink_to(secret.parent / "secret.html")
    (secret / "inner.html").symlink_to(secret / "page.html")
    assert TemplateEngine(secret).render_template_sync("link.html") == "SECRET"
    strict = TemplateEngine(secret, follow_links=False)
    assert strict.render_template_sync("inner.html") == "page"
    with pytest.raises(gt.TemplateNotFound):
        strict.render_template_sync("link.html")


def test_several_folders_first_wins(tmp_path):
    write(tmp_path, "app/a.html", "app a")
    write(tmp_path, "shop/a.html", "shop a")
    write(tmp_path, "shop/b.html", "shop b {% include 'a.html' %}")
    engine = TemplateEngine([tmp_path / "app", str(tmp_path / "shop"), gt.DictLoader({"c": "c"})])
    assert engine.render_template_sync("b.html") == "shop b app a"
    assert engine.render_template_sync("c") == "c"
    assert engine.environment.list_templates() == ["a.html", "b.html", "c"]


def test_folders_added_later_come_last(tmp_path):
    write(tmp_path, "app/a.html", "app")
    write(tmp_path, "blue/a.html", "blueprint")
    write(tmp_path, "blue/blue/x.html", "x")
    engine = TemplateEngine(tmp_path / "app", debug=True)
    with pytest.raises(gt.TemplateNotFound):
        engine.render_template_sync("blue/x.html")
    engine.add_folder(tmp_path / "blue", blueprint="blue")
    assert engine.render_template_sync("a.html") == "app"
    assert engine.render_template_sync("blue/x.html") == "x"


def test_packages(tmp_path, monkeypatch):
    write(tmp_path, "shop_package/__init__.py", "")
    write(tmp_path, "shop_package/templates/shop/page.html", "from the package")
    monkeypatch.syspath_prepend(tmp_path)
    engine = TemplateEngine()
    engine.add_package("shop_package")
    assert engine.render_template_sync("shop/page.html") == "from the package"
    assert TemplateEngine(gt.PackageLoader("shop_package")).render_template_sync("shop/page.html")
    with pytest.raises(ValueError, match="nothere"):
        engine.add_package("shop_package", "nothere")


def test_sources_that_make_no_sense():
    with pytest.raises(TypeError, match="a folder, a loader or a list of them, not int"):
        TemplateEngine(5)
    with pytest.raises(ValueError, match="empty string"):
        TemplateEngine("")


def test_missing_folders_are_told(tmp_path):
    engine = TemplateEngine(tmp_path / "typo")
    with pytest.raises(gt.TemplateNotFound, match="not found in search path") as caught:
        engine.render_template_sync("a.html")
    assert caught.value.__notes__ == [f"There is no folder {tmp_path / 'typo'}"]
    write(tmp_path, "typo/a.html", "there now")
    assert engine.render_template_sync("a.html") == "there now"
    engine.add_folder(tmp_path)
    with pytest.raises(gt.TemplateNotFound, match=r"not found in search paths: '.*', '.*'"):
        engine.render_template_sync("b.html")


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "latin.html").write_bytes(b"caf\xe9")
    with pytest.raises(UnicodeDecodeError) as caught:
        TemplateEngine(tmp_path).render_template_sync("latin.html")
    assert caught.value.__notes__ == [f"In template 'latin.html' ({tmp_path / 'latin.html'}): the file is not utf-8"]
    assert TemplateEngine(FolderLoader(tmp_path, encoding="latin-1")).render_template_sync("latin.html") == "café"


# -- reload


def reloading(**files):
    return TemplateEngine(gt.DictLoader(files), auto_reload=True), files


@pytest.mark.parametrize("enable_async", [False, True])
@pytest.mark.parametrize(
    "files",
    [
        {"page": "{% extends 'changing' %}", "changing": "1"},
        {"page": "{% extends 'mid' %}", "mid": "{% extends 'changing' %}", "changing": "1"},
        {"page": "{% include 'changing' %}", "changing": "1"},
        {"page": "{% include 'mid' %}", "mid": "{% include 'changing' %}", "changing": "1"},
        {"page": "{% include 'changing' without context %}", "changing": "1"},
        {"page": "{% include 'mid' without context %}", "mid": "{% include 'changing' %}", "changing": "1"},
        {"page": "{% import 'changing' as c %}{{ c }}", "changing": "1"},
        {"page": "{% import 'mid' as c %}{{ c }}", "mid": "{% include 'changing' %}", "changing": "1"},
        {
            "page": "{% from 'mid' import v %}{{ v }}",
            "mid": "{% from 'deep' import v %}{% set v = v %}",
            "deep": "{% import 'changing' as c %}{% set v = c %}",
            "changing": "1",
        },
        {
            "page": "{% import 'mid' as m %}{{ m.f() }}",
            "mid": "{% extends 'parent' %}{% macro f() %}{% include 'changing' %}{% endmacro %}",
            "parent": "",
            "changing": "1",
        },
        {
            "page": "{% import 'other' as o %}{% import 'mid' as m %}{{ m }}",
            "other": "{% import 'mid' as m %}",
            "mid": "{% import 'changing' as c %}{{ c }}",
            "changing": "1",
        },
    ],
)
async def test_changes_anywhere_below_are_noticed(files, enable_async):
    files = dict(files)
    engine = TemplateEngine(gt.DictLoader(files), auto_reload=True, enable_async=enable_async)
    assert await engine.render_template("page") == "1"
    assert await engine.render_template("page") == "1"
    files["changing"] = "2"
    assert await engine.render_template("page") == "2"
    files["changing"] = "3"
    assert await engine.render_template("page") == "3"


@pytest.mark.parametrize("source", ["{% include 'late' ignore missing %}", "{% include ['late', 'else'] %}"])
async def test_a_template_that_appears_is_noticed_below_an_import(source):
    engine, files = reloading(page="{% import 'mid' as m %}{{ m }}", mid=source, **{"else": ""})
    assert await engine.render_template("page") == ""
    files["late"] = "late"
    assert await engine.render_template("page") == "late"


async def test_production_keeps_what_it_has():
    files = {"page": "{% include 'part' %}{% import 'm' as m %}{{ m }}", "part": "1", "m": "1"}
    engine = TemplateEngine(gt.DictLoader(files))
    assert await engine.render_template("page") == "11"
    files.update(part="2", m="2")
    assert await engine.render_template("page") == "11"


async def test_imported_modules_are_kept_while_nothing_changes():
    engine, _ = reloading(
        page="{% import 'm' as m %}{{ m.count() }}",
        m="{% set ns = namespace(n=0) %}{% macro count() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}",
    )
    assert [await engine.render_template("page") for _ in range(3)] == ["1", "2", "3"]


def test_changes_within_one_tick_of_the_clock(tmp_path):
    path = write(tmp_path, "a.html", "one")
    engine = TemplateEngine(tmp_path, auto_reload=True)
    assert engine.render_template_sync("a.html") == "one"
    stamp = path.stat()
    path.write_text("three")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert engine.render_template_sync("a.html") == "three"
    write(tmp_path, "new", "4four").replace(path)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert engine.render_template_sync("a.html") == "4four"


def test_deleted_files_and_files_that_take_over(tmp_path):
    write(tmp_path, "second/a.html", "second")
    engine = TemplateEngine([tmp_path / "first", gt.DictLoader({}), tmp_path / "second"], auto_reload=True)
    assert engine.render_template_sync("a.html") == "second"
    first = write(tmp_path, "first/a.html", "first")
    assert engine.render_template_sync("a.html") == "first"
    first.unlink()
    assert engine.render_template_sync("a.html") == "second"
    (tmp_path / "second/a.html").unlink()
    with pytest.raises(gt.TemplateNotFound):
        engine.render_template_sync("a.html")


def test_an_earlier_loader_takes_over(tmp_path):
    early = {}
    write(tmp_path, "a.html", "folder")
    compiled = gt.ModuleLoader(tmp_path / "compiled")
    engine = TemplateEngine([compiled, gt.DictLoader(early), tmp_path], auto_reload=True)
    assert engine.render_template_sync("a.html") == "folder"
    early["a.html"] = "early"
    assert engine.render_template_sync("a.html") == "early"


def test_search_path_is_a_choice_loader():
    assert isinstance(SearchPath(), gt.ChoiceLoader)
    with pytest.raises(gt.TemplateNotFound, match=r"^x$"):
        gt.Environment(loader=SearchPath()).get_template("x")
