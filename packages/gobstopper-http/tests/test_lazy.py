"""The property that is computed once."""

from __future__ import annotations

from gobstopper_http._lazy import lazy
from gobstopper_http.request import Request


class Thing:
    def __init__(self) -> None:
        self.computed = 0

    @lazy
    def value(self) -> int:
        """What it says."""
        self.computed += 1
        return self.computed


def test_once() -> None:
    thing = Thing()
    assert (thing.value, thing.value, Thing().value) == (1, 1, 1)
    thing.value = 5
    assert thing.value == 5


def test_on_the_class() -> None:
    assert isinstance(Thing.value, lazy)
    assert Thing.value.__doc__ == "What it says."
    assert Request.content_type.__doc__
