"""What an engine does with one template, whoever renders it: Jinja2 here, or the wheel.

The wheel `gobstopper-templates-rs` offers `compile`, and gives for each template it can render a `Renderer`; for the
others it says why not, and Jinja2 renders those.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

__all__ = ["Impl", "Renderer"]


class Renderer(Protocol):
    """One template, ready to render."""

    def render(self, variables: dict[str, Any], /) -> str:
        """The whole output."""
        ...

    def generate(self, variables: dict[str, Any], /) -> Iterator[str]:
        """The output in pieces, each made when it is asked for."""
        ...


class Impl(Protocol):
    """The wheel."""

    IMPL: str

    def compile(self, environment: Any, name: str, /) -> Renderer | str:
        """A renderer for the template, or the reason why there is none."""
        ...
