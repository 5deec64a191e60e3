"""Addresses that lead nowhere, and links whose rate is known: these need a network namespace.

Without the right to make one they are skipped. The namespaces are removed whatever happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fakes
import peers
import pod
from pod import LATE_S
from scripted import Nobody, Server

pytestmark = pytest.mark.at_once

HERE = Path(__file__).resolve().parent
RATE_BPS = 1_000_000
SERVER, CLIENT = "10.99.0.1", "10.99.0.2"
AT_ONCE = ["--stats", "tcp_info"]  # where the clock runs from the start of the program: no BPF programs before it
SOON_S = 6.5  # what is known at once does not wait for the deadline of 7 s


def alone(mode: str) -> list[str]:
    """Words in front of a command that put it into a network of its own; see namespace.py."""
    unshare = ["unshare", "-n", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-n", "-m"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here (it needs root)")
    return [*unshare, sys.executable, str(HERE / "namespace.py"), mode]


def test_refused():
    gone = Nobody()
    outcome = pod.test("--server", gone.url(), "--download", *AT_ONCE)
    check_unreached(outcome, gone.address, "refused", SOON_S)


def seconds_of(outcome: pod.Outcome) -> float:
    """Of the program's own: a network of its own takes a second to make where the machine is busy."""
    alone_for = re.search(r"^alone for (\S+) s$", outcome.stderr, re.MULTILINE)
    return float(alone_for[1]) if alone_for else outcome.seconds


def check_unreached(outcome: pod.Outcome, where: str, words: str, limit_s: float) -> None:
    assert outcome.status == 1, outcome
    assert outcome.result["download"] is None
    assert "hint:" in outcome.stderr, outcome
    assert where in outcome.stderr and re.search(words, outcome.stderr, re.IGNORECASE), outcome
    assert seconds_of(outcome) < limit_s


@pytest.mark.parametrize("server", ["192.0.2.1", "192.0.2.1:8080"])
def test_unreachable(server: str):
    outcome = pod.test("--server", server, "--download", *AT_ONCE, prefix=alone("refused"))
    check_unreached(outcome, "192.0.2.1", "unreachable", SOON_S)


def test_unknown_host():
    outcome = pod.test("--server", "name.invalid", "--download", *AT_ONCE, prefix=alone("none"))
    check_unreached(outcome, "name.invalid", "not known|no such|unknown|does not", SOON_S)


@pytest.mark.parametrize("words", [[], ["--country", "US"], ["--scheme", "ws", "--download"]], ids=" ".join)
def test_the_default_locate_service_is_out_of_reach(words: list[str]):
    """Nothing names a server: M-Lab's is asked, from a network that leads nowhere."""
    outcome = pod.test(*words, prefix=alone("refused"))
    check_unreached(outcome, "locate.measurementlab.net", "locate|resolve|name", 15)


def test_no_name_server():
    outcome = pod.test("--server", "name.invalid", "--download", prefix=alone("refused"))
    check_unreached(outcome, "name.invalid", "name|resolv", 9)


def test_H2_name_server_is_silent():
    outcome = pod.test("--server", "name.invalid", "--download", *AT_ONCE, prefix=alone("silent"))
    check_unreached(outcome, "find the address of name.invalid within 7 s", "hint: .*name servers", 7 + LATE_S)
    assert seconds_of(outcome) >= 7


def test_name_server_is_silent_about_ipv6():
    """The address it does tell of is tried."""
    outcome = pod.test("--server", "ws://name.invalid:9", "--download", *AT_ONCE, prefix=alone("ipv4"))
    check_unreached(outcome, "127.0.0.1:9", "refused", SOON_S)


def test_name_server_is_silent_about_ipv6_for_locate():
    """Likewise, and that it is soon: the locate service has ten seconds for everything."""
    outcome = pod.test("--locate-url", "http://name.invalid:9/v2/nearest/ndt/ndt7", "--download", *AT_ONCE, prefix=alone("ipv4"))
    check_unreached(outcome, "name.invalid:9", "refused", SOON_S)


def test_unknown_host_of_locate():
    outcome = pod.test("--locate-url", "http://name.invalid/v2/nearest/ndt/ndt7", "--download", *AT_ONCE, prefix=alone("none"))
    check_unreached(outcome, "name.invalid", "not known|no such|unknown|does not", SOON_S)
    assert outcome.result["errors"][0]["domain"] == "dns" and outcome.result["errors"][0]["detail"] == socket.EAI_NONAME


def test_H2_name_server_is_silent_for_locate():
    outcome = pod.test("--locate-url", "http://name.invalid/v2/x", "--download", *AT_ONCE, prefix=alone("silent"))
    check_unreached(outcome, "no end after 10.0 s, resolving the name", "hint: .*name servers", 10 + LATE_S)
    assert seconds_of(outcome) >= 10


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_an_address_of_the_other_family(family: str):
    with Server(fakes.both, host="::1" if family == "-4" else "127.0.0.1") as server:
        outcome = pod.test("--server", server.url(), family, "--download")
    assert outcome.status == 1, outcome
    assert not server.connections
    assert re.search("IPv4|IPv6|address|family", outcome.stderr), outcome


# --- a link of a known rate ------------------------------------------------------------------


def ip(*args: str) -> None:
    r = subprocess.run(["ip", *args], capture_output=True, text=True)
    if r.returncode != 0:
        raise RuntimeError(f"ip {' '.join(args)}: {r.stderr}")


@contextlib.contextmanager
def link() -> Iterator[tuple[str, str]]:
    """Two namespaces and a cable between them: names of the server's and the client's."""
    if os.geteuid() != 0:
        pytest.skip("a link between namespaces needs root")
    names = [f"radar-pod-test-{os.getpid()}-{time.monotonic_ns() % 100_000}-{side}" for side in "sc"]
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
            for name, address in zip(names, (SERVER, CLIENT)):
                subprocess.run(["ip", "netns", "exec", name, "sh", "-c",
                                "echo 1 >/proc/sys/net/ipv6/conf/veth0/disable_ipv6"], check=False)  # fmt: skip
                ip("-n", name, "address", "add", f"{address}/24", "dev", "veth0")
                ip("-n", name, "link", "set", "veth0", "up")
        except (RuntimeError, FileNotFoundError) as why:
            pytest.skip(f"no link between namespaces can be made here: {why}")
        yield names[0], names[1]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


@contextlib.contextmanager
def serving_in(name: str, address: str, folder: Path) -> Iterator[str]:
    """Our server in that namespace; its address with port."""
    argv = ["ip", "netns", "exec", name, pod.binary(), "serve", "--listen", address, "--ws", "0"]
    with peers.running(argv, folder) as server:

        def listening() -> bool:
            server.check_alive()
            return "listening ws://" in server.log()

        peers.wait_until(listening, peers.START_LIMIT_S, "radar-pod serve to listen")
        yield re.search(r"listening ws://(\S+)", server.log())[1]


def packets_sent(name: str) -> int:
    r = subprocess.run(
        ["ip", "-n", name, "-s", "-j", "link", "show", "veth0"], capture_output=True, text=True, check=True
    )
    return json.loads(r.stdout)[0]["stats64"]["tx"]["packets"]


@pytest.mark.long
def test_N38_a_shaped_upload():
    """What the kernel has buffered is not what has arrived: the figure is that of the link."""
    with link() as (server_side, client_side), tempfile.TemporaryDirectory() as folder:
        shaped = subprocess.run(
            ["tc", "-n", client_side, "qdisc", "add", "dev", "veth0", "root", "tbf", "rate", f"{RATE_BPS}bit",
             "burst", "5kb", "latency", "300ms"], capture_output=True, text=True)  # fmt: skip
        if shaped.returncode != 0:
            pytest.skip(f"no shaped link can be made here: {shaped.stderr}")
        with serving_in(server_side, SERVER, Path(folder)) as address:
            outcome = pod.test("--server", f"ws://{address}", "--upload", prefix=["ip", "netns", "exec", client_side])
    assert outcome.status == 0, outcome
    segment_share = 1448 / 1514  # of what tbf counts: Ethernet, IP and TCP with timestamps
    assert outcome.upload["goodput_mbps"] == pytest.approx(RATE_BPS / 1e6 * segment_share, rel=0.1)
    assert outcome.upload["goodput_source"] == "server tcp_info"


@pytest.mark.long
def test_N81_nothing_leaves_loopback():
    """A locate service and a server on loopback, and a way out that would be there: nothing takes it."""
    with link() as (outside, inside), tempfile.TemporaryDirectory() as folder:
        ip("-n", inside, "route", "add", "default", "via", SERVER)
        time.sleep(0.2)
        before = packets_sent(inside)
        with serving_in(inside, "127.0.0.1", Path(folder)) as address:
            words = ["--locate-url", f"http://{address}/v2/nearest/ndt/ndt7", "--scheme", "ws", "--max-bytes", "10MB"]
            outcome = pod.test(*words, prefix=["ip", "netns", "exec", inside])
        assert outcome.status == 0, outcome
        assert packets_sent(inside) == before, f"packets left for {outside}"


def test_interface():
    with Server(fakes.both) as server:
        outcome = pod.test("--server", server.url(), "--interface", "lo")
    assert outcome.status == 0, outcome
    interface = outcome.result["interface"]
    assert interface["name"] == "lo" and interface["effective"] is True, interface


def test_no_such_interface():
    with Server(fakes.both) as server:
        outcome = pod.test("--server", server.url(), "--interface", "nonesuch0")
    assert outcome.status == 1, outcome
    assert "nonesuch0" in outcome.stderr and "lo" in outcome.stderr, outcome
    assert not server.connections
