from __future__ import annotations

from collections.abc import Callable

import pytest

from gobstopper_sessions import Session, SessionClosedError, get_flashed_messages
from gobstopper_sessions.session import Stored


def stored(**data: object) -> Session:
    return Session(dict(data), stored=Stored("i" * 43, "key", b"", 0.0), created_at=1.0)


def test_it_is_a_mapping() -> None:
    session = Session()
    session["a"] = 1
    session.update(b=2)
    session.setdefault("c", []).append(3)
    assert dict(session) == {"a": 1, "b": 2, "c": [3]}
    assert session == {"a": 1, "b": 2, "c": [3]}
    assert session.pop("a") == 1
    del session["b"]
    assert "a" not in session
    assert session.get("b") is None
    assert len(session) == 1
    with pytest.raises(KeyError):
        session["nothing"]
    session.clear()
    assert not session


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.get("x"),
        lambda s: "x" in s,
        lambda s: s.is_new,
        lambda s: s.created_at,
        len,
        list,
        bool,
        lambda s: dict(s),
        lambda s: s.secret(),
        lambda s: s.flashed(),
    ],
)
def test_every_access_touches(use: Callable[[Session], object]) -> None:
    session = stored(a=1)
    assert not session.touched
    use(session)
    assert session.touched


def test_a_line_of_a_log_does_not_touch() -> None:
    session = stored(secret="hidden")
    assert repr(session) == "<Session ['secret']>"
    assert not session.touched
    assert repr(Session()) == "<Session [] new>"


def test_keys_are_text() -> None:
    with pytest.raises(TypeError, match="1 is int"):
        Session()[1] = 2  # type: ignore[index]


def test_rotating_changes_the_secret_and_keeps_the_data() -> None:
    session = stored(user=7)
    before = session.secret()
    session.rotate()
    assert session.secret() != before
    assert session["user"] == 7


def test_rotating_a_new_session_does_nothing() -> None:
    session = Session()
    session.rotate()
    assert session._id is None


def test_invalidating_forgets_everything() -> None:
    session = stored(user=7)
    before = session.secret()
    session.invalidate()
    assert dict(session) == {}
    assert session.is_new
    assert session.secret() != before
    session.rotate()
    assert session.is_new


def test_a_new_sessions_secret_stays() -> None:
    session = Session()
    assert session.secret() == session.secret()


def test_flashed_messages_are_taken_once() -> None:
    session = Session()
    session.flash("saved")
    session.flash("careful", "warning")
    assert get_flashed_messages(session, with_categories=True) == [("message", "saved"), ("warning", "careful")]
    assert get_flashed_messages(session) == ["saved", "careful"]  # within the request the same
    assert get_flashed_messages(session, category_filter=["warning"]) == ["careful"]
    assert dict(session) == {}
    assert get_flashed_messages(Session()) == []


def test_a_closed_session_can_be_read_alone() -> None:
    session = stored(a=1)
    session.close("because")
    assert session["a"] == 1
    assert session.secret()
    assert get_flashed_messages(session) == []
    writes: list[Callable[[], object]] = [
        lambda: session.__setitem__("a", 2),
        lambda: session.__delitem__("a"),
        lambda: session.flash("x"),
        session.rotate,
        session.invalidate,
    ]
    for write in writes:
        with pytest.raises(SessionClosedError, match="because"):
            write()
    empty = Session()
    empty.close("because")
    with pytest.raises(SessionClosedError, match="cannot begin here: because"):
        empty.secret()
