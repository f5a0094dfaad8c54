"""Runs one target under atheris: `python run.py cookie -max_total_time=60`."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

with atheris.instrument_imports(include=["gobstopper_http"]):
    from targets import TARGETS


def main() -> None:
    """Take the target's name off the command line; the rest is libFuzzer's."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python run.py {'|'.join(TARGETS)} [libFuzzer options] [corpus folder]")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


main()
