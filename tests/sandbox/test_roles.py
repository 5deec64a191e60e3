"""The roles as they run: what each has given up (P1), that it misses none of it (P3), and that no secret gets out (P6)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pod
import pytest
from daemon import RADAR_POD, children_of, eventually
from fake_cable import SECRET
from fake_sentry import FakeSentry
from fake_service import FakeService
from http1 import Fault
from loader_request import loader_request
from pod_daemon import OOKLA_SAYS, Pod, pods
from pod_service import PodService, in_own_network

INSTRUMENTED = "RADAR_POD_SANITIZED" in os.environ
STRACE = shutil.which("strace")
CAN_LOAD = {12, 21, 38, 39}  # NET_ADMIN, SYS_ADMIN where it stands for the others, PERFMON, BPF


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def has_entered(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return status(pid)["Seccomp"] == "2"
    return False


def check_P1(pid: int, capabilities: set[int] = frozenset()) -> None:
    s = status(pid)
    held = {bit for bit in range(64) if int(s["CapEff"], 16) >> bit & 1}
    assert held <= capabilities and int(s["CapPrm"], 16) == int(s["CapEff"], 16)
    assert int(s["CapInh"], 16) == int(s["CapAmb"], 16) == 0
    assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2"
    if os.geteuid() == 0:  # who has no CAP_SETPCAP cannot empty it, and no_new_privs says the same
        assert int(s["CapBnd"], 16) == 0
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


@contextlib.contextmanager
def measuring(tmp_path: Path, **keys: Any) -> Iterator[tuple[Pod, PodService]]:
    """A pod whose test against our own server takes its twenty seconds, and whose courier has something to do."""
    with pod.own_serve() as server, PodService() as service, pods(tmp_path, service) as make:
        locate = f"http://{server.addresses['ws']}/v2/nearest/ndt/ndt7"
        p = make(locate_url=locate, runners="NDT7", **keys).start()
        eventually(lambda: service.cable.confirmed())
        service.ask()
        yield p, service


@in_own_network
def test_P1_a_pod_and_all_that_it_starts(tmp_path: Path) -> None:
    with measuring(tmp_path) as (p, service):
        service.fail_always("socket", Fault(status=500))
        service.cable.break_off(reset=True)  # then the heartbeat is asked over HTTP
        for role in ("test", "courier"):
            [child] = eventually(lambda role=role: [c for c in children_of(p.pid, role) if has_entered(c)][:1])
            check_P1(child)
        check_P1(p.pid)
        assert p.is_alive()


def test_P1_serve(tmp_path: Path) -> None:
    with pod.own_serve() as server:
        check_P1(server.process.pid)


def test_P1_register(tmp_path: Path) -> None:
    """While it waits for the service, which says nothing."""
    with FakeService() as service:
        service.fail("register", Fault(silent=True))
        config = tmp_path / "config.conf"
        config.write_text(f"server_url={service.url}\n")
        with subprocess.Popen([RADAR_POD, "register", "-c", config], stderr=subprocess.DEVNULL) as registering:
            eventually(lambda: service.of("register"))
            check_P1(registering.pid)
            registering.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="loading is for root")
def test_P1_the_loader_has_nothing_when_it_hands_out_and_is_gone_within_a_second() -> None:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = f'exec 3<&{its.fileno()} "$0" bpf-loader' if its.fileno() != 3 else 'exec "$0" bpf-loader'
    with ours, subprocess.Popen(["bash", "-c", script, RADAR_POD], pass_fds=[its.fileno()]) as loader:
        its.close()
        eventually(lambda: has_entered(loader.pid))
        check_P1(loader.pid, CAN_LOAD)
        ours.settimeout(60)
        ours.send(loader_request())
        data, fds, _, _ = socket.recv_fds(ours, 65536, 16)
        handed_out = time.monotonic()
        assert data and loader.wait(60) == 0
        if not INSTRUMENTED:
            assert time.monotonic() - handed_out <= 1
        for fd in fds:
            os.close(fd)
    assert len(fds) > 3 or "no BPF" in data.decode(errors="replace")


@in_own_network
def test_another_program_is_heeded_from_the_next_start_on(tmp_path: Path) -> None:
    """The configuration is the daemon's to write; what it may have started is not."""
    with PodService() as service, pods(tmp_path, service) as make:
        p = make(runners="OOKLA").up()
        other = p.folder / "other"
        other.write_text(f"#!/bin/sh\ntouch {p.folder}/other-ran\n{OOKLA_SAYS}\n")
        other.chmod(0o700)
        p.set(ookla_binary=other)
        eventually(lambda: "configuration was read again" in p.said())
        service.ask()
        eventually(lambda: f"have the spawner start {other}" in p.said())
        assert not (p.folder / "other-ran").exists()
        p.stop()
        p.up()
        eventually(lambda: service.measurements)
        assert (p.folder / "other-ran").exists() and p.ookla_runs() == 0


# --- P3 ------------------------------------------------------------------------------------------------------


def refusals(log: Path) -> list[str]:
    """What the kernel has refused, of a trace of all that failed; the C library asks for clone3(2) and does without."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if re.search(r"= -1 (ENOSYS|EPERM|EACCES)|SIGSYS", line) and "clone3(" not in line]


def traced(log: Path, *argv: str, **how: Any) -> subprocess.CompletedProcess[str]:
    if not STRACE or INSTRUMENTED:
        pytest.skip("by strace, and a build as it is shipped")
    words = [STRACE, "-f", "-qq", "-Z", "-o", str(log), *argv]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, **how)


def test_P3_the_trace_would_show_it(tmp_path: Path) -> None:
    inside = os.environ["RADAR_POD_SANDBOX_INSIDE"]
    assert "EACCES" in traced(tmp_path / "log", inside, "test", "read", "/root").stdout
    assert refusals(tmp_path / "log")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("io", ["io_uring", "epoll"])
def test_P3_a_test_misses_nothing(tmp_path: Path, scheme: str, io: str) -> None:
    trust = ["--insecure"] if scheme == "wss" else []
    with pod.own_serve() as server:
        done = traced(tmp_path / "log", RADAR_POD, "test", "--server", f"{scheme}://{server.addresses[scheme]}",
                      "--max-bytes", "3MB", "--io", io, "--trace", str(tmp_path / "t.jsonl.zst"), "--format", "json",
                      "--output", str(tmp_path / "o.json"), "--state-dir", str(tmp_path / "state"), *trust)  # fmt: skip
    assert done.returncode == 0 and "not kept" not in done.stderr, done.stderr
    assert json.loads((tmp_path / "o.json").read_text())["download"]
    assert not refusals(tmp_path / "log")


@pytest.mark.parametrize("by", ["address", "name"])
def test_P3_a_located_test_misses_nothing(tmp_path: Path, by: str) -> None:
    with pod.own_serve() as server:
        address = server.addresses["ws"]
        address = address if by == "address" else f"localhost:{address.rpartition(':')[2]}"  # by /etc/hosts
        locate = f"http://{address}/v2/nearest/ndt/ndt7"
        done = traced(tmp_path / "log", RADAR_POD, "test", "--locate-url", locate, "--scheme", "ws", "--max-bytes", "3MB",
                      "--state-dir", str(tmp_path / "state"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not refusals(tmp_path / "log")


def test_P3_serve_misses_nothing(tmp_path: Path) -> None:
    if not STRACE or INSTRUMENTED:
        pytest.skip("by strace, and a build as it is shipped")
    log = tmp_path / "log"
    words = [STRACE, "-f", "-qq", "-Z", "-o", str(log), RADAR_POD, "serve", "--ws", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().split()[1]
        done = subprocess.run([RADAR_POD, "test", "--server", url, "--max-bytes", "3MB", "--no-store"],
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        for child in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
            os.kill(int(child), 15)
    assert done.returncode == 0, done.stderr
    assert not refusals(log)


def test_P3_register_misses_nothing(tmp_path: Path) -> None:
    with FakeService() as service:
        config = tmp_path / "config.conf"
        config.write_text(f"server_url={service.url}\n")
        for words in ([], ["--force", "--token", "Vd3-account-token"], ["--check"]):
            done = traced(tmp_path / "log", RADAR_POD, "register", "-c", str(config), *words)
            assert done.returncode == 0, done.stderr
            assert not refusals(tmp_path / "log")


@in_own_network
def test_P3_a_pod_misses_nothing(tmp_path: Path) -> None:
    if not STRACE or INSTRUMENTED:
        pytest.skip("by strace, and a build as it is shipped")
    log, sentry = tmp_path / "trace", FakeSentry()
    with PodService() as service, pods(tmp_path, service) as make:
        p = make(runners="NDT7", trace="full", sentry_dsn=sentry.dsn)
        p.start(before=(STRACE, "-f", "-qq", "-Z", "-o", str(log)))
        eventually(lambda: service.cable.confirmed())
        service.ask()
        eventually(lambda: service.measurements)
        service.fail_always("socket", Fault(status=500))
        service.cable.break_off(reset=True)
        eventually(lambda: service.of("status"))
        for child in Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()[:1]:
            os.kill(int(child), 15)
        assert p.process and p.process.wait(60) == 0
        assert list((p.state / "traces").iterdir())
    sentry.close()
    assert not refusals(log)


# --- P6 ------------------------------------------------------------------------------------------------------


def seen_from_outside(pid: int) -> bytes:
    """What other processes of the machine may read of one."""
    said = b""
    with contextlib.suppress(OSError):
        for name in ("cmdline", "environ", "comm", "status"):
            said += Path(f"/proc/{pid}/{name}").read_bytes()
    return said


@in_own_network
def test_P6_a_secret_is_in_the_configuration_alone(tmp_path: Path) -> None:
    sentry, said = FakeSentry(), b""
    with measuring(tmp_path, sentry_dsn=sentry.dsn, trace="full", registration_token="canaryOfAnAccount") as (p, service):
        service.fail_always("socket", Fault(status=500))
        service.cable.break_off(reset=True)
        for role in ("test", "courier"):
            [child] = eventually(lambda role=role: [c for c in children_of(p.pid, role) if has_entered(c)][:1])
            said += seen_from_outside(child)
        said += seen_from_outside(p.pid)
        os.kill(child, 11)  # the courier: a crash, and its report
        results = eventually(lambda: service.measurements, 90)
        assert results
        p.stop()
        kept = [f for f in p.folder.rglob("*") if f.is_file() and f != p.config]
        assert any("traces" in f.parts for f in kept) and any(f.name.startswith("store.db") for f in kept)
        said += b"".join(f.read_bytes() for f in kept)
        said += b"".join(e.sent + json.dumps(e.items).encode() for e in sentry.envelopes)
        assert not [f for f in kept if f.name.startswith("core")]
    sentry.close()
    for secret in (SECRET, "canaryOfAnAccount"):
        assert secret.encode() not in said, secret


@in_own_network
def test_P6_what_the_service_gives_is_the_owners_alone(tmp_path: Path) -> None:
    with FakeService() as service:
        config = tmp_path / "config.conf"
        config.write_text(f"server_url={service.url}\n")
        words = [RADAR_POD, "agent", "-c", str(config), "--state-dir", str(tmp_path / "state")]
        with (tmp_path / "log").open("w") as log, subprocess.Popen(words, stderr=log) as daemon:
            try:
                eventually(lambda: "secret=" in config.read_text())
                assert stat.S_IMODE(config.stat().st_mode) == 0o600
                for name in ("store.db", "status.sock"):
                    assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o600
            finally:
                daemon.terminate()
