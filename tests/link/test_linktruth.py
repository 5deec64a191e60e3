"""bench/linktruth.py against files of the real writer: truth_sample plays a run of its own making
by seed, and prints what was in it by counts of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import linktruth  # noqa: E402
from linktruth import Amount, Truth, TruthError  # noqa: E402

TRUTH = ROOT / "bench" / "link" / "truth"
SEEDS = [int(os.environ["RADAR_POD_SEED"])] if "RADAR_POD_SEED" in os.environ else [1, 2, 3]
FEW, MANY = 3, 40  # flows; more than a bin tells apart

Counts = dict[str, Any]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], tuple[Path, Counts]]:
    """A run of a seed and so many flows: its folder, with run.jsonl and run.csv, and its counts."""
    sample = os.environ.get("LINK_TRUTH_SAMPLE")
    if not sample:
        pytest.skip("LINK_TRUTH_SAMPLE does not name the generator")
    played: dict[tuple[int, int], tuple[Path, Counts]] = {}

    def play_once(seed: int, flows: int) -> tuple[Path, Counts]:
        if (seed, flows) not in played:
            folder = tmp_path_factory.mktemp(f"seed{seed}")
            done = subprocess.run([sample, str(seed), str(flows), "run.jsonl", "run.csv"],
                                  cwd=folder, capture_output=True, text=True, check=True)
            played[seed, flows] = folder, json.loads(done.stdout)
        return played[seed, flows]

    return play_once


@pytest.fixture(scope="module", params=[(s, n) for s in SEEDS for n in (FEW, MANY)],
                ids=lambda p: f"seed {p[0]}, {p[1]} flows")
def run(request: pytest.FixtureRequest, play: Any) -> tuple[Truth, Counts, Path]:
    folder, counts = play(*request.param)
    return linktruth.read(folder / "run.jsonl"), counts, folder


@pytest.fixture
def lines(play: Any) -> list[str]:
    folder, _ = play(SEEDS[0], FEW)
    return (folder / "run.jsonl").read_text().splitlines(keepends=True)


def flow_of(truth: Truth, port: int) -> linktruth.Flow:
    [flow] = [f for f in truth.flows if f.direction == "down" and f.destination_port == port]
    return flow


# --- what was counted -----------------------------------------------------------------------------


def test_the_run_stands(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, _ = run
    assert truth.void is None and not truth.warnings
    assert truth.header["scenario"]["name"] == "sample"
    assert "loss = 1%" in truth.header["scenario"]["text"]
    assert truth.header["machine"]["kernel"] == os.uname().release
    assert truth.duration_s == pytest.approx(3.000123456, abs=1e-9)
    assert len(truth.bins("down")) == len(truth.bins("up")) == 301
    assert truth.bins("down")[-1].length_ns == 123456


def test_flows_are_as_counted(run: tuple[Truth, Counts, Path]) -> None:
    truth, counts, _ = run
    for want in counts["flows"]:
        flow = flow_of(truth, want["port"])
        assert flow.exact
        assert flow.unique_payload_bytes == want["unique"]
        assert flow.delivered_payload_bytes == want["delivered"]
        assert flow.retransmitted_segments == want["retransmitted"]
        assert flow.dropped_segments == want["dropped"]


def test_bins_sum_to_the_accounts(run: tuple[Truth, Counts, Path]) -> None:
    truth, counts, _ = run
    bins = truth.bins("down")
    assert sum(b.offered.bytes for b in bins) == counts["offered_bytes"]
    assert sum(b.delivered.bytes for b in bins) == counts["delivered_bytes"]
    drops = truth.drops("down")
    assert {c: drops.get(c, Amount()).bytes for c in counts["drops"]} == counts["drops"]
    assert truth.end is not None
    for direction in linktruth.DIRECTIONS:
        end = truth.end[direction]
        for name in ("offered", "delivered"):
            amounts = [getattr(b, name) for b in truth.bins(direction)]
            assert end[name] == {"packets": sum(a.packets for a in amounts),
                                 "bytes": sum(a.bytes for a in amounts)}
        inside = end["offered"]["bytes"] + end["copies"]["bytes"]
        assert inside == (end["delivered"]["bytes"] + end["queued"]["bytes"]
                          + end["in_flight"]["bytes"]
                          + sum(a["bytes"] for a in end["dropped"].values()))


def test_goodput_of_a_window_is_what_was_counted_in_it(run: tuple[Truth, Counts, Path]) -> None:
    truth, counts, _ = run
    few = len(counts["flows"]) <= FEW
    uncertain = 0.0
    for want in counts["flows"]:
        flow = flow_of(truth, want["port"])
        for i, unique in enumerate(want["windows"][:30]):
            start_s = i * counts["window_s"]
            goodput = truth.goodput(flow, start_s, start_s + counts["window_s"])
            uncertain += goodput.uncertain_bytes
            least = goodput.payload_bytes
            assert least - 0.01 <= unique <= least + goodput.uncertain_bytes + 0.01
    assert few == (uncertain == 0)


def test_goodput_of_the_whole_is_exact(run: tuple[Truth, Counts, Path]) -> None:
    truth, counts, _ = run
    for want in counts["flows"]:
        flow = flow_of(truth, want["port"])
        goodput = truth.goodput(flow)
        assert goodput.payload_bytes == want["unique"] and goodput.uncertain_bytes == 0
        assert goodput.seconds == pytest.approx(flow.last_s - flow.first_s)
        assert goodput.bps == pytest.approx(8 * want["unique"] / goodput.seconds)
        assert truth.goodput(str(flow)) == truth.goodput(flow.tuple) == truth.goodput(flow.flow)


START_MONOTONIC_NS = 5000 * linktruth.NS_PER_S  # the generator's


def test_a_window_of_the_clock_is_the_same(run: tuple[Truth, Counts, Path]) -> None:
    truth, counts, _ = run
    t0, t1 = START_MONOTONIC_NS + 500_000_000, START_MONOTONIC_NS + 1_500_000_000
    flow = flow_of(truth, counts["flows"][0]["port"])
    assert truth.window(t0, t1) == (0.5, 1.5)
    assert truth.goodput(flow, *truth.window(t0, t1)) == truth.goodput(flow, 0.5, 1.5)
    assert truth.at_s(START_MONOTONIC_NS + 1) == pytest.approx(1e-9)


@pytest.mark.parametrize("t0, t1", [(-1, 10), (10, 10), (20, 10), (0, 4 * 10**9)])
def test_a_window_outside_the_run_is_refused(run: tuple[Truth, Counts, Path], t0: int,
                                             t1: int) -> None:
    truth, _, _ = run
    with pytest.raises(ValueError, match="does not lie in the run"):
        truth.window(START_MONOTONIC_NS + t0, START_MONOTONIC_NS + t1)


def test_what_the_edges_may_hide_is_told(run: tuple[Truth, Counts, Path]) -> None:
    """Bins of 10 ms, windows that begin and end within one: the truth of the next finer windows
    lies within the bound."""
    truth, counts, _ = run
    for want in counts["flows"][:FEW]:
        flow = flow_of(truth, want["port"])
        whole = truth.goodput(flow, 0.5, 1.5)
        assert whole.edge_bytes == 0
        cut = truth.goodput(flow, 0.503, 1.508)
        outer, inner = truth.goodput(flow, 0.50, 1.51), truth.goodput(flow, 0.51, 1.50)
        assert cut.payload_bytes - cut.edge_bytes <= inner.payload_bytes + 0.01
        assert outer.payload_bytes <= cut.payload_bytes + cut.edge_bytes + 0.01


def test_what_the_scenario_sets_for_an_rtt(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, _ = run
    scenario = truth.header["scenario"]
    assert truth.set_rtt_s == sum(scenario[d]["delay_ns"] for d in linktruth.DIRECTIONS) / 1e9
    assert truth.base_rtt_s >= truth.set_rtt_s


def test_a_handshakes_round_trip(run: tuple[Truth, Counts, Path]) -> None:
    """The link's part, and what the other end took to answer: not its application, which does not answer a SYN."""
    truth, _, _ = run
    flow = truth.busiest("down")
    assert flow is not None
    back = truth.other_way(flow)
    assert back is not None and truth.other_way(back) == flow
    rtt = truth.handshake_rtt_s(flow)
    assert rtt is not None and rtt == truth.handshake_rtt_s(back)
    assert truth.base_rtt_s <= rtt < truth.base_rtt_s + 0.05
    assert truth.handshake_rtt_s(dataclasses.replace(flow, source_port=1)) is None


def test_half_a_bin_has_half_its_bytes(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, _ = run
    flow = truth.busiest("down")
    assert flow is not None
    b = truth.flow_bins(flow)[5]
    half = truth.goodput(flow, b.at_ns / 1e9, b.at_ns / 1e9 + 0.005)
    assert half.payload_bytes == pytest.approx(b.unique_payload_bytes / 2, rel=1e-3)


def without_clocks(record: linktruth.Record) -> linktruth.Record:
    """Each file's writer asks the clocks for itself."""
    clocks = ("opened_utc", "opened_monotonic_ns", "start_utc")
    return {k: v for k, v in record.items() if k not in clocks}


def test_jsonl_and_csv_say_the_same(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, folder = run
    table = linktruth.read(folder / "run.csv")
    for direction in linktruth.DIRECTIONS:
        assert truth.bins(direction) == table.bins(direction)
    assert truth.flows == table.flows
    assert all(truth.flow_bins(f) == table.flow_bins(f) for f in truth.flows)
    assert truth._other == table._other
    assert truth.delays == table.delays and truth.lateness == table.lateness
    assert truth.end is not None and table.end is not None
    assert without_clocks(truth.end) == without_clocks(table.end)
    assert without_clocks(truth.header) == without_clocks(table.header)


# --- what is made of it ---------------------------------------------------------------------------


def test_capacity(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, _ = run
    flow = truth.busiest("down")
    assert flow is not None and flow.largest_payload_bytes > 1400
    rate_bps = truth.header["scenario"]["down"]["rate_bps"]
    assert truth.capacity_bps("down") == pytest.approx(rate_bps, rel=1e-5)
    assert truth.capacity_bps("up") is None
    payload, ip = flow.largest_payload_bytes, flow.largest_ip_bytes
    assert truth.goodput_capacity_bps("down", flow) == pytest.approx(
        rate_bps * payload / (ip + 18), rel=1e-5)
    assert truth.goodput_capacity_bps("up") is None


def test_capacity_with_a_policer_and_gaps(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, folder = run
    flow = truth.busiest("down")
    assert flow is not None
    other = linktruth.read(folder / "run.jsonl")
    line = other.header["scenario"]["down"]
    line["policer_bps"] = 1_000_000
    assert other.goodput_capacity_bps("down", flow) == pytest.approx(
        1e6 * flow.largest_payload_bytes / flow.largest_ip_bytes)
    line.update(policer_bps=0, aggregate_packets=10, aggregate_gap_ns=5_000_000)
    bits = 80 * (flow.largest_ip_bytes + 18)
    assert other.goodput_capacity_bps("down", flow) == pytest.approx(
        80 * flow.largest_payload_bytes / (bits / line["rate_bps"] + 0.005), rel=1e-5)


def test_a_short_flow_has_the_mtu_for_its_segment(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, _ = run
    flow = truth.busiest("down")
    assert flow is not None
    short = dataclasses.replace(flow, delivered_payload_bytes=500, largest_payload_bytes=500,
                                largest_ip_bytes=552)
    assert truth.full_segment(short) == (1448, 1500)
    assert truth.full_segment(flow) == (flow.largest_payload_bytes, flow.largest_ip_bytes)


def test_delays(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, _ = run
    down = truth.delays["down"]
    assert truth.end is not None and down.packets == truth.end["down"]["delivered"]["packets"]
    assert sum(n for _, n in down.buckets) == down.packets
    assert truth.base_rtt_s == pytest.approx(0.02, abs=0.0003)
    quantiles = [down.quantile_ns(q / 100) for q in range(101)]
    assert quantiles == sorted(quantiles)  # type: ignore[type-var]
    assert quantiles[0] == down.min_ns and quantiles[100] == down.max_ns
    queueing = truth.queueing("down")
    assert min(p.least for p in queueing) == 0
    assert all(p.least <= p.mean <= p.largest for p in queueing)
    mean_s = sum(b.delay_sum_ns or 0 for b in truth.bins("down")) / 1e9 / down.packets
    assert mean_s == pytest.approx(down.sum_ns / 1e9 / down.packets)


def test_quantiles_are_the_writers(run: tuple[Truth, Counts, Path]) -> None:
    truth, _, folder = run
    written = [record for _, _, record in linktruth.records(folder / "run.jsonl")
               if record["record"] == "delay"]
    for record in written:
        delays = truth.delays[record["direction"]]
        for share, key in ((0.5, "p50_ns"), (0.9, "p90_ns"), (0.99, "p99_ns"), (0.999, "p99_9_ns")):
            assert delays.quantile_ns(share) == record[key]


@pytest.mark.parametrize("text, want", [
    ("198.18.0.2:443>198.18.0.1:40000", ("198.18.0.2", 443, "198.18.0.1", 40000)),
    ("[2001:2::2]:443>[2001:2::1]:40001", ("2001:2::2", 443, "2001:2::1", 40001)),
    ("198.18.0.2:443", None),
    ("198.18.0.2:x>198.18.0.1:1", None),
    ("198.18.0.2:70000>198.18.0.1:1", None),
    ("nobody:1>198.18.0.1:1", None),
])
def test_a_tuple_is_read(text: str, want: tuple[str, int, str, int] | None) -> None:
    if want is None:
        with pytest.raises(ValueError):
            linktruth.parse_tuple(text)
    else:
        assert linktruth.parse_tuple(text) == want


def names_in(record: Any) -> set[str]:
    if isinstance(record, dict):
        return set(record).union(*map(names_in, record.values()))
    return set()


def test_every_field_is_documented(lines: list[str]) -> None:
    page = (ROOT / "docs" / "links.md").read_text()
    told = set(re.findall(r"[`(]([a-z0-9_]+)", page)) | {"packets", "bytes"}
    causes = {"queue", "aqm", "loss", "policer", "black_hole", "ceiling", "device"}
    names = set().union(*(names_in(json.loads(line)) for line in lines))
    untold = {n for n in names - told - causes if not n.startswith("drop_")}
    assert not untold and causes <= told


# --- files that are not whole, or no truth --------------------------------------------------------


def read_lines(folder: Path, lines: list[str]) -> Truth:
    path = folder / "cut.jsonl"
    path.write_text("".join(lines))
    return linktruth.read(path)


def test_a_last_line_that_is_cut_off_is_named(tmp_path: Path, lines: list[str]) -> None:
    truth = read_lines(tmp_path, lines[:-1] + [lines[-1][:50]])
    assert truth.warnings == [f"{tmp_path}/cut.jsonl:{len(lines)}: the last line is cut off"]
    assert truth.end is None and "no end" in str(truth.void)
    assert len(truth.bins("down")) == 301


def test_without_its_end_a_run_is_void(tmp_path: Path, lines: list[str]) -> None:
    truth = read_lines(tmp_path, lines[:100])
    assert "no end" in str(truth.void) and not truth.warnings
    assert truth.duration_s == pytest.approx(truth.bins("down")[-1].at_s + 0.01)


def test_a_line_that_is_missing_is_noticed(tmp_path: Path, lines: list[str]) -> None:
    without = next(i for i, line in enumerate(lines) if i > 50 and '"bin"' in line)
    truth = read_lines(tmp_path, lines[:without] + lines[without + 1:])
    assert truth.warnings == ["602 bins were written, 601 are there"] and truth.void


def test_a_void_run_says_why(tmp_path: Path, lines: list[str]) -> None:
    end = json.loads(lines[-1]) | {"verdict": "void", "void_reason": "a packet was late"}
    assert read_lines(tmp_path, lines[:-1] + [json.dumps(end) + "\n"]).void == "a packet was late"


def changed(line: str, **fields: Any) -> str:
    """The record with other fields; None takes one out."""
    record = json.loads(line) | fields
    return json.dumps({k: v for k, v in record.items() if v is not None}) + "\n"


GARBAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "no JSON": (lambda line: "garbage\n", "no JSON"),
    "cut off, with a line feed": (lambda line: line[:20] + "\n", "no JSON"),
    "an empty line": (lambda line: "\n", "no JSON"),
    "nested without end": (lambda line: "[" * 100000 + "\n", "no JSON"),
    "a list": (lambda line: "[]\n", "no record"),
    "no kind": (lambda line: "{}\n", "no record"),
    "another kind": (lambda line: changed(line, record="bim"), "'bim' is not known"),
    "a second header": (lambda line: changed(line, record="header"), "a second header"),
    "a field is missing": (lambda line: changed(line, offered_bytes=None),
                           "offered_bytes is missing"),
    "a negative count": (lambda line: changed(line, offered_bytes=-1), "-1 is no count"),
    "a fraction": (lambda line: changed(line, offered_bytes=1.5), "1.5 is no count"),
    "true is no count": (lambda line: changed(line, offered_bytes=True), "True is no count"),
    "no direction": (lambda line: changed(line, direction="sideways"), "'sideways' is neither"),
    "back in time": (lambda line: changed(line, at_ns=0), "comes after"),
}


@pytest.mark.parametrize("spoil, why", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_rejected_with_its_line(spoil: Callable[[str], str], why: str, tmp_path: Path,
                                           lines: list[str]) -> None:
    at = next(i for i, line in enumerate(lines) if i > 20 and '"bin"' in line)
    with pytest.raises(TruthError) as e:
        read_lines(tmp_path, lines[:at] + [spoil(lines[at])] + lines[at + 1:])
    assert e.value.line == at + 1 and why in e.value.why
    assert str(e.value).startswith(f"{tmp_path}/cut.jsonl:{at + 1}: ")


def test_bytes_that_are_no_text(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines[0].encode() + b"\xff\xfe\n")
    with pytest.raises(TruthError, match="run.jsonl:2: no UTF-8"):
        linktruth.read(path)


@pytest.mark.parametrize("text", ["", "{\"record\":\"header\""], ids=["empty", "half a header"])
def test_without_a_header_it_is_no_truth(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text(text)
    with pytest.raises(TruthError, match="no header"):
        linktruth.read(tmp_path / "run.jsonl")


def test_another_format_is_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(TruthError, match="only radar-pod/link-truth/1 can be read"):
        read_lines(tmp_path, [changed(lines[0], format="radar-pod/link-truth/2"), *lines[1:]])


def test_a_row_with_a_column_too_few(tmp_path: Path, play: Any) -> None:
    folder, _ = play(SEEDS[0], FEW)
    rows = (folder / "run.csv").read_text().splitlines(keepends=True)
    rows[9] = rows[9].split(",", 1)[1]
    (tmp_path / "run.csv").write_text("".join(rows))
    with pytest.raises(TruthError, match=r"run.csv:10: \d+ columns, not \d+"):
        linktruth.read(tmp_path / "run.csv")


def test_csv_without_its_flows_is_no_file(tmp_path: Path, play: Any) -> None:
    folder, _ = play(SEEDS[0], FEW)
    (tmp_path / "run.csv").write_text((folder / "run.csv").read_text())
    with pytest.raises(FileNotFoundError, match="run.flows.csv"):
        linktruth.read(tmp_path / "run.csv")


# --- the executable -------------------------------------------------------------------------------


def ask(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TRUTH, *args], capture_output=True, text=True,
                          check=False)


def test_summary(play: Any) -> None:
    folder, counts = play(SEEDS[0], FEW)
    done = ask(folder / "run.jsonl")
    assert done.returncode == 0, done.stderr
    assert "sample" in done.stdout and "stands" in done.stdout
    assert "8.000 Mbit/s" in done.stdout and "no limit" in done.stdout
    for want in counts["flows"]:
        assert f":{want['port']}" in done.stdout


def test_json_has_the_same_figures(play: Any) -> None:
    folder, counts = play(SEEDS[0], FEW)
    done = ask(folder / "run.csv", "--json", "--window", "0.5:1.5", "--flow",
               "198.18.0.2:443>198.18.0.1:40000")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["void"] is None and told["window_s"] == [0.5, 1.5]
    [flow] = told["flows"]
    assert flow["goodput_bps"] == pytest.approx(8 * sum(counts["flows"][0]["windows"][5:15]))
    assert told["down"]["capacity_bps"] == pytest.approx(8e6) and told["up"]["capacity_bps"] is None
    assert told["set_rtt_s"] <= told["base_rtt_s"]
    same = ask(folder / "run.csv", "--json", "--monotonic", "5000.5:5001.500000000", "--flow",
               "198.18.0.2:443>198.18.0.1:40000")
    assert json.loads(same.stdout) == told


@pytest.mark.parametrize("args, code, why", [
    (["nowhere.jsonl"], 1, "No such file"),
    (["run.jsonl", "--window", "5"], 2, "'5' is no FROM:TO"),
    (["run.jsonl", "--window", "2:1"], 2, "'2:1' is no FROM:TO"),
    (["run.jsonl", "--window", "1:8"], 1, "does not lie in the run"),
    (["run.jsonl", "--window", "8:"], 1, "does not lie in the run"),
    (["run.jsonl", "--window=-1:1"], 1, "does not lie in the run"),
    (["run.jsonl", "--monotonic", "2:x"], 2, "'2:x' is no FROM:TO"),
    (["run.jsonl", "--monotonic", "5000.5:5000.1"], 2, "monotonic"),
    (["run.jsonl", "--monotonic", "4000:4001"], 1, "does not lie in the run"),
    (["run.jsonl", "--monotonic", "5000.1:5000.2", "--window", "1:2"], 2, "not allowed with"),
    (["run.jsonl", "--flow", "nobody"], 2, "'nobody' is no flow"),
    (["run.jsonl", "--flow", "9999"], 1, "no flow"),
    (["run.flows.csv"], 4, "run.flows.csv:2: a header is expected"),
])
def test_what_cannot_be_answered(args: list[str], code: int, why: str, play: Any) -> None:
    folder, _ = play(SEEDS[0], FEW)
    done = ask(folder / args[0], *args[1:])
    assert done.returncode == code and why in done.stderr


def test_a_void_run_is_told_by_the_exit_code(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("".join(lines[:100]))
    done = ask(path)
    assert done.returncode == 3
    assert "VOID: the file has no end" in done.stdout


@pytest.mark.parametrize("name", ["run.svg", "run.png"])
def test_plot(name: str, tmp_path: Path, play: Any) -> None:
    pytest.importorskip("matplotlib")
    folder, _ = play(SEEDS[0], FEW)
    done = ask(folder / "run.jsonl", "--plot", tmp_path / name)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name).stat().st_size > 10000


@pytest.mark.parametrize("path, want", [
    ("M 1 2 L 3 2 L 3 4 L 5 6 z", "M 1 2 H 3 V 4 L 5 6 z"),
    ("M 1 2 L 1 2", "M 1 2 H 1"),
    ("M 1 2 M 1 3 L 1 4", "M 1 2 M 1 3 V 4"),
    ("M 1 2 L 3 2 C 1 1 2 2 3 3", "M 1 2 H 3 C 1 1 2 2 3 3"),
    ("", ""),
])
def test_paths_are_shortened(path: str, want: str) -> None:
    pytest.importorskip("matplotlib")
    import linkplot
    assert linkplot.in_steps(path.split()) == want


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, play: Any) -> None:
    folder, _ = play(SEEDS[0], FEW)
    (tmp_path / "matplotlib.py").write_text("raise ImportError('hidden by the test')\n")
    done = subprocess.run([sys.executable, TRUTH, folder / "run.jsonl", "--plot", "a.svg"],
                          env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 5 and "python3-matplotlib" in done.stderr
