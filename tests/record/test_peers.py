"""Programs nobody here wrote, recorded across a link: the trace against what they print themselves."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import DONE, PROGRAM, ROOT, Trace

sys.path.insert(0, str(ROOT / "tests/peers"))
import peers # noqa: E402

LINK = os.environ.get("RADAR_POD_LINK", str(ROOT / "build/dev/bench/link/radar-pod-link"))

# Losses, so that there is something to count; the least RTT is 20 ms.
LOSSY = "[both]; rate = 25Mbit/s; delay = 10ms; queue = 100ms; loss = 0.3%"
LEAST_RTT_US = 20_000

IPERF_COOKIE = 37 # names the test, at the head of each stream
SYN, FIN = 1, 1   # which the kernel counts as a byte each


def across(server, *command, **more):
    """A command across the link; what it printed."""
    r = subprocess.run([LINK, LOSSY, "--quiet", "--doze", "--server", server, "--", *map(str, command)], text=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=90, **more)
    if r.returncode == 5:
        pytest.skip(r.stderr.strip())
    return r


@pytest.fixture(scope="module", autouse=True)
def possible_link():
    if not os.access(LINK, os.X_OK):
        pytest.skip(f"{LINK} is not built")
    across("true", "true")


def iperf3(tmp_path, *options):
    """A recorded run of three seconds: what it says of its one stream, the stream's flow and samples."""
    if not shutil.which("iperf3"):
        pytest.skip("iperf3 is not installed")
    r = across("iperf3 -s -1 >/dev/null", PROGRAM, "record", "--interval", "0", "--out", tmp_path / "t.jsonl", "--",
               "iperf3", "-J", "-t", "3", "-c", "$LINK_SERVER", *options)
    said = json.loads(r.stdout)
    assert "error" not in said, said["error"]
    t = Trace(tmp_path / "t.jsonl")
    assert t.end["lost"] == 0
    port = said["start"]["connected"][0]["local_port"]
    [flow] = [f for f in t.flows if f["local_port"] == port]
    assert flow["comm"] == "iperf3" and flow["remote_port"] == 5201
    return said, flow, [s for s in t.samples if s["flow"] == flow["flow"]]


@pytest.mark.parametrize("control", ["cubic", "bbr"])
def test_iperf3_sends_what_the_trace_says(tmp_path, control):
    if control not in pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split():
        pytest.skip(f"{control} is not in this kernel")
    said, flow, samples = iperf3(tmp_path, "-C", control)
    printed, last = said["end"]["streams"][0]["sender"], samples[-1]
    assert flow["congestion"] == control

    # To the byte: what it wrote was sent once, or is in the buffer still.
    assert last["bytes_sent"] - last["bytes_retrans"] + last["notsent_bytes"] == printed["bytes"] + IPERF_COOKIE
    received = said["end"]["streams"][0]["receiver"]["bytes"] + IPERF_COOKIE + SYN
    assert received - 20 * 1448 <= last["bytes_acked"] <= received + 20 * 1448 # what was on its way then

    # It counts until its last look at the socket, 0.1 s before the end or less.
    counted = sum(s["event"] == "retransmit" for s in samples)
    late = sum(s["event"] == "retransmit" and last["at_ns"] - s["at_ns"] < 500_000_000 for s in samples)
    assert printed["retransmits"] <= counted <= printed["retransmits"] + late and counted > 0

    # What it read of the socket once a second is among what the trace has of each segment.
    assert all(i["streams"][0]["rtt"] in {s.get("srtt_us") for s in samples} for i in said["intervals"])
    assert all(i["streams"][0]["snd_cwnd"] // 1448 in {s["snd_cwnd_segments"] for s in samples}
               for i in said["intervals"])

    # Its least RTT is the least of three smoothed ones, the kernel's the least of all.
    least = min(s["min_rtt_us"] for s in samples if "min_rtt_us" in s)
    assert LEAST_RTT_US <= least <= printed["min_rtt"]


def test_iperf3_receives_what_the_trace_says(tmp_path):
    said, _, samples = iperf3(tmp_path, "-R")
    printed = said["end"]["streams"][0]["receiver"]["bytes"]
    began = next(s["at_ns"] for s in samples if s["bytes_received"] > 0)
    end = max(s["bytes_received"] for s in samples if s["at_ns"] <= began + 3_000_000_000)
    assert printed == pytest.approx(end, rel=0.02) # it counts what it has read, 3 s of a clock of its own
    assert printed <= samples[-1]["bytes_received"]


@pytest.fixture(scope="module")
def ndt7_client():
    try:
        return peers.build("go")["ndt7-client"]
    except peers.Unavailable as missing:
        pytest.skip(str(missing))


def test_ndt7_client_and_its_server_as_the_client_prints_them(tmp_path, ndt7_client):
    """Both ends recorded at once. Its summary is of the server's kernel, but for the download's rate."""
    r = across(f"exec {PROGRAM} record --quiet --interval 0 --out {tmp_path / 'server.jsonl.zst'} -- {PROGRAM} serve "
               "--quiet --listen $LINK_SERVER --ws 7780 >/dev/null", PROGRAM, "record", "--quiet", "--interval", "0",
               "--out", tmp_path / "client.jsonl.zst", "--", ndt7_client, "-server", "$LINK_SERVER:7780", "-scheme",
               "ws", "-format", "json", "-timeout", "55s")
    events = [json.loads(line) for line in r.stdout.splitlines() if line.startswith("{")]
    summary = events[-1]
    client, server = Trace(tmp_path / "client.jsonl.zst"), Trace(tmp_path / "server.jsonl.zst")
    assert client.end["lost"] == server.end["lost"] == 0

    # One flow a direction, the same at both ends.
    down, up = sorted(client.to_port(7780), key=lambda f: f["at_ns"])
    ends = {f["remote_port"]: f for f in server.flows if f["local_port"] == 7780}
    assert set(ends) == {down["local_port"], up["local_port"]}
    assert all(f["role"] == "server" for f in ends.values())

    def samples(t, flow):
        return [s for s in t.samples if s["flow"] == flow["flow"]]

    def final(t, flow):
        return samples(t, flow)[-1]

    sent, got = final(server, ends[down["local_port"]]), final(client, down)
    assert sent["bytes_acked"] - SYN - FIN <= got["bytes_received"] <= sent["bytes_acked"]
    app = [e["Value"]["AppInfo"] for e in events if e.get("Key") == "measurement" and e["Value"].get("AppInfo")
           and e["Value"]["Test"] == "download"][-1]
    assert app["NumBytes"] <= got["bytes_received"]
    # Its clock begins when it is connected; the link's rate in half a round trip is a percent of the ten seconds' bytes.
    came = samples(client, down)
    then = came[0]["at_ns"] + 1000 * app["ElapsedTime"]
    assert app["NumBytes"] == pytest.approx(max(s["bytes_received"] for s in came if s["at_ns"] <= then), rel=0.02)

    # What the server measured last, it and its kernel's own segments agree on.
    told = {e["Value"]["Test"]: e["Value"]["TCPInfo"] for e in events if e.get("Key") == "measurement"
            and e["Value"].get("TCPInfo")}
    look = samples(server, ends[down["local_port"]])
    assert told["download"]["BytesRetrans"] in {s["bytes_retrans"] for s in look} and told["download"]["BytesRetrans"]
    assert told["download"]["MinRTT"] in {s["min_rtt_us"] for s in look if "min_rtt_us" in s}
    assert LEAST_RTT_US <= min(s["min_rtt_us"] for s in look if "min_rtt_us" in s)
    assert summary["Download"]["Latency"]["Value"] == pytest.approx(told["download"]["MinRTT"] / 1000)
    assert summary["Download"]["Retransmission"]["Value"] == pytest.approx(
        100 * told["download"]["BytesRetrans"] / told["download"]["BytesSent"])
    assert told["upload"]["BytesReceived"] <= final(client, up)["bytes_acked"]
    assert summary["Upload"]["Throughput"]["Value"] == pytest.approx(mbps(samples(client, up), "bytes_acked"), rel=0.03)


def mbps(samples, counter):
    """From the first byte to the last."""
    moving = [s for a, s in zip(samples, samples[1:]) if s[counter] > a[counter]]
    return 8e3 * moving[-1][counter] / (moving[-1]["at_ns"] - samples[0]["at_ns"])
