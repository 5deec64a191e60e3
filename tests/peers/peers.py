"""Starts the pinned peers and radar-pod against each other, and reads what each of them says.

A server is a context manager, a client a function. Everything listens on 127.0.0.1, every
client is told its server, so nothing here asks the public locate service.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

RUN_LIMIT_S = 60.0  # both directions take 21 s; the longest the protocol allows is 2 * 15 s
START_LIMIT_S = 15.0
STOP_LIMIT_S = 10.0
ARCHIVE_LIMIT_S = 16.0  # the server may hold a connection for 15 s before it writes its file


class Unavailable(Exception):
    """A toolchain, a registry or a program that a peer needs is not there."""


# --- what there is to run --------------------------------------------------------------------


def build(peer: str) -> dict[str, Path]:
    """Builds or finds the `go` or `js` peers; their names and paths."""
    r = subprocess.run([HERE / "build", peer], capture_output=True, text=True)
    if r.returncode == 77:
        reasons = re.findall(r"^skip: (.*)$", r.stderr, re.MULTILINE)
        raise Unavailable("; ".join(reasons) or "tests/peers/build gave no reason")
    if r.returncode != 0:
        raise RuntimeError(f"tests/peers/build {peer} failed:\n{r.stderr}")
    return {name: Path(path) for name, path in (line.split("=", 1) for line in r.stdout.split())}


def radar_pod() -> Path:
    """RADAR_POD, else the release build, else the dev build."""
    given = os.environ.get("RADAR_POD")
    if given:
        path = Path(given).resolve()
        if not os.access(path, os.X_OK):  # a wrong path is a mistake, not a reason to skip
            raise RuntimeError(f"RADAR_POD={given} is not an executable")
        return path
    for preset in ("release", "dev"):
        path = ROOT / "build" / preset / "agent" / "radar-pod"
        if os.access(path, os.X_OK):
            return path
    raise Unavailable("radar-pod is not built: neither RADAR_POD nor build/release nor build/dev has it")


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """A certificate for 127.0.0.1 that is its own authority."""
    if not shutil.which("openssl"):
        raise Unavailable("openssl is not installed; it makes the certificate of wss tests")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=radar-pod peers", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", made.key, "-out", made.cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


def environment(**extra: str) -> dict[str, str]:
    """A small environment: the Go peers take any option from a variable of its name (SERVER, CERT…)."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    # Of each name by itself: of another thread pytest sets and deletes one meanwhile.
    sanitizers = {name: os.environ[name] for name in os.environ if name.endswith("SAN_OPTIONS")}
    return kept | sanitizers | extra


# --- servers ---------------------------------------------------------------------------------


@dataclass
class Server:
    """A running server: where it listens and what it has written so far."""

    process: subprocess.Popen[bytes]
    output: Path
    addresses: dict[str, str] = field(default_factory=dict)  # scheme: host:port

    def log(self) -> str:
        return self.output.read_text(errors="replace")

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with status {self.process.returncode}:\n{self.log()}")


@contextlib.contextmanager
def running(argv: list[Any], folder: Path) -> Iterator[Server]:
    """Starts one server and ends it, by its own process id, whatever happens meanwhile."""
    output = folder / "server.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            cwd=folder, env=environment(),
        )  # fmt: skip
    try:
        yield Server(process, output)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM until it goes (the first one only puts ndt-server into its lame duck state), then SIGKILL."""
    deadline = time.monotonic() + STOP_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_until(condition: Any, limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit_s:g} s for {what}")
        time.sleep(0.05)


@dataclass
class NdtServer(Server):
    datadir: Path = Path()
    metrics_address: str = ""

    def archive(self, count: int) -> list[dict[str, Any]]:
        """What it wrote for each subtest, in the order they began, once `count` files are there."""
        wait_until(lambda: len(self.files()) >= count, ARCHIVE_LIMIT_S, f"{count} archive files of ndt-server")
        # A file appears before its contents do: the last byte is the object's brace.
        wait_until(lambda: all(f.read_bytes().endswith(b"}") for f in self.files()), 2, "whole archive files")
        return sorted((json.loads(f.read_bytes()) for f in self.files()), key=lambda a: a["StartTime"])

    def files(self) -> list[Path]:
        return list(self.datadir.glob("ndt7/*/*/*/*.json"))

    def counters(self, name: str) -> dict[str, float]:
        """One of its Prometheus counters: labels as text, value."""
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=5) as reply:
            text = reply.read().decode()
        return {labels: float(v) for labels, v in re.findall(rf"^{name}\{{(.*)\}} (\S+)$", text, re.MULTILINE)}


@contextlib.contextmanager
def ndt_server(binary: Path, certificate: Certificate, folder: Path) -> Iterator[NdtServer]:
    """M-Lab's server, on ports picked for it: it does not say which one a 0 became."""
    with contextlib.ExitStack() as ends:
        for attempt in range(3):
            tried = folder / str(attempt)
            tried.mkdir()
            server = ends.enter_context(start_ndt_server(binary, certificate, tried))
            try:
                for address in (*server.addresses.values(), server.metrics_address):
                    wait_until(lambda a=address: accepts(server, a), START_LIMIT_S, f"ndt-server on {address}")
                break
            except RuntimeError:  # somebody took a port between our look and its bind
                if attempt == 2 or "address already in use" not in server.log():
                    raise
        yield server


@contextlib.contextmanager
def start_ndt_server(binary: Path, certificate: Certificate, folder: Path) -> Iterator[NdtServer]:
    ws, wss, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    datadir = folder / "data"
    argv = [
        binary, "-ndt7_addr_cleartext", ws, "-ndt7_addr", wss, "-prometheusx.listen-address", metrics,
        "-ndt5_addr", "127.0.0.1:0", "-ndt5_ws_addr", "127.0.0.1:0", "-ndt5_wss_addr", "127.0.0.1:0",
        "-health_addr", "127.0.0.1:0", "-cert", certificate.cert, "-key", certificate.key,
        "-datadir", datadir, "-htmldir", folder / "no-pages", "-compress-results=false",
    ]  # fmt: skip
    with running(argv, folder) as plain:
        yield NdtServer(plain.process, plain.output, {"ws": ws, "wss": wss}, datadir, metrics)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [s.getsockname()[1] for s in sockets]


def accepts(server: Server, address: str) -> bool:
    server.check_alive()
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


@contextlib.contextmanager
def radar_pod_serve(
    binary: Path, folder: Path, certificate: Certificate | None = None, *more: str
) -> Iterator[Server]:
    """Our server; without a certificate it makes its own, which nobody can verify."""
    argv: list[Any] = [binary, "serve", "--listen", "127.0.0.1", "--ws", "0", "--wss", "0", *more]
    if certificate:
        argv += ["--cert", certificate.cert, "--key", certificate.key]
    with running(argv, folder) as server:

        def listening() -> bool:
            server.check_alive()
            said = re.findall(r"^listening (wss?)://(127\.0\.0\.1:\d+)\s*$", server.log(), re.MULTILINE)
            server.addresses = dict(said)
            return len(server.addresses) == 2

        wait_until(listening, START_LIMIT_S, "radar-pod serve to say where it listens")
        yield server
        server.check_alive()


# --- clients ---------------------------------------------------------------------------------


@dataclass
class Subtest:
    """One direction as its two ends told it while it ran: (seconds since the start, Mbit/s until then)."""

    client: list[tuple[float, float]] = field(default_factory=list)  # from the bytes the client itself counted
    server: list[tuple[float, float]] = field(default_factory=list)  # from the server's measurement messages

    def last(self) -> tuple[float, float]:
        """The figures a user sees: the client's last one and the server's."""
        return self.client[-1][1], self.server[-1][1]

    def same_moment(self) -> tuple[float, float]:
        """Client's and server's figures of one moment near the end.

        The client's last sample may be 250 ms older than the server's; a stall of the machine in
        that time moves one figure and not the other by up to 2.5 %. Of the last samples of both,
        those two are taken that lie closest together, as a rule within 20 ms.
        """
        late = [(c, s) for c in self.client[-8:] for s in self.server[-8:]]
        client, server = min(late, key=lambda pair: abs(pair[0][0] - pair[1][0]))
        return client[1], server[1]


@dataclass
class Run:
    status: int
    seconds: float
    events: list[dict[str, Any]]
    download: Subtest
    upload: Subtest
    text: str  # all output, for the message of a failed check

    def errors(self) -> list[dict[str, Any]]:
        return [e for e in self.events if e.get("Key") == "error"]


def execute(argv: list[Any], **extra: str) -> tuple[subprocess.CompletedProcess[str], float]:
    began = time.monotonic()
    r = subprocess.run(
        [str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=RUN_LIMIT_S, env=environment(**extra),
    )  # fmt: skip
    return r, time.monotonic() - began


def go_client(binary: Path, address: str, scheme: str, ca: Path | None = None) -> Run:
    """ndt7-client-go, both directions; it verifies the server where there is something to verify."""
    argv = [binary, "-server", address, "-scheme", scheme, "-format", "json", "-timeout", "55s"]
    if ca is None:
        return as_run(*execute([*argv, "-no-verify"]))
    return as_run(*execute(argv, SSL_CERT_FILE=str(ca)))


def js_client(modules: Path, address: str, scheme: str, ca: Path) -> Run:
    """@m-lab/ndt7 under Node, both directions; it always verifies."""
    argv = ["node", HERE / "ndt7_node.mjs", "--modules", modules, "--server", address, "--scheme", scheme]
    return as_run(*execute(argv, NODE_EXTRA_CA_CERTS=str(ca)))


def as_run(r: subprocess.CompletedProcess[str], seconds: float) -> Run:
    events = [json.loads(line) for line in r.stdout.splitlines() if line.startswith("{")]
    measured = [e["Value"] for e in events if e.get("Key") == "measurement"]
    return Run(
        r.returncode, seconds, events, subtest_of(measured, "download"), subtest_of(measured, "upload"),
        f"status {r.returncode} after {seconds:.1f} s\n{r.stderr}\n{r.stdout[-4000:]}",
    )  # fmt: skip


def subtest_of(measurements: list[dict[str, Any]], test: str) -> Subtest:
    """Both clients' events; ndt7_node.mjs gives the shape of ndt7-client-go to all but the client's own figures."""
    s = Subtest()
    for m in (m for m in measurements if m["Test"] == test):
        if m["Origin"] == "server":
            s.server.append((m["TCPInfo"]["ElapsedTime"] / 1e6, server_mbps(m, test)))
        elif "MeanClientMbps" in m:  # the JavaScript client; seconds
            s.client.append((m["ElapsedTime"], m["MeanClientMbps"]))
        else:
            app = m["AppInfo"]
            s.client.append((app["ElapsedTime"] / 1e6, 8 * app["NumBytes"] / app["ElapsedTime"]))
    return s


def server_mbps(measurement: dict[str, Any], test: str) -> float:
    """The rate as M-Lab publishes it: bytes and microseconds give Mbit/s."""
    info = measurement["TCPInfo"]
    return 8 * info["BytesAcked" if test == "download" else "BytesReceived"] / info["ElapsedTime"]


def radar_pod_test(binary: Path, address: str, scheme: str, ca: Path) -> tuple[dict[str, Any], float]:
    """Our client, both directions: its result object and how long it ran. It verifies the server."""
    argv = [binary, "test", "--server", address, "--scheme", scheme, "--format", "json", "--no-store"]
    r, seconds = execute([*argv, "--ca-file", ca] if scheme == "wss" else argv)
    assert r.returncode == 0, f"radar-pod test: status {r.returncode}\n{r.stderr}\n{r.stdout}"
    return json.loads(r.stdout), seconds
