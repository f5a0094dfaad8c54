"""Figures into tables: medians of per-round ratios, and what they were measured on."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from typing import Any


def ratios(ours: Mapping[int, float], base: Mapping[int, float]) -> list[float]:
    """Of every round that measured both, the one over the other."""
    return [ours[number] / base[number] for number in sorted(ours) if number in base]


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median, quartiles and count of at least one value."""
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return {"median": median(values), "quartiles": [low, high], "rounds": len(values)}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are figures."""
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)], *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def machine(packages: Iterable[str]) -> list[str]:
    """What the figures were measured on, a line for each kind of thing."""
    lines = [f"{cpu()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"]
    lines.append(f"{platform.python_implementation()} {platform.python_version()}")
    lines.append(", ".join(f"{name} {found}" for name in packages if (found := installed(name))))
    return lines


def installed(name: str) -> str | None:
    """The version of a distribution, if there is one."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def busy() -> str | None:
    """A warning if other programs want the processor too."""
    load = os.getloadavg()[0]
    return f"the machine was busy (load average {load:.1f}) when this began: trust no figure" if load > 0.7 else None


def write(path: Path | None, content: str) -> None:
    """Writes a result where it was asked for, its folder included."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(f"written: {path}", file=sys.stderr)
