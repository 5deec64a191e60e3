"""The package's life under a systemd of the test's own: installed beside a first agent, watched, asked for tests, upgraded,
removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certificates
import folders
import peers
import pytest
from daemon import eventually
from fake_cable import POD, SECRET
from fake_service import FakeService, Measurement
from packing import FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD, dpkg, next_version
from pod import binary, kernel_has_io_uring
from pod_service import PodService
from root import Root


def show(root: Root, what: str, unit: str = "radar-pod.service") -> str:
    return root.run("systemctl", "show", "--value", "-p", what, unit).stdout.strip()


def status_of(root: Root, pid: str) -> dict[str, str]:
    lines = root.path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def installed(deb: Path, service: FakeService) -> Root:
    """Beside a first agent, whose pod it is from there on."""
    root = Root({FIRST_AGENTS_CONFIG: FIRST_AGENTS_POD + f"server_url={service.url}\n"}, systemd=True)
    try:
        dpkg(root, "-i", root.put(deb, "/tmp/pod.deb"))
    except BaseException:
        root.end()
        raise
    return root


@pytest.fixture(scope="module")
def pod(deb: Path) -> Iterator[Root]:
    """For who changes nothing in it."""
    with FakeService() as service:
        root = installed(deb, service)
        yield root
        root.end()


@pytest.fixture
def own_pod(deb: Path) -> Iterator[tuple[Root, FakeService]]:
    with FakeService() as service:
        root = installed(deb, service)
        yield root, service
        root.end()


def daemon_says(root: Root) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(root.run("radar-pod", "status", "--json").stdout)
    return said


def test_P1_it_starts_as_the_first_agents_pod_and_may_nothing(pod: Root) -> None:
    root = pod
    assert show(root, "ActiveState") == "active" and show(root, "SubState") == "running"
    assert daemon_says(root)["pod"] == "rabcdefghijk"
    status = status_of(root, show(root, "MainPID"))
    assert {status[name] for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert root.run("stat", "-c", "%U", "/var/lib/radar-pod/store.db").stdout == "radar-pod\n"


def test_status_is_for_root_and_the_group(pod: Root) -> None:
    """Who may read neither the configuration nor the state asks all the same."""
    root = pod
    assert root.run("stat", "-c", "%U:%G %a", "/run/radar-pod", "/run/radar-pod/status.sock").stdout.splitlines() == [
        "radar-pod:radar-pod 750", "radar-pod:radar-pod 660"]  # fmt: skip
    as_other = ["setpriv", "--reuid=games", "--regid=games", "--bounding-set=-all", "--inh-caps=-all"]
    member = root.run(*as_other, "--groups", "radar-pod", "radar-pod", "status", "--json", HOME="/usr/games")
    assert json.loads(member.stdout)["pid"] == daemon_says(root)["pid"]
    words = ["radar-pod", "status"]
    stranger = root.run(*as_other, "--clear-groups", *words, check=False, HOME="/usr/games")
    assert stranger.returncode == 1 and "root and the group radar-pod" in stranger.stdout, stranger.stdout


def test_what_it_says_has_fields_in_the_journal(pod: Root) -> None:
    root = pod

    def entries() -> list[dict[str, Any]]:
        lines = root.run("journalctl", "-o", "json", "-t", "radar-pod", "-u", "radar-pod.service").stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    hello = eventually(lambda: [e for e in entries() if e.get("MESSAGE", "").startswith("radar-pod 0.")], 300)[0]
    assert (hello["PRIORITY"], hello["CODE_FILE"], hello["CODE_FUNC"]) == (
        "6", "agent/daemon/daemon.c", "say_hello")  # fmt: skip
    assert not [e for e in entries() if "AbCdEfGhijk" in json.dumps(e)]  # P6


def test_the_loader_behind_its_socket_serves_the_pods_user(pod: Root) -> None:
    """A test without a privilege, and one of somebody else."""
    root = pod
    words = ["radar-pod", "test", "--server", "ws://127.0.0.1:1", "--no-store", "--stats", "ebpf"]
    bare = root.run(*words, check=False)
    if bare.returncode == 5:
        pytest.skip(f"not with this kernel: {bare.stdout}")
    as_pod = ["setpriv", "--reuid=radar-pod", "--regid=radar-pod", "--init-groups", "--bounding-set=-all"]
    asked = root.run(*as_pod, "--inh-caps=-all", *words, check=False)
    assert asked.returncode == 1, asked.stdout  # the source is there, nobody is at port 1
    as_other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--bounding-set=-all"]
    refused = root.run(*as_other, "--inh-caps=-all", *words, check=False)
    assert refused.returncode == 5 and "missing CAP_BPF" in refused.stdout
    eventually(lambda: not root.run("systemctl", "list-units", "-q", "radar-pod-bpf@*").stdout, 300)


def test_it_is_reloaded(pod: Root) -> None:
    pid = show(pod, "MainPID")
    pod.run("systemctl", "reload", "radar-pod.service")
    assert show(pod, "MainPID") == pid and show(pod, "ActiveState") == "active"


# --- what it is for: tests inside the unit -------------------------------------------------------------------


@pytest.fixture
def ndt7() -> Iterator[peers.Server]:
    """`radar-pod serve` outside of the unit, its own locate service, with a certificate of our authority."""
    cert = certificates.make("good")
    with folders.folder("serve") as folder:
        of_server = peers.Certificate(cert, cert.with_suffix(".key"))
        with peers.radar_pod_serve(binary(), folder, of_server) as server:
            yield server


def measuring(root: Root) -> list[str]:
    """The processes of the unit that do."""
    group = "/sys/fs/cgroup" + show(root, "ControlGroup")
    pids = root.run("cat", f"{group}/cgroup.procs").stdout.split()
    return [pid for pid in pids if "\0test\0" in root.run("cat", f"/proc/{pid}/cmdline", check=False).stdout]


def delivered(root: Root, service: PodService, count: int) -> Measurement:
    """Asks for a test, and waits for what comes of it; meanwhile the process that measures is looked at."""
    service.ask()
    [pid] = eventually(lambda: measuring(root), 300)
    status = status_of(root, pid)
    assert {status[name] for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    eventually(lambda: len(service.measurements) >= count, 300)
    assert len(service.measurements) == count and service.problems() == []
    return service.measurements[-1]


def check_raw(m: Measurement) -> None:
    """R31: a summary behind the rows; both directions have measured."""
    *lines, summary = [json.loads(line) for line in m.result.decode().splitlines()]
    assert m.style == "NDT7" and lines and set(summary) == {"Download", "Upload", "MinRTT"}
    assert all(summary[name]["Value"] > 0 for name in summary), summary


def stored(root: Root) -> list[dict[str, Any]]:
    lines = root.run("radar-pod", "results", "export").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    return sorted((one.get("result", one) for one in found), key=lambda one: str(one["started_at"]))


def test_an_ordered_test_is_run_and_delivered_inside_the_unit(deb: Path, ndt7: peers.Server) -> None:
    """Under all that the unit forbids: in clear, and over TLS, with a trace; what it takes from the kernel it has by the
    loader's socket, its loop is what it would be outside, and what it keeps is where it may write."""
    keys = {"client_id": POD, "secret": SECRET, "locate_url": f"http://{ndt7.addresses['ws']}/v2/nearest/ndt/ndt7",
            "scheme": "ws", "min_test_spacing": "0s", "fleet_spread": "0", "trace": "summary",
            "ca_file": "/etc/radar-pod/authority.pem"}  # fmt: skip
    with PodService() as service:
        config = "".join(f"{k}={v}\n" for k, v in ({"server_url": service.url} | keys).items())
        root = Root({FIRST_AGENTS_CONFIG: config, "/etc/radar-pod/authority.pem": certificates.authority().read_text()},
                    systemd=True)  # fmt: skip
        try:
            dpkg(root, "-i", root.put(deb, "/tmp/pod.deb"))
            eventually(service.cable.confirmed, 300)
            check_raw(delivered(root, service, 1))
            root.run("sed", "-i", "s/^scheme=ws$/scheme=wss/", "/etc/radar-pod/config.conf")
            root.run("systemctl", "reload", "radar-pod.service")
            check_raw(delivered(root, service, 2))
            eventually(lambda: daemon_says(root)["uploads"]["arrived"] == 2, 300)
            in_clear, over_tls = stored(root)
            assert (in_clear["scheme"], in_clear["tls"], over_tls["scheme"]) == ("ws", None, "wss") and over_tls["tls"]
            bare = root.run("radar-pod", "test", "--server", "ws://127.0.0.1:1", "--no-store", "--stats", "ebpf",
                            check=False).returncode  # fmt: skip
            for one in (in_clear, over_tls):
                assert one["errors"] == [] and one["download"]["complete"] and one["upload"]["complete"], one
                assert one["agent"]["stats"] == ("tcp_info" if bare == 5 else "ebpf"), one["agent"]
                assert one["agent"]["io"] == ("io_uring" if kernel_has_io_uring() else "epoll"), one["agent"]
            traces = root.run("ls", "/var/lib/radar-pod/traces").stdout.split()
            assert len(traces) == 2 and all(name.endswith(".jsonl.zst") for name in traces)
            eventually(lambda: "\nlast_tested=" in root.path("/etc/radar-pod/config.conf").read_text(), 300)
            root.run("systemctl", "restart", "radar-pod.service")
            eventually(lambda: daemon_says(root)["socket"]["phase"] == "confirmed", 300)
            assert len(service.measurements) == 2 and daemon_says(root)["store"]["pending"] == 0
        finally:
            print(root.run("journalctl", "-u", "radar-pod.service", "-n", "60", "-o", "cat", check=False).stdout)
            root.end()


def test_M7_one_that_hangs_is_started_again(own_pod: tuple[Root, FakeService]) -> None:
    """By its watchdog, here of three seconds; one that was killed likewise."""
    root, _ = own_pod
    folder = root.path("/etc/systemd/system/radar-pod.service.d")
    folder.mkdir()
    (folder / "soon.conf").write_text("[Service]\nWatchdogSec=3s\nRestartSec=0\nTimeoutAbortSec=1s\n")
    root.run("systemctl", "daemon-reload")
    root.run("systemctl", "restart", "radar-pod.service")
    for number in ["STOP", "KILL"]:
        pid = show(root, "MainPID")
        root.run("kill", f"-{number}", pid, check=False)
        eventually(lambda pid=pid: show(root, "MainPID") not in ("0", pid), 300, 0.1)
        eventually(lambda: show(root, "ActiveState") == "active", 300, 0.1)
    assert daemon_says(root)["pod"] == "rabcdefghijk"


def test_upgrade_stop_remove_and_purge(own_pod: tuple[Root, FakeService], deb: Path, tmp_path: Path) -> None:
    root, service = own_pod
    root.path("/etc/default/radar-pod").write_text("RADAR_REGISTER_LABEL=shelf-07\n")
    before, pid = daemon_says(root), show(root, "MainPID")
    dpkg(root, "-i", root.put(next_version(deb, tmp_path / "next"), "/tmp/next.deb"))
    after = daemon_says(root)
    assert after["pid"] != before["pid"] and show(root, "MainPID") != pid
    assert after["pod"] == before["pod"] and after["server_url"] == service.url
    assert root.path("/etc/default/radar-pod").read_text() == "RADAR_REGISTER_LABEL=shelf-07\n"
    root.run("systemctl", "stop", "radar-pod.service")
    assert (show(root, "ActiveState"), show(root, "Result")) == ("inactive", "success")
    root.run("systemctl", "start", "radar-pod.service")
    dpkg(root, "-r", "radar-pod")
    assert show(root, "ActiveState") == "inactive" and not root.path("/run/radar-pod-bpf.sock").exists()
    assert root.path("/var/lib/radar-pod/store.db").exists()
    dpkg(root, "-P", "radar-pod")
    assert not root.path("/var/lib/radar-pod").exists() and not root.path("/etc/radar-pod").exists()
