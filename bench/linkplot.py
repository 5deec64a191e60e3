"""Draws one direction of a run over a link: rate, queue, delay and drops over one axis of time.

bench/link/truth --plot is how it is used. Needs matplotlib (Debian: python3-matplotlib).
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from linktruth import NS_PER_S, Bin, Flow, Truth  # noqa: E402

POINTS_MAX = 300  # a plot of 8 inches shows no more
WIDTH_INCHES, HEIGHT_INCHES = 8.0, 6.6

# Okabe and Ito's colours: told apart by people who see fewer of them, and in grey.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7",
                                         "#555555")
CAUSES = {"queue": BLUE, "aqm": GREEN, "loss": RED, "policer": ORANGE, "black_hole": PURPLE,
          "ceiling": "#000000", "device": "#000000"}

STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.edgecolor": "#888888",
    "axes.axisbelow": True, "axes.titlesize": 9, "axes.titlelocation": "left",
    "legend.frameon": False, "legend.fontsize": 8, "lines.linewidth": 1.2,
    "svg.hashsalt": "linkplot", "svg.fonttype": "none",
}

Group = list[Bin]  # adjoining bins that make one point


def group(bins: Sequence[Bin]) -> list[Group]:
    """Bins together, so that no more points are drawn than can be seen."""
    size = -(-len(bins) // POINTS_MAX) or 1
    return [list(bins[i:i + size]) for i in range(0, len(bins), size)]


def seconds(g: Group) -> float:
    return sum(b.length_s for b in g)


def rates(groups: list[Group], flow: Flow | None, truth: Truth) -> tuple[list[float], list[float]]:
    """Mbit/s delivered, of IP, and of the flow's payload."""
    told = {b.at_ns: b.unique_payload_bytes for b in truth.flow_bins(flow)} if flow else {}
    delivered = [8e-6 * sum(b.delivered.bytes for b in g) / seconds(g) for g in groups]
    goodput = [8e-6 * sum(told.get(b.at_ns, 0) for b in g) / seconds(g) for g in groups]
    return delivered, goodput


def draw_rate(axes: Any, at_s: list[float], groups: list[Group], flow: Flow | None,
              truth: Truth) -> None:
    delivered, goodput = rates(groups, flow, truth)
    axes.fill_between(at_s, delivered, step="post", color=BLUE, alpha=0.22, linewidth=0)
    axes.step(at_s, delivered, where="post", color=BLUE, label="delivered, IP")
    if flow:
        axes.step(at_s, goodput, where="post", color=ORANGE, linewidth=1,
                  label="goodput of the flow")
    limited = [None not in [b.capacity_bytes for b in g] for g in groups]
    if all(limited):
        capacity = [8e-6 * sum(b.capacity_bytes or 0 for b in g) / seconds(g) for g in groups]
        axes.step(at_s, capacity, where="post", color=GREY, linewidth=1, linestyle=(0, (4, 2)),
                  label="capacity of the line")
    axes.set_ylabel("Mbit/s")
    axes.set_title("Rate")


def draw_queue(axes: Any, at_s: list[float], groups: list[Group]) -> None:
    longest_bytes = [max(b.queued_max_bytes for b in g) for g in groups]
    unit, scale = ("MB", 1e6) if max(longest_bytes) >= 2e6 else ("kB", 1e3)
    longest = [n / scale for n in longest_bytes]
    at_end = [g[-1].queued.bytes / scale for g in groups]
    axes.fill_between(at_s, longest, step="post", color=GREEN, alpha=0.22, linewidth=0,
                      label="longest")
    axes.step(at_s, at_end, where="post", color=GREEN, label="at the bin's end")
    axes.set_ylabel(unit)
    axes.set_title("Queue")


def draw_delay(axes: Any, at_s: list[float], groups: list[Group]) -> None:
    least, mean, most, when = [], [], [], []
    for t, g in zip(at_s, groups):
        with_packets = [b for b in g if b.delay_min_ns is not None]
        if not with_packets:
            continue
        packets = sum(b.delivered.packets for b in with_packets)
        when.append(t)
        least.append(min(b.delay_min_ns or 0 for b in with_packets) * 1000 / NS_PER_S)
        most.append(max(b.delay_max_ns or 0 for b in with_packets) * 1000 / NS_PER_S)
        mean.append(sum(b.delay_sum_ns or 0 for b in with_packets) / packets * 1000 / NS_PER_S)
    axes.fill_between(when, least, most, color=PURPLE, alpha=0.3, linewidth=0,
                      label="least to largest")
    axes.plot(when, mean, color=PURPLE, label="mean")
    axes.set_ylabel("ms")
    axes.set_title("Delay of the packets delivered, one way")


def draw_drops(axes: Any, at_s: list[float], groups: list[Group], width_s: float) -> None:
    base = [0] * len(groups)
    for cause, colour in CAUSES.items():
        dropped = [sum(b.drops[cause].packets for b in g if cause in b.drops) for g in groups]
        if not any(dropped):
            continue
        drawn = [i for i, n in enumerate(dropped) if n]
        axes.bar([at_s[i] for i in drawn], [dropped[i] for i in drawn],
                 bottom=[base[i] for i in drawn], width=max(width_s, 0.0), align="edge",
                 color=colour, edgecolor=colour, linewidth=0.8, label=cause.replace("_", " "))
        base = [a + b for a, b in zip(base, dropped)]
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.set_ylim(0, max(base) * 1.1 or 1)
    axes.set_ylabel("packets")
    axes.set_title("Drops" if any(base) else "Drops: none")
    if not any(base):
        axes.set_yticks([])


def legend(axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncol=4,
                    borderaxespad=0, handlelength=1.4, columnspacing=1.2)


def headline(truth: Truth, direction: str, title: str | None) -> str:
    towards = {"down": "towards the client", "up": "towards the server"}[direction]
    return title or f"{truth.header['scenario']['name']}, {towards}"


def save(figure: Any, path: Path) -> None:
    if path.suffix != ".svg":
        figure.savefig(path, dpi=110)
        return
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    path.write_text(compact(text.getvalue()), encoding="utf-8")


def compact(svg: str) -> str:
    """As it is seen, in half of the bytes and a fifth of the lines: hundredths of a point, a path on
    one line, and a step as a step."""
    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")

    svg = re.sub(r"-?\d+\.\d{3,}", rounded, svg)
    return re.sub(r'(?<= d=")[^"]*', lambda path: in_steps(path[0].split()), svg)


def in_steps(words: list[str]) -> str:
    """SVG 1.1, 8.3.4: where a line goes along an axis, H and V take one number."""
    out, x, y = [], "", ""
    while words:
        command = words.pop(0)
        if command not in "ML":
            return " ".join([*out, command, *words])
        before_x, before_y = x, y
        x, y = words.pop(0), words.pop(0)
        if command == "L" and y == before_y:
            out += ["H", x]
        elif command == "L" and x == before_x:
            out += ["V", y]
        else:
            out += [command, x, y]
    return " ".join(out)


def plot(truth: Truth, path: Path, direction: str | None, window: tuple[float | None, float | None],
         flows: list[Flow] | None, title: str | None) -> None:
    """One direction (where more went) and one flow (the busiest of it) in a window."""
    if direction is None:
        amount = {d: sum(b.delivered.bytes for b in truth.bins(d)) for d in ("down", "up")}
        direction = flows[0].direction if flows else max(amount, key=lambda d: amount[d])
    flow = flows[0] if flows else truth.busiest(direction)
    groups = group(truth.between(direction, *window))
    if not groups:
        raise ValueError("there is no bin in the window")
    at_s = [g[0].at_s for g in groups]
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(4, 1, sharex=True, figsize=(WIDTH_INCHES, HEIGHT_INCHES),
                                      gridspec_kw={"height_ratios": [3, 2, 2, 1.3]})
        draw_rate(panels[0], at_s, groups, flow, truth)
        draw_queue(panels[1], at_s, groups)
        draw_delay(panels[2], at_s, groups)
        draw_drops(panels[3], at_s, groups, seconds(groups[0]))
        for axes in panels:
            legend(axes)
            axes.set_ylim(bottom=0)
        panels[3].set_xlabel("seconds since the start of the run")
        panels[3].set_xlim(at_s[0], groups[-1][-1].at_s + groups[-1][-1].length_s)
        figure.align_ylabels(panels)
        figure.suptitle(headline(truth, direction, title), x=0.01, ha="left", fontsize=11,
                        fontweight="bold")
        if truth.void:
            figure.text(0.99, 0.985, "VOID: " + "\n".join(wrap(truth.void, 60)), ha="right",
                        va="top", color=RED, fontsize=8)
        figure.tight_layout(h_pad=0.6)
        save(figure, path)
        plt.close(figure)
