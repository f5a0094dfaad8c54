"""The content codings that can be made here, each as a compressor of one shape."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Compressor", "available_codings"]

_WIDE, _WINDOW_LOG = 20, 23
"""From this level on Zstandard would look back further than the 8 MiB that browsers take (RFC 9659)."""


class Compressor(Protocol):
    """Compresses chunks; `flush` makes what came so far complete for the reader, `finish` ends it."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Gzip:
    def __init__(self, level: int) -> None:
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, 31)

    def compress(self, data: bytes) -> bytes:
        return self._deflate.compress(data)

    def flush(self) -> bytes:
        return self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._deflate.flush(zlib.Z_FINISH)


class _Brotli:
    def __init__(self, module: Any, level: int) -> None:
        self._brotli = module.Compressor(quality=level)

    def compress(self, data: bytes) -> bytes:
        return bytes(self._brotli.process(data))

    def flush(self) -> bytes:
        return bytes(self._brotli.flush())

    def finish(self) -> bytes:
        return bytes(self._brotli.finish())


class _Zstandard:
    def __init__(self, module: Any, level: int) -> None:
        low, high = module.CompressionParameter.compression_level.bounds()
        if not low <= level <= high:
            raise ValueError(f"zstd has the levels {low} to {high}")
        options = {module.CompressionParameter.compression_level: level}
        if level >= _WIDE:
            options[module.CompressionParameter.window_log] = _WINDOW_LOG
        self._zstd = module.ZstdCompressor(options=options)

    def compress(self, data: bytes) -> bytes:
        return bytes(self._zstd.compress(data))

    def flush(self) -> bytes:
        return bytes(self._zstd.flush(self._zstd.FLUSH_BLOCK))

    def finish(self) -> bytes:
        return bytes(self._zstd.flush())


def available_codings() -> dict[str, Callable[[int | None], Compressor]]:
    """The codings that can be made here, the best first: `zstd` and `br` if their packages are there, and `gzip`.

    From Python 3.14 on `zstd` is in the standard library.
    """
    codings: dict[str, Callable[[int | None], Compressor]] = {}
    zstd = _zstd_module()
    if zstd is not None:
        codings["zstd"] = lambda level: _Zstandard(zstd, 3 if level is None else level)
    brotli = _module("brotli")
    if brotli is not None:
        codings["br"] = lambda level: _Brotli(brotli, 4 if level is None else level)
    codings["gzip"] = lambda level: _Gzip(5 if level is None else level)
    return codings


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _zstd_module() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:  # not installed; or a Python that was built without it
        return None
    return zstd
