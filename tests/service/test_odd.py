"""Bad input, by the contract's numbers, of the whole daemon: places that cannot be written, a service that answers oddly,
a wall clock that is wrong; and what takes the contract's minutes, on a clock that goes faster (bench/daemon/fast_clock.c)."""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import pytest
import scripted
from conftest import Machine
from daemon import IN_VAIN_S, LATE_S, RADAR_POD, Daemon, children_of, eventually
from fake_cable import POD, SECRET, Service
from fake_service import FakeService
from http1 import Fault
from pod_daemon import OOKLA_SAYS, Make, Pod, pods
from pod_service import PodService, in_own_network
from supplicant import CONNECTED, SIGNAL, Supplicant

FAST = os.environ.get("POD_FAST_CLOCK")
needs_fast_clock = pytest.mark.skipif(not FAST, reason="a sanitizer and a faster clock do not go together")
needs_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="mounting is for root")
MINUTE_S, HOUR_S = 60, 3600


def fast(times: int, wall: Path | None = None) -> dict[str, str]:
    assert FAST
    return {"LD_PRELOAD": FAST, "FAST_CLOCK_TIMES": str(times)} | ({"FAST_CLOCK_WALL": str(wall)} if wall else {})


@contextlib.contextmanager
def on_fast_clock(folder: Path, times: int) -> Iterator[tuple[PodService, Make]]:
    """A service that pings as often as a slower daemon's would."""
    with PodService() as service, pods(folder, service) as make:
        service.cable.ping_s = 3 / times
        yield service, make


def keys(service: FakeService) -> set[str | None]:
    return {m.key for m in service.measurements}


def asked_for(service: PodService, p: Pod, count: int) -> None:
    """So many tests have begun; asked as often as it takes, and never for one more."""
    eventually(lambda: p.ookla_runs() >= count or service.ask(), every_s=0.2)


# --- where nothing can be written ---------------------------------------------------------------------------


def read_only(folder: Path) -> tuple[str, ...]:
    """Words in front of a program that cannot write there."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, str(folder))


@needs_root
def test_R1_R2_no_pod_is_made_whose_credentials_cannot_be_kept(tmp_path: Path) -> None:
    service = Service()
    d = Daemon(tmp_path / "pod", service.url)
    etc = tmp_path / "etc"
    etc.mkdir()
    d.config = d.config.rename(etc / "config.conf")
    try:
        d.start(before=read_only(etc))
        eventually(lambda: "could not be kept" in d.said() and "Read-only file system" in d.said())
        assert d.status()["pod"] is None and not service.registrations()
        words = ["nsenter", f"--mount=/proc/{d.pid}/ns/mnt", "mount", "-o", "remount,rw,bind", str(etc)]
        subprocess.run(words, check=True)
        eventually(lambda: service.confirmed())
        assert len(service.registrations()) == 1 and f"secret={SECRET}" in d.config.read_text()
        assert d.stop()[0] == 0
    finally:
        d.kill()
        print(d.said())
        service.close()


@pytest.mark.parametrize("who", ["agent", "register"])
def test_R1_credentials_are_kept_where_a_link_leads(tmp_path: Path, who: str) -> None:
    """A configuration on another disk."""
    service = Service()
    d = Daemon(tmp_path / "pod", service.url)
    disk = tmp_path / "disk"
    disk.mkdir()
    real = d.config.rename(disk / "pod.conf")
    d.config.symlink_to(real)
    try:
        if who == "agent":
            d.start()
            eventually(lambda: service.confirmed())
            assert d.stop()[0] == 0
        else:
            subprocess.run([RADAR_POD, "register", "-c", d.config], check=True, capture_output=True)
        assert d.config.is_symlink() and f"secret={SECRET}" in real.read_text()
        assert len(service.registrations()) == 1 and [p.name for p in disk.iterdir()] == ["pod.conf"]
    finally:
        d.kill()
        print(d.said() if who == "agent" else "")
        service.close()


@needs_root
@pytest.mark.parametrize("begun", [False, True], ids=["empty", "with a store"])
def test_R67_a_state_directory_that_is_read_only(tmp_path: Path, begun: bool) -> None:
    service = Service()
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET)
    d.state.mkdir()
    try:
        if begun:
            d.start()
            eventually(lambda: service.confirmed())
            assert d.stop()[0] == 0
        before = len(service.connections)
        d.start(before=read_only(d.state))
        assert d.process and d.process.wait(IN_VAIN_S) == 1
        last = d.said().splitlines()[-1]
        assert str(d.state)[-60:] in last and "Read-only file system" in last
        assert len(service.connections) == before and not service.requests
    finally:
        d.kill()
        print(d.said())
        service.close()


def test_R6_R7_a_shorter_value_leaves_no_residue(tmp_path: Path, service: FakeService) -> None:
    machine = Machine(tmp_path, service)
    machine.config.write_bytes(f"# a pod's\r\nserver_url={service.url}\r\nclient_id={'r' * 40}\r\nsecret={'x' * 60}\r\n"
                               "test_freq=x\r\nfuture=1\r\nping_freq=7".encode())  # fmt: skip
    assert machine.register("--force").returncode == 0
    [pod] = service.pods.values()
    assert machine.config.read_bytes().decode() == (
        f"# a pod's\r\nserver_url={service.url}\r\nclient_id={pod.unix_user}\r\nsecret={pod.secret}\r\n"
        "test_freq=x\r\nfuture=1\r\nping_freq=7")  # fmt: skip
    assert machine.config.stat().st_mode & 0o777 == 0o600


def test_E3_whether_the_service_knows_us(tmp_path: Path, service: FakeService) -> None:
    machine = Machine(tmp_path, service)
    r = machine.register("--check")
    assert r.returncode == 1 and "no credentials" in r.stderr and service.requests == []
    assert machine.register().returncode == 0
    [pod] = service.pods.values()
    before = machine.config.read_bytes()
    r = machine.register("-check")
    assert json.loads(r.stdout) == {"id": pod.id, "unix_user": pod.unix_user, "location_id": 0, "account_id": 0}
    assert r.returncode == 0 and pod.secret not in r.stderr
    pod.secret = "aNotherOne2"
    r = machine.register("--check")
    assert (r.returncode, r.stdout) == (1, "") and "does not know this pod" in r.stderr
    assert [q.endpoint for q in service.requests] == ["register", "me", "me"] and service.problems() == []
    assert machine.config.read_bytes() == before
    for words in (["--force"], ["--assign"], ["--token", "t"]):
        assert machine.register("--check", *words).returncode == 2
    assert len(service.requests) == 3


@in_own_network
def test_P5_a_daemon_that_can_start_nothing_ends(tmp_path: Path) -> None:
    """Alive, it would answer the service's pings for ever, and run no test; its unit starts it again."""
    with PodService() as service, pods(tmp_path, service) as make:
        p = make(runners="OOKLA").up()
        eventually(lambda: service.cable.confirmed())
        children = Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()
        [spawner] = [int(c) for c in children if Path(f"/proc/{c}/comm").read_text() == "radar-pod-spawn\n"]
        os.kill(spawner, signal.SIGKILL)
        assert p.process and p.process.wait(IN_VAIN_S) == 1
        assert "was ended" in p.said().splitlines()[-1] and service.cable.connections[0].close_code == 1000
        p.up()
        eventually(lambda: len(service.cable.confirmed()) == 2)
        service.ask()
        eventually(lambda: service.measurements)
        assert p.stop()[0] == 0


# --- a service that is odd -----------------------------------------------------------------------------------

BOMB = gzip.compress(bytes(64 << 20))
MOST_KB = 64 * 1024
# Of each the next request is as ever.
ODD = {
    "sends us elsewhere": Fault(redirect="{other}/elsewhere"),
    "sends us elsewhere with all that we said": Fault(redirect="{other}/elsewhere", status=307),
    "sends us in a circle": Fault(redirect="", status=307),
    "compresses": Fault(gzip=True),
    "in pieces of a byte": Fault(chunked=True),
    "cookies": Fault(headers=(("Set-Cookie", "a=b; Path=/"), ("Set-Cookie", "c=d"))),
    "HTTP/2": Fault(garbage=b"\0\0\x12\4\0\0\0\0\0" + bytes(18)),
    "offers HTTP/2": Fault(headers=(("Upgrade", "h2c"), ("Alt-Svc", 'h2=":443"'))),
    "goes on for ever": Fault(garbage=b"HTTP/1.1 100 Continue\r\n\r\n" * 10000),
    "a megabyte of headers": Fault(headers=tuple((f"X-{i}", "y" * 1000) for i in range(1000))),
    "a gigabyte": Fault(endless_bytes=1 << 30, after=True),
    "a bomb": Fault(status=200, after=True, body=BOMB, headers=(("Content-Encoding", "gzip"),)),
    "a page": Fault(status=200, body=b"<html>", after=True),
}
OF_HEARTBEATS = {
    "null": Fault(status=200, body=b"null"),
    "a list": Fault(status=200, body=b"[true]"),
    "a word": Fault(status=200, body=b'{"test_requested":"true"}'),
    "a number": Fault(status=200, body=b'{"test_requested":1,"update":7}'),
    "nothing": Fault(status=204),
    "deep": Fault(status=200, body=b'{"x":' + b"[" * 5000),
}


def fault_of(fault: Fault, other: FakeService, path: str) -> Fault:
    if fault.redirect is None:
        return fault
    return Fault(redirect=fault.redirect.format(other=other.url) or path, status=fault.status)


class Weights:
    """The most that any courier of a daemon's was seen to have."""

    def __init__(self, d: Daemon) -> None:
        self.d, self.most_kb = d, 0

    def look(self) -> bool:
        for child in children_of(self.d.pid, "courier"):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{child}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self.most_kb = max(self.most_kb, int(line.split()[1]))
        return True

    def check(self) -> None:
        print(f"the courier had {self.most_kb} kB at most, the daemon {self.d.peak_kb()} kB")
        if "RADAR_POD_SANITIZED" not in os.environ:
            assert 0 < self.most_kb < MOST_KB and self.d.peak_kb() < MOST_KB


def test_R9_R12_odd_answers_to_heartbeats(tmp_path: Path) -> None:
    with PodService() as service, FakeService() as other:
        service.fail_always("socket", Fault(status=404))
        d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=1)
        try:
            d.start(**(fast(10) if FAST else {}))
            weights = Weights(d)
            eventually(lambda: d.log.exists() and "the service knows" in d.said())
            for name, fault in (ODD | OF_HEARTBEATS).items():
                so_far = len(service.of("status"))
                service.fail("status", fault_of(fault, other, f"/clients/{POD}/status"))
                print(name)
                eventually(lambda: weights.look() and len(service.of("status")) >= so_far + 2)  # noqa: B023
            eventually(lambda: d.status()["heartbeat"]["last_error"] == "")
            weights.check()
            assert service.problems() == [] and other.requests == []
            assert d.status()["tests"]["begun"] == 0 and d.status()["orders"] == 0
            assert SECRET not in d.said() and d.stop()[0] == 0
        finally:
            d.kill()
            print(d.said())


def test_R13_what_is_not_followed_is_said_once(tmp_path: Path) -> None:
    """An update of another host's, one that this release does not install: in each answer again."""
    with PodService() as service:
        service.fail_always("socket", Fault(status=404))
        d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=1)
        try:
            d.start()
            for url, says in (("https://evil.example/x", "another host"), ("/client_versions/9.9.9/x", "does not install")):
                so_far = len(service.of("status"))
                service.pod.update = {"version": "9.9.9", "url": url}
                eventually(lambda: len(service.of("status")) >= so_far + 4)  # noqa: B023
                said = [line for line in d.said().splitlines() if says in line]
                assert len([line for line in said if line.startswith("warning")]) == 1 < len(said), said
            assert d.stop()[0] == 0 and {q.endpoint for q in service.requests} == {"socket", "status"}
        finally:
            d.kill()
            print(d.said())


def test_R11_a_portals_page_is_no_answer(tmp_path: Path) -> None:
    """Whoever stands before the service has answered, and the service has heard nothing of this start."""
    with PodService() as service:
        service.fail_always("socket", Fault(status=404))
        service.fail("status", *[Fault(status=200, body=b"<html>log in</html>")] * 2)
        d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=1)
        try:
            d.start()
            eventually(lambda: d.log.exists() and "could not read the service's answer" in d.said())
            assert "the service knows" not in d.said() and d.status()["heartbeat"]["taken"] == 0
            eventually(lambda: len(service.of("status")) >= 4)
            said = [q.json()["service_first_ping"] for q in service.of("status")]
            assert said[:4] == ["true", "true", "true", "false"]
        finally:
            d.kill()
            print(d.said())


@pytest.mark.parametrize("end", ["an answer late", "no answer"])
def test_R12_an_answer_to_another_pods_heartbeat_counts_for_nobody(tmp_path: Path, end: str) -> None:
    """Asked before a SIGHUP that made another pod of this one, and answered behind it."""
    late = Fault(delay_s=3) if end == "an answer late" else Fault(silent=True)
    with PodService() as service:
        service.fail_always("socket", Fault(status=404))
        service.pod.test_requested = True
        other = service.add_pod("rother222222", "aNotherOne2")
        service.fail("status", late)
        d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=1)
        try:
            d.start()
            eventually(lambda: service.of("status"))
            d.config.write_text(d.config.read_text().replace(POD, other.unix_user).replace(SECRET, other.secret))
            d.signal(signal.SIGHUP)
            before = time.monotonic()
            eventually(lambda: len(service.of("status")) >= 2)
            assert time.monotonic() - before < LATE_S, "the new pod does not wait for what is the old one's"
            eventually(lambda: time.monotonic() > before + 4 and len(service.of("status")) >= 5)
            status = d.status()
            assert status["orders"] == 0 and status["tests"]["begun"] == 0
            assert 1 <= status["heartbeat"]["taken"] <= len(service.of("status")) - 1
            assert [q.path for q in service.of("status")[1:]].count(f"/clients/{POD}/status") == 0
            first = [q.json()["service_first_ping"] for q in service.of("status")]
            assert first[:3] == ["true", "true", "false"], "nobody has said that it has heard of the start"
            assert service.problems() == [] and d.stop()[0] == 0
        finally:
            d.kill()
            print(d.said())


@pytest.mark.parametrize("what", ["of the same service", "of another"])
def test_R1_R2_a_registration_under_way_and_a_SIGHUP(tmp_path: Path, what: str) -> None:
    """The same service's goes on: there is one pod. What another one answers is not taken for this one's credentials."""
    with FakeService() as service, FakeService() as other:
        for each in (service, other):
            each.fail_always("socket", Fault(status=404))
        service.fail("register", Fault(delay_s=3))
        d = Daemon(tmp_path / "pod", service.url, ping_freq=1)
        try:
            d.start()
            eventually(lambda: service.of("register"))
            text = d.config.read_text().replace("fleet_spread=0", "fleet_spread=1s")
            if what == "of another":
                if "ports" in d.status()["sandbox_lacks"]:
                    text = text.replace(service.url, other.url)
                else:  # a name that is the same machine's, at the port that is open
                    text = text.replace("127.0.0.1", "localhost")
            d.config.write_text(text)
            d.signal(signal.SIGHUP)
            eventually(lambda: service.of("status") + other.of("status"))
            assert len(service.of("register") + other.of("register")) == (1 if what == "of the same service" else 2)
            taken = d.config.read_text()
            assert "client_id=" in taken and service.problems() == other.problems() == []
            if what == "of another":
                made = list(other.pods or service.pods)[0]
                assert f"client_id={made}\n" in taken
            assert d.stop()[0] == 0
        finally:
            d.kill()
            print(d.said())


@needs_fast_clock
@in_own_network
def test_R29_R38_odd_answers_to_uploads(tmp_path: Path) -> None:
    """Each result arrives, twice at most, under one key, and no test is run again."""
    times = 30
    with FakeService() as other, on_fast_clock(tmp_path, times) as (service, make):
        p = make(runners="OOKLA").start(**fast(times))
        weights = Weights(p)
        eventually(lambda: service.cable.confirmed())
        for count, (name, fault) in enumerate(ODD.items(), 1):
            service.fail("upload", fault_of(fault, other, f"/clients/{POD}/measurements"))
            print(name)
            asked_for(service, p, count)
            eventually(lambda: weights.look() and p.status()["uploads"]["arrived"] == count)  # noqa: B023
            assert len(keys(service)) == count == p.ookla_runs()
        weights.check()
        assert service.problems() == [] and other.requests == []
        assert max(sum(m.key == key for m in service.measurements) for key in keys(service)) <= 2
        assert SECRET not in p.said()


@needs_fast_clock
@in_own_network
def test_D7_a_gateway_that_waits_for_the_service_in_vain(tmp_path: Path) -> None:
    """The service has it each time, and its answer is lost: twice at most, however long that goes on."""
    times = 60
    with on_fast_clock(tmp_path, times) as (service, make):
        service.fail_always("upload", Fault(status=504, after=True))
        p = make(runners="OOKLA").start(**fast(times))
        eventually(lambda: service.cable.confirmed())
        service.ask()
        eventually(lambda: p.status()["quarantine"])
        time.sleep(10 * MINUTE_S / times)
        assert len(service.measurements) == 2 and len(keys(service)) == 1 == p.ookla_runs()
        assert "the service answers 504" in p.said() and service.problems() == []


def failed_for(p: Pod, seconds: float) -> None:
    """As if what waits had been answered with 5xx for so long already; the daemon is not there."""
    db = sqlite3.connect(p.state / "store.db")
    with db:
        done = db.execute(
            "UPDATE facts SET value = ? || substr(value, instr(value, ' ')) WHERE name GLOB 'server_error.*'",
            (str(int(seconds * 1e9)),),
        )
    db.close()
    assert done.rowcount == 1


@needs_fast_clock
@in_own_network
def test_R38_a_result_that_fails_for_a_day_is_no_longer_what_was_asked_for(tmp_path: Path) -> None:
    """Nor is it given up: it arrives when the service takes it."""
    times = 60
    with on_fast_clock(tmp_path, times) as (service, make):
        service.fail_always("upload", Fault(status=500))
        p = make(runners="OOKLA").start(**fast(times))
        eventually(lambda: service.cable.confirmed())
        service.ask()
        eventually(lambda: len(service.of("upload")) >= 2)
        service.ask()
        assert p.ookla_runs() == 1 and p.stop()[0] == 0
        failed_for(p, 24 * HOUR_S - 1)
        so_far = len(service.of("upload"))
        p.start(**fast(times))
        eventually(lambda: len(service.of("upload")) > so_far)
        asked_for(service, p, 2)
        eventually(lambda: p.status()["store"]["pending"] == 2)
        for _ in range(5):
            service.ask()
            time.sleep(MINUTE_S / times)
        assert p.ookla_runs() == 2, "the second waits its own day"
        service.fail_always("upload", None)
        eventually(lambda: len(service.measurements) == 2)
        assert len(keys(service)) == 2 and service.problems() == []


# --- a wall clock that is wrong ------------------------------------------------------------------------------

DAY_S, YEAR_S = 24 * HOUR_S, 365 * 24 * HOUR_S
BOOTS = {"1970": -time.time() + 60, "2038": 2147483648 + 60 - time.time(), "ten years ago": -10 * YEAR_S,
         "in ten years": 10 * YEAR_S}  # fmt: skip


class Wall:
    """How far the wall clock is off."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "wall"
        self.step(0)

    def step(self, seconds: float) -> None:
        with self.path.open("r+b" if self.path.exists() else "wb") as f:
            f.write(struct.pack("q", int(seconds)))


@needs_fast_clock
@pytest.mark.parametrize("boot", BOOTS)
@in_own_network
def test_H5_R69_a_boot_at_another_time(tmp_path: Path, boot: str) -> None:
    """And then the clock is set: what has waited meanwhile arrives, however old it looks when others are stored."""
    times, wall = 60, Wall(tmp_path)
    wall.step(BOOTS[boot])
    with on_fast_clock(tmp_path, times) as (service, make):
        service.fail_always("upload", Fault(status=503))
        p = make(runners="OOKLA", schedule="1m", spool_max_age="1h").start(**fast(times, wall.path))
        eventually(lambda: service.cable.confirmed())
        eventually(lambda: p.status()["store"]["pending"] >= 1)
        wall.step(0)
        eventually(lambda: p.status()["store"]["pending"] >= 3)
        p.set(schedule="off")
        eventually(lambda: p.status()["tests"]["next_own_s"] is None and not p.status()["tests"]["running"])
        assert p.status()["store"]["lost"] == 0 and "are lost" not in p.said()
        count = p.status()["store"]["pending"]
        service.fail_always("upload", None)
        eventually(lambda: len(service.measurements) == count)
        assert len(keys(service)) == count and service.problems() == [] and p.stop()[0] == 0


@needs_fast_clock
@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S, 10 * YEAR_S, -10 * YEAR_S])
@in_own_network
def test_H5_R69_a_step_during_a_test(tmp_path: Path, step_s: int) -> None:
    """Neither its deadline nor the schedule, the heartbeat or the socket has seen it."""
    times, wall = 20, Wall(tmp_path)
    with on_fast_clock(tmp_path, times) as (service, make):
        p = make(runners="OOKLA", ookla=f"sleep 1; {OOKLA_SAYS}", schedule="6h", ping_freq=5).start(**fast(times, wall.path))
        eventually(lambda: service.cable.confirmed())
        before_s = eventually(lambda: p.status()["tests"]["next_own_s"])
        began = time.monotonic()
        service.ask()
        eventually(lambda: (p.status()["tests"]["running"] or {}).get("measures"))
        wall.step(step_s)
        running = p.status()["tests"]["running"]
        passed_s = times * (time.monotonic() - began)
        assert running and running["for_s"] <= passed_s + 1
        eventually(lambda: service.measurements)
        after_s, passed_s = p.status()["tests"]["next_own_s"], times * (time.monotonic() - began)
        assert before_s - passed_s - 2 * times <= after_s <= before_s
        service.fail_always("socket", Fault(status=404))
        service.cable.break_off(reset=True)
        eventually(lambda: len(service.of("status")) >= 4)
        at = [q.at for q in service.of("status")][-3:]
        assert 2 * 0.8 * 5 / times <= at[2] - at[0] < 2 * 1.2 * 5 / times + LATE_S
        assert p.ookla_runs() == 1 and p.status()["tests"]["begun"] == 1 and p.status()["store"]["lost"] == 0
        assert p.is_alive() and p.stop()[0] == 0


@needs_fast_clock
def test_H5_durations_of_a_test_whose_wall_clock_goes_to_and_fro(tmp_path: Path) -> None:
    """By a day, every few milliseconds: some step is within whatever is measured."""
    wall, over = Wall(tmp_path), threading.Event()

    def swing() -> None:
        while not over.wait(0.003):
            wall.step(DAY_S)
            time.sleep(0.003)
            wall.step(-DAY_S)

    swinging = threading.Thread(target=swing)
    with scripted.Server(fakes.both) as server:
        words = [RADAR_POD, "test", "--server", server.url(), "--format", "json", "--no-store"]
        swinging.start()
        began = time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True, timeout=IN_VAIN_S,
                              env=os.environ | {"HOME": str(tmp_path)} | fast(1, wall.path))  # fmt: skip
        took_s = time.monotonic() - began
        over.set()
        swinging.join()
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for direction in ("download", "upload"):
        assert 0 < result[direction]["elapsed_s"] < took_s, result[direction]


# --- the contract's minutes -----------------------------------------------------------------------------------


@contextlib.contextmanager
def by_socket(folder: Path, times: int, manner: str = "serve", **keys: Any) -> Iterator[tuple[Service, Daemon]]:
    service = Service()
    service.manner, service.ping_s = manner, 3 / times
    d = Daemon(folder / "pod", service.url, POD, SECRET, **keys)
    try:
        yield service, d.start(**fast(times))
        assert d.is_alive() and d.stop()[0] == 0
    finally:
        d.kill()
        print(d.said())
        service.close()


@needs_fast_clock
def test_R19_R27_synced_again_within_a_quarter_of_an_hour(tmp_path: Path) -> None:
    times = 60
    with by_socket(tmp_path, times) as (service, _):
        [c, *_] = eventually(lambda: [c for c in service.confirmed() if len(c.actions("sync")) >= 2])
        (first, _), (second, sync) = c.actions("sync")[:2]
        assert 5 * MINUTE_S / times <= second - first < 15 * MINUTE_S / times + LATE_S
        assert isinstance(sync["net_interfaces"], list) and len(c.actions("pong")) > 20


@needs_fast_clock
def test_R10_R21_silence_is_noticed_and_heartbeats_come_back(tmp_path: Path) -> None:
    times, ping_s = 20, 5
    with by_socket(tmp_path, times, ping_freq=ping_s) as (service, d):
        eventually(lambda: service.confirmed())
        service.manner = "silent"
        service.break_off(reset=True)
        eventually(lambda: len(service.confirmed()) >= 2)
        service.manner = "no_answer"
        silent = service.confirmed()[1]
        eventually(lambda: silent.ended_at)
        assert silent.ended_at and silent.confirmed_at
        assert 20 / times <= silent.ended_at - silent.confirmed_at < 20 / times + LATE_S
        eventually(lambda: [q for q in service.statuses() if q.at > silent.ended_at])  # type: ignore[operator]
        at = [q.at for q in service.statuses()]
        # one that was on its way when the socket was confirmed is none of it
        assert not [t for t in at if silent.confirmed_at + 2 / times < t < silent.ended_at - 0.1], at
        assert min(t for t in at if t > silent.ended_at) - silent.ended_at < 2 * ping_s / times + LATE_S


@needs_fast_clock
def test_R14_R22_five_minutes_of_being_unknown(tmp_path: Path) -> None:
    """By neither way more than once a minute, and ever less often; never registered anew."""
    times = 20
    with by_socket(tmp_path, times, "unauthorized", ping_freq=1) as (service, d):
        service.on_status = lambda _: (403, b"")
        eventually(lambda: service.connections and service.statuses())
        began = time.monotonic()
        time.sleep(5 * MINUTE_S / times)
        for at in ([c.at for c in service.connections], [q.at for q in service.statuses()]):
            early = [t for t in at if t < at[0] + 2.5 * MINUTE_S / times]
            assert 2 <= len(at) <= 4 and all(b - a >= MINUTE_S / times for a, b in zip(at, at[1:])), at
            assert len(early) >= len(at) - len(early), at
            assert at[0] - began < LATE_S
        assert not service.registrations() and SECRET not in d.said()


@needs_fast_clock
def test_R20_R23_cut_fifty_times(tmp_path: Path) -> None:
    times = 200
    with by_socket(tmp_path, times, "cut") as (service, _):
        eventually(lambda: len(service.connections) >= 50)
        at = [c.at for c in service.connections[:50]]
        gaps = [times * (b - a) for a, b in zip(at, at[1:])]
        print("the last waits, in its seconds:", [round(gap, 1) for gap in gaps[-10:]])
        assert all(gap >= 10 for gap in gaps[-40:]), gaps


@needs_fast_clock
@in_own_network
def test_R37_ten_minutes_without_a_service(tmp_path: Path) -> None:
    """All of it is away; the service asks as soon as it is back, for what it has no result of."""
    times = 60
    with on_fast_clock(tmp_path, times) as (service, make):
        p = make(runners="OOKLA").start(**fast(times))
        eventually(lambda: service.cable.confirmed())
        service.fail_always("upload", Fault(status=503))
        service.ask()
        eventually(lambda: service.of("upload"))
        for endpoint in ("status", "socket"):
            service.fail_always(endpoint, Fault(reset_at=0))
        service.cable.break_off(reset=True)
        time.sleep(10 * MINUTE_S / times)
        assert p.ookla_runs() == 1 and service.measurements == []
        attempts = len(service.of("upload"))
        assert 3 <= attempts <= 7, "15 s, doubled each time (R38)"
        for endpoint in ("upload", "status", "socket"):
            service.fail_always(endpoint, None)
        eventually(lambda: service.measurements)
        eventually(lambda: len(service.cable.confirmed()) >= 2)
        time.sleep(2 * MINUTE_S / times)
        assert len(service.measurements) == 1 and p.ookla_runs() == 1 and service.problems() == []


@needs_fast_clock
@in_own_network
def test_R39_what_the_spool_has_no_place_for_is_told(tmp_path: Path) -> None:
    """Tests of our own, of which none arrives: the oldest go, and the log and `status` say so; the rest arrives."""
    times = 60
    with on_fast_clock(tmp_path, times) as (service, make):
        service.fail_always("upload", Fault(status=503))
        p = make(runners="OOKLA", schedule="1m", spool_max_results=2).start(**fast(times))
        eventually(lambda: "1 results that had not arrived are lost" in p.said())
        eventually(lambda: p.status()["store"]["lost"] >= 2)
        assert p.status()["store"]["pending"] <= 2
        p.set(schedule="off")
        eventually(lambda: p.status()["tests"]["next_own_s"] is None and not p.status()["tests"]["running"])
        store = p.status()["store"]
        pending = store["pending"] + store["uncertain"]  # one may be on its way to a 503 just now
        service.fail_always("upload", None)
        eventually(lambda: len(service.measurements) == pending)
        listed = subprocess.run([RADAR_POD, "results", "list", "--state-dir", p.state], capture_output=True, text=True)
        assert listed.returncode == 0 and listed.stdout.count("schedule") == pending, listed  # while the daemon runs
        assert len(keys(service)) == pending and service.problems() == []


TRAFFIC = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for _ in range(50):
        try:
            s.sendto(bytes(1000), ("127.0.0.1", 9))
        except ConnectionError:
            pass
    time.sleep(0.005)
"""


@contextlib.contextmanager
def traffic_on_loopback() -> Iterator[None]:
    """80 Mbit/s, to nobody; of a process, as a test's own threads may have to wait."""

    def sent() -> int:
        [lo] = [line for line in Path("/proc/thread-self/net/dev").read_text().splitlines() if "lo:" in line]
        return int(lo.split()[9])

    before = sent()
    with subprocess.Popen([sys.executable, "-c", TRAFFIC]) as sender:
        try:
            eventually(lambda: sent() > before + 1_000_000)
            yield
        finally:
            sender.kill()


@needs_fast_clock
@pytest.mark.parametrize("runner", ["NDT7", "OOKLA"])
@in_own_network
def test_a_line_that_is_used_for_a_minute_is_told_in_the_result(tmp_path: Path, runner: str) -> None:
    times = 10
    with on_fast_clock(tmp_path, times) as (service, make):
        p = make(runners=runner).start(**fast(times))
        eventually(lambda: service.cable.confirmed())
        with traffic_on_loopback():
            asked = time.monotonic()
            service.ask("lo")
            eventually(lambda: service.measurements)
            assert time.monotonic() - asked >= MINUTE_S / times
        words = [RADAR_POD, "results", "export", "--state-dir", p.state]
        result = json.loads(subprocess.run(words, capture_output=True, text=True).stdout.splitlines()[0])
        assert any("something else used lo" in w for w in result.get("result", result)["warnings"]), result


# --- a radio -------------------------------------------------------------------------------------------------

CLONE_NEWNS = 0x00020000
INFO: dict[str, Any] = {
    "bssid": "02:00:5e:aa:bb:cc", "status": "COMPLETED", "ip": "192.0.2.40", "signal": -57, "tx_speed": 433,
    "frequency": 5180, "channel": 36, "width": "80 MHz", "noise": -92, "ssid": "Lab",
}  # fmt: skip


def run(words: str) -> None:
    done = subprocess.run(words.split(), capture_output=True, text=True)
    if "Unknown device type" in done.stderr or "not supported" in done.stderr:
        pytest.skip(f"not with this kernel: {words}")
    assert done.returncode == 0, f"{words}: {done.stderr}"


def a_radio() -> None:
    """wlan0, as far as this machine's /sys says, in a network and a file system of this thread's own."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        pytest.skip("no mount namespace is to be had")
    run("mount --make-rprivate /")
    run("mount -t tmpfs none /run")
    Path("/run/wpa_supplicant").mkdir()
    run("ip link add wlan0 type veth peer name air")
    run("ip addr add 192.0.2.40/24 dev wlan0")
    run("ip link set wlan0 up")
    run("ip link set air up")
    run("ip route add default via 192.0.2.1 dev wlan0")
    run("mount -t tmpfs none /sys/class/net")
    Path("/sys/class/net/wlan0/wireless").mkdir(parents=True)


@needs_root
@pytest.mark.skipif(not shutil.which("ip"), reason="iproute2 is not installed")
@pytest.mark.parametrize("there", [True, False], ids=["a supplicant", "none"])
@in_own_network
def test_R30_R43_R46_by_radio(tmp_path: Path, there: bool) -> None:
    """On the default interface, which is a radio (contract 7.5), and by its name; what the supplicant says goes along."""
    a_radio()
    answers = {b"STATUS": [CONNECTED], b"SIGNAL_POLL": [SIGNAL]}
    with PodService() as service, pods(tmp_path, service) as make, contextlib.ExitStack() as stack:
        if there:
            stack.enter_context(Supplicant("/run/wpa_supplicant", "wlan0", answers))
        p = make(runners="OOKLA").start()
        eventually(lambda: service.cable.confirmed())
        [_, sync] = eventually(lambda: service.cable.confirmed()[0].actions("sync"))[0]
        assert [(i["name"], i["is_wlan"]) for i in sync["net_interfaces"] if i["default"]] == [("wlan0", True)]
        for count, names in enumerate(([], ["wlan0"]), 1):
            service.ask(*names)
            eventually(lambda: p.status()["uploads"]["arrived"] == count)  # noqa: B023
            m = service.measurements[-1]
            assert (m.interface, m.wireless, m.connection_info) == ("wlan0", True, INFO if there else None)
        assert service.problems() == [] and p.is_alive()
        assert there or not any("connection_info" in q.body.decode(errors="replace") for q in service.of("upload"))
