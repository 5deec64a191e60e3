"""The BPF loader behind its socket, started as systemd starts it; whom it serves, and with what."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import folders
import pytest
from daemon import RADAR_POD, eventually
from loader_request import LAYOUT, loader_request

SERVED, STRANGER = "games", "nobody"
CANNOT_HERE = 5

AS_THE_UNIT = ["--inh-caps=-all,+bpf,+perfmon,+net_admin", "--ambient-caps=-all,+bpf,+perfmon,+net_admin",
               "--bounding-set=-all,+bpf,+perfmon,+net_admin", "--no-new-privs"]  # fmt: skip


def as_user(name: str, *capabilities: str) -> list[str]:
    user = pwd.getpwnam(name)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            *(capabilities or ("--inh-caps=-all", "--bounding-set=-all"))]  # fmt: skip


class Activation:
    """systemd's part (Accept=yes): a loader for each connection, with that as its descriptor 3."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bpf.sock"
        self.program = folder / "radar-pod"
        shutil.copy(RADAR_POD, self.program)
        self.ended: list[int] = []
        self.said: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(self.path))
        self.path.chmod(0o666)  # the unit's is 0660: here it is the loader that tells who asks
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.start(connection)

    def start(self, connection: socket.socket) -> None:
        fd = connection.fileno()
        script = f'exec 3<&{fd} {fd}<&-; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' if fd != 3 else (
            'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"')  # fmt: skip
        done = subprocess.run(
            [*as_user(STRANGER, *AS_THE_UNIT), "bash", "-c", script, "bash", self.program, "bpf-loader", SERVED],
            pass_fds=[fd], text=True, timeout=3000, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.said.append(done.stdout)
        self.ended.append(done.returncode)

    def test(self, user: str, *words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A test against nobody: whether its source is to be had is told before it connects."""
        return subprocess.run(
            [*as_user(user), self.program, "test", "--server", "ws://127.0.0.1:1", "--no-store", *words],
            env={"RADAR_POD_BPF_SOCKET": str(path or self.path), "PATH": "/usr/bin:/bin"},
            text=True, timeout=3000, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(300)


@pytest.fixture(scope="module")
def loader() -> Iterator[Activation]:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("who asks is changed as root, by setpriv(1)")
    here = subprocess.run([RADAR_POD, "test", "--stats", "ebpf", "--server", "ws://127.0.0.1:1", "--no-store"],
                          capture_output=True, text=True, timeout=3000)  # fmt: skip
    if here.returncode == CANNOT_HERE:
        pytest.skip(here.stderr.splitlines()[0])
    with folders.folder("loader", 0o755) as folder:
        activation = Activation(folder)
        yield activation
        activation.close()


@pytest.mark.parametrize("source", ["ebpf", "ebpf-sockops"])
def test_the_served_user_has_the_source_without_a_privilege(loader: Activation, source: str) -> None:
    done = loader.test(SERVED, "--stats", source)
    assert done.returncode == 1 and "missing CAP" not in done.stdout, done.stdout


def test_the_kernels_figures_come_through_it(loader: Activation, tmp_path: Path) -> None:
    server = subprocess.Popen([RADAR_POD, "serve", "--ws", "0", "--listen", "127.0.0.1"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    try:
        assert server.stdout
        url = server.stdout.readline().split()[1]
        done = loader.test(SERVED, "--server", url, "--max-bytes", "100MB", "--format", "json")
        assert done.returncode == 0, done.stdout
        result = json.loads(done.stdout)
        assert result["agent"]["stats"] == "ebpf" and "stats_reason" not in result["agent"]
        assert result["download"]["samples"] > 0 and result["upload"]["samples"] > 0
    finally:
        server.terminate()
        server.wait(300)


def test_a_stranger_is_refused(loader: Activation) -> None:
    """Only the socket's mode keeps one out before that."""
    done = loader.test(STRANGER, "--stats", "ebpf")
    assert done.returncode == CANNOT_HERE and "which ended" in done.stdout, done.stdout
    assert eventually(lambda: [said for said in loader.said if f"only {SERVED} and root" in said], 300)


def test_without_a_socket_it_is_as_before(loader: Activation) -> None:
    done = loader.test(SERVED, "--stats", "ebpf", path=Path("/nowhere/bpf.sock"))
    assert done.returncode == CANNOT_HERE and "missing CAP_BPF CAP_PERFMON" in done.stdout, done.stdout


def ask(path: Path, message: bytes) -> tuple[bytes, int]:
    """What the loader answers to the served user, and with how many descriptors."""
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.settimeout(300)\n"
        "s.connect(sys.argv[1])\n"
        "s.send(bytes.fromhex(sys.argv[2]))\n"
        "data, fds, _, _ = socket.recv_fds(s, 65536, 16)\n"
        "print(data.hex(), len(fds))\n"
    )
    done = subprocess.run([*as_user(SERVED), "/usr/bin/python3", "-c", script, path, message.hex()],
                          capture_output=True, text=True, timeout=3000, check=False)  # fmt: skip
    if "ConnectionResetError" in done.stderr:
        return b"", 0
    data, _, count = done.stdout.strip().rpartition(" ")
    return bytes.fromhex(data), int(count)


def test_a_request_as_it_is_made_is_granted(loader: Activation) -> None:
    answer, descriptors = ask(loader.path, loader_request())
    assert answer and descriptors > 3


def test_other_programs_are_not_the_served_users_to_trace(loader: Activation) -> None:
    answer, descriptors = ask(loader.path, loader_request(whole_cgroup=1))
    assert b"is for one's own tests" in answer and descriptors == 0


@pytest.mark.parametrize("message", [
    pytest.param(loader_request(layout=LAYOUT + 1), id="of another release"),
    pytest.param(loader_request(ring_bytes=100000), id="a ring of no power of two"),
    pytest.param(loader_request(tiers=0xFFFFFFFF), id="every tier there could be"),
    pytest.param(loader_request()[:-1], id="a byte short"),
    pytest.param(loader_request() + b"\0", id="a byte more"),
    pytest.param(bytes(60000), id="zeros"),
])  # fmt: skip
def test_what_is_no_request_gets_no_answer(loader: Activation, message: bytes) -> None:
    before = len(loader.ended)
    assert ask(loader.path, message) == (b"", 0)
    eventually(lambda: len(loader.ended) > before, 300)
    assert loader.ended[-1] == 1  # told, not crashed


def test_by_hand_it_says_what_it_is_for() -> None:
    done = subprocess.run([RADAR_POD, "bpf-loader", SERVED], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1 and "radar-pod-bpf.socket" in done.stderr
