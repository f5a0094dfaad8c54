"""An uploaded file: in memory while it is small, on disk when it is not."""

from __future__ import annotations

import asyncio
import os
import re
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from .datastructures import Headers

if TYPE_CHECKING:
    from tempfile import SpooledTemporaryFile

__all__ = ["UploadFile", "safe_basename"]

_COPY_SIZE = 256 * 1024
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def safe_basename(filename: str) -> str:
    """The last component of what a client calls its file, whatever system it is on, without control characters.

    ``"."`` and ``".."`` give ``""``. The rest is the client's word still: do not make a path of it.
    """
    name = _CONTROLS.sub("", filename.replace("\\", "/").rpartition("/")[2])
    return "" if name in {".", ".."} else name


class UploadFile:
    """One file of a multipart form. Reading what is in memory is immediate; what is on disk is read in a thread.

    It is false if the user chose no file: browsers send an empty name and no content then. The request closes it when
    it ends; `save` what is to stay.

    Attributes:
        filename: the last component of the name that the client sent, or ``""``. Never trust it: choose your own.
        content_type: the media type that the client claims, ``application/octet-stream`` if it claims none.
        headers: the header fields of the part; values may hold any UTF-8.
        size: bytes received.
        file: the temporary file itself, for code that wants a file object. It blocks.
    """

    __slots__ = ("content_type", "file", "filename", "headers", "on_disk", "size")

    def __init__(
        self, filename: str, content_type: str = "application/octet-stream", headers: Headers | None = None
    ) -> None:
        from tempfile import SpooledTemporaryFile  # only who receives uploads pays for its import

        self.filename = filename
        self.content_type = content_type
        self.headers = Headers() if headers is None else headers
        self.size = 0
        # Size 0 means that it never goes to disk by itself: the parser decides, over all files of the form together.
        self.file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=0)  # noqa: SIM115 - closed by close()
        self.on_disk = False

    async def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes from where the last read ended, or all the rest; ``b""`` at the end."""
        if self.on_disk:
            return await asyncio.to_thread(self.file.read, size)
        return self.file.read(size)

    async def seek(self, position: int) -> None:
        """Set where the next read begins, in bytes from the start."""
        self.file.seek(position)

    async def save(self, destination: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write the whole content to a path (replacing what is there) or into a binary file object, in a thread.

        Where reading goes on is not changed. A path is the application's to choose: one made from `filename` lets the
        client choose.

        Raises:
            OSError: the destination cannot be written.
        """
        await asyncio.to_thread(self._save, destination)

    def _save(self, destination: str | os.PathLike[str] | IO[bytes]) -> None:
        import shutil

        position = self.file.tell()
        self.file.seek(0)
        try:
            if isinstance(destination, str | os.PathLike):
                with open(destination, "wb") as target:  # noqa: PTH123 - a path may be a plain string
                    shutil.copyfileobj(self.file, target, _COPY_SIZE)
            else:
                shutil.copyfileobj(self.file, destination, _COPY_SIZE)
        finally:
            self.file.seek(position)

    async def close(self) -> None:
        """Drop the content; a file on disk is gone with it."""
        self.file.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __bool__(self) -> bool:
        return bool(self.filename) or self.size > 0

    def __repr__(self) -> str:
        return f"<UploadFile {self.filename!r} {self.content_type} {self.size} bytes>"
