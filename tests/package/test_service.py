"""The package's life under a systemd of the test's own: installed beside a first agent, watched, upgraded, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon import eventually
from fake_service import FakeService
from packing import FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD, dpkg, next_version
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
