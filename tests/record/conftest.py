"""What the tests of `radar-pod record` share: the program, its traces, places of their own."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = str(pathlib.Path(os.environ.get("RADAR_POD", ROOT / "build/dev/agent/radar-pod")).resolve())
GROUPS = "radar-pod-record."

# Whoever runs the tests behind a shell's "&" has it ignored, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

DONE, NOT_DONE, USAGE, PARTLY, BAD_FILE, CANNOT_HERE = range(6)


def run(*words, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("timeout", 60)
    return subprocess.run([PROGRAM, *map(str, words)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **more)


def record(out, *command, options=(), **more):
    return run("record", "--out", out, *options, "--", *command, **more)


def python(script, *arguments):
    """A program that runs these lines of Python."""
    return [sys.executable, "-c", script, *map(str, arguments)]


class Trace:
    """A trace, by the program's own export."""

    def __init__(self, path):
        r = run("trace", "export", path, "--format", "jsonl")
        assert r.returncode == DONE, r.stderr
        lines = [json.loads(line) for line in r.stdout.splitlines()]
        self.header, self.end = lines[0], lines[-1]
        self.flows = [line for line in lines if line.get("record") == "flow"]
        self.samples = [line for line in lines if "record" not in line]
        assert self.end["record"] == "end" and self.end["samples"] == len(self.samples)

    def last(self, flow):
        return [s for s in self.samples if s["flow"] == flow["flow"]][-1]

    def to_port(self, port):
        return [f for f in self.flows if f["remote_port"] == port]


def mount_of_groups():
    """Where cgroup2 is mounted, and this process's own group there."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        if " - cgroup2 " in line and words[3] == "/":
            own = next(line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()
                       if line.startswith("0::"))
            return pathlib.Path(words[4]), pathlib.Path(words[4] + own)
    return None, None


MOUNT, OWN_GROUP = mount_of_groups()


def groups(above=None):
    """Names of the groups of recordings that there are."""
    return sorted(g.name for g in (above or OWN_GROUP).iterdir() if g.name.startswith(GROUPS))


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def inside(group):
    """For preexec_fn: moves the process into a group."""
    return lambda: (pathlib.Path(group) / "cgroup.procs").write_text("0")


def in_mounts(script, *command):
    """Runs a command in mounts of its own, as the script has changed them."""
    network = ["-n"] if "ip link" in script else []
    r = subprocess.run(["unshare", "-m", *network, "sh", "-ec", f'mount --make-rprivate /\n{script}\nexec "$@"', "sh",
                        *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=60)
    if "unshare failed" in r.stderr:
        pytest.skip(r.stderr.strip())
    return r


@contextlib.contextmanager
def group_of_its_own(above, name):
    group = above / f"test-{name}-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        for below in sorted(group.glob("**/"), reverse=True):
            wait_until(lambda: not (below / "cgroup.procs").read_text(), f"{below} to be empty")
            below.rmdir()


@pytest.fixture(scope="session", autouse=True)
def possible(tmp_path_factory):
    where = tmp_path_factory.mktemp("possible") / "t.jsonl"
    if MOUNT is None:
        pytest.skip("no cgroup2 is mounted here")
    r = record(where, "true")
    if r.returncode == CANNOT_HERE:
        pytest.skip(r.stderr.strip().replace("\n", "; "))
    assert r.returncode == DONE, r.stderr


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No recording of a test leaves its control group behind."""
    before = groups()
    yield
    wait_until(lambda: set(groups()) <= set(before), "the groups to go")


class Sink:
    """A server that counts what it is sent, and sends back what it is told to."""

    def __init__(self, family):
        self.listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0),
                                             family=family, backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.received = {} # by the client's port
        self.resets = set()
        self.pause_s = 0 # before it reads
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, address = self.listener.accept()
                threading.Thread(target=self.read, args=(connection, address[1]), daemon=True).start()

    def read(self, connection, port):
        self.received[port] = 0
        time.sleep(self.pause_s)
        try:
            with connection:
                while data := connection.recv(1 << 18):
                    self.received[port] += len(data)
        except ConnectionResetError:
            self.resets.add(port)


@pytest.fixture
def sink():
    s = Sink(socket.AF_INET)
    yield s
    s.listener.close()


@pytest.fixture
def sink6():
    s = Sink(socket.AF_INET6)
    yield s
    s.listener.close()


@pytest.fixture
def closed_port():
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    return port
