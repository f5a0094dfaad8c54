"""gobstopper-templates alone: pages for a bare RSGI callable, whole, streamed, and one block at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gobstopper_templates import TemplateEngine

SWEETS = [f"sweet {number}" for number in range(1, 2001)]

engine = TemplateEngine(Path(__file__).parent / "templates")
engine.add_filter("shout", lambda text: text.upper() + "!")
engine.add_context_processor(lambda: {"shop": "Sweets & Co"})


async def app(scope: Any, proto: Any) -> None:
    """What Granian calls: `granian --interface rsgi app:app`."""
    html = [("content-type", "text/html; charset=utf-8")]
    if scope.path == "/":
        page = await engine.render_template("sweets.html", {"sweets": SWEETS[:3]})
        proto.response_str(200, html, page)
    elif scope.path == "/list":  # what a script on the page puts in place of the list it has
        block = await engine.render_block("sweets.html", "list", {"sweets": SWEETS[:5]})
        proto.response_str(200, html, block)
    elif scope.path == "/all":
        chunks = await engine.render_template("sweets.html", {"sweets": SWEETS}, stream=True)
        transport = proto.response_stream(200, html)
        async for chunk in chunks:
            await transport.send_str(chunk)
    else:
        proto.response_str(404, html, await engine.render_string("Nothing at {{ path }}.", {"path": scope.path}))
