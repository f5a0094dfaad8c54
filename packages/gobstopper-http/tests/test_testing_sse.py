"""Reading server-sent events, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gobstopper_http.testing import Event, EventParser
from gobstopper_http.testing.streams import LineSplitter


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: one\n\n", [Event("one")]),
        ("data:one\ndata: two\ndata\n\n", [Event("one\ntwo\n")]),
        ("event: a\r\ndata: 1\r\n\r\ndata: 2\r\r", [Event("1", "a"), Event("2")]),
        ("id: 1\ndata: x\n\ndata: y\n\nid\ndata: z\n\n", [Event("x", id="1"), Event("y", id="1"), Event("z")]),
        ("id: a\0b\ndata: x\n\n", [Event("x")]),
        ("retry: 300\ndata: x\n\nretry: -1\ndata: y\n\n", [Event("x", retry=300), Event("y")]),
        (": comment\n:\nunknown: 1\ndata:  two spaces\n\n", [Event(" two spaces")]),
        ("event: lost\n\ndata: x\n\n", [Event("x")]),
        ("\ufeffdata: after a mark\n\n", [Event("after a mark")]),
        ("data: not ended", []),
        ("data: not ended either\n", []),
        ("", []),
    ],
)
def test_events(text: str, events: list[Event]) -> None:
    assert EventParser().feed(text.encode()) == events


def test_comments_and_json() -> None:
    parser = EventParser()
    (event,) = parser.feed(b': one\n:two\n\ndata: {"a": 1}\n\n')
    assert parser.comments == ["one", "two"]
    assert event.json() == {"a": 1}


@given(
    st.lists(st.sampled_from(["data: é\n", "data: x\r\n", "\n", "\r\n", "\r", "id: 1\r", ": c\n", "event: e\n"])),
    st.data(),
)
def test_chunks_make_no_difference(parts: list[str], data: st.DataObject) -> None:
    raw = "".join(parts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    whole, cut = EventParser(), EventParser()
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        events += cut.feed(raw[start:end])
    assert events == whole.feed(raw)
    assert cut.comments == whole.comments


@given(st.lists(st.sampled_from(["a", "bc", "\n", "\r", "\r\n", ""])))
def test_lines_are_the_same_however_cut(parts: list[str]) -> None:
    text = "".join(parts)
    splitter = LineSplitter()
    lines = [line for part in parts for line in splitter.feed(part)] + splitter.finish()
    whole = LineSplitter()
    assert lines == whole.feed(text) + whole.finish()
    assert "".join(lines) == text.replace("\r", "").replace("\n", "")
