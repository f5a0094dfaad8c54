"""Prints the share of branches that ran, per distribution and in all, from the report that `coverage json` wrote."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any


def distribution(path: str) -> str:
    """The distribution that a measured file belongs to: the folder below packages/, or else the file itself."""
    parts = Path(path).parts
    return parts[parts.index("packages") + 1] if "packages" in parts else path


def tally(report: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Per distribution: branches that ran, branches there are."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for path, file in report["files"].items():
        sums[distribution(path)][0] += file["summary"]["covered_branches"]
        sums[distribution(path)][1] += file["summary"]["num_branches"]
    return {name: (ran, total) for name, (ran, total) in sorted(sums.items())}


def percent(ran: int, total: int) -> float:
    """A share as a percentage; nothing to run counts as all of it."""
    return 100.0 * ran / total if total else 100.0


def main(argv: list[str] | None = None) -> int:
    """Returns 2 if less than --fail-under percent of all branches ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--fail-under", type=float, default=0.0, metavar="PERCENT")
    options = parser.parse_args(argv)
    rows = tally(json.loads(options.report.read_text()))
    total = (sum(ran for ran, _ in rows.values()), sum(count for _, count in rows.values()))
    for name, (ran, count) in [*rows.items(), ("all branches", total)]:
        print(f"{name:28} {ran:6} of {count:6}  {percent(ran, count):6.2f} %")
    if percent(*total) < options.fail_under:
        print(f"fewer than {options.fail_under:g} % of all branches ran", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
