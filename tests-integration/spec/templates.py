"""The templates that the examples of routing and errors presume, without being about them."""

from __future__ import annotations

from pathlib import Path

from gobstopper import Gobstopper

FOLDER = Path(__file__).with_name("pages")


def presume_templates(app: Gobstopper) -> None:
    """Give `app` the pages that those examples render."""
    app.init_templates(FOLDER)
