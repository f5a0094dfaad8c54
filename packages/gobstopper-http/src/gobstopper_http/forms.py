"""Reads a form from a request's body through the sans-I/O parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .datastructures import FormData, MultiDict
from .errors import BodyTooLarge
from .multipart import FormLimits, FormParser, UploadFile

if TYPE_CHECKING:
    from .request import Request

__all__ = ["read_form"]


async def read_form(request: Request) -> tuple[FormData, MultiDict[UploadFile]]:
    """Read the whole form, at most `limits.body` bytes of it; files go to temporary files as they arrive.

    Raises:
        HTTPException: 415 for a body that is no form, 400 for a malformed or cut-off one, 413 over a limit.
    """
    limits = request.limits
    parser = FormParser(
        request.raw_headers.get("content-type", ""),
        FormLimits(max_text=limits.form_text, max_parts=limits.form_parts, max_fields=limits.fields),
    )
    try:
        if request.kept_body is not None:
            await parser.afeed(request.kept_body)
            return parser.finish()
        length = request.content_length
        if length is not None and length > limits.body:
            raise BodyTooLarge(limits.body)
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > limits.body:
                raise BodyTooLarge(limits.body)
            await parser.afeed(chunk)
        return parser.finish()
    except BaseException:
        parser.close()
        raise
