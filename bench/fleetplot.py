"""Draws what arrives at a fleet's service, scenario by scenario: with the spread by kind, without it as a line.

bench/fleet/run --page is how it is used. Needs matplotlib (Debian: python3-matplotlib).
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from linkplot import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STYLE, save  # noqa: E402

WINDOW_S, MOST = 10, 1.5
WIDTH_INCHES, HEIGHT_INCHES = 9.0, 9.5
FROM_S, TO_S = -60, 900
SHOWN = {
    "restart": "the service restarts: refuses for 5 s",
    "refused": "it refuses for 10 min",
    "unavailable": "it answers 503 for 10 min",
    "cut-off": "the region is cut off for 10 min",
    "tests": "a test is ordered of all",
    "update": "an update is announced to all",
}
STACK = {  # what is drawn on what
    "pongs": (("pongs",), BLUE),
    "heartbeats over HTTP": (("beats",), GREEN),
    "connects and what follows": (("connects", "subscribes", "syncs"), ORANGE),
    "uploads, downloads": (("uploads", "downloads"), PURPLE),
}

Rows = list[dict[str, str]]


def draw_one(axes: plt.Axes, rows: Rows, plain: Rows, steady: float, title: str) -> None:
    shown = [row for row in rows if FROM_S <= int(row["at_s"]) < TO_S]
    at = [int(row["at_s"]) for row in shown]
    heights = [[sum(float(row[k]) for k in kinds) / WINDOW_S / steady for row in shown] for kinds, _ in STACK.values()]
    axes.stackplot(at, heights, step="post", labels=list(STACK), colors=[c for _, c in STACK.values()], linewidth=0)
    total = [sum(float(v) for k, v in row.items() if k != "at_s") / WINDOW_S / steady for row in plain
             if FROM_S <= int(row["at_s"]) < TO_S]
    axes.step(at, total, where="post", color=GREY, linewidth=0.9, label="all, with fleet_spread=0")
    axes.axhline(MOST, color=RED, linewidth=0.9, linestyle="--", label="1.5 × steady")
    axes.set_title(title)
    axes.set_xlim(FROM_S, TO_S)
    axes.set_ylim(0, 6)


def draw(rows: dict[str, Rows], plain: dict[str, Rows], steady: float, to: Path) -> None:
    with plt.rc_context(STYLE | {"svg.hashsalt": "fleetplot"}):
        figure, grid = plt.subplots(len(SHOWN) // 2, 2, figsize=(WIDTH_INCHES, HEIGHT_INCHES), sharex=True, sharey=True)
        for axes, (name, title) in zip(grid.flat, SHOWN.items(), strict=True):
            draw_one(axes, rows[name], plain[name], steady, title)
        for axes in grid[:, 0]:
            axes.set_ylabel("arrivals, × steady rate")
        for axes in grid[-1]:
            axes.set_xlabel("seconds after it")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", ncols=3)
        figure.tight_layout(rect=(0, 0, 1, 0.95))
        save(figure, to)
        plt.close(figure)
