"""The daemon as a process among others, and where names are not to be had; by the contract's numbers: R68, R70."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import certificates
import pytest
from daemon import Daemon, eventually
from fake_cable import POD, SECRET, Service
from pod_daemon import pods
from pod_service import PodService, in_own_network

NOBODY = 65534
TRACED = "trace=open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat,truncate,bind," \
         "unlink,unlinkat,rmdir,chmod,fchmodat,chown,lchown,fchownat,utimensat"
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)", re.M)
PATH = re.compile(r'(?:\d+<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')  # relative to a descriptor, whose name -y tells
# What is no file: what swallows, and the kernel's own words about this process.
NO_FILES = re.compile(r"/dev/(null|urandom|tty|fd/\d+)$|/proc/(self|thread-self|\d+)/")


def written(trace: str) -> set[str]:
    """Each name that was opened to write, made, moved, removed or taken for a socket, as far as it succeeded."""
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
def test_R70_unprivileged_and_nothing_written_elsewhere(open_path: Path, capability: str) -> None:
    """A request over the socket, a test, its result, a trace that is kept, the record of a crash to come: all of its
    processes' files are in its own directories."""
    trace = open_path / "strace"
    with PodService() as service, pods(open_path, service) as make:
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
        for kind in ("Inh", "Prm", "Eff", "Amb"):  # P1, of one that was given some and may not empty the bounding set
            assert re.search(rf"^Cap{kind}:\t0+$", status, re.M), status
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
GROWN_KB = 32
TROUBLES = ["reset", "fin", "silent", "http404", "no_answer", "cut", "no_welcome", "no_confirm", "reject", "unauthorized",
            "restart", "gone"]  # fmt: skip


def children(d: Daemon) -> list[str]:
    """But for the one that starts the others, which is always there."""
    listed = Path(f"/proc/{d.pid}/task/{d.pid}/children").read_text().split()
    return [child for child in listed if comm_of(child) != "radar-pod-spawn"]


def comm_of(pid: str) -> str:
    with contextlib.suppress(OSError):  # over since
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def weight(d: Daemon) -> tuple[int, int, int]:
    """Descriptors, threads, anonymous kB (where a leak is), while no courier is out and no name is being resolved."""
    eventually(lambda: not children(d) and len(os.listdir(f"/proc/{d.pid}/task")) == 1)
    return len(os.listdir(f"/proc/{d.pid}/fd")), len(os.listdir(f"/proc/{d.pid}/task")), d.anonymous_kb()


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
        print(f"descriptors, threads, anonymous kB: {settled}, then {now}")
        assert settled and met == set(TROUBLES)
        assert now[:2] == settled[:2], f"descriptors and threads {now[:2]}, {settled[:2]} before"
        assert now[2] <= settled[2] + GROWN_KB, f"anonymous {now[2]} kB, {settled[2]} before"
        assert d.stop()[0] == 0
    finally:
        d.kill()
        print(d.said()[-4000:])
        service.close()


# --- names -------------------------------------------------------------------------------------------------

NAME = "pods.example"
NAMED = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


class NameServer:
    """On port 53 of a loopback address of whoever makes it. By `manner` it says that every name is 127.0.0.1 ("well"), nothing
    ("silent"), that there is none ("none"), or what is no answer ("garbage")."""

    def __init__(self, manner: str, address: str = "127.0.0.1") -> None:
        self.manner = manner
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                query, whose = self._socket.recvfrom(512)
            except OSError:
                return
            self.asked += 1
            if answer := self._answer(query):
                self._socket.sendto(answer, whose)

    def _answer(self, query: bytes) -> bytes:
        """RFC 1035 4.1: a header, the question as it came, an address where one is asked for."""
        end = query.index(b"\0", 12) + 5
        question, (kind,) = query[12:end], struct.unpack(">H", query[end - 4:end - 2])
        if self.manner == "silent":
            return b""
        if self.manner == "garbage":
            return query[:2] + b"\x81\x80" + b"\xff" * 40
        if self.manner == "none":
            return query[:2] + struct.pack(">5H", 0x8183, 1, 0, 0, 0) + question
        address = struct.pack(">HHHIH4B", 0xC00C, 1, 1, 1, 4, 127, 0, 0, 1) if kind == 1 else b""
        return query[:2] + struct.pack(">5H", 0x8180, 1, bool(address), 0, 0) + question + address


def by_names_of_ours(folder: Path) -> tuple[str, ...]:
    """Words in front of a program, for which /etc/resolv.conf is one that asks 127.0.0.1."""
    conf = folder / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:2\n")
    return ("unshare", "--mount", "sh", "-c", NAMED, str(conf))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a port 53 and a file system of its own")
@pytest.mark.parametrize("manner", ["silent", "none", "garbage"])
@in_own_network
def test_names_are_not_to_be_had(tmp_path: Path, manner: str) -> None:
    """It says so, lives, answers `status`, and is there as soon as they are."""
    service, names = Service(), NameServer(manner)
    d = Daemon(tmp_path / "pod", service.url.replace("127.0.0.1", NAME), POD, SECRET)
    try:
        d.start(before=by_names_of_ours(tmp_path))
        said = eventually(lambda: re.search(r"the service's socket: .*(name|resolve|address).*", d.said()))
        assert NAME in said[0] or "name server" in said[0], said[0]
        assert names.asked and not service.connections and not service.requests
        assert d.is_alive() and d.status()["socket"]["phase"] != "confirmed"
        names.manner = "well"
        eventually(lambda: service.confirmed())
        assert d.stop()[0] == 0
    finally:
        d.kill()
        print(d.said())
        names.close()
        service.close()


OTHER = "127.0.0.3"  # 127.0.0.1 is asked where there is no file that can be read
OWN_FOLDERS = """
cp -a /etc/. "$0/etc"
rm -f "$0/etc/resolv.conf"
echo nameserver 127.0.0.2 >"$0/etc/resolv.conf"
mount --bind "$0/etc" /etc
mount --bind "$0/run" /run
exec "$@"
"""


def replaced_by_rename(root: Path, text: str) -> None:
    (new := root / "etc/resolv.conf.new").write_text(text)
    new.rename(root / "etc/resolv.conf")


def replaced_by_link(root: Path, text: str) -> None:
    """As systemd-resolved has it, installed while the daemon runs."""
    (root / "run/systemd/resolve").mkdir()
    (root / "run/systemd/resolve/stub-resolv.conf").write_text(text)
    (link := root / "etc/resolv.conf.new").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    link.rename(root / "etc/resolv.conf")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a port 53 and a file system of its own")
@pytest.mark.parametrize("replace", [replaced_by_rename, replaced_by_link], ids=["by a file", "by a link"])
@in_own_network
def test_other_name_servers_while_it_runs(tmp_path: Path, replace: Callable[[Path, str], None]) -> None:
    """/etc/resolv.conf is another file then, which whoever gives up files by name at the start would not see."""
    service, names = Service(), NameServer("well", OTHER)
    (root := tmp_path / "root").mkdir()
    (root / "etc").mkdir()
    (root / "run/systemd").mkdir(parents=True)
    d = Daemon(tmp_path / "pod", service.url.replace("127.0.0.1", NAME), POD, SECRET)
    try:
        d.start(before=("unshare", "--mount", "sh", "-ec", OWN_FOLDERS, str(root)))
        eventually(lambda: re.search(r"the service's socket: .*(name|resolve|address).*", d.said()))
        assert not names.asked and not service.connections
        replace(root, f"nameserver {OTHER}\noptions attempts:1 timeout:2\n")
        eventually(lambda: service.confirmed())
        assert d.stop()[0] == 0
    finally:
        d.kill()
        print(d.said())
        names.close()
        service.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a port 53 and a file system of its own")
@in_own_network
def test_a_name_server_that_lies(tmp_path: Path) -> None:
    """The address is somebody else's, who has a certificate for another name: they hear no word of the pod."""
    service, names = Service(certificates.server_context("good")), NameServer("well")
    d = Daemon(tmp_path / "pod", service.url.replace("localhost", NAME), POD, SECRET, ca_file=certificates.authority())
    try:
        d.start(before=by_names_of_ours(tmp_path))
        eventually(lambda: "certificate" in d.said())
        eventually(lambda: names.asked > 2)  # it has tried again
        assert not service.connections and not service.requests and SECRET not in d.said()
        assert d.is_alive() and d.stop()[0] == 0
    finally:
        d.kill()
        print(d.said())
        names.close()
        service.close()
