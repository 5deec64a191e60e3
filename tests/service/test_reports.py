"""Error reports of the real daemon, by the numbers of the contract's list of tests (its section 11) and R61, against a
fake Sentry. The daemon says nothing in its first 5 s; where a test need not wait for that, it stops the daemon, which
tells what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pod
import pytest
import scripted
import wire
from daemon import IN_VAIN_S, LATE_S, RADAR_POD, Daemon, children_of, eventually
from fake_cable import POD, SECRET, Service
from fake_sentry import KEY, PROJECT, FakeSentry
from http1 import Fault
from pod_daemon import pods
from pod_service import PodService, in_own_network

Make = Callable[..., Daemon]
sanitized = pytest.mark.skipif("RADAR_POD_SANITIZED" in os.environ, reason="a sanitizer answers signals itself")


@pytest.fixture
def service() -> Iterator[Service]:
    s = Service()
    yield s
    s.close()


@pytest.fixture
def sentry() -> Iterator[FakeSentry]:
    s = FakeSentry()
    yield s
    s.close()
    assert s.problems == []


@pytest.fixture
def daemon(service: Service, sentry: FakeSentry, tmp_path: Path) -> Iterator[Make]:
    made: list[Daemon] = []

    def make(**keys: Any) -> Daemon:
        given = {"pod": POD, "secret": SECRET, "url": service.url, "ping_freq": 60, "sentry_dsn": sentry.dsn, **keys}
        made.append(Daemon(tmp_path / f"pod{len(made)}", **given))
        return made[-1]

    yield make
    for d in made:
        d.kill()
        if d.log.exists():
            print(f"--- {d.folder.name}\n{d.said()}")


def connected(d: Daemon, service: Service, count: int = 1) -> None:
    eventually(lambda: len(service.confirmed()) >= count)
    eventually(lambda: d.said().count("connected to the service") >= count)


def crash(d: Daemon, number: int) -> None:
    d.signal(number)
    assert d.process
    assert d.process.wait(IN_VAIN_S) == -number, "whoever waits sees the signal"


def build_id(path: str) -> str:
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Build ID: ([0-9a-f]+)", notes)
    assert found
    return found.group(1)


def told_of(event: dict[str, Any]) -> dict[str, Any]:
    [value] = event["exception"]["values"]
    assert isinstance(value, dict)
    return value


@sanitized
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
def test_10_a_crash_is_told_by_the_next_start_once(
    service: Service, sentry: FakeSentry, daemon: Make, number: signal.Signals
) -> None:
    d = daemon().start()
    connected(d, service)
    crash(d, number)
    assert not sentry.envelopes
    for start in (2, 3):
        d.start()
        connected(d, service, start)
        assert d.stop()[0] == 0
    [event] = sentry.events()
    assert event["level"] == "fatal" and event["platform"] == "native" and event["logger"] == "agent"
    value = told_of(event)
    assert value["type"] == number.name and value["mechanism"]["handled"] is False
    frames = [int(frame["instruction_addr"], 16) for frame in value["stacktrace"]["frames"]]
    images = event["debug_meta"]["images"]
    [ours] = [image for image in images if image["code_file"] == "radar-pod"]
    assert ours["code_id"] == build_id(RADAR_POD)
    begin = int(ours["image_addr"], 16)
    assert len(frames) > 2 and any(begin <= at < begin + ours["image_size"] for at in frames)
    assert any(image["code_file"].startswith("libsqlite3") for image in images), "loaded late, and listed"
    assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]][-1] == "connected to the service"
    assert f"crashed by {number.name}" in d.said()


@sanitized
def test_10_a_courier_that_crashes_is_told_of(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    service.manner = "http404"
    d = daemon(ping_freq=1).start()
    eventually(lambda: service.statuses())
    crash_child(d.pid, "courier")
    eventually(lambda: sentry.events())
    assert d.is_alive()
    [event] = sentry.events()
    assert event["tags"]["role"] == "courier" and told_of(event)["type"] == "SIGSEGV"
    assert any(image["code_file"].startswith("libcurl") for image in event["debug_meta"]["images"]), "loaded late"
    before = len(service.statuses())
    eventually(lambda: len(service.statuses()) > before)


@sanitized
@in_own_network
def test_P5_13_a_test_that_crashes_is_told_of_when_it_is_over(tmp_path: Path) -> None:
    """While it ran nothing was told, although there was something for more than the first 5 s."""
    sentry = FakeSentry()
    with pod.own_serve() as server, PodService() as service, pods(tmp_path, service) as make:
        locate = f"http://{server.addresses['ws']}/v2/nearest/ndt/ndt7"
        p = make(locate_url=locate, sentry_dsn=sentry.dsn, runners="NDT7").start()
        eventually(lambda: service.cable.confirmed())
        service.ask()
        eventually(lambda: children_of(p.pid, "test"))
        service.fail_always("socket", Fault(status=500))
        service.cable.break_off(reset=True)  # then the heartbeat is asked over HTTP
        crash_child(p.pid, "courier")
        eventually(lambda: "the process courier crashed" in p.said())
        time.sleep(6)  # no bound: to give it the time that it must not use
        assert not sentry.envelopes
        crash_child(p.pid, "test")
        # what the daemon says of the service's answers is told, too, and of no role
        # and on a busy machine the request that is still open begins another test before, of 20 s
        crashes = eventually(lambda: len(found := [e for e in sentry.events() if "role" in e["tags"]]) >= 2 and found, 2 * IN_VAIN_S)
        assert p.is_alive()
        assert [event["tags"]["role"] for event in crashes] == ["courier", "test"], "the oldest first"
        assert "it crashed (SIGSEGV)" in p.said()
        assert any(image["code_file"] == "radar-pod" for image in crashes[1]["debug_meta"]["images"])
    sentry.close()


def crash_child(pid: int, role: str) -> None:
    """Not before it catches it: what dies sooner leaves no record, and is told of without one."""

    def ready() -> list[int]:
        return [child for child in children_of(pid, role) if caught_signals(child) & (1 << (signal.SIGSEGV - 1))]

    os.kill(eventually(ready)[0], signal.SIGSEGV)


def test_r61_off_without_a_dsn(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    d = daemon(sentry_dsn="").start()
    connected(d, service)
    service.say_text("no json")
    assert not (d.state / "crash-agent.record").exists()
    if "RADAR_POD_SANITIZED" not in os.environ:
        assert caught_signals(d.pid) & (1 << (signal.SIGSEGV - 1)) == 0
    assert d.stop()[0] == 0
    assert not sentry.envelopes


def caught_signals(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)


def test_r61_a_dsn_that_is_none_is_said_once_and_not_shown(service: Service, daemon: Make) -> None:
    d = daemon(sentry_dsn="http://secretkey@127.0.0.1").start()
    connected(d, service)
    assert d.stop()[0] == 0
    assert d.said().count("error reports are off") == 1 and "secretkey" not in d.said()


def test_r61_the_request(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    """12 too: what is alike is one report however often it comes."""
    d = daemon().start()
    connected(d, service)
    for _ in range(2000):
        service.say_text("no json")
    eventually(lambda: d.said().count("could not") >= 2000)
    assert d.stop()[0] == 0
    [envelope] = sentry.envelopes
    assert envelope.path == f"/api/{PROJECT}/envelope/"
    assert envelope.headers["content-type"] == "application/x-sentry-envelope"
    assert envelope.headers["user-agent"].startswith("radar-pod/")
    assert f"sentry_version=7, sentry_client={envelope.headers['user-agent']}, sentry_key={KEY}" in (
        envelope.headers["x-sentry-auth"]
    )
    assert envelope.headers["content-encoding"] == "gzip", "above 1 KiB"
    assert "transfer-encoding" not in envelope.headers and "expect" not in envelope.headers
    [event] = sentry.events()
    assert envelope.header["event_id"] == event["event_id"]
    assert event["fingerprint"][:3] == ["agent", "service", "FRAME_UNREADABLE"]
    assert "suppressed_count" not in json.dumps(event)
    steps = [crumb["message"] for crumb in event["breadcrumbs"]["values"]]
    assert any("loop" in step for step in steps) and "connected to the service" in steps


def test_what_the_log_has_at_error_is_a_report(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    """R62, and the contract's "set aside … report it"."""
    d = daemon()
    d.state.mkdir(parents=True)
    (d.state / "store.db").write_bytes(b"what is no database" * 1000)
    d.start()
    connected(d, service)
    assert d.stop()[0] == 0
    [event] = sentry.events()
    assert event["level"] == "error" and event["logger"] == "daemon"
    assert "the store was set aside as" in told_of(event)["value"]


def test_11_nothing_of_the_pods_is_told(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    token = "tok_of_an_account"
    d = daemon(registration_token=token, pod="", secret="").start()
    connected(d, service)
    service.say_text(f'{{"type": "{SECRET}", "message": "{POD}", "token": {token}')
    eventually(lambda: "could not" in d.said())
    assert d.stop()[0] == 0
    said = json.dumps([(envelope.header, envelope.items) for envelope in sentry.envelopes])
    assert sentry.events()
    for secret in (SECRET, POD, token, KEY, "127.0.0.1"):
        assert secret not in said, secret
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", said)  # which may be two letters


def test_r61_offline_is_told_later_once(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    d = daemon(sentry_dsn=f"http://{KEY}@127.0.0.1:{port}/7").start()
    connected(d, service)
    service.say_text("no json")
    eventually(lambda: "could not" in d.said())
    assert d.stop()[0] == 0
    d.config.write_text(d.config.read_text().replace(f"sentry_dsn=http://{KEY}@127.0.0.1:{port}/7", f"sentry_dsn={sentry.dsn}"))
    for start in (2, 3):
        d.start()
        connected(d, service, start)
        assert d.stop()[0] == 0
    assert len(sentry.events()) == 1


def reports_of(p: Daemon, sentry: FakeSentry) -> list[list[str]]:
    """What it tells when it is stopped, by what groups it."""
    assert p.stop()[0] == 0
    return sorted(event["fingerprint"] for event in sentry.events())


@in_own_network
def test_12_tests_that_fail_are_told_of_once(tmp_path: Path) -> None:
    """The contract's section 6: a test's failure is one to be reported; that nobody is there to test against is none."""
    sentry = FakeSentry()
    with PodService() as service, pods(tmp_path, service) as make:
        p = make(ookla="exit 1", runners="OOKLA", sentry_dsn=sentry.dsn).start()
        eventually(service.cable.confirmed)
        for count in (1, 2, 3):
            eventually(lambda: (service.ask(), p.ookla_runs() >= count)[1], every_s=0.2)  # noqa: B023
        assert reports_of(p, sentry) == [["agent", "ookla", "TEST_FAILED", "0"]]
        [event] = sentry.events()
        assert event["level"] == "error" and "code 1" in told_of(event)["value"]
    sentry.close()


@in_own_network
def test_a_server_that_talks_nonsense_is_told_of_and_one_that_is_not_to_be_had_is_not(tmp_path: Path) -> None:
    def nonsense(c: scripted.Connection) -> None:
        c.upgrade()
        c.send(b"\x83\x00")  # an opcode that is reserved
        c.wait(wire.CLOSE)

    sentry = FakeSentry()
    with PodService() as service, pods(tmp_path, service) as make:
        given = [{"locate_url": "http://127.0.0.1:1/"}, {"ndt7": scripted.refuse(503)}, {"ndt7": nonsense}]
        for count, keys in enumerate(given, 1):
            p = make(**keys, sentry_dsn=sentry.dsn).start()
            eventually(lambda: len(service.cable.confirmed()) >= count)  # noqa: B023
            service.ask()
            eventually(lambda: "is kept and not sent" in p.said())  # noqa: B023
            told = reports_of(p, sentry)
            assert told == ([["agent", "ndt7", "TEST_FAILED", "EPROTO"]] if keys.get("ndt7") is nonsense else [])
    sentry.close()


@in_own_network
def test_12_uploads_that_fail_are_told_of_once(tmp_path: Path) -> None:
    """By what the service answers; that it is not reached is none of them."""
    sentry = FakeSentry()
    with PodService() as service, pods(tmp_path, service) as make:
        service.fail("upload", Fault(reset_at=0, after=False), Fault(status=503), Fault(status=500))
        p = make(runners="OOKLA", sentry_dsn=sentry.dsn).start()
        eventually(service.cable.confirmed)
        service.ask()
        eventually(lambda: len(service.of("upload")) >= 2, 120)
        eventually(lambda: p.status()["uploads"]["attempts"] >= 2 and not p.status()["uploads"]["busy"])
        assert reports_of(p, sentry) == [["agent", "uploader", "UPLOAD_FAILED", "EPROTO"]]
        [event] = sentry.events()
        assert event["level"] == "error" and "503" in told_of(event)["value"]
    sentry.close()


@pytest.mark.parametrize("status", [400, 413, 429, 500, 503])
def test_05_an_answer_is_final(service: Service, sentry: FakeSentry, daemon: Make, status: int) -> None:
    sentry.status = status
    d = daemon().start()
    connected(d, service)
    service.say_text("no json")
    eventually(lambda: "could not" in d.said())
    assert d.stop()[0] == 0
    assert len(sentry.events()) == 1
    sentry.status = 200
    d.start()
    connected(d, service, 2)
    assert d.stop()[0] == 0
    assert len(sentry.events()) == 1


@sanitized
def test_14_a_server_that_says_nothing_delays_nobody(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    """13 too: R61's "slow never delays heartbeats"."""
    sentry.silent_s = 60
    service.manner = "http404"
    d = daemon(ping_freq=1).start()
    eventually(lambda: service.statuses())
    crash(d, signal.SIGSEGV)  # what the next start tells, as soon as it tells anything
    d.start()
    eventually(lambda: sentry.envelopes)
    told = time.monotonic()
    so_far = len(service.statuses())
    eventually(lambda: len(service.statuses()) >= so_far + 6)
    assert time.monotonic() - told < 6 * 1.2 + LATE_S, "once a second, as ever"
    before = time.monotonic()
    assert d.stop()[0] == 0
    assert time.monotonic() - before < 15, "2 s for what is left, and no more"
    assert len(sentry.envelopes) == 1


def test_sighup_another_dsn(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    """Of a host and a port that were named when the daemon began: other ports are closed to it."""
    d = daemon(sentry_dsn=sentry.dsn.rpartition("/")[0] + "/8").start()
    connected(d, service)
    d.config.write_text("".join(f"sentry_dsn={sentry.dsn}\n" if line.startswith("sentry_dsn=") else line
                                for line in d.config.read_text().splitlines(keepends=True)))  # fmt: skip
    d.signal(signal.SIGHUP)
    eventually(lambda: "was read again" in d.said())
    assert "restart it" not in d.said()
    service.say_text("no json")
    eventually(lambda: "could not" in d.said())
    assert d.stop()[0] == 0
    assert len(sentry.events()) == 1 and sentry.envelopes[0].path == f"/api/{PROJECT}/envelope/"


def test_the_next_report_is_shown_and_not_sent(service: Service, sentry: FakeSentry, daemon: Make) -> None:
    """`--dry-run`, beside the daemon and without it."""
    d = daemon().start()
    connected(d, service)
    service.say_text("no json")
    eventually(lambda: "could not" in d.said())
    command = [RADAR_POD, "sentry", "--dry-run", "-c", str(d.config), "--state-dir", str(d.state)]
    shown = eventually(lambda: subprocess.run(command, capture_output=True, check=True).stdout)
    assert not sentry.envelopes
    assert d.stop()[0] == 0
    [envelope] = sentry.envelopes
    head, items = shown.partition(b"\n")[::2]
    assert json.loads(head)["event_id"] == envelope.header["event_id"]
    [event] = sentry.events()
    assert json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() in items
    nothing = subprocess.run(command, capture_output=True, check=True, text=True)
    assert nothing.stdout == "" and "no report waits" in nothing.stderr
