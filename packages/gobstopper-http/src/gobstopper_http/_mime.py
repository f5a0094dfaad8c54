"""Media types of files by their names: the same on every machine, whatever its mime.types says."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mimetypes import MimeTypes

__all__ = ["guess_content_type"]

_MORE = {
    ".avif": "image/avif", ".webp": "image/webp", ".ico": "image/x-icon", ".svg": "image/svg+xml",
    ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf",
    ".js": "text/javascript", ".mjs": "text/javascript", ".map": "application/json", ".json": "application/json",
    ".wasm": "application/wasm", ".webmanifest": "application/manifest+json",
    ".md": "text/markdown", ".csv": "text/csv", ".txt": "text/plain", ".yaml": "application/yaml",
    ".yml": "application/yaml", ".toml": "application/toml", ".xml": "application/xml",
    ".mp4": "video/mp4", ".webm": "video/webm", ".weba": "audio/webm", ".opus": "audio/ogg", ".flac": "audio/flac",
    ".parquet": "application/vnd.apache.parquet", ".epub": "application/epub+zip", ".7z": "application/x-7z-compressed",
}  # fmt: skip
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_TEXTUAL = frozenset({"application/json", "application/manifest+json", "application/xml", "image/svg+xml"})


@cache
def _types() -> MimeTypes:
    from mimetypes import MimeTypes

    types = MimeTypes()
    for extension, media_type in _MORE.items():
        types.add_type(media_type, extension)
    return types


def guess_content_type(name: str) -> str:
    """The ``Content-Type`` for a file of that name, text with ``charset=utf-8``; else ``application/octet-stream``.

    ``x.tar.gz`` is ``application/gzip``: nobody is to unpack it on the way.
    """
    # Only the last component, so that a drive or a "data:" in front is not taken for a URL.
    media_type, encoding = _types().guess_type(name.replace("\\", "/").rpartition("/")[2].replace(":", "_"))
    if encoding is not None:
        return _COMPRESSED.get(encoding, "application/octet-stream")
    if media_type is None:
        return "application/octet-stream"
    if media_type.startswith("text/") or media_type in _TEXTUAL - {"application/json"}:
        return f"{media_type}; charset=utf-8"
    return media_type
