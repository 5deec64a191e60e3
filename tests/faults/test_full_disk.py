"""Bar D4: the daemon's part of a test and its delivery on a real file system of 16 MB that is full, and the daemon itself.

A result is in the store, or held in memory and offered again, or said to be lost by its id: never silent. With room
again all that is stored arrives, once."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_delivery import DELIVERY, Service

sys.path += [str(Path(__file__).resolve().parent.parent / name) for name in ("service", "servers", "peers")]

from daemon import Daemon, eventually  # noqa: E402
from fake_cable import POD, SECRET  # noqa: E402
from fake_cable import Service as CableService  # noqa: E402
from http1 import Fault  # noqa: E402
from pod_daemon import pods  # noqa: E402
from pod_service import PodService, in_own_network  # noqa: E402

CLONE_NEWNS = 0x00020000
TESTS, RAW_KB, ROOM_AFTER_S = 24, 1000, 60
HELD_MB = 16  # agent/run/held_result.h
PROGRAM = r"""#!/bin/sh
id=$(sed 's/^\(.\{14\}\)./\17/; s/^\(.\{19\}\)./\18/' /proc/sys/kernel/random/uuid)
row='{"Key":"measurement","Value":{"AppInfo":{"NumBytes":7,"ElapsedTime":2},"Origin":"client","Test":"%s"}}\n'
printf "$row$row" download upload
printf '{"Key":"measurement","Value":{"Origin":"client","Test":"upload","AppInfo":{"NumBytes":7,"ElapsedTime":2,"Filler":"'
head -c RAWk /dev/urandom | base64 -w0
printf '"}}}\n{"Download":{"Value":28},"Upload":{"Value":28},"MinRTT":{"Value":1}}\n'
echo '{"schema":"radar-pod/result/1","id":"'"$id"'","bytes_used":14}' >&3
"""


@pytest.fixture(scope="module")
def _namespace() -> None:
    """Mounts of this thread and its children are nobody else's."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        pytest.skip(f"no mount namespace to be had: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@pytest.fixture
def small(tmp_path: Path, _namespace: None) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as f:
        for size in (1 << 20, 4096):
            try:
                while f.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


def make_room(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)


@pytest.mark.parametrize("order", ["room, then the service", "the service, then room"])
def test_D4_nothing_is_lost_silently(tmp_path: Path, small: Path, order: str) -> None:
    program = tmp_path / "program"
    program.write_text(PROGRAM.replace("RAW", str(RAW_KB)))
    program.chmod(0o700)
    log = (tmp_path / "log").open("w+")
    with Service() as service:
        pod = subprocess.Popen([DELIVERY, small / "state", service.url, program, str(TESTS), "last"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=log, text=True)
        assert pod.stdin and pod.stdout
        said = [pod.stdout.readline().split() for _ in range(2 * TESTS)]
        ended = {words[1]: words[0] for words in said if words[0] != "cost"}
        assert len(ended) == TESTS, said
        stored = {one for one, how in ended.items() if how == "stored"}
        held = [one for one, how in ended.items() if how == "held"]
        assert len(stored) >= 5 and len(held) >= 2, ended
        if order.startswith("room"):
            make_room(small)
            eventually(lambda: f"{held[-1]} is stored now" in (tmp_path / "log").read_text(), ROOM_AFTER_S)
            pod.stdin.close()
        else:
            pod.stdin.close()
            time.sleep(1)  # to try on a full disk; what comes of it is not asked for
            make_room(small)
        pod.wait(120)
        told = (tmp_path / "log").read_text()
        lost = set(re.findall(r"the result (\S+) is lost", told))
        assert pod.returncode == 0, told[-3000:]
        kept = held[len(lost):]
        assert lost == set(held[:len(lost)]), "each that has no room is told, and the last ones are held"
        assert len(kept) == len(held) or HELD_MB - 2 < len(kept) * RAW_KB * 4 / 3 / 1024 <= HELD_MB, (len(kept), len(held))
        assert "room" in told or "full" in told or "No space" in told
        assert dict(service.taken) == {one: 1 for one in stored | set(kept)}


def test_D4_R39_the_daemon_lives_on(tmp_path: Path, small: Path) -> None:
    """It says that it is alive, by the socket and over HTTP, and stops as ever."""
    service = CableService()
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=1)
    d.state = small / "state"
    try:
        d.start()
        [first] = eventually(lambda: service.confirmed()[0].actions("sync") if service.confirmed() else None)
        assert "disk_full" not in first[1] and d.status()["store"]["full"] is False
        fill(small)
        service.manner = "http404"
        service.break_off(reset=True)
        eventually(lambda: len(service.statuses()) >= 3)
        assert service.statuses()[-1].json()["disk_full"] is True
        service.manner = "serve"
        eventually(lambda: len(service.confirmed()) >= 2)
        [(_, sync)] = eventually(lambda: service.confirmed()[1].actions("sync"))
        assert sync["disk_full"] is True
        assert d.status()["pid"] == d.pid and d.status()["store"]["full"] is True
        make_room(small)
        service.manner = "http404"
        service.break_off(reset=True)
        before = len(service.statuses())
        eventually(lambda: len(service.statuses()) > before)
        assert "disk_full" not in service.statuses()[-1].json() and d.status()["store"]["full"] is False
        code, _ = d.stop()
        assert code == 0
    finally:
        d.kill()
        service.close()


@in_own_network
def test_D4_the_first_result_is_sent_within_a_minute_of_room(tmp_path: Path, small: Path) -> None:
    """The daemon's own: one test is run for what is asked in each heartbeat, which say what is wrong."""
    with PodService() as service, pods(tmp_path, service) as make:
        service.fail_always("socket", Fault(status=404))
        p = make(runners="OOKLA")
        p.state = small / "state"
        p.up()
        filler = fill(small)
        service.pod.test_requested = True
        eventually(lambda: p.status()["tests"]["held"])
        so_far = len(service.of("status"))
        eventually(lambda: len(service.of("status")) >= so_far + 4)
        assert all(beat.json()["disk_full"] is True for beat in service.of("status")[so_far:])
        assert p.ookla_runs() == 1 and service.measurements == [] and p.is_alive()
        filler.unlink()
        room_at = time.monotonic()
        eventually(lambda: service.measurements, ROOM_AFTER_S)
        assert time.monotonic() - room_at <= ROOM_AFTER_S
        eventually(lambda: "disk_full" not in service.of("status")[-1].json())
        assert len(service.measurements) == 1 and p.ookla_runs() == 1 and service.problems() == []


def test_D4_a_start_on_a_full_disk(tmp_path: Path, small: Path) -> None:
    """Says what it wants, or lives: no crash, nothing half made that the next start would fall over."""
    service = CableService()
    filler = fill(small)
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET, ping_freq=1)
    d.state = small / "state"
    try:
        d.start()
        eventually(lambda: not d.is_alive() or service.confirmed())
        if not d.is_alive():
            assert d.process and d.process.returncode == 1
            assert "space" in d.said() or "full" in d.said(), d.said()
        d.kill()
        filler.unlink()
        count = len(service.confirmed())
        d.start()
        eventually(lambda: len(service.confirmed()) > count)
        assert d.stop()[0] == 0
    finally:
        d.kill()
        service.close()
