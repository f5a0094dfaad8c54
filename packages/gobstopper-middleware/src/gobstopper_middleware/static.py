"""Files from a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import quote

from gobstopper_http import RedirectResponse, Request, Response
from gobstopper_http.negotiation import best_encoding
from gobstopper_sessions import SetupContext

from ._fingerprints import Fingerprints
from ._lookup import Lookup, StaticFile, Variant, is_plain
from ._options import check_flag, check_number, check_pattern, check_text
from ._standalone import Next
from ._static_response import IMMUTABLE, StaticResponse

__all__ = ["StaticMiddleware"]

_ATTEMPTS = 5
_VERSION = re.compile(r"v=([0-9a-f]{16})")
_NOT_IN_PREFIX = re.compile(r"[?#%\\\s]|/\.{1,2}(?:/|$)|//")


class StaticMiddleware:
    """Serves the files below a folder to GET and HEAD; everything else goes on to the application.

    Regular files alone, below the folder after links are resolved; no dot-files, no listings. With validators,
    conditional and range requests (RFC 9110), and precompressed neighbours (`app.css.br`, `.zst`, `.gz`) for whoever
    accepts them, if they are not older than the file itself.

    `url_for("css/app.css")` gives a URL with a hash of the content, which browsers may keep for ever; without the
    hash they ask each time (`no-cache`), or keep the file for `max_age` seconds.

    Args:
        directory: The folder; a relative one counts from the application's root.
        url_prefix: Where the files are, such as `/static`; `/` for everything.
        index: Serve `index.html` for folders.
        fallback: A file for pages (GET, `Accept: text/html`) that neither the folder nor the application has, such
            as the
            `index.html` of a single-page application.
        max_age: Seconds that answers may be kept without asking. `None`: ask each time.
        immutable: A regular expression for paths whose content never changes because their name has a hash in it,
            such as those of a bundler; `False` turns immutable answers off altogether.

    Raises:
        TypeError, ValueError: for a prefix that does not begin with a slash or is no plain path, and for other
            arguments that make no sense.
        FileNotFoundError: from `setup`, if the folder or the fallback is not there.
    """

    def __init__(
        self,
        *,
        directory: str | os.PathLike[str] = "static",
        url_prefix: str = "/static",
        index: bool = False,
        fallback: str | None = None,
        max_age: int | None = None,
        immutable: str | bool | None = None,
    ) -> None:
        if not check_text("url_prefix", url_prefix).startswith("/") or url_prefix.startswith("//"):
            raise ValueError(f"url_prefix={url_prefix!r}: begin it with one slash")
        if _NOT_IN_PREFIX.search(url_prefix):
            raise ValueError(f"url_prefix={url_prefix!r}: write a plain path, such as '/static'")
        if not isinstance(directory, str | os.PathLike):
            raise TypeError(f"directory={directory!r}: give the path of a folder, not {type(directory).__name__}")
        if fallback is not None and not is_plain(check_text("fallback", fallback)):
            raise ValueError(f"fallback={fallback!r}: name a file below the folder, such as 'index.html'")
        self.directory = Path(directory)
        self.url_prefix = url_prefix.rstrip("/")
        self._prefix = self.url_prefix + "/"
        self._index = check_flag("index", index)
        self._fallback = fallback
        self._control = (
            "no-cache" if max_age is None else f"public, max-age={check_number('max_age', max_age, least=0)}"
        )
        self._hashed = immutable is not False
        named = immutable is not None and not isinstance(immutable, bool)
        self._immutable = check_pattern("immutable", immutable) if named else None
        self._lookup: Lookup | None = None
        self._fingerprints = Fingerprints()

    def setup(self, context: SetupContext) -> None:
        """Find the folder, below the application's root if it is relative."""
        self.directory = Path(getattr(context, "root_path", "")) / self.directory
        if not self.directory.is_dir():
            raise FileNotFoundError(f"the folder {self.directory} does not exist: create it, or give directory=")
        self._lookup = Lookup(str(self.directory))
        if self._fallback is not None and self._lookup.find(self._fallback) is None:
            raise FileNotFoundError(f"fallback={self._fallback!r} is no file below {self.directory}")

    @property
    def lookup(self) -> Lookup:
        """What finds the files."""
        if self._lookup is None:
            self._lookup = Lookup(str(self.directory))
        return self._lookup

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Answer with a file, or go on."""
        # No coroutine of its own: every request of the application comes this way.
        if not request.path.startswith(self._prefix) or request.method not in {"GET", "HEAD"}:
            return next_handler(request)
        return self._answer(request, next_handler)

    def url_for(self, filename: str, *, version: bool = True) -> str:
        """The URL of a file below the folder, with a hash of its content.

        Args:
            filename: With slashes, relative to the folder.
            version: Add the hash. It is computed once for each version of the file, in line: call it at start-up for
                large files.

        A file that is not there gets a URL without a hash: a missing picture is no reason to break a page.
        """
        name = filename.lstrip("/")
        url = self._prefix + quote(name, safe="/!$&'()*+,;=:@~")
        if not version or not self._hashed:
            return url
        found = self.lookup.find(name)
        status = _status_of(found.variants[None]) if found is not None else None
        if found is not None and status is None:  # exchanged within the last second
            self.lookup.forget(name)
            found = self.lookup.find(name)
            status = _status_of(found.variants[None]) if found is not None else None
        digest = (
            self._fingerprints.of(found.variants[None].path, status)
            if found is not None and status is not None
            else None
        )
        return f"{url}?v={digest}" if digest else url

    async def _answer(self, request: Request, next_handler: Next) -> Response:
        relative = request.path[len(self._prefix) :]
        found = self.lookup.find(relative)
        if found is None and self._index:
            if not relative or relative.endswith("/"):
                found = self.lookup.find(relative + "index.html")
            elif self.lookup.find(relative + "/index.html") is not None:
                return _with_slash(request, relative)
        if found is not None and (response := await self._serve(request, found)) is not None:
            return response
        response = await next_handler(request)
        if self._fallback is not None and response.status == 404 and _wants_page(request):
            page = self.lookup.find(self._fallback)
            served = await self._serve(request, page, control="no-cache") if page is not None else None
            if served is not None:
                await response.close()
                return served
        return response

    async def _serve(self, request: Request, found: StaticFile, control: str | None = None) -> Response | None:
        """The answer with a file; `None` if it has gone."""
        for _ in range(_ATTEMPTS):
            variant = _variant_for(request, found)
            status = _status_of(variant)
            if status is not None:
                break
            # Exchanged since it was resolved: what is there now may lie elsewhere.
            self.lookup.forget(found.relative)
            again = self.lookup.find(found.relative)
            if again is None:
                return None
            found = again
        else:
            return None
        headers = [("cache-control", control or await self._control_for(request, found, variant, status))]
        if len(found.variants) > 1:
            headers.append(("vary", "Accept-Encoding"))
        if variant.encoding is not None:
            headers.append(("content-encoding", variant.encoding))
        return StaticResponse(
            variant.path,
            content_type=found.content_type,
            headers=headers,
            encoding=variant.encoding,
            status=status,
            renew=lambda: self._look_again(found.relative, variant),
            control=self._control,
        )

    def _look_again(self, relative: str, variant: Variant) -> os.stat_result | None:
        """What is at the path of a variant now, if it is still one of that file."""
        for _ in range(_ATTEMPTS):
            self.lookup.forget(relative)
            found = self.lookup.find(relative)
            again = found.variants.get(variant.encoding) if found is not None else None
            if again is None or again.path != variant.path:
                return None
            if (status := _status_of(again)) is not None:
                return status
        return None

    async def _control_for(self, request: Request, found: StaticFile, variant: Variant, status: os.stat_result) -> str:
        if not self._hashed:
            return self._control
        if self._immutable is not None and self._immutable.search(found.relative):
            return IMMUTABLE
        query = request.query_string
        if not query:
            return self._control
        version = _VERSION.fullmatch(query)
        # A wrong hash is one of an older or newer version: that answer must not be kept under it.
        if version is None or await self._current_hash(found, variant, status) != version[1]:
            return self._control
        return IMMUTABLE

    async def _current_hash(self, found: StaticFile, variant: Variant, status: os.stat_result) -> str | None:
        """The hash of the content that goes out; `None` if a neighbour may be of other content."""
        plain = found.variants[None]
        if variant is not plain:
            of_plain = _status_of(plain)
            if of_plain is None or of_plain.st_mtime_ns > status.st_mtime_ns:
                self.lookup.forget(found.relative)  # the file was exchanged, its neighbour not yet
                return None
            status = of_plain
        return await self._fingerprints.shared(plain.path, status)


def _variant_for(request: Request, found: StaticFile) -> Variant:
    variants = found.variants
    variant = variants[None]
    if len(variants) > 1:
        offered = [encoding for encoding in variants if encoding is not None]
        accepted = ", ".join(request.raw_headers.get_all("accept-encoding"))
        variant = variants.get(best_encoding(accepted or None, [*offered, "identity"]), variant)
    return variant


def _status_of(variant: Variant) -> os.stat_result | None:
    """What the system says of a file; `None` if it is another one than was found."""
    try:
        status = os.stat(variant.path)  # noqa: PTH116 - in line: a microsecond, see FileResponse
    except OSError:
        return None
    return status if (status.st_dev, status.st_ino) == variant.identity else None


def _wants_page(request: Request) -> bool:
    return "text/html" in ", ".join(request.raw_headers.get_all("accept"))


def _with_slash(request: Request, relative: str) -> Response:
    # Relative to the request: it stays on this host and below the mount, whatever the path looks like.
    location = f"./{quote(relative.rpartition('/')[2])}/"
    query = request.query_string
    return RedirectResponse(f"{location}?{query}" if query else location, 308)
