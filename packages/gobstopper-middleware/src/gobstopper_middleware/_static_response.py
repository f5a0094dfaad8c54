"""A file as an answer that looks for it below its folder again when somebody has exchanged it."""

from __future__ import annotations

import os
from collections.abc import Callable

from gobstopper_http import FileResponse, HTTPException, Request, Response, problem
from gobstopper_http.files import is_same_version, open_version

__all__ = ["IMMUTABLE", "StaticResponse", "entity_tag", "is_same_version", "open_version"]

IMMUTABLE = "public, max-age=31536000, immutable"
"""`Cache-Control` of what never changes under its URL."""

_OF_THE_FILE = frozenset({"cache-control", "content-encoding", "content-length", "content-type"})


def entity_tag(status: os.stat_result, encoding: str | None) -> str:
    """The strong entity tag of one version in one coding."""
    coding = "" if encoding is None else f"-{encoding}"
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}{coding}"'


class StaticResponse(FileResponse):
    """Never follows a link, and promises nothing of a version that is not the one that goes out.

    Args:
        path: Of a regular file, without links.
        content_type: See `FileResponse`.
        headers: See `FileResponse`.
        encoding: Its content coding.
        status: What `os.stat` said.
        renew: Looks again whether the path may be served, and gives its `os.stat`, `None` if it may not.
        control: The `Cache-Control` that remains when an immutable answer turns out to be of another version.
    """

    __slots__ = ("_control", "_encoding", "_renew")

    def __init__(
        self,
        path: str,
        *,
        content_type: str,
        headers: list[tuple[str, str]],
        encoding: str | None,
        status: os.stat_result,
        renew: Callable[[], os.stat_result | None],
        control: str,
    ) -> None:
        super().__init__(path, content_type=content_type, headers=headers, stat_result=status, follow_links=False)
        self._encoding = encoding
        self._renew = renew
        self._control = control

    def entity_tag(self, status: os.stat_result) -> str:
        """Of the version and the coding."""
        return entity_tag(status, self._encoding)

    def look_again(self) -> os.stat_result | None:
        """Look below the folder; what is there now is not what the hash in the URL is of."""
        status = self._renew()
        if self.headers.get("cache-control") == IMMUTABLE:
            self.headers["cache-control"] = self._control
        return status

    async def send(self, request: Request) -> None:
        """Answer, with another version if the file was exchanged in the meantime.

        404 if it has gone, 503 if it changes all the time.
        """
        try:
            await super().send(request)
        except HTTPException as error:
            # Answered here: outside of an application nobody makes a response of what `send` raises.
            detail = None if error.status == 404 else error.detail
            self._refuse(request, problem(error.status, detail, headers=error.headers))

    def _refuse(self, request: Request, refusal: Response) -> None:
        for name, value in self.headers.raw:
            if name not in _OF_THE_FILE:
                refusal.headers.add(name, value)
        refusal.send_now(request)
