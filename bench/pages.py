"""What the benches have in common once they have measured: rows kept as CSV, bounds, tables on pages."""

from __future__ import annotations

import csv
import math
import os
import platform
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Row = dict[str, object]


def machine() -> str:
    """One clause: whose figures these are."""
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return (f"Linux {platform.release()}, {os.cpu_count()} cores, congestion control {congestion}, "
            f"{time.strftime('%Y-%m-%d', time.gmtime())}")


@dataclass
class Bounds:
    """What was to be reached, what came of it, and whether all of it is met."""

    met: bool = True
    lines: list[str] = field(default_factory=lambda: ["| bound | to be reached | measured | |", "|---|---|---|---|"])

    def judge(self, what: str, wanted: str, got: str, met: bool) -> None:
        self.met = self.met and met
        self.lines.append(f"| {what} | {wanted} | {got} | {'met' if met else '**missed**'} |")

    def undecided(self, what: str, wanted: str, got: str) -> None:
        """The noise is larger than the bound: neither met nor missed."""
        self.lines.append(f"| {what} | {wanted} | {got} | not decided |")


@dataclass(frozen=True)
class Median:
    """With the 95 % interval that order statistics give, whatever the distribution; without one below six values."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:+.2f} % [{self.low:+.2f}, {self.high:+.2f}], n = {self.count}"


def median_of(values: list[float]) -> Median:
    ordered, n = sorted(values), len(values)
    below, outside = 0, 0.0
    while below < n // 2:
        outside += math.comb(n, below) / 2**n
        if outside > 0.025:
            break
        below += 1
    low, high = (ordered[below - 1], ordered[n - below]) if below else (-math.inf, math.inf)
    return Median(statistics.median(ordered), low, high, n)


def judge_cost(bounds: Bounds, what: str, most_percent: float, cost: Median) -> None:
    """A loss is met or missed where its whole interval says so."""
    wanted = f"≤ {most_percent:g} %"
    if cost.high <= most_percent or cost.low > most_percent:
        bounds.judge(what, wanted, str(cost), cost.high <= most_percent)
    else:
        bounds.undecided(what, wanted, str(cost))


def put_on_page(text: str, page: Path, bench: str) -> None:
    """Between the marks of that bench."""
    begin, end = f"<!-- {bench} begins -->", f"<!-- {bench} ends -->"
    before, found, rest = page.read_text().partition(begin)
    if not found:
        raise SystemExit(f"{bench}: {page} has no place for the table")
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}{end}{after}")


def write_rows(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def append_row(path: Path, row: Row) -> None:
    """So that what was measured stays when a bench is ended halfway."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def read_rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def numbers(rows: Iterable[dict[str, str]], key: str) -> list[float]:
    """Of the rows that have one; an empty cell is none."""
    return [float(row[key]) for row in rows if row[key] != ""]
