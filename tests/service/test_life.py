"""The daemon as a process among others, by the contract's numbers: R68, R70."""

from __future__ import annotations

import os
import random
import re
import shutil
import stat
import time
from pathlib import Path

import pytest
from daemon import Daemon, eventually
from fake_cable import POD, SECRET, Service
from pod_daemon import pods
from pod_service import PodService, in_own_network

NOBODY = 65534
TRACED = "trace=open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat,truncate,bind"
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)", re.M)
PATH = re.compile(r'(?:\d+<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')  # relative to a descriptor, whose name -y tells
# What is no file: what swallows, and the kernel's own words about this process.
NO_FILES = re.compile(r"/dev/(null|urandom|tty|fd/\d+)$|/proc/(self|thread-self|\d+)/")


def written(trace: str) -> set[str]:
    """Each name that was opened to write, made, moved or taken for a socket, as far as it succeeded."""
    names: set[str] = set()
    for call, words, _ in CALL.findall(trace):
        paths = [os.path.join(at or "", name) for at, name in PATH.findall(words)]
        if call.startswith("open"):
            if not re.search(r"O_WRONLY|O_RDWR|O_CREAT", words):
                continue
        elif call == "bind":
            paths = re.findall(r'sun_path="([^"]*)"', words)
        names.update(paths)
    return names


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not shutil.which("strace") or not shutil.which("setpriv"), reason="strace, setpriv: not installed")
@pytest.mark.parametrize("capability", ["none", "+net_raw"])
@in_own_network
def test_R70_unprivileged_and_nothing_written_elsewhere(tmp_path: Path, capability: str) -> None:
    """A request over the socket, a test, its result, a trace that is kept, the record of a crash to come: all of its
    processes' files are in its own directories."""
    trace = tmp_path / "strace"
    for above in [tmp_path, *tmp_path.parents]:
        if not above.stat().st_mode & stat.S_IXOTH:
            above.chmod(above.stat().st_mode | stat.S_IXOTH)  # pytest's are root's alone
    with PodService() as service, pods(tmp_path, service) as make:
        p = make(runners="NDT7", trace="full", sentry_dsn=f"http://{'0' * 32}@127.0.0.1:1/7")
        p.state.mkdir()
        for path in (p.folder, p.state, p.config):
            os.chown(path, NOBODY, NOBODY)
        before = ["strace", "-D", "-f", "-y", "-o", str(trace), "-e", TRACED, "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                  "--clear-groups", f"--inh-caps={'+net_raw' if capability != 'none' else '-all'}",
                  f"--ambient-caps={'+net_raw' if capability != 'none' else '-all'}", "--bounding-set=" +
                  ("-all,+net_raw" if capability != "none" else "-all")]  # fmt: skip
        p.start(before=tuple(before), ASAN_OPTIONS="detect_leaks=0")  # which ptrace(2) is needed for
        eventually(lambda: service.cable.confirmed())
        status = Path(f"/proc/{p.pid}/status").read_text()
        assert re.search(rf"^Uid:\t{NOBODY}\t{NOBODY}\t", status, re.M), status
        service.ask()
        [m] = eventually(lambda: service.measurements)
        assert m.style == "NDT7"
        assert p.stop()[0] == 0
    ours = re.compile(rf"{re.escape(str(p.folder))}(/|$)")  # where its configuration is, and its state
    elsewhere = {name for name in written(trace.read_text()) if not ours.match(name) and not NO_FILES.match(name)}
    assert not elsewhere
    assert any(name.startswith(str(p.state)) for name in written(trace.read_text())), "nothing was seen at all"


# --- R68 ---------------------------------------------------------------------------------------------------

TIMES = 100  # faster than the clock on the wall; its shortest deadline, 10 s, is 100 ms then
HOUR_S = 3600 / TIMES
SOAK_S = 24 * HOUR_S if os.environ.get("POD_NIGHTLY") else 2 * HOUR_S
SETTLED_S = HOUR_S  # by when everything has been needed once
GROWN_KB = 128
TROUBLES = ["reset", "fin", "silent", "http404", "no_answer", "cut", "no_welcome", "no_confirm", "reject", "unauthorized",
            "restart", "gone"]  # fmt: skip


def children(d: Daemon) -> str:
    return Path(f"/proc/{d.pid}/task/{d.pid}/children").read_text()


def weight(d: Daemon) -> tuple[int, int, int]:
    """Descriptors, threads, resident kB, while no courier is out and no name is being resolved."""
    eventually(lambda: not children(d) and len(os.listdir(f"/proc/{d.pid}/task")) == 1)
    return len(os.listdir(f"/proc/{d.pid}/fd")), len(os.listdir(f"/proc/{d.pid}/task")), d.resident_kb()


def trouble(service: Service, what: str) -> None:
    service.manner = "http404" if what == "gone" else what if what not in ("reset", "fin") else "serve"
    service.on_status = (lambda _: (503, b"")) if what == "gone" else (lambda _: (200, b'{"test_requested":null}'))
    if service.connections:
        service.break_off(reset=what != "fin")


@pytest.mark.skipif("POD_FAST_CLOCK" not in os.environ, reason="a sanitizer and a faster clock do not go together")
def test_R68_a_day_of_a_flapping_network(tmp_path: Path) -> None:
    """Two hours in ./check, a day with POD_NIGHTLY: each quarter of an hour something else is wrong, in an order drawn by
    RADAR_POD_SEED; then it is well again. bench/daemon has a day of a network that is well."""
    seed = int(os.environ.get("RADAR_POD_SEED") or random.randrange(1 << 32))
    print(f"RADAR_POD_SEED={seed}")
    draw = random.Random(seed)
    service = Service()
    service.ping_s = 3 / TIMES
    d = Daemon(tmp_path / "pod", service.url, POD, SECRET)
    try:
        d.start(LD_PRELOAD=os.environ["POD_FAST_CLOCK"], FAST_CLOCK_TIMES=str(TIMES))
        began = time.monotonic()
        settled: tuple[int, int, int] | None = None
        met: set[str] = set()
        waiting = draw.sample(TROUBLES, len(TROUBLES))
        while time.monotonic() < began + SOAK_S or waiting:
            what = waiting.pop() if waiting else draw.choice(TROUBLES)
            trouble(service, what)
            met.add(what)
            time.sleep(HOUR_S / 4 * draw.random())  # no bound: how long it is wrong
            before = len(service.confirmed())
            trouble(service, "fin")
            eventually(lambda: len(service.confirmed()) > before)
            now = weight(d)
            assert d.is_alive()
            if settled is None and time.monotonic() > began + SETTLED_S:
                settled = now
        print(f"descriptors, threads, resident kB: {settled}, then {now}")
        assert settled and met == set(TROUBLES)
        assert now[:2] == settled[:2], f"descriptors and threads {now[:2]}, {settled[:2]} before"
        assert now[2] <= settled[2] + GROWN_KB, f"resident {now[2]} kB, {settled[2]} before"
        assert d.stop()[0] == 0
    finally:
        d.kill()
        print(d.said()[-4000:])
        service.close()
