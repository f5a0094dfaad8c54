"""Notes on exceptions: template, line, source, chain, nearest names; and the exception as it was."""

import copy

import pytest

import gobstopper_templates as ours
from gobstopper_templates import errors, template_trace


def environment(**sources):
    named = {name.replace("_", "."): source for name, source in sources.items()}
    return ours.Environment(loader=ours.DictLoader(named))


def fails(action, kind):
    with pytest.raises(kind) as caught:
        action()
    return caught.value


def note_of(error):
    (note,) = error.__notes__
    return note


def test_template_line_and_source_around_it():
    env = environment(page_html="one\ntwo\n{{ 1 / 0 }}\nfour\nfive\nsix")
    error = fails(env.get_template("page.html").render, ZeroDivisionError)
    assert str(error) == "division by zero"
    assert note_of(error) == (
        "In template 'page.html', line 3\n    1 | one\n    2 | two\n  > 3 | {{ 1 / 0 }}\n    4 | four\n    5 | five"
    )
    (frame,) = template_trace(error)
    assert (frame.name, frame.filename, frame.lineno) == ("page.html", None, 3)
    assert frame.source[0] == (1, "one")
    assert str(frame) == "template 'page.html', line 3"


def test_chain_of_includes_innermost_first():
    env = environment(
        page_html="{% extends 'base.html' %}\n{% block b %}\n{% include 'mid.html' %}\n{% endblock %}",
        base_html="<html>\n{% block b %}{% endblock %}",
        mid_html="\n{% from 'macros.html' import m %}\n\n{{ m() }}",
        macros_html="{% macro m() %}\n{{ nope.x }}\n{% endmacro %}",
    )
    error = fails(env.get_template("page.html").render, ours.UndefinedError)
    places = [(frame.name, frame.lineno) for frame in template_trace(error)]
    assert places[:3] == [("macros.html", 2), ("mid.html", 4), ("page.html", 3)]
    assert ("base.html", 2) in places
    assert "reached from template 'mid.html', line 4" in note_of(error)


def test_file_is_named(tmp_path):
    (tmp_path / "a.html").write_text("{{ 1 / 0 }}")
    env = ours.Environment(loader=ours.FileSystemLoader(tmp_path))
    error = fails(env.get_template("a.html").render, ZeroDivisionError)
    assert template_trace(error)[0].filename == str(tmp_path / "a.html")
    assert f"({tmp_path / 'a.html'})" in note_of(error)


def test_strings_have_their_source():
    error = fails(ours.Environment().from_string("a\n{{ 1 / 0 }}").render, ZeroDivisionError)
    assert note_of(error) == "In a template string, line 2\n    1 | a\n  > 2 | {{ 1 / 0 }}"


def test_syntax_errors():
    env = environment(bad_html="ok\n{% if %}", page_html="\n\n{% include 'bad.html' %}")
    error = fails(lambda: env.get_template("bad.html"), ours.TemplateSyntaxError)
    assert note_of(error) == "In template 'bad.html', line 2\n    1 | ok\n  > 2 | {% if %}"
    error = fails(env.get_template("page.html").render, ours.TemplateSyntaxError)
    assert [(frame.name, frame.lineno) for frame in template_trace(error)] == [("bad.html", 2), ("page.html", 3)]
    assert (error.name, error.lineno) == ("bad.html", 2)


def test_missing_include_names_the_line():
    env = environment(page_html="\n{% include 'nope.html' %}")
    error = fails(env.get_template("page.html").render, ours.TemplateNotFound)
    assert error.name == "nope.html"
    assert note_of(error).startswith("In template 'page.html', line 2")


class Order:
    total = 5
    customer = "x"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("{{ usre.name }}", "did you mean 'user'?"),
        ("{% set invoice = 1 %}{{ invioce.x }}", "did you mean 'invoice'?"),
        ("{% for element in [1] %}{{ elemnt.x }}{% endfor %}", "did you mean 'element'?"),
        ("{{ order.totl.x }}", "did you mean 'total'?"),
        ("{{ mapping.kye.x }}", "did you mean 'key'?"),
        ("{{ lispum().x }}", "did you mean 'lipsum'?"),
    ],
)
def test_nearest_names_of_undefined(source, hint):
    template = ours.Environment().from_string(source)
    error = fails(lambda: template.render(user=1, order=Order(), mapping={"key": 1}), ours.UndefinedError)
    assert hint in note_of(error)


@pytest.mark.parametrize("source", ["{{ zzzzqq.x }}", "{{ [1][9].x }}", "{{ hostile.x.y }}", "{{ (1 if false).x }}"])
def test_no_names_near(source):
    class Hostile:
        def __dir__(self):
            raise RuntimeError("no")

    template = ours.Environment().from_string(source)
    error = fails(lambda: template.render(hostile=Hostile()), ours.UndefinedError)
    assert "did you mean" not in note_of(error)


def test_undefined_error_raised_by_hand_has_no_suggestion():
    def raises():
        raise ours.UndefinedError("by hand")

    error = fails(lambda: ours.Environment().from_string("{{ f() }}").render(f=raises), ours.UndefinedError)
    assert note_of(error).startswith("In a template string, line 1\n")


def test_the_users_exception_is_the_same_object():
    class Abort(Exception):
        pass

    original = Abort(404)

    def abort():
        raise original

    template = ours.Environment().from_string("{{ abort() }}")
    assert fails(lambda: template.render(abort=abort), Abort) is original
    assert original.args == (404,)


def test_raising_one_object_for_ever_does_not_grow():
    original = ValueError("again")

    def raises():
        raise original.with_traceback(None)

    for number in range(50):
        template = ours.Environment().from_string("\n" * (number % 20) + "{{ f() }}")
        fails(lambda template=template: template.render(f=raises), ValueError)
    assert len(original.__notes__) == 8


def test_odd_notes_of_an_exception_are_left_alone():
    def raises():
        error = ValueError("odd")
        error.__notes__ = "not a list"
        raise error

    error = fails(lambda: ours.Environment().from_string("{{ f() }}").render(f=raises), ValueError)
    assert error.__notes__ == "not a list"
    assert template_trace(error) == ()


def test_system_exit_passes_untouched():
    def leave():
        raise SystemExit(3)

    error = fails(lambda: ours.Environment().from_string("{{ f() }}").render(f=leave), SystemExit)
    assert not hasattr(error, "__notes__")


def test_long_lines_and_control_characters_are_tamed():
    source = "\x1b[31m{{ 1 / 0 }}" + "x" * 10_000
    error = fails(ours.Environment().from_string(source).render, ZeroDivisionError)
    note = note_of(error)
    assert "\x1b" not in note
    assert len(note) < 400
    assert note.endswith("…")


def test_source_that_cannot_be_read_again():
    calls = []

    def load(name):
        calls.append(name)
        if len(calls) > 1:
            raise OSError("gone")
        return "{{ 1 / 0 }}"

    env = ours.Environment(loader=ours.FunctionLoader(load))
    error = fails(env.get_template("a").render, ZeroDivisionError)
    assert note_of(error) == "In template 'a', line 1"


def test_source_that_shrank_is_not_shown():
    files = {"a": "\n\n\n{{ 1 / 0 }}"}
    env = ours.Environment(loader=ours.DictLoader(files), auto_reload=False)
    template = env.get_template("a")
    files["a"] = "short"
    assert template_trace(fails(template.render, ZeroDivisionError))[0].source == ()


def test_deep_chains_are_cut():
    files = {f"{n}": f"{{% include '{n + 1}' %}}" for n in range(30)} | {"30": "{{ 1 / 0 }}"}
    env = ours.Environment(loader=ours.DictLoader(files))
    error = fails(env.get_template("0").render, ZeroDivisionError)
    assert len(template_trace(error)) == 12


def test_recursion_is_told_once_and_the_next_render_works():
    env = environment(self_html="{% if deep %}{% include 'self.html' %}{% endif %}ok")
    template = env.get_template("self.html")
    error = fails(lambda: template.render(deep=True), RecursionError)
    assert len(template_trace(error)) == 1
    assert template.render(deep=False) == "ok"


async def test_async_templates_have_notes_too():
    async def boom():
        return 1 / 0

    template = ours.Environment(enable_async=True).from_string("\n{{ boom() }}")
    with pytest.raises(ZeroDivisionError) as caught:
        await template.render_async(boom=boom)
    assert template_trace(caught.value)[0].lineno == 2
    with pytest.raises(ZeroDivisionError) as caught:
        [piece async for piece in template.generate_async(boom=boom)]
    assert template_trace(caught.value)[0].lineno == 2


def test_notes_are_strings():
    note = errors.TemplateNote("text", (errors.TemplateFrame("a", None, 1),))
    assert note == "text"
    assert copy.copy(note) == "text"
    assert template_trace(ValueError()) == ()
