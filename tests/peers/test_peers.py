"""radar-pod against ndt7 programs that nobody here wrote: N48 and N70 of the ndt7 contract.

Each test runs both directions, 20 s. What is compared are rates, so under ctest it has a line of its own, slow enough
for a busy machine (tests/line.py); at full speed these programs meet in bench/cost.

What these programs do not show, such as exact frames, is checked with scripted peers elsewhere.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import peers

SCHEMES = pytest.mark.parametrize("scheme", ["ws", "wss"])

SAME_RATE = 0.02  # N48, N70: what two ends of one connection may differ by
LAST_FIGURES = 0.05  # likewise the last figures of each, which may be 250 ms apart in time

# Two directions of 10 s, their connects and closes. A client that waits for its own
# limit because no Close came (12 s JavaScript, 15 s Go) does not make this.
BOTH_DIRECTIONS_S = 28.0  # ten seconds each; a server that is waited for until its ceiling: thirty

# Sent with each connection, ndt7.md §2.3.
CLIENT_METADATA = {
    "client_name", "client_version", "client_library_name", "client_library_version", "client_os", "client_arch",
}  # fmt: skip


def available(what: Any, *args: Any) -> Any:
    """What a fixture needs, or a skip that names what is missing."""
    try:
        return what(*args)
    except peers.Unavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def go_peers() -> dict[str, Path]:
    return available(peers.build, "go")


@pytest.fixture(scope="session")
def js_modules() -> Path:
    return available(peers.build, "js")["node-modules"]


@pytest.fixture(scope="session")
def ours() -> Path:
    return available(peers.radar_pod)


@pytest.fixture(scope="session")
def fetched() -> None:
    """Each test skips by itself what is not to be had."""
    for peer in ("go", "js"):
        with contextlib.suppress(peers.Unavailable):
            peers.build(peer)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> peers.Certificate:
    return available(peers.make_certificate, tmp_path_factory.mktemp("certificate"))


# --- the checks ------------------------------------------------------------------------------


def check_close(pair: tuple[float, float], tolerance: float, what: str) -> None:
    mine, theirs = pair
    assert mine > 0 and theirs > 0, f"{what}: {mine} and {theirs} Mbit/s"
    apart = abs(mine / theirs - 1)
    print(f"{what}: {mine:.1f} and {theirs:.1f} Mbit/s, {100 * apart:.2f} % apart")
    assert apart <= tolerance, f"{what}: {mine:.1f} and {theirs:.1f} Mbit/s are {100 * apart:.2f} % apart"


def check_run(run: peers.Run) -> None:
    """A client that says it succeeded, in time, and agrees with the server in both directions."""
    assert run.status == 0, run.text
    assert not run.errors(), run.text
    completed = [e["Value"]["Test"] for e in run.events if e.get("Key") == "complete"]
    assert completed == ["download", "upload"], run.text
    assert run.seconds < BOTH_DIRECTIONS_S, run.text
    for name, subtest in (("download", run.download), ("upload", run.upload)):
        assert subtest.client and subtest.server, f"{name}: one end never said anything\n{run.text}"
        check_close(subtest.same_moment(), SAME_RATE, f"{name}, client and server at one moment")
        check_close(subtest.last(), LAST_FIGURES, f"{name}, last figures of client and server")
        assert 9.5 < subtest.server[-1][0] < 13, f"{name}: the last message is not of the end"


def check_go_summary(run: peers.Run) -> None:
    """ndt7-client-go exits 0 after a test that delivered nothing; an empty Unit is how it says so."""
    summary = run.events[-1]
    known = {"Download": ("Throughput", "Latency", "Retransmission"), "Upload": ("Throughput", "Latency")}
    for direction, figures in known.items():
        assert summary[direction]["UUID"], run.text
        for figure in figures:
            assert summary[direction][figure]["Unit"], f"{direction} {figure} was not measured\n{run.text}"
    assert summary["Download"]["Throughput"]["Value"] == pytest.approx(run.download.client[-1][1])
    assert summary["Upload"]["Throughput"]["Value"] == pytest.approx(run.upload.server[-1][1])
    assert summary["ClientIP"] == summary["ServerIP"] == "127.0.0.1"


def check_ndt_server_content(server: peers.NdtServer) -> None:
    """The server met nothing it calls an error. How a connection ends is a "read-message-type"
    for its receiver and a "measurer-closed" for its sender, also with M-Lab's own client."""
    assert not re.search(r"receiver:|panic", server.log()), server.log()
    assert errors_of(server, "receiver") <= {"read-message-type"}, server.log()
    assert errors_of(server, "sender") <= {"measurer-closed"}, server.log()
    results = server.counters("ndt7_client_test_results_total")
    assert sum(results.values()) == 2, results
    assert all('result="okay-with-rate"' in labels for labels in results), results


def errors_of(server: peers.NdtServer, part: str) -> set[str]:
    counted = server.counters(f"ndt7_client_{part}_errors_total")
    return {re.search(r'error="([^"]*)"', labels)[1] for labels in counted}


def archived(server: peers.NdtServer) -> dict[str, dict[str, Any]]:
    """One file for each direction, by direction, with the direction's own object as "Data"."""
    files = server.archive(2)
    found = {test: f | {"Data": f[test.title()]} for f in files for test in ("download", "upload") if test.title() in f}
    assert sorted(found) == ["download", "upload"] and len(files) == 2, files
    return found


def seconds_of(archive: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(archive[key]) for key in ("StartTime", "EndTime"))
    return (ended - began).total_seconds()


# --- the tests -------------------------------------------------------------------------------


def test_control_their_clients_against_ndt_server(
    go_peers: dict[str, Path], js_modules: Path, certificate: peers.Certificate, tmp_path: Path
) -> None:
    """Nothing of ours takes part: when this fails, look at the harness or the machine."""

    def run(name: str, client: Any) -> None:
        (tmp_path / name).mkdir()
        with peers.ndt_server(go_peers["ndt-server"], certificate, tmp_path / name) as server:
            check_run(client(server.addresses["wss"]))
            archived(server)
            check_ndt_server_content(server)

    def go(address: str) -> peers.Run:
        return peers.go_client(go_peers["ndt7-client"], address, "wss", certificate.cert)

    def js(address: str) -> peers.Run:
        return peers.js_client(js_modules, address, "wss", certificate.cert)

    # One after the other: they have one line.
    run("go", go)
    run("js", js)


@SCHEMES
def test_N48_ours_against_ndt_server(
    ours: Path, go_peers: dict[str, Path], certificate: peers.Certificate, tmp_path: Path, scheme: str
) -> None:
    with peers.ndt_server(go_peers["ndt-server"], certificate, tmp_path) as server:
        result, seconds = peers.radar_pod_test(ours, server.addresses[scheme], scheme, certificate.cert)
        archives = archived(server)
        check_ndt_server_content(server)
        assert "sender:" not in server.log(), f"we left before the server's Close\n{server.log()}"

    assert result["scheme"] == scheme, result
    assert seconds < BOTH_DIRECTIONS_S, result
    for test, archive in archives.items():
        assert 9.9 <= seconds_of(archive) <= 13.0, f"{test} took {seconds_of(archive):.2f} s on the server"
        assert 9.5 <= result[test]["elapsed_s"] <= 13.0, result
        theirs = peers.server_mbps(archive["Data"]["ServerMeasurements"][-1], test)
        check_close((result[test]["goodput_mbps"], theirs), SAME_RATE, f"{test}, our result and the archive")
        metadata = {pair["Name"]: pair["Value"] for pair in archive["Data"]["ClientMetadata"]}
        assert {name for name in CLIENT_METADATA if metadata.get(name)} == CLIENT_METADATA, metadata
        assert metadata["client_os"] == "linux", metadata


@SCHEMES
def test_N70_ndt7_client_go_against_ours(ours: Path, go_peers: dict[str, Path], tmp_path: Path, scheme: str) -> None:
    """Our server with the certificate it made itself, so the client is told not to verify it."""
    with peers.radar_pod_serve(ours, tmp_path) as server:
        run = peers.go_client(go_peers["ndt7-client"], server.addresses[scheme], scheme)
    check_run(run)
    check_go_summary(run)


@SCHEMES
def test_N70_ndt7_js_against_ours(
    ours: Path, js_modules: Path, certificate: peers.Certificate, tmp_path: Path, scheme: str
) -> None:
    """Our server with a given certificate, which the client verifies."""
    with peers.radar_pod_serve(ours, tmp_path, certificate) as server:
        run = peers.js_client(js_modules, server.addresses[scheme], scheme, certificate.cert)
    check_run(run)
