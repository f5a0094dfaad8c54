"""`gobstopper routes`: what an application answers."""

from __future__ import annotations

import click

from gobstopper_routing.route import short_location

from .loading import load_app

__all__ = ["routes"]


@click.command()
@click.argument("target", default="app:app")
@click.option("--factory", is_flag=True, help="TARGET is a function that makes the application.")
def routes(target: str, *, factory: bool) -> None:
    """List the routes of TARGET (module:attribute; default app:app): methods, pattern, name and place."""
    app = load_app(target, factory=factory)
    rows = [
        (" ".join(route.methods), route.pattern, route.name, short_location(route.location))
        for route in app.all_routes()
    ]
    rows += [("*", f"{mount.prefix}/…", f"(mounted {type(mount.app).__name__})", "") for mount in app.mounts]
    if not rows:
        click.echo("no routes")
        return
    headings = ("methods", "pattern", "name", "handler")
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(4)]
    for row in [headings, *rows]:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
