"""The command line: `gobstopper run`, `routes`, `tasks`, `doctor`."""

from __future__ import annotations

import click

from .doctor import doctor
from .routes import routes
from .run import run
from .tasks import tasks

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gobstopper")
def main() -> None:
    """Gobstopper: a Python web framework for Granian."""


main.add_command(run)
main.add_command(routes)
main.add_command(tasks)
main.add_command(doctor)
