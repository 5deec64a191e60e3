"""A whole pod: it is asked for a test, and the service has its result, whatever comes in between. By the contract's
numbers, against the real daemon with the real test as its child."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import pod
import pytest
import scripted
from daemon import IN_VAIN_S, LATE_S, RADAR_POD, eventually
from http1 import Fault
from pod_daemon import OOKLA, OOKLA_SAYS, Pod, pods
from pod_service import PodService, in_own_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def connected(service: PodService, count: int = 1) -> None:
    eventually(lambda: len(service.cable.confirmed()) >= count)


def results(service: PodService, count: int, within_s: float = IN_VAIN_S) -> list[Any]:
    """So many have arrived, and each was sent as it should be."""
    eventually(lambda: len(service.measurements) >= count, within_s)
    assert service.problems() == []
    return service.measurements


def answered(p: Pod, count: int) -> None:
    """The daemon has the service's answers: what is asked for before is what was just sent."""
    eventually(lambda: p.said().count("has arrived") == count)


def rows(result: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.decode().splitlines()]


def check_ndt7(result: bytes, *, figures: bool = False) -> None:
    """R31, R32: a summary last, whose figures are those of the rows; that of a test of a few milliseconds is not: its
    last row has the end of the connection in its time."""
    *lines, summary = rows(result)
    assert set(summary) == {"Download", "Upload", "MinRTT"}
    values = [line["Value"] for line in lines]
    assert all(line["Key"] == "measurement" and v for line, v in zip(lines, values))
    if not figures:
        return
    app = [v["AppInfo"] for v in values if v["Test"] == "download" and v["Origin"] == "client" and "AppInfo" in v][-1]
    assert summary["Download"]["Value"] == pytest.approx(8 * app["NumBytes"] / app["ElapsedTime"], rel=0.01)
    tcp = [v["TCPInfo"] for v in values if v["Test"] == "upload" and v["Origin"] == "server" and "TCPInfo" in v][-1]
    assert summary["Upload"]["Value"] == pytest.approx(8 * tcp["BytesReceived"] / tcp["ElapsedTime"], rel=0.01)


def quiet(service: PodService, seconds: float, count: int) -> None:
    """Nothing else arrives for so long."""
    time.sleep(seconds)
    assert len(service.measurements) == count and service.problems() == []


# --- a request, and its result --------------------------------------------------------------------


@in_own_network
def test_R12_R29_R37_asked_in_ten_heartbeats_is_one_test(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        service.fail_always("socket", Fault(status=404))
        service.fail_always("upload", Fault(delay_s=4, after=True))
        service.pod.test_requested = True
        p = make().start()
        [m] = results(service, 1)
        eventually(lambda: len(service.of("status")) >= 10)
        quiet(service, 0.5, 1)
        assert (m.style, m.interface, m.wireless, m.connection_info) == ("NDT7", "", False, None)
        check_ndt7(m.result)
        assert len(p.ndt7.connections) == 2, "one download, one upload"
        eventually(lambda: p.status()["last_result"]["delivery"] == "arrived")
        s = p.status()
        assert s["last_result"]["id"] == m.key and s["tests"]["begun"] == 1 and s["uploads"]["arrived"] == 1
        eventually(lambda: "last_download_speed" in p.config.read_text())
        # answered, and asked anew
        service.pod.test_requested = True
        assert results(service, 2)[1].key != m.key


@in_own_network
def test_R19_R21_R26_R32_by_socket_with_our_own_server(folder: Path) -> None:
    """A test of 20 s. Meanwhile: pings are answered, the socket breaks and comes back, more tests are asked for."""
    with pod.own_serve() as server, PodService() as service, pods(folder, service) as make:
        p = make(locate_url=f"http://{server.addresses['ws']}/v2/nearest/ndt/ndt7").start()
        connected(service)
        pid = p.pid
        service.ask()
        eventually(lambda: (p.status()["tests"]["running"] or {}).get("measures"))
        began = time.monotonic()
        service.ask()
        service.ask(None, "lo")
        service.ask("lo")
        eventually(lambda: p.status()["tests"]["queued"])
        p.set(runners="OOKLA")  # what is queued takes no 20 s
        service.cable.break_off(reset=True)
        connected(service, 2)
        again = service.cable.connections[-1]
        [m, *_] = results(service, 1)
        assert m.style == "NDT7" and time.monotonic() - began > 10
        check_ndt7(m.result, figures=True)
        pongs = [again.confirmed_at or 0.0, *(at for at, _ in again.actions("pong"))]
        assert len(pongs) > 1 and max(b - a for a, b in zip(pongs, pongs[1:])) < 30
        assert p.pid == pid and p.is_alive()
        results(service, 3)  # on the default interface and on lo, one turn
        assert p.status()["tests"]["begun"] == 2 and p.ookla_runs() == 2


@in_own_network
def test_R25_R41_each_interface_by_its_name(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="NDT7,OOKLA").start()
        connected(service)
        service.ask("lo", "lo", None, "no_such_one", "")
        found = results(service, 4)
        assert sorted((m.style, m.interface) for m in found) == [
            ("NDT7", ""), ("NDT7", "lo"), ("OOKLA", ""), ("OOKLA", "lo"),
        ]  # fmt: skip
        assert len({m.key for m in found}) == 4
        assert json.loads(next(m.result for m in found if m.style == "OOKLA")) == OOKLA
        quiet(service, 0.5, 4)
        assert "no_such_one, which is not there" in p.said()


# --- the interface that is asked for -------------------------------------------------------------------------

SERVER = "10.97.0.1"  # not of either cable: both lead there
CABLES = {"one": ("10.98.1.1", "10.98.1.2"), "two": ("10.98.2.1", "10.98.2.2")}  # its end and ours
TEST_BYTES = 2_500_000  # at least, of an upload


@contextlib.contextmanager
def two_cables() -> Iterator[int]:
    """From this network of one's own to another one: the process that holds that. Its default route is the first."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("cables between networks are laid by root, with ip(8)")

    def ip(words: str, *before: str) -> None:
        done = subprocess.run([*before, "ip", *words.split()], capture_output=True, text=True)
        if "Unknown device type" in done.stderr or "not supported" in done.stderr:
            pytest.skip(f"not with this kernel: ip {words}")
        assert done.returncode == 0, f"ip {words}: {done.stderr}"

    holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
    try:
        there = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
        ours = os.readlink("/proc/thread-self/ns/net")
        eventually(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours)
        ip(f"addr add {SERVER}/32 dev lo")
        ip("link set lo up", *there)
        for metric, (name, (its, mine)) in enumerate(CABLES.items()):
            ip(f"link add {name} type veth peer name {name} netns {holder.pid}")
            ip(f"addr add {its}/24 dev {name}")
            ip(f"link set {name} up")
            ip(f"addr add {mine}/24 dev {name}", *there)
            ip(f"link set {name} up", *there)
            ip(f"route add default via {its} dev {name} metric {100 + metric}", *there)
        # What answers by the second is not dropped for the first one's being the way back.
        loose = "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 2 >$f; done"
        subprocess.run([*there, "sh", "-c", loose], check=True)
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def sent_by(pid: int) -> dict[str, int]:
    """Bytes that have left by each cable."""
    lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()
    counters = {line.split(":")[0].strip(): line.split(":")[1].split() for line in lines if ":" in line}
    return {name: int(counters[name][8]) for name in CABLES}


@in_own_network
def test_R41_traffic_leaves_by_the_interface_that_is_asked_for(folder: Path) -> None:
    """A test on each of two, and of each runner: the server sees that one's address, the other one's counter stands
    still; Ookla's program is given the address."""
    came_from: list[str] = []

    def ndt7(c: scripted.Connection) -> None:
        came_from.append(c.sock.getpeername()[0])
        fakes.both(c)

    with two_cables() as holder, PodService(host=SERVER) as service, pods(folder, service) as make:
        p = make(ndt7=ndt7, runners="NDT7,OOKLA")
        (p.folder / "ookla").write_text(f"#!/bin/sh\necho \"$@\" >>{p.folder}/ran\n{OOKLA_SAYS}\n")
        p.start(before=("nsenter", f"--net=/proc/{holder}/ns/net"))
        connected(service)
        for count, name in enumerate(CABLES, 1):
            other = next(n for n in CABLES if n != name)
            mine = CABLES[name][1]
            before = sent_by(p.pid)
            service.ask(name)
            eventually(lambda: p.status()["tests"]["begun"] == count and not p.status()["tests"]["running"])  # noqa: B023
            after = sent_by(p.pid)
            found = results(service, 2 * count)[-2:]
            assert {(m.style, m.interface) for m in found} == {("NDT7", name), ("OOKLA", name)}
            assert came_from[-2:] == [mine, mine], "download and upload"
            assert after[name] - before[name] >= TEST_BYTES
            assert after[other] - before[other] < TEST_BYTES / 10
            assert f"--ip {mine}" in (p.folder / "ran").read_text().splitlines()[-1]
            answered(p, 2 * count)
        assert len(came_from) == 4, "no attempt was made by another way"
        service.ask("two", "one")
        assert {(m.style, m.interface) for m in results(service, 8)[4:]} == {
            (style, name) for style in ("NDT7", "OOKLA") for name in CABLES}  # fmt: skip
        assert came_from[4:] == [CABLES["two"][1]] * 2 + [CABLES["one"][1]] * 2


@contextlib.contextmanager
def traffic_on_loopback() -> Iterator[None]:
    """20 Mbit/s, to nobody."""
    over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            while not over.wait(0.01):
                for _ in range(25):
                    with contextlib.suppress(ConnectionError):
                        s.sendto(bytes(1000), ("127.0.0.1", 9))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@in_own_network
def test_a_line_that_is_used_is_waited_for(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA").start()
        connected(service)
        with traffic_on_loopback():
            service.ask("lo")
            eventually(lambda: p.status()["tests"]["running"])
            time.sleep(2.5)
            assert p.ookla_runs() == 0 and p.status()["tests"]["running"]["measures"] is False
        results(service, 1)


@pytest.mark.skipif(os.environ.get("POD_FAULTS") != "all", reason="patience is a minute")
@pytest.mark.parametrize("runner", ["NDT7", "OOKLA"])
@in_own_network
def test_a_line_that_stays_used_is_told_in_the_result(folder: Path, runner: str) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(runners=runner).start()
        connected(service)
        with traffic_on_loopback():
            service.ask("lo")
            results(service, 1, 60 + IN_VAIN_S)
        words = [RADAR_POD, "results", "export", "--state-dir", p.state]
        result = json.loads(subprocess.run(words, capture_output=True, text=True).stdout.splitlines()[0])
        assert any("something else used lo" in w for w in result.get("result", result)["warnings"]), result


def refuse(c: scripted.Connection) -> None:
    scripted.refuse(503)(c)


@in_own_network
def test_R33_R40_one_that_fails_takes_nothing_from_the_other(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(ndt7=refuse, runners="NDT7,OOKLA").start()
        connected(service)
        service.ask()
        assert [m.style for m in results(service, 1)] == ["OOKLA"]
        p.stop()
        p = make(ookla="exit 1", runners="NDT7,OOKLA").start()
        connected(service, 2)
        service.ask()
        assert [m.style for m in results(service, 2)] == ["OOKLA", "NDT7"]
        quiet(service, 0.5, 2)


@in_own_network
def test_a_test_that_measures_nothing_is_not_repeated_at_once(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(ookla="exit 1", runners="OOKLA", min_test_spacing="2s").start()
        connected(service)
        for _ in range(20):
            service.ask()
            time.sleep(0.1)
        eventually(lambda: p.ookla_runs() >= 1)
        assert p.ookla_runs() <= 2 and service.measurements == []


NO_RESULTS = {
    "nothing": "",
    "a word": "done",
    "another value": "[1, 2]",
    "cut off": json.dumps(OOKLA)[:-9],
    "no result of a test": json.dumps(OOKLA | {"type": "log"}),
    "without what a result has": json.dumps({k: v for k, v in OOKLA.items() if k != "upload"}),
    "null": json.dumps(OOKLA | {"download": None}),
}


@pytest.mark.parametrize("said", NO_RESULTS.values(), ids=NO_RESULTS)
@in_own_network
def test_R34_R35_what_is_no_result_of_ooklas_is_not_sent(folder: Path, said: str) -> None:
    """The other runner's is, so that the round is known to be over; each by the one of two names that it has."""
    with PodService() as service, pods(folder, service) as make:
        p = make(ookla=f"echo '{said}'", runners="OOKLA,NDT7").start()
        connected(service)
        service.ask()
        [m] = results(service, 1)
        eventually(lambda: not p.status()["tests"]["running"])
        quiet(service, 0.3, 1)
        assert m.style == "NDT7" and p.ookla_runs() == 1
        assert "ookla test on the default interface: it has no result" in p.said()
        service.ask()
        eventually(lambda: p.ookla_runs() == 2)  # and lives
        assert {m.style for m in results(service, 2)} == {"NDT7"}


# --- nothing is lost -------------------------------------------------------------------------------


@in_own_network
def test_R36_killed_while_it_sends(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        service.fail("upload", Fault(silent=True))
        p = make(runners="OOKLA").start()
        connected(service)
        service.ask()
        eventually(lambda: service.of("upload"))
        p.kill()
        p.start()
        [m] = results(service, 1)
        quiet(service, 1.5, 1)
        assert p.ookla_runs() == 1
        first, second = service.of("upload")
        assert first.header("Idempotency-Key") == second.header("Idempotency-Key") == m.key


@in_own_network
def test_R63_stopped_while_it_sends(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        service.fail("upload", Fault(silent=True))
        p = make(runners="OOKLA").start()
        connected(service)
        service.ask()
        eventually(lambda: service.of("upload"))
        code, _ = p.stop()
        assert code == 0 and service.cable.connections[-1].close_code == 1000
        p.start()
        results(service, 1)
        quiet(service, 0.5, 1)
        assert p.ookla_runs() == 1


def is_deaf(pid: str) -> bool:
    """To SIGTERM: then it is one that hangs."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigIgn:"):
                return bool(int(line.split()[1], 16) & (1 << (signal.SIGTERM - 1)))
    return False


@in_own_network
def test_R42_R63_stopped_while_a_test_hangs(folder: Path) -> None:
    """Its whole group ends, and the next start is asked again."""
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA", ookla="trap '' TERM\nwhile :; do sleep 1; done").start()
        connected(service)
        service.ask()
        eventually(lambda: p.ookla_runs() and is_deaf((p.folder / "ran").read_text().strip()))
        code, _ = p.stop()
        assert code == 0
        eventually(lambda: not Path(f"/proc/{(p.folder / 'ran').read_text().strip()}").exists())
        (p.folder / "ookla").write_text(f"#!/bin/sh\n{OOKLA_SAYS}\n")
        p.start()
        results(service, 1)  # the service has asked behind the first sync
        quiet(service, 0.5, 1)


OOKLA_LIMIT_S, GRACE_S = 120, 5


@in_own_network
def test_R42_a_program_that_hangs_is_ended_in_time(folder: Path) -> None:
    """With all that it has started, deaf to SIGTERM as it is; what the other runner has measured is kept meanwhile and
    arrives, and the next turn is one as ever."""
    deaf = "trap '' TERM\n(while :; do sleep 1; done) &\necho $! >>RAN\nwhile :; do sleep 1; done"
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="NDT7,OOKLA", ookla=deaf.replace("RAN", str(folder / "pod0" / "ran")))
        p.start()
        connected(service)
        asked = time.monotonic()
        service.ask()
        eventually(lambda: p.ookla_runs() == 2)
        seen = time.monotonic()
        pids = (p.folder / "ran").read_text().split()
        hanging = [Path(f"/proc/{pid}") for pid in pids]
        assert all(map(is_deaf, pids))
        assert p.status()["store"]["results"] == 1, "what was measured is kept"
        eventually(lambda: not any(process.exists() for process in hanging), OOKLA_LIMIT_S + IN_VAIN_S)
        ended = time.monotonic()
        assert ended - asked >= OOKLA_LIMIT_S and ended - seen < OOKLA_LIMIT_S + GRACE_S + LATE_S
        assert [m.style for m in results(service, 1)] == ["NDT7"]
        assert "it did not end in time and was ended" in p.said()
        answered(p, 1)
        (p.folder / "ookla").write_text(f"#!/bin/sh\n{OOKLA_SAYS}\n")
        service.ask()
        assert [m.style for m in results(service, 3)] == ["NDT7", "NDT7", "OOKLA"]


@in_own_network
def test_R37_R38_the_service_is_away_and_comes_back(folder: Path) -> None:
    """However often it asks meanwhile."""
    with PodService() as service, pods(folder, service) as make:
        service.fail("upload", Fault(status=503))
        p = make(runners="OOKLA").start()
        connected(service)
        service.ask()
        eventually(lambda: service.of("upload"))
        for _ in range(20):
            service.ask()
            time.sleep(0.1)
        assert p.ookla_runs() == 1 and service.measurements == []
        assert p.status()["store"]["pending"] == 1
        results(service, 1)
        quiet(service, 0.5, 1)
        assert p.ookla_runs() == 1
        assert service.of("upload")[1].at - service.of("upload")[0].at > 13


@in_own_network
def test_D7_what_is_asked_for_again_is_sent_once_more(folder: Path) -> None:
    """Twice sent, without an answer: in quarantine, and not measured anew when the service repeats what it asks."""
    with PodService() as service, pods(folder, service) as make:
        service.fail("upload", Fault(silent=True), Fault(reset_at=0))
        p = make(runners="OOKLA").start()
        connected(service)
        service.ask()
        eventually(lambda: service.of("upload"))
        p.kill()
        p.up()
        eventually(lambda: "is in quarantine" in p.said())
        connected(service, 2)
        service.ask()
        results(service, 1)
        quiet(service, 0.5, 1)
        assert "the service still asks" in p.said()
        assert p.ookla_runs() == 1 and p.status()["quarantine"] == []


@in_own_network
def test_R38_refused_is_in_quarantine(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        service.fail("upload", Fault(status=422, body=b'{"errors":{"result":["is odd"]}}'))
        p = make(runners="OOKLA", min_test_spacing="1s").start()
        connected(service)
        service.ask()
        [shown] = eventually(lambda: p.status()["quarantine"])
        assert "odd" in shown["error"]
        service.fail("upload", Fault(status=404))
        service.ask()
        eventually(lambda: p.status()["uploads"]["denied"])
        quiet(service, 1.5, 0)
        assert len(service.of("upload")) == 2, "no hot loop"
        service.pod.secret = "aNotherOne2"
        p.set(secret="aNotherOne2")
        results(service, 1)
        assert service.of("upload")[-1].at and p.ookla_runs() == 2


@in_own_network
def test_R39_D4_a_full_disk(folder: Path) -> None:
    """The daemon lives, says so, and runs no other test; the result is stored and sent when there is room."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("making a file system of 1 MB is for root")
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA")
        mounted = 'mkdir -p "$0" && mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
        p.start(before=("unshare", "-m", "sh", "-c", mounted, str(p.state)))
        connected(service)
        inside = Path(f"/proc/{p.pid}/root/{p.state}")
        with contextlib.suppress(OSError), (inside / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"x" * 512):
                pass
        service.ask()
        eventually(lambda: "No space" in p.said() or "full" in p.said())
        for _ in range(10):
            service.ask()
            time.sleep(0.1)
        assert p.ookla_runs() == 1 and service.measurements == [] and p.is_alive()
        (inside / "filler").unlink()
        results(service, 1)
        assert p.ookla_runs() == 1


@pytest.mark.skipif("RADAR_POD_SANITIZED" in os.environ, reason="a sanitizer has memory of its own")
@in_own_network
def test_M1_a_hundred_tests_leave_nothing_behind(folder: Path) -> None:
    """POD_FAULTS=all: a thousand."""
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA", spool_max_results=20).start()
        connected(service)
        kept = lambda kind: len(list(Path(f"/proc/{p.pid}/{kind}").iterdir()))  # noqa: E731
        count = 1000 if os.environ.get("POD_FAULTS") == "all" else 100
        before: dict[str, int] = {}
        for n in range(1, count + 1):
            service.ask()
            answered(p, n)
            if n == count // 2:
                before = {"fd": kept("fd"), "task": kept("task"), "kb": p.resident_kb(), "own": p.anonymous_kb()}
        # a file that is being written is open for a moment, a courier that has nothing to do is none
        for kind in ("fd", "task"):
            eventually(lambda: kept(kind) <= before[kind])
        assert p.resident_kb() <= 1.01 * before["kb"]
        print(f"anonymous kB: {before['own']}, then {p.anonymous_kb()}")
        assert p.anonymous_kb() <= before["own"] + 32
        assert p.ookla_runs() == count and service.problems() == []


# --- the configuration ------------------------------------------------------------------------------


@in_own_network
def test_SIGHUP_begins_and_ends_a_schedule_of_our_own(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA").start()
        connected(service)
        assert p.status()["tests"]["next_own_s"] is None
        p.set(schedule="1h")
        assert 0 < eventually(lambda: p.status()["tests"]["next_own_s"]) <= 9000
        p.set(schedule="off")
        eventually(lambda: p.status()["tests"]["next_own_s"] is None)


@pytest.mark.skipif(os.environ.get("POD_FAULTS") != "all", reason="takes 42 s in the median, 150 s at most")
@in_own_network
def test_a_test_of_our_own(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA", schedule="1m").start()
        connected(service)
        results(service, 1, 150 + IN_VAIN_S)
        listed = subprocess.run([RADAR_POD, "results", "list", "--state-dir", p.state], capture_output=True, text=True)
        assert "schedule" in listed.stdout, listed


@in_own_network
def test_a_day_that_is_used_up(folder: Path) -> None:
    """The cap is looked at before a test; the service's request waits for tomorrow, through a restart."""
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA", daily_byte_cap="1MB").start()
        connected(service)
        service.ask()
        results(service, 1)
        answered(p, 1)
        service.ask()
        eventually(lambda: p.status()["tests"]["queued"])
        p.stop()
        p.up()
        eventually(lambda: p.status()["tests"]["queued"])
        assert p.ookla_runs() == 1 and p.status()["tests"]["bytes_today"] > 1e6
        p.set(daily_byte_cap=0)
        results(service, 2)


@in_own_network
def test_the_spacing_is_kept_through_a_restart(folder: Path) -> None:
    with PodService() as service, pods(folder, service) as make:
        p = make(runners="OOKLA", min_test_spacing="1h").start()
        connected(service)
        service.ask()
        results(service, 1)
        answered(p, 1)
        p.kill()
        service.pod.test_requested = True
        p.up()
        eventually(lambda: p.status()["tests"]["queued"])
        quiet(service, 1, 1)
        assert p.ookla_runs() == 1


@in_own_network
def test_N79_the_locate_service_says_when(folder: Path) -> None:
    """A test of our own is not before its next_request."""
    with PodService() as service, pods(folder, service) as make:
        p = make()
        target = fakes.target(p.ndt7)
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200))
        answer = fakes.listing(target, next_request={"nbf": later, "exp": later, "url": "https://locate.example/x"})
        p.locate.script = fakes.locate(answer)
        p.start()
        connected(service)
        p.set(schedule="1h")
        eventually(lambda: p.status()["tests"]["next_own_s"])
        before_s = p.status()["tests"]["next_own_s"]
        service.ask()
        results(service, 1)
        eventually(lambda: p.status()["tests"]["running"] is None)
        after_s = p.status()["tests"]["next_own_s"]
        answered(p, 1)
        assert max(7000, before_s - 60) < after_s <= max(7200 + 60, before_s)
        service.ask()
        results(service, 2)  # of the service's, all the same
