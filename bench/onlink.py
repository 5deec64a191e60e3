"""One client's test of one direction over a link whose truth is known, and what the truth says of its window.

    point = Point(100, 20)
    with OnLink(radar_pod, go_client) as bench:
        run = bench.run(point, "radar-pod", "download")
        run.goodput_mbps, run.truth_mbps, run.capacity_mbps, run.void

docs/precision.md defines the figures. As root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import clients
import linktruth
from clients import peers

ROOT = Path(__file__).resolve().parent.parent
LINK = str(ROOT / "bench" / "link" / "link")

CLIENTS = ("radar-pod", "ndt7-client-go", "iperf3")
DIRECTIONS = ("download", "upload")
WS_PORT, IPERF_PORT = 4443, 5201
IPERF_SECONDS = 10
START_LIMIT_S = 10
WARMING = 5  # connections to an ndt7 server before the test: the first of a new namespace run through cold code
CONNECTED_BYTES = 1000  # a bin with more payload holds more than iperf3's cookie
BUSY_SHARE = 0.9  # of what a bin can carry; a packet more or less is 12 % of it at 10 Mbit/s
BUFFERS = "net.ipv4.tcp_{}=4096 131072 33554432"  # bytes: several times the largest point's 3.75 MB


@dataclass(frozen=True)
class Point:
    """A link without loss. Its queue holds two round trips, and 50 ms at least: BBR's start fits."""

    rate_mbps: int
    rtt_ms: int

    @property
    def queue_ms(self) -> int:
        return max(2 * self.rtt_ms, 50)

    def scenario(self) -> str:
        return (f"[both]\nrate = {self.rate_mbps}Mbit/s\ndelay = {500 * self.rtt_ms}us\n"
                f"queue = {self.queue_ms}ms\n")

    def __str__(self) -> str:
        return f"{self.rate_mbps}x{self.rtt_ms}"


@dataclass
class Run:
    """What the client said of a direction, and what the truth says of the same window."""

    point: Point
    client: str
    direction: str
    done: clients.Done
    truth: linktruth.Truth
    goodput_mbps: float = 0
    from_ns: int | None = None  # of the window, CLOCK_MONOTONIC; None: the client does not tell
    window_s: float = 0
    steady_mbps: float | None = None
    steady_ci95_mbps: tuple[float, float] | None = None
    min_rtt_ms: float | None = None
    retransmit_percent: float | None = None
    stats: str = ""  # the source of our client's kernel figures
    flow: linktruth.Flow = field(init=False)

    def __post_init__(self) -> None:
        flow = self.truth.busiest(self.way)
        if flow is None:
            raise SystemExit(f"bench: {self.point} {self.client} {self.direction}: nothing went over the link")
        self.flow = flow

    @property
    def way(self) -> str:
        return "down" if self.direction == "download" else "up"

    @property
    def void(self) -> str:
        return self.truth.void or ""

    @property
    def from_s(self) -> float:
        """On the truth's clock."""
        if self.from_ns is None:
            bins = self.truth.flow_bins(self.flow)
            return next(b.at_ns for b in bins if b.unique_payload_bytes > CONNECTED_BYTES) / linktruth.NS_PER_S
        return (self.from_ns - self.truth.end["start_monotonic_ns"]) / linktruth.NS_PER_S

    @property
    def truth_mbps(self) -> float:
        """What was delivered until the window's end, the heads of the WebSocket handshake with it, over the window."""
        return 8e-6 * self.delivered_bytes(self.from_s + self.window_s) / self.window_s

    def delivered_bytes(self, until_s: float) -> float:
        """Of the bin in which the window ends: where the line was busy until that bin, what it can have delivered
        since, else a share of it."""
        per_s, delivered, before = self.capacity_mbps * 1e6 / 8, 0.0, 0
        bin_s = self.truth.header["bin_ns"] / linktruth.NS_PER_S
        for b in self.truth.flow_bins(self.flow):
            into_s = until_s - b.at_ns / linktruth.NS_PER_S
            if into_s < bin_s:
                busy = before >= BUSY_SHARE * per_s * bin_s
                share_bytes = b.unique_payload_bytes * max(into_s, 0) / bin_s
                return delivered + (min(b.unique_payload_bytes, per_s * max(into_s, 0)) if busy else share_bytes)
            delivered += b.unique_payload_bytes
            before = b.unique_payload_bytes
        return delivered

    @property
    def capacity_mbps(self) -> float:
        """Of payload, to a stream of full segments."""
        return self.truth.goodput_capacity_bps(self.way, self.flow) / 1e6

    @property
    def truth_rtt_ms(self) -> float:
        return 1e3 * self.truth.handshake_rtt_s(self.flow)

    @property
    def one_way_back_ns(self) -> int:
        """The least delay towards the client: what the answer to an upload's handshake took."""
        return self.truth.delays["down"].min_ns

    @property
    def drops(self) -> int:
        return sum(amount.packets for amount in self.truth.drops(self.way).values())


# --- what each client says ---------------------------------------------------------------------------


def read_ours(run: Run) -> None:
    result = json.loads(run.done.text)
    said = result[run.direction]
    run.goodput_mbps = 8e-6 * said["bytes"] / said["elapsed_s"]
    run.window_s = said["elapsed_s"]
    run.from_ns = said["started_ns"]
    if said["goodput_source"].startswith("server"):
        run.from_ns -= run.one_way_back_ns
    run.steady_mbps = said["steady_mbps"]
    if said["steady_ci95_mbps"]:
        run.steady_ci95_mbps = tuple(said["steady_ci95_mbps"])
    run.min_rtt_ms = said["min_rtt_ms"]
    run.retransmit_percent = said["retransmit_percent"]
    run.stats = result["agent"]["stats"]


def read_go(run: Run) -> None:
    """Its summary takes the client's last count of a download and the server's of an upload; t = 0 is when it says
    that it is connected."""
    download = run.direction == "download"
    last_server = clients.go_measurements(run.done.text, run.direction, "server")[-1]["TCPInfo"]
    if download:
        app = clients.go_measurements(run.done.text, run.direction, "client")[-1]["AppInfo"]
        payload_bytes, elapsed_us = app["NumBytes"], app["ElapsedTime"]
    else:
        payload_bytes, elapsed_us = last_server["BytesReceived"], last_server["ElapsedTime"]
    run.goodput_mbps = 8 * payload_bytes / elapsed_us
    run.window_s = elapsed_us / 1e6
    run.from_ns = next(ns for ns, line in run.done.heard_ns
                       if line.startswith("{") and json.loads(line).get("Key") == "connected")
    if not download:
        run.from_ns -= run.one_way_back_ns
    run.min_rtt_ms = last_server["MinRTT"] / 1e3


def read_iperf(run: Run) -> None:
    """The receiver's average. It does not tell when it began: that is the bin of 10 ms with the first data."""
    end = json.loads(run.done.text)["end"]
    received = end["sum_received"]
    run.goodput_mbps = received["bits_per_second"] / 1e6
    run.window_s = received["seconds"]
    min_rtt_us = end["streams"][0]["sender"].get("min_rtt") or 0
    run.min_rtt_ms = min_rtt_us / 1e3 if min_rtt_us else None


READERS = {"radar-pod": read_ours, "ndt7-client-go": read_go, "iperf3": read_iperf}


# --- a run -------------------------------------------------------------------------------------------


class OnLink:
    """Lays a new link for each run, so that each has a truth of its own."""

    def __init__(self, radar_pod: Path, go_client: Path, options: tuple[str, ...] = ()) -> None:
        self.radar_pod, self.go_client, self.options = radar_pod, go_client, options
        self.name = f"bench{os.getpid()}"

    def __enter__(self) -> OnLink:
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        return self

    def __exit__(self, kind: type[BaseException] | None, what: BaseException | None,
                 where: TracebackType | None) -> None:
        self._temporary.cleanup()

    def inside(self, side: str, *words: str) -> list[str]:
        return [LINK, "exec", self.name, side, "--", *words]

    def run(self, point: Point, client: str, direction: str) -> Run:
        scenario, truth_file = self.folder / "bench.link", self.folder / "truth.jsonl"
        scenario.write_text(point.scenario())
        truth_file.unlink(missing_ok=True)
        with (self.folder / "link.log").open("w") as log:
            up = subprocess.run([LINK, "up", self.name, str(scenario), "--awake", "--truth", str(truth_file)],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if up.returncode != 0:
            raise SystemExit(f"bench: {point}: no link:\n{(self.folder / 'link.log').read_text()}")
        try:
            self._widen_buffers()
            with peers.running(self._server(client), self.folder) as server:
                wait_for_listening(server)
                if client != "iperf3":  # whose server would take one for its only test
                    self._warm()
                done = clients.run(self.inside("client", *self._words(client, direction)))
        finally:
            down = subprocess.run([LINK, "down", self.name, "--quiet"], check=False)
        if not truth_file.exists():
            raise SystemExit(f"bench: {point} {client}: the link left no truth (exit {down.returncode})")
        run = Run(point, client, direction, done, linktruth.read(truth_file))
        READERS[client](run)
        return run

    def _widen_buffers(self) -> None:
        for side in ("client", "server"):
            settings = [BUFFERS.format(name) for name in ("rmem", "wmem")]
            subprocess.run(self.inside(side, "sysctl", "-q", "-w", *settings), check=True)

    def _warm(self) -> None:
        connect = "import os, socket, sys\nfor _ in range(int(sys.argv[2])):\n"
        connect += "    socket.create_connection((os.environ['LINK_SERVER'], int(sys.argv[1])), 5).close()"
        subprocess.run(self.inside("client", sys.executable, "-c", connect, str(WS_PORT), str(WARMING)), check=True)

    def _server(self, client: str) -> list[str]:
        if client == "iperf3":
            return self.inside("server", "iperf3", "-s", "-1", "--forceflush", "-p", str(IPERF_PORT))
        return self.inside("server", str(self.radar_pod), "serve", "--listen", "$LINK_SERVER", "--ws", str(WS_PORT))

    def _words(self, client: str, direction: str) -> list[str]:
        address = f"$LINK_SERVER:{WS_PORT}"
        if client == "iperf3":
            return clients.iperf_words("$LINK_SERVER", IPERF_PORT, IPERF_SECONDS, direction)
        if client == "ndt7-client-go":
            return clients.go_words(self.go_client, address, "ws", direction)
        return clients.our_words(self.radar_pod, address, "ws", direction, *self.options)


def wait_for_listening(server: peers.Server) -> None:
    def listening() -> bool:
        server.check_alive()
        return "listening" in server.log().lower()

    peers.wait_until(listening, START_LIMIT_S, "the server on the link to listen")
    time.sleep(0.1)
