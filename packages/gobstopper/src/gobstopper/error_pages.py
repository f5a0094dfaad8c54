"""The answers to errors that nobody handles: problem+json, or HTML for who asks for it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from gobstopper_http.errors import HTTPException, reason_phrase
from gobstopper_http.response import HTMLResponse, Response, problem

from .loopback import is_loopback

if TYPE_CHECKING:
    from gobstopper_http.request import Request

__all__ = ["default_page"]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{status} {title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:60rem;padding:0 1rem;color:#222}}
h1{{font-size:1.5rem}}pre{{background:#f6f6f6;padding:1rem;overflow:auto;font-size:.85rem}}</style></head>
<body><h1>{status} {title}</h1>{detail}{debug}</body></html>
"""


def default_page(request: Request, error: BaseException, *, debug: bool) -> Response:
    """The default answer to `error`: RFC 9457 JSON, or HTML if `Accept` prefers it.

    Nothing of the inside is shown, unless `debug` is on and both ends of the connection are on this machine.
    """
    from html import escape

    known = isinstance(error, HTTPException)
    status = error.status if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else None
    headers = error.headers if isinstance(error, HTTPException) else {}
    trace = "".join(traceback.format_exception(error)) if debug and not known and _is_local(request) else None
    if 300 <= status < 400:
        return Response(b"", status, headers)
    if request.accept.best(["application/problem+json", "application/json", "text/html"]) == "text/html":
        title = reason_phrase(status)
        page: Response = HTMLResponse(
            _PAGE.format(
                status=status,
                title=escape(title),
                detail=f"<p>{escape(detail)}</p>" if detail and detail != title else "",
                debug=f"<pre>{escape(trace)}</pre>" if trace else "",
            ),
            status,
        )
        page.headers.update(headers)
    else:
        extensions = dict(error.extensions) if isinstance(error, HTTPException) else {}
        if trace:
            extensions["traceback"] = trace.splitlines()
        shown = detail if detail != reason_phrase(status) else None
        page = problem(status, shown, headers=headers, **extensions)
    page.headers.vary("Accept")
    return page


def _is_local(request: Request) -> bool:
    return all(address is not None and is_loopback(address.host) for address in (request.client, request.server))
