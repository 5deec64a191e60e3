"""Programs that nobody here wrote, across every scenario, and ours across three."""

from __future__ import annotations

import json
import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from links import DOZE, HERE, LINKS, POD, Run, across, iperf_bytes, need, ping_rtts_ms, possible_here, scenario

SCENARIOS = sorted(p.stem for p in LINKS.glob("*.link"))
CONGESTION = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
CONTROLS = ["bbr", "cubic"]
# RADAR_POD_LINK_ROWS=half: each scenario with one of them, in turn, and one at a time.
HALF = os.environ.get("RADAR_POD_LINK_ROWS") == "half"
PAIRS = [(name, control) for i, name in enumerate(SCENARIOS) for j, control in enumerate(CONTROLS)
         if not HALF or (i + j) % 2 == 0]

pytestmark = possible_here


@pytest.mark.parametrize("name", SCENARIOS)
def test_ping_takes_what_the_link_says(name, tmp_path):
    need("ping")
    run = across(scenario(name), tmp_path, ["ping", "-c", "3", "-i", "0.02", "-W", "3", "$LINK_SERVER"]).done()
    rtts = ping_rtts_ms(run.out)
    least = sum(run.truth.delays[d].min_ns for d in ("down", "up")) / 1e6
    assert rtts, run.out
    assert min(rtts) >= least - max(0.01, least / 1000) # ping prints three digits
    assert run.end["up"]["offered"]["packets"] == 3


def iperf(name: str, control: str, folder: Path) -> Run:
    words = ["iperf3", "-J", "-c", "$LINK_SERVER", "-t", "1", "-C", control]
    words += ["-R"] if control == "bbr" else []
    words += ["-M", "1200"] if name == "blackhole1280" else []
    return across(scenario(name), folder, words, "iperf3 -s -1 >/dev/null", DOZE)


@pytest.fixture(scope="module")
def iperf_across(tmp_path_factory):
    """One run by its scenario and congestion control; both at a time, each a link of its own. What they hold to is exact,
    however late a packet is."""
    runs = {}
    with ThreadPoolExecutor(len(CONTROLS)) as pool:
        def run(name: str, control: str) -> Run:
            for c in [control] if HALF else CONTROLS:
                if (name, c) not in runs:
                    runs[name, c] = pool.submit(iperf, name, c, tmp_path_factory.mktemp(f"{name}-{c}"))
            return runs[name, control].result()

        yield run


@pytest.mark.parametrize("name, control", PAIRS)
def test_iperf_receives_what_the_truth_says(name, control, iperf_across):
    need("iperf3")
    if control not in CONGESTION.read_text().split():
        pytest.skip(f"{control} is not in this kernel")
    run = iperf_across(name, control).done()
    _, received = iperf_bytes(run.out)
    flow = run.truth.busiest("down" if control == "bbr" else "up")
    cookie = 37 # names the test, at the head of each stream
    assert flow.exact
    assert received > 10000
    # The receiver stops counting while more is on its way.
    assert flow.unique_payload_bytes - cookie >= received
    assert flow.delivered_payload_bytes >= flow.unique_payload_bytes


@pytest.mark.parametrize("name", ["cable", "vdsl", "v6only"])
def test_ndt7_both_ways(name, tmp_path):
    """Bounded by size, so that three links take seconds; what a test says is measured elsewhere."""
    if not Path(POD).exists():
        pytest.skip(f"{POD} is not built")
    run = across(scenario(name), tmp_path,
                 [POD, "test", "--server", "ws://[$LINK_SERVER6]:7780", "--scheme", "ws", "--max-bytes", "3MB",
                  "--format", "json", "--no-store"],
                 f"exec {POD} serve --listen $LINK_SERVER6 --ws 7780 --quiet >/dev/null", DOZE).done()
    result = json.loads(run.out)
    for test, direction in (("download", "down"), ("upload", "up")):
        flow = run.truth.busiest(direction)
        assert result[test]["bytes"] > 1_000_000
        assert flow.unique_payload_bytes >= result[test]["bytes"]


def test_a_clients_window_is_the_truths(tmp_path):
    """A client's own account between two readings of its clock, and the truth's of the same window."""
    flows = [sys.executable, str(HERE / "flows.py")]
    run = across("[both]; rate = 20Mbit/s; delay = 5ms; queue = 50ms", tmp_path,
                 [*flows, "drain", "$LINK_SERVER", "5000", "1"], f"exec {shlex.join(flows)} pour $LINK_SERVER 5000").done()
    client = json.loads(run.out)
    flow = run.truth.busiest("down")
    goodput = run.truth.goodput(flow, *run.truth.window(client["begin_ns"], client["end_ns"]))
    read_at_once = 65536 # what a reader may not yet have had of what had come
    assert abs(goodput.payload_bytes - client["bytes"]) <= goodput.edge_bytes + read_at_once
    assert goodput.bps <= run.truth.goodput_capacity_bps("down", flow) * 1.01
    assert run.truth.set_rtt_s == 0.01


def test_fragments(tmp_path):
    need("ping")
    run = across(scenario("vdsl"), tmp_path, ["ping", "-c", "2", "-i", "0.2", "-s", "4000", "$LINK_SERVER"]).done()
    assert len(ping_rtts_ms(run.out)) == 2
    assert run.end["up"]["offered"]["packets"] == 6


def test_larger_than_the_mtu_never_reaches_the_link(tmp_path):
    need("ping")
    run = across(scenario("vdsl"), tmp_path, ["ping", "-c", "1", "-M", "do", "-s", "3000", "$LINK_SERVER"])
    assert run.status != 0
    assert run.end["up"]["offered"]["packets"] == 0


def test_the_black_hole(tmp_path):
    need("ping")
    run = across(scenario("blackhole1280"), tmp_path,
                 ["ping", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1300", "$LINK_SERVER"])
    assert run.status == 1 # ping's
    assert run.end["up"]["dropped"]["black_hole"]["packets"] == 2


def test_the_same_seed_drops_the_same(tmp_path):
    need("ping")

    def received(seed: str) -> list[str]:
        run = across(scenario("lossy"), tmp_path,
                     ["ping", "-c", "200", "-i", "0.002", "-s", "100", "-W", "1", "$LINK_SERVER"],
                     options=["--seed", seed])
        return [line.split("icmp_seq=")[1].split()[0] for line in run.out.splitlines() if "icmp_seq=" in line]

    first = received("7")
    assert 150 < len(set(first)) < 200
    assert sorted(set(received("7"))) == sorted(set(first))
    assert sorted(set(received("8"))) != sorted(set(first))


def test_nothing_passes_unasked(tmp_path):
    """No solicitation, no report, no search for anybody: what is counted is the command's."""
    run = across(scenario("fibre"), tmp_path, ["sleep", "1"]).done()
    assert run.end["up"]["offered"]["packets"] == run.end["down"]["offered"]["packets"] == 0
