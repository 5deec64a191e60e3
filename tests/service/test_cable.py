"""The socket to the service, by the contract's numbers, against the real daemon."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certificates
import pytest
from daemon import IN_VAIN_S, LATE_S, RADAR_POD, Daemon, eventually
from fake_cable import BINARY, PING, POD, PONG, SECRET, TEXT, Connection, Service, frame
from fake_proxy import FakeProxy

Make = Callable[..., Daemon]


@pytest.fixture
def service() -> Iterator[Service]:
    s = Service()
    yield s
    s.close()


@pytest.fixture
def daemon(service: Service, tmp_path: Path) -> Iterator[Make]:
    """Makes a daemon that is a pod of the service already, unless it is given other credentials."""
    made: list[Daemon] = []

    def make(**keys: Any) -> Daemon:
        given = {"pod": POD, "secret": SECRET, "url": service.url, **keys}
        made.append(Daemon(tmp_path / f"pod{len(made)}", **given))
        return made[-1]

    yield make
    for d in made:
        d.kill()
        if d.log.exists():
            print(f"--- {d.folder.name}\n{d.said()}")


def connected(service: Service, count: int = 1) -> Connection:
    eventually(lambda: len(service.confirmed()) >= count)
    return service.confirmed()[count - 1]


def test_r15_the_request(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    first = connected(service)
    assert first.target == "/api/v1/clients/ws"
    assert first.header("Authorization") == [f"Basic {POD}:{SECRET}"]
    assert first.header("User-Agent")[0].startswith("RadarPodsAgent/")
    assert first.header("Sec-Radar-Tool") == ["true"]
    assert first.header("Sec-Radar-Service-Started") == ["true"]
    assert not first.header("Sec-WebSocket-Protocol") and not first.header("Sec-WebSocket-Extensions")
    service.break_off(reset=True)
    second = connected(service, 2)
    assert second.header("Sec-Radar-Service-Started") == ["false"]
    d.stop()
    d.start()
    third = connected(service, 3)
    assert third.header("Sec-Radar-Service-Started") == ["false"], "S11: once a boot, not once a process"


def test_r16_r17_r18_subscribe_and_sync(service: Service, daemon: Make) -> None:
    daemon(ping_freq=60).start()
    c = connected(service)
    sync_at, sync = eventually(lambda: c.actions("sync"))[0]
    identifier = json.loads(c.identifier)
    assert identifier["channel"] == "PodAgentChannel" and isinstance(identifier["id"], str)
    assert c.frames[0][1]["command"] == "subscribe" and isinstance(c.frames[1][1]["data"], str)
    assert c.confirmed_at is not None and 0 <= sync_at - c.confirmed_at < LATE_S
    assert isinstance(sync["net_interfaces"], list)
    for interface in sync["net_interfaces"]:
        assert {"name", "mac", "ips", "default", "is_wlan"} <= set(interface)
    assert {"distribution", "version", "watchdog_version", "os_version", "hardware_platform"} <= set(sync)
    assert eventually(lambda: c.actions("pong"))[0][1] is None
    assert len(c.frames) >= 3 and [f["identifier"] for _, f in c.frames] == [c.identifier] * len(c.frames)
    service.break_off(reset=False)
    other = connected(service, 2)
    assert other.identifier != c.identifier


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_r18_an_array_where_no_interface_can_be_had(service: Service, daemon: Make) -> None:
    """By the socket and over HTTP: of null the service takes neither a version nor an order (W34). An error once."""
    failing = ("strace", "-qq", "-o", os.devnull, "-e", "trace=poll", "-e", "inject=poll:error=ENOMEM")
    d = daemon(ping_freq=1).start(before=failing, ASAN_OPTIONS="detect_leaks=0")
    c = connected(service)
    [(_, sync), *_] = eventually(lambda: c.actions("sync"))
    assert sync["net_interfaces"] == []
    service.manner = "http404"
    service.break_off(reset=True)
    before = len(service.statuses())
    eventually(lambda: len(service.statuses()) >= before + 3)
    assert service.statuses()[-1].json()["network_interfaces"] == [] and d.is_alive()
    assert d.said().count("could not list") > 3 and d.said().count("error: could not list") == 1


@pytest.mark.parametrize("manner", ["no_welcome", "no_confirm", "reject", "mute"])
def test_r17_r20_no_subscription(service: Service, daemon: Make, manner: str) -> None:
    service.manner = manner
    d = daemon(ping_freq=60).start()
    first = eventually(lambda: service.connections)[0]
    eventually(lambda: first.ended_at)
    assert first.ended_at is not None and first.ended_at - first.at < 15 # ours is 10 s
    assert first.close_code == 1000
    eventually(lambda: len(service.connections) > 1)
    assert not first.actions("sync") and not first.actions("pong")
    assert d.is_alive()
    service.manner = "serve"
    connected(service, 1)


def test_r19_r21_pong_and_silence(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    c = connected(service)
    pid = d.pid
    time.sleep(31)
    pongs = [at for at, _ in c.actions("pong")]
    moments = [c.confirmed_at or 0.0, *pongs, time.monotonic()]
    assert pongs and max(b - a for a, b in zip(moments, moments[1:])) < 25 + LATE_S
    service.manner = "silent"
    service.break_off(reset=True)
    silent = connected(service, 2)
    service.manner = "serve"
    connected(service, 3)
    assert silent.ended_at and silent.confirmed_at and 20 <= silent.ended_at - silent.confirmed_at < 20 + LATE_S
    assert d.is_alive() and d.pid == pid


def test_r22_unauthorized(service: Service, daemon: Make) -> None:
    service.manner = "unauthorized"
    d = daemon(ping_freq=1).start()
    eventually(lambda: len(service.statuses()) > 3)  # HTTP mode meanwhile
    time.sleep(10)
    assert len(service.connections) == 1 and d.is_alive()
    assert "not to come back" in d.said() and SECRET not in d.said()


def test_r23_cut_at_once(service: Service, daemon: Make) -> None:
    service.manner = "cut"
    daemon(ping_freq=60).start()
    eventually(lambda: len(service.connections) >= 6)
    at = [c.at for c in service.connections]
    gaps = [b - a for a, b in zip(at, at[1:])]
    for i, gap in enumerate(gaps):  # half a second, doubled each time, a fifth more or less; and never early
        assert 0.8 * 0.5 * 2**i <= gap < 1.2 * 0.5 * 2**i + LATE_S, gaps


def is_quiet(d: Daemon, service: Service) -> bool:
    """It lives on its socket, and what it said over HTTP before that has come."""
    s = d.status()
    return s["socket"]["phase"] == "confirmed" and s["heartbeat"]["sent"] == len(service.statuses())


@pytest.mark.parametrize("how", ["fin", "rst", "close", "restart", "http404", "wrong_accept"])
def test_r10_heartbeats_come_back(service: Service, daemon: Make, how: str) -> None:
    before = 0
    if how in ("http404", "wrong_accept"):
        service.manner = how
    since = time.monotonic()
    d = daemon(ping_freq=1).start()
    if how in ("http404", "wrong_accept"):
        first = eventually(service.statuses)[0]
        assert first.json()["service_first_ping"] == "true"
    else:
        connected(service)
        eventually(lambda: is_quiet(d, service))
        before = len(service.statuses())  # while it had no socket yet
        time.sleep(3)
        assert len(service.statuses()) == before, "none while the socket is confirmed"
        service.manner = "no_answer"
        since = time.monotonic()
        if how == "close":
            service.say(frame(8, b"\x03\xe8"))
        elif how == "restart":
            service.say_json({"type": "disconnect", "reason": "server_restart", "reconnect": True})
        else:
            service.break_off(reset=how == "rst")
        broken_at = time.monotonic()
        eventually(lambda: len(service.statuses()) > before)
        assert service.statuses()[before].at - broken_at < 2 + LATE_S
    eventually(lambda: len(service.statuses()) >= before + 6)
    at = [r.at for r in service.statuses()[before:]]
    assert at[5] - since >= 5 * 0.8 and at[5] - at[0] < 5 * 1.2 + LATE_S, at


def test_r11_r12_the_heartbeat(service: Service, daemon: Make) -> None:
    service.manner = "http404"
    answers = [(500, b""), (200, b'{"test_requested":true}')]
    service.on_status = lambda _: answers[min(len(service.statuses()) - 1, 1)]
    daemon(ping_freq=1).start()
    eventually(lambda: len(service.statuses()) >= 4)
    first = service.statuses()[0]
    assert first.path == f"/clients/{POD}/status" and first.method == "POST"
    assert first.header("Accept") == ["application/json"]
    assert [r.json()["service_first_ping"] for r in service.statuses()[:4]] == ["true", "true", "false", "false"]
    body = first.json()
    assert isinstance(body["network_interfaces"], list) and body["os_version"] == "linux"
    assert body["distribution"] == f"linux-{body['hardware_platform']}"


def test_r14_denied(service: Service, daemon: Make) -> None:
    service.manner = "http404"
    service.on_status = lambda _: (403, b"")
    d = daemon(ping_freq=1).start()
    eventually(service.statuses)
    time.sleep(8)
    assert len(service.statuses()) == 1 and not service.registrations() and d.is_alive()


BAD = [
    ("no JSON", frame(TEXT, b'{"type":')),
    ("no object", frame(TEXT, b"[1,2]")),
    ("null", frame(TEXT, b"null")),
    ("a type that is a number", frame(TEXT, b'{"type":1,"message":[]}')),
    ("run_test without body", frame(TEXT, b'{"type":"run_test","message":null}')),
    ("interfaces of another type", frame(TEXT, b'{"type":"run_test","message":{"interfaces":7}}')),
    ("unknown type", frame(TEXT, b'{"type":"tea","message":{}}')),
    ("unknown event", frame(TEXT, b'{"identifier":"x","message":{"event":"tea"}}')),
    ("binary", frame(BINARY, b"\0" * 70000)),
    ("1 MiB", frame(TEXT, b'{"x":"' + b"a" * (1024 * 1024 - 8) + b'"}')),
    ("fragmented", frame(TEXT, b'{"ty', fin=False) + frame(0, b'pe":"te', fin=False) + frame(0, b'a"}')),
    ("deep", frame(TEXT, b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}")),
]


def test_r24_bad_frames_are_dropped(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    c = connected(service)

    def say_all(times: int, ping: bytes, most: int = 2 << 20) -> None:
        for _ in range(times):
            for data in (data for _, data in BAD if len(data) <= most):
                service.say(data)
        service.say(frame(PING, ping))
        eventually(lambda: [p for _, o, p in c.controls if o == PONG and p == ping])

    # The room for the longest of them, and as much of the loop's buffers as ever comes at once, are not theirs.
    say_all(20, b"once")
    before = d.peak_kb()
    say_all(20, b"hello")
    say_all(200, b"short", most=100)  # what is kept of each, were it a kB, would be seen
    assert d.is_alive() and c.ended_at is None and d.status()["orders"] == 0
    assert d.peak_kb() < before + 600
    assert d.stop()[0] == 0  # as a sanitizer that has seen a leak would not


BREAKS = {
    "masked": (frame(TEXT, b"{}", masked=True), 1002),
    "over 1 MiB": (frame(TEXT, b"a" * (1024 * 1024 + 1)), 1009),
    "not UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "a reserved opcode": (frame(3, b""), 1002),
}


@pytest.mark.parametrize("name", BREAKS)
def test_r24_who_breaks_the_protocol_is_left(service: Service, daemon: Make, name: str) -> None:
    data, code = BREAKS[name]
    d = daemon(ping_freq=60).start()
    c = connected(service)
    service.say(data)
    eventually(lambda: c.ended_at)
    assert c.close_code == code
    connected(service, 2)
    assert d.is_alive()


def test_r25_orders(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    connected(service)
    service.say_json({"type": "run_test", "message": {"interfaces": None}})
    service.broadcast("test_requested", {"interfaces": [None]})
    service.broadcast("test_requested", {"interfaces": ["no_such_one"]})
    eventually(lambda: d.status()["orders"] == 3)
    assert "a test on no_such_one, which is not there" in d.said()


def test_r63_sigterm(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    c = connected(service)
    code, took_s = d.stop()
    assert code == 0 and took_s < 10 and c.close_code == 1000


@pytest.mark.parametrize("manner", ["serve", "no_answer", "mute", "http404", "unauthorized"])
def test_r63_sigterm_whatever_the_service_does(service: Service, daemon: Make, manner: str) -> None:
    service.manner = manner
    service.close_answered = False
    d = daemon(ping_freq=1).start()
    eventually(lambda: service.connections)
    time.sleep(1.5)
    code, took_s = d.stop()
    assert code == 0 and took_s < 10


def test_sighup_reads_the_configuration_again(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    c = connected(service)
    d.config.write_text(d.config.read_text().replace(SECRET, "aNotherOne2"))
    d.signal(signal.SIGHUP)
    other = connected(service, 2)
    assert other.header("Authorization") == [f"Basic {POD}:aNotherOne2"] and c.close_code == 1000
    d.config.write_text("ping_freq=none\n")
    d.signal(signal.SIGHUP)
    eventually(lambda: "ping_freq" in d.said())
    assert d.is_alive() and other.ended_at is None


def test_sighup_another_port(service: Service, daemon: Make) -> None:
    """A port that was not named at the start is closed to the daemon: it stays where it is, says so, and is there after a
    restart. Until then the one service hears nothing of what is for the other."""
    d = daemon(ping_freq=60).start()
    c = connected(service)
    if "ports" in d.status()["sandbox_lacks"]:
        pytest.skip("this kernel closes no ports: any other is heeded at once")
    before, other = d.config.read_text(), Service()
    try:
        d.config.write_text(before.replace(service.url, other.url).replace(SECRET, "aNotherOne2"))
        d.signal(signal.SIGHUP)
        eventually(lambda: "was read again" in d.said())
        assert re.search(r"error.*server_url: a TCP port .* restart it\..* is " + re.escape(service.url), d.said())
        s = d.status()
        assert s["needs_restart"] == "server_url" and s["server_url"] == service.url
        told = subprocess.run([RADAR_POD, "status", "--state-dir", d.state], capture_output=True, text=True, timeout=IN_VAIN_S)
        assert re.search(r"^needs restart for +server_url$", told.stdout, re.M)
        assert c.ended_at is None and s["socket"]["phase"] == "confirmed" and len(service.connections) == 1
        assert not other.connections and "aNotherOne2" not in d.said()
        assert d.stop()[0] == 0
        d.start()
        assert connected(other).header("Authorization") == [f"Basic {POD}:aNotherOne2"]
        assert len(service.connections) == 1 and d.status()["needs_restart"] == ""
        d.config.write_text(before)
        d.signal(signal.SIGHUP)
        eventually(lambda: d.status()["needs_restart"] == "server_url")
        d.config.write_text(before.replace(service.url, other.url))
        d.signal(signal.SIGHUP)
        eventually(lambda: d.status()["needs_restart"] == "")
    finally:
        other.close()


def test_a_ca_file_that_is_none(service: Service, daemon: Make) -> None:
    d = daemon(url="https://127.0.0.1:9", ca_file="/nonexistent.pem").start()
    assert d.process and d.process.wait(IN_VAIN_S) == 1
    assert "/nonexistent.pem" in d.said()
    d = daemon(ping_freq=1).start()
    connected(service)
    d.config.write_text("server_url=https://127.0.0.1\nca_file=/nonexistent.pem\nping_freq=1\nclient_id=a\nsecret=b\n")
    d.signal(signal.SIGHUP)
    eventually(lambda: "/nonexistent.pem" in d.said())
    eventually(lambda: d.status()["heartbeat"]["sent"] >= 2)
    assert d.stop()[0] == 0


def test_the_service_manager_is_told(service: Service, daemon: Make, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(IN_VAIN_S)
        d = daemon(ping_freq=60).start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
        said = ""
        while not all(word in said for word in ("READY=1", "STATUS=The service's socket: confirmed", "WATCHDOG=1")):
            said += manager.recv(4096).decode() + "\n"
        d.signal(signal.SIGTERM)
        while "STOPPING=1" not in said:
            said += manager.recv(4096).decode() + "\n"
    assert d.process and d.process.wait(IN_VAIN_S) == 0


def test_status(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    connected(service)
    s = eventually(lambda: d.status() if d.status()["socket"]["phase"] == "confirmed" else None)
    assert s["schema"] == "radar-pod/status/1" and s["pod"] == POD and s["pid"] == d.pid
    assert (d.state / "status.sock").stat().st_mode & 0o777 == 0o600
    assert SECRET not in json.dumps(s)
    d.stop()
    assert not (d.state / "status.sock").exists()


def test_status_for_the_group(service: Service, daemon: Make, tmp_path: Path) -> None:
    """Where systemd has started it a second socket, for who names neither a configuration nor a state directory."""
    run = tmp_path / "run"
    run.mkdir(mode=0o750)
    d = daemon(ping_freq=60).start(RUNTIME_DIRECTORY=f"{run}:/nowhere")
    connected(service)
    assert (run / "status.sock").stat().st_mode & 0o777 == 0o660
    elsewhere = {k: v for k, v in os.environ.items() if k != "RADAR_CONFIG_PATH"} | {
        "HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "home"), "RUNTIME_DIRECTORY": str(run)}  # fmt: skip

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([RADAR_POD, "status", "--json", *words], capture_output=True, text=True, env=elsewhere,
                              timeout=IN_VAIN_S)  # fmt: skip

    asked = ask()
    assert asked.returncode == 0 and json.loads(asked.stdout)["pid"] == d.pid, asked.stderr
    assert d.status()["pid"] == d.pid, "the first one is there as well"
    assert ask("--state-dir", str(tmp_path)).returncode == 1, "another one was meant"
    d.stop()
    assert not (run / "status.sock").exists()
    assert ask().returncode == 1
    d.start(RUNTIME_DIRECTORY=str(tmp_path / "no such folder"))
    connected(service, 2)
    assert "status.sock in" in d.said() or "no such folder" in d.said()
    assert d.status()["pid"] == d.pid


@pytest.mark.parametrize("option", ["-c", "--config-file", "-config-file"])
def test_the_first_agents_way_to_start_it(service: Service, daemon: Make, option: str) -> None:
    """The option without a command, with one dash or two."""
    d = daemon(ping_freq=60, state_dir="")
    d.config.write_text(d.config.read_text() + f"state_dir={d.state}\n")
    d.start(words=(option, str(d.config)))
    connected(service)
    assert d.stop()[0] == 0


def test_two_daemons(service: Service, daemon: Make) -> None:
    d = daemon(ping_freq=60).start()
    connected(service)
    other = daemon(ping_freq=60)
    other.state = d.state
    assert other.start().process.wait(IN_VAIN_S) == 1  # type: ignore[union-attr]
    assert str(d.pid) in other.said() and d.is_alive()


def test_libcurl_is_never_in_the_daemon(service: Service, daemon: Make) -> None:
    service.manner = "http404"
    d = daemon(ping_freq=1).start()
    eventually(lambda: len(service.statuses()) >= 2)
    assert "libcurl.so" not in Path(f"/proc/{d.pid}/maps").read_text()


@pytest.mark.skipif("RADAR_POD_SANITIZED" in os.environ, reason="a sanitizer has memory of its own")
def test_idle_within_6_mb_and_07_wakeups_a_second(tmp_path: Path) -> None:
    service = Service(certificates.server_context("by intermediate"))
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=15, ca_file=certificates.authority())
    try:
        d.start()
        connected(service)
        time.sleep(12)
        before = d.wakeups()
        time.sleep(20)
        assert d.wakeups() - before <= 0.7 * 20
        assert d.resident_kb() <= 6000
    finally:
        d.kill()
        service.close()


# --- TLS ---


def test_r28_over_tls(tmp_path: Path) -> None:
    service = Service(certificates.server_context("by intermediate"))
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=60, ca_file=certificates.authority())
    try:
        d.start()
        assert eventually(lambda: connected(service).actions("sync"))
        code, _ = d.stop()
        assert code == 0 and service.connections[0].close_code == 1000
    finally:
        d.kill()
        service.close()


@pytest.mark.parametrize("name", ["other host", "unknown authority", "expired", "self-signed", "for clients only"])
def test_r28_a_certificate_that_is_not_theirs(tmp_path: Path, name: str) -> None:
    """Neither the socket nor the heartbeat says a byte of the pod's."""
    service = Service(certificates.server_context(name))
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=1, ca_file=certificates.authority())
    try:
        d.start()
        eventually(lambda: d.log.exists() and "the service's socket: could not" in d.said())
        eventually(lambda: d.status()["heartbeat"]["last_error"])
        assert not service.connections and not service.requests
        assert d.is_alive() and d.stop()[0] == 0
    finally:
        d.kill()
        service.close()


# --- registering ---


def test_r1_r8_registers(service: Service, daemon: Make) -> None:
    d = daemon(pod="", secret="", registration_token="tok_1", ping_freq=60).start(RADAR_REGISTER_LABEL="shelf-07")
    c = connected(service)
    assert len(service.registrations()) == 1
    assert service.registrations()[0].json() == {"registration_token": "tok_1", "name": None, "register_label": "shelf-07"}
    assert c.header("Authorization") == [f"Basic {POD}:{SECRET}"]
    text = d.config.read_text()
    assert f"client_id={POD}" in text and f"secret={SECRET}" in text
    assert os.stat(d.config).st_mode & 0o777 == 0o600
    assert SECRET not in d.said() and "tok_1" not in d.said()
    d.kill()
    d.start()
    connected(service, 2)
    assert len(service.registrations()) == 1


def test_r2_registration_is_tried_again(service: Service, daemon: Make) -> None:
    answers = [(500, b""), (0, b""), (201, Service.registered())]
    service.on_register = lambda _: answers[len(service.registrations()) - 1]
    daemon(pod="", secret="", ping_freq=60).start()
    connected(service, 1)
    at = [r.at for r in service.registrations()]
    assert len(at) == 3 and at[1] - at[0] >= 10 and at[2] - at[1] >= 10


STRAY = json.dumps({"id": 4712, "unix_user": "r2222222stra", "secret": "strayStray2"}).encode()


@pytest.mark.parametrize("answer", [(500, b""), (201, STRAY)], ids=["refused", "another pod"])
def test_R1_credentials_that_were_put_there_meanwhile_stay(
    service: Service, daemon: Make, answer: tuple[int, bytes]
) -> None:
    """As `radar-pod register` beside a daemon that could not yet register puts them there, without a SIGHUP."""
    d = daemon(pod="", secret="", ping_freq=60)

    def meanwhile(_: object) -> tuple[int, bytes]:
        if len(service.registrations()) == 1:
            d.config.write_text(d.config.read_text() + f"client_id={POD}\nsecret={SECRET}\n")
        return answer

    service.on_register = meanwhile
    d.start()
    assert connected(service).header("Authorization") == [f"Basic {POD}:{SECRET}"]
    assert len(service.registrations()) == 1 and d.status()["pod"] == POD
    assert f"secret={SECRET}" in d.config.read_text() and "stray" not in d.config.read_text()
    assert d.stop()[0] == 0


# --- through a proxy ---


@pytest.fixture
def proxy() -> Iterator[FakeProxy]:
    p = FakeProxy()
    yield p
    p.close()


def test_W6_through_the_proxy_of_the_environment(service: Service, daemon: Make, proxy: FakeProxy) -> None:
    d = daemon(ping_freq=60)
    d.start(http_proxy=f"http://pod:p%40ss@127.0.0.1:{proxy.port}/", no_proxy="")
    c = connected(service)
    assert eventually(lambda: c.actions("sync"))
    port = service.url.rpartition(":")[2]
    first, *headers = proxy.requests[0].split("\r\n")
    assert first == f"CONNECT 127.0.0.1:{port} HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in headers
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'pod:p@ss').decode()}" in headers
    assert SECRET not in proxy.requests[0], "the service's alone"
    assert d.stop()[0] == 0 and c.close_code == 1000


def test_W6_over_tls_through_a_proxy(tmp_path: Path, proxy: FakeProxy) -> None:
    """The certificate is the service's; the proxy sees none of what is said."""
    service = Service(certificates.server_context("good"))
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=60, ca_file=certificates.authority())
    try:
        d.start(https_proxy=f"127.0.0.1:{proxy.port}", no_proxy="")
        assert eventually(lambda: connected(service).actions("sync"))
        assert proxy.requests[0].startswith("CONNECT ")
        assert d.stop()[0] == 0
    finally:
        d.kill()
        service.close()


def test_W6_no_proxy_is_kept(service: Service, daemon: Make, proxy: FakeProxy) -> None:
    daemon(ping_freq=60).start(http_proxy=f"http://127.0.0.1:{proxy.port}", no_proxy="example.com, 127.0.0.0/8")
    connected(service)
    assert not proxy.requests


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "get through the proxy: it answers 407"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "it says more than it was asked"),
        (b"no HTTP at all\r\n\r\n", "get through the proxy"),
    ],
)
def test_W6_a_proxy_that_does_not_help(service: Service, daemon: Make, answer: bytes, says: str) -> None:
    p = FakeProxy(answer)
    d = daemon(ping_freq=1).start(http_proxy=f"http://127.0.0.1:{p.port}", no_proxy="")
    eventually(lambda: says in d.said())
    assert not service.connections and d.is_alive() and d.stop()[0] == 0
    p.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_W6_H2_a_proxy_that_says_nothing(daemon: Make, scheme: str) -> None:
    """It takes the connection and the CONNECT. The socket is given up after 15 s, the heartbeat after 30 s, both say whom
    they waited for, and both are tried again."""
    p = FakeProxy(b"")
    d = daemon(url=f"{scheme}://127.0.0.1:9", ping_freq=1)
    began = time.monotonic()
    d.start(**{f"{scheme}_proxy": f"http://127.0.0.1:{p.port}", "no_proxy": ""})
    connects = lambda: [at for at, said in zip(list(p.heard_at), list(p.requests)) if said.startswith("CONNECT ")]  # noqa: E731
    eventually(lambda: "the service's socket: the proxy says nothing within 15 s" in d.said())
    ended = time.monotonic()
    assert ended - began >= 15
    if scheme == "http":  # else the heartbeat's are among them
        assert ended - connects()[0] < 15 + LATE_S
    error = eventually(lambda: d.status()["heartbeat"]["last_error"])
    assert 30 <= time.monotonic() - began
    assert "no end after 30.0 s" in error and {"http": "waiting for the answer", "https": "waiting for the proxy"}[scheme] in error
    eventually(lambda: len(connects()) >= 2)
    code, took_s = d.stop()
    assert code == 0 and took_s < 10 and SECRET not in d.said()
    assert not [said for said in p.requests if said.startswith("CONNECT ") and SECRET in said]
    p.close()


# --- which file ---


@pytest.mark.parametrize("how", ["-c", "RADAR_CONFIG_PATH"])
def test_r67_a_first_start_where_the_file_can_be_made(service: Service, daemon: Make, how: str) -> None:
    """A container's: the volume is there, the file is not. The service it asks is the default one, which nobody here
    can reach."""
    d = daemon()
    path = d.folder / "volume" / "radar-agent.conf"
    path.parent.mkdir()
    words = ("agent", "--state-dir", str(d.state), *((how, str(path)) if how == "-c" else ()))
    d.start(words, RADAR_CONFIG_PATH=str(path), https_proxy="http://127.0.0.1:1")
    eventually(lambda: "first start of a new pod" in d.said() and "not yet registered" in d.said())
    assert d.is_alive() and d.stop()[0] == 0


@pytest.mark.parametrize("how", ["-c", "RADAR_CONFIG_PATH"])
def test_a_mistyped_name_makes_no_pod(service: Service, daemon: Make, how: str) -> None:
    d = daemon()
    path = d.folder / "no such folder" / "config.conf"
    words = ("agent", "--state-dir", str(d.state), *((how, str(path)) if how == "-c" else ()))
    d.start(words, RADAR_CONFIG_PATH=str(path))
    assert d.process and d.process.wait(IN_VAIN_S) == 4
    assert "there is no such file, nor its directory" in d.said() and str(path)[-60:] in d.said()
    assert not path.parent.exists() and not d.state.exists()
