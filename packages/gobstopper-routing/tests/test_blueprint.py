from pathlib import Path

import pytest

from gobstopper_routing import Blueprint, BlueprintError, Converter, Converters, PatternError, Route, URLMap
from gobstopper_routing.blueprint import join


def page(request: object) -> None: ...


def flat(blueprint: Blueprint, **options: str) -> list[tuple[str, str]]:
    return [(route.pattern, route.name) for route in blueprint.flatten(**options)]


def test_names_and_patterns_are_qualified() -> None:
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.get("/login")(page)
    admin.post("", name="root")(page)
    admin.get("/", name="slash")(page)
    assert flat(admin) == [("/admin/login", "admin.page"), ("/admin", "admin.root"), ("/admin/", "admin.slash")]


def test_prefix_and_name_of_the_registration_win() -> None:
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.get("/x")(page)
    assert flat(admin, url_prefix="/other/", name="second") == [("/other/x", "second.page")]
    assert flat(admin, url_prefix="/") == [("/x", "admin.page")]


def test_blueprints_nest_to_any_depth() -> None:
    outer = Blueprint("b0", __name__, url_prefix="/p0")
    inner = outer
    for depth in range(1, 50):
        child = Blueprint(f"b{depth}", __name__, url_prefix=f"/p{depth}")
        inner.register_blueprint(child)
        inner = child
    inner.get("/<id>")(page)
    (route,) = outer.flatten()
    assert route.name == ".".join(f"b{depth}" for depth in range(50)) + ".page"
    assert route.pattern == "".join(f"/p{depth}" for depth in range(50)) + "/<id>"
    assert [blueprint.name for blueprint in route.blueprints] == [f"b{depth}" for depth in range(50)]
    assert route.blueprints[0] is outer


def test_order_is_that_of_registration() -> None:
    outer = Blueprint("o")
    outer.get("/1", name="one")(page)
    for name in ("a", "b"):
        child = Blueprint(name, url_prefix=f"/{name}")
        child.get("/x")(page)
        outer.register_blueprint(child)
    outer.get("/2", name="two")(page)
    assert [name for _, name in flat(outer)] == ["o.one", "o.two", "o.a.page", "o.b.page"]


def test_prefix_may_hold_parameters() -> None:
    localised = Blueprint("l", url_prefix="/<lang>")
    localised.get("/<int:id>")(page)
    (route,) = localised.flatten()
    assert route.parameters == ("lang", "id")
    assert URLMap([route]).build("l.page", {"lang": "de", "id": 1}) == "/de/1"


def test_one_blueprint_twice_under_two_names() -> None:
    outer, inner = Blueprint("o"), Blueprint("i", url_prefix="/i")
    inner.get("/x")(page)
    outer.register_blueprint(inner)
    outer.register_blueprint(inner, url_prefix="/again", name="i2")
    assert flat(outer) == [("/i/x", "o.i.page"), ("/again/x", "o.i2.page")]
    with pytest.raises(BlueprintError, match="'o' already holds one named 'i'; register the other with name="):
        outer.register_blueprint(Blueprint("i"))


def test_routes_that_come_after_the_registration_count() -> None:
    outer, inner = Blueprint("o"), Blueprint("i")
    outer.register_blueprint(inner)
    inner.get("/late")(page)
    assert flat(outer) == [("/late", "o.i.page")]


def test_registering_while_iterating_does_no_harm() -> None:
    blueprint = Blueprint("b")
    blueprint.get("/1")(page)
    for route in blueprint.flatten():
        blueprint.get("/2", name=f"more{len(blueprint.routes)}")(page)
        assert route.pattern == "/1"
    assert len(blueprint.routes) == 2


def test_cycles_are_refused() -> None:
    a, b, c = Blueprint("a"), Blueprint("b"), Blueprint("c")
    a.register_blueprint(b)
    b.register_blueprint(c)
    for parent, child in ((a, a), (b, a), (c, a), (c, b)):
        with pytest.raises(BlueprintError, match=f"'{child.name}' holds '{parent.name}', so"):
            parent.register_blueprint(child)
    assert [blueprint.name for blueprint in a.descendants()] == ["a", "b", "c"]


def test_descendants_give_each_blueprint_once() -> None:
    top, left, right, bottom = (Blueprint(name) for name in ("top", "left", "right", "bottom"))
    for side in (left, right):
        side.register_blueprint(bottom)
        top.register_blueprint(side)
    assert sorted(blueprint.name for blueprint in top.descendants()) == ["bottom", "left", "right", "top"]


@pytest.mark.parametrize("name", ["", "a.b"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(BlueprintError, match="is empty or holds a dot"):
        Blueprint(name)
    with pytest.raises(BlueprintError, match="is empty or holds a dot"):
        Blueprint("ok").register_blueprint(Blueprint("child"), name=name)


def test_dots_in_names_of_routes_are_refused() -> None:
    with pytest.raises(BlueprintError, match=r"test_blueprint.py:\d+: the name 'a.b' in blueprint 'b' holds a dot"):
        Blueprint("b").get("/", name="a.b")(page)


def test_bad_prefixes_are_refused() -> None:
    with pytest.raises(BlueprintError, match=r"url_prefix of blueprint 'b': .* begins with '/'"):
        Blueprint("b", url_prefix="admin")
    with pytest.raises(BlueprintError, match="another host"):
        Blueprint("b").register_blueprint(Blueprint("c"), url_prefix="//c")
    with pytest.raises(BlueprintError, match="is no Blueprint"):
        Blueprint("b").register_blueprint("c")


def test_bad_patterns_are_refused_with_the_handler() -> None:
    with pytest.raises(PatternError) as caught:
        Blueprint("b").get("/<int:id")(page)
    assert f"{__file__}:{page.__code__.co_firstlineno}" in caught.value.__notes__[0]


def test_converters_are_looked_up_when_the_application_is_known() -> None:
    blueprint = Blueprint("b")
    blueprint.get("/<hex:id>")(page)
    (early,) = blueprint.flatten()
    with pytest.raises(PatternError, match="there is no converter 'hex'"):
        early.compiled  # noqa: B018
    converters = Converters()
    converters.register("hex", type("Hex", (Converter,), {"regex": "[0-9a-f]+"}))
    (route,) = blueprint.flatten(converters=converters)
    assert route.build({"id": "ff"}) == "/ff"


def test_folders_count_from_the_import_name(tmp_path: Path) -> None:
    here = Path(pytest.__file__).resolve().parent
    blueprint = Blueprint("b", "pytest", template_folder="templates", static_folder="assets/static/")
    assert blueprint.root_path == here
    assert blueprint.template_folder == here / "templates"
    assert blueprint.static_folder == here / "assets/static"
    assert blueprint.static_url_path == "/static"
    plain = Blueprint("b", static_folder=tmp_path, static_url_path="/s/")
    assert (plain.template_folder, plain.static_folder, plain.static_url_path) == (None, tmp_path, "/s")
    assert Blueprint("b").static_url_path is None


def test_record_is_kept_as_it_is() -> None:
    blueprint = Blueprint("b", url_prefix="/p")
    blueprint.get("/x", inline=True, timeout=3)(page)
    (record,), (route,) = blueprint.routes, blueprint.flatten()
    assert isinstance(route, Route)
    assert (record.pattern, record.name, record.blueprints) == ("/x", "page", ())
    assert route.options == {"inline": True, "timeout": 3}
    assert route.handler is page
    assert route.location == record.location
    assert repr(blueprint) == "<Blueprint 'b' at /p>"


def test_join() -> None:
    assert join("", "") == "/"
    assert join("/a", "") == "/a"
    assert join("/a", "/") == "/a/"
