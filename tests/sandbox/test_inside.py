"""P4: what whoever has taken over a role tries from inside, by system calls and by a ring: all of it is denied.

Each attempt is made without a sandbox first. Where it is not possible then, this machine cannot show anything by it, and it
does not count; so a row cannot pass by failing for another reason.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

INSIDE = os.environ.get("RADAR_POD_SANDBOX_INSIDE", "build/release/tests/sandbox/sandbox_inside")
INSTRUMENTED = "RADAR_POD_SANITIZED" in os.environ
ROLES = ["bpf-loader", "courier", "test", "serve", "agent", "register"]
DENIED = {"ENOSYS", "EPERM", "EACCES", "SIGSYS"}

CALLS = [
    "execve", "fork", "clone3", "new-user-namespace", "ptrace", "process_vm_readv", "kill", "setuid", "setgroups",
    "unshare", "mount", "fsopen", "chroot", "bpf", "keyctl", "userfaultfd", "packet-socket", "raw-socket",
    "netfilter-socket", "multipath-socket", "listen", "written-code", "written-code-later", "io_uring_setup", "personality",
    "open_by_handle_at", "settimeofday", "sethostname", "init_module", "swapoff", "reboot", "setrlimit", "setpriority",
    "shmget", "msgget", "setns", "pidfd_getfd", "mknod", "dumpable",
]  # fmt: skip
# What a role is for.
KEPT = {"bpf-loader": {"bpf"}, "agent": {"kill"}}
# The table's row `instruments`, in builds for tests.
INSTRUMENTS = {"ptrace", "fork", "new-user-namespace", "written-code", "written-code-later", "personality", "dumpable"}
# linux/io_uring.h: OPENAT READ WRITE UNLINKAT SOCKET SEND CLOSE MKDIRAT STATX RENAMEAT URING_CMD SPLICE
OPERATIONS = [18, 22, 23, 36, 45, 26, 19, 37, 21, 35, 46, 30]


def landlock_version() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(444, None, ctypes.c_size_t(0), 1))  # landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION


def attempt(role: str, name: str, what: str = "", *options: str) -> str:
    """"done", or how it was denied."""
    done = subprocess.run([INSIDE, role, name, what, *options], capture_output=True, text=True, timeout=60)
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    assert done.returncode == 0 and "Sanitizer" not in done.stderr, done.stderr
    return done.stdout.strip()


@functools.cache
def is_possible(name: str, what: str = "") -> bool:
    return attempt("none", name, what) == "done"


@pytest.fixture(scope="module")
def listeners() -> Iterator[list[int]]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
    yield [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()


@pytest.mark.parametrize("role", ROLES)
def test_P4_at_least_twenty_system_calls(role: str) -> None:
    tried = [c for c in CALLS if is_possible(c) and c not in KEPT.get(role, ()) and not (INSTRUMENTED and c in INSTRUMENTS)]
    answers = {call: attempt(role, call) for call in tried}
    print(role, answers)
    assert not {call: answer for call, answer in answers.items() if answer not in DENIED}
    if os.geteuid() == 0 and not INSTRUMENTED:
        assert len(tried) >= 20, sorted(set(CALLS) - set(tried))


@pytest.mark.parametrize("role", ROLES)
def test_what_no_honest_path_calls_ends_the_role(role: str) -> None:
    """With SIGSYS, which the crash handler catches; clone3(2) must be taken for an older kernel's."""
    assert attempt(role, "execve") == "SIGSYS"
    assert attempt(role, "clone3") == "ENOSYS"


@pytest.mark.parametrize("role", ROLES)
def test_P4_twelve_operations_of_a_ring(role: str) -> None:
    """Of the ring that a loop makes; of another one, made before, where the role keeps none at all."""
    if attempt("none", "ring-operation", "18") == "EPERM":
        pytest.skip("there is no io_uring here")
    for operation in map(str, OPERATIONS):
        assert attempt("none", "plain-ring-operation", operation) == "done", "a ring that asks nobody takes it"
        assert attempt(role, "ring-operation", operation) in DENIED, operation
        if role in ("bpf-loader", "courier"):
            assert attempt(role, "plain-ring-operation", operation) in DENIED, operation


def secrets(role: str, folder: Path) -> list[str]:
    """Files that the role is not to see, each of which is there."""
    if role == "bpf-loader":  # it lists directories, as libbpf opens one
        names = {"passwd", "nsswitch.conf", "ld.so.cache"}
        own = [str(p) for p in sorted(Path("/etc").iterdir()) if p.is_file() and not p.is_symlink() and p.name not in names]
        return [*own[:20], "/var/lib/dpkg/status", "/dev/zero", __file__]
    own = folder / "secret"
    own.write_text("x")
    wanted = [
        own, Path(__file__), "/root", "/home", "/var/lib/dpkg/status", "/var/log", "/var/lib", "/tmp", "/var/tmp", "/boot",
        "/opt", "/srv", "/mnt", "/media", "/run", "/dev", "/dev/zero", "/dev/shm", "/", "/var", "/var/cache", "/var/spool",
    ]  # fmt: skip
    return [str(p) for p in wanted if Path(p).exists()]


@pytest.mark.skipif(INSTRUMENTED, reason="the row `instruments` reads every file")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("how", ["read", "ring-read"])
def test_P4_at_least_fifteen_paths_are_not_read(role: str, how: str, tmp_path: Path) -> None:
    tried = [p for p in secrets(role, tmp_path) if is_possible(how, p)]
    if how == "ring-read" and not tried:
        pytest.skip("there is no io_uring here")
    assert len(tried) >= 15
    answers = {path: attempt(role, how, path) for path in tried}
    assert not {path: answer for path, answer in answers.items() if answer not in DENIED}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("how", ["write", "ring-write"])
def test_P4_nothing_is_written(role: str, how: str, tmp_path: Path) -> None:
    folders = [tmp_path, "/etc", "/usr", "/usr/lib", "/tmp", "/var/tmp", "/dev/shm", "/root", "/run", "/var/lib"]
    for folder in folders:
        path = Path(folder) / f"radar-pod-P4-{os.getpid()}"
        try:
            possible = attempt("none", how, str(path)) == "done"
            path.unlink(missing_ok=True)
            assert not possible or attempt(role, how, str(path)) in DENIED, path
            assert not path.exists()
        finally:
            if os.access(folder, os.W_OK):
                path.unlink(missing_ok=True)


def test_what_varies_is_open_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "authorities").write_text("x")
    (tmp_path / "beside").write_text("x")
    options = ["--write", str(tmp_path / "mine"), "--read", str(tmp_path / "authorities")]
    assert attempt("test", "write", str(tmp_path / "mine/new"), *options) == "done"
    assert attempt("test", "remove", str(tmp_path / "mine/new"), *options) == "done"
    assert attempt("test", "read", str(tmp_path / "authorities"), *options) == "done"
    assert attempt("test", "write", str(tmp_path / "other/new"), *options) in DENIED
    assert attempt("test", "write", str(tmp_path / "authorities"), *options) in DENIED
    assert attempt("test", "remove", str(tmp_path / "beside"), *options) in DENIED
    for role in ROLES:
        assert attempt(role, "empty", str(tmp_path / "authorities"), "--read", str(tmp_path / "authorities")) in DENIED
    assert (tmp_path / "authorities").read_text() == "x"
    assert attempt("none", "empty", str(tmp_path / "authorities")) == "done"
    if not INSTRUMENTED:
        assert attempt("test", "read", str(tmp_path / "beside"), *options) in DENIED


@pytest.mark.skipif(landlock_version() < 6, reason="Linux 6.12 for sockets without a name in the file system")
@pytest.mark.parametrize("role", ROLES)
def test_P4_no_abstract_socket_of_others(role: str) -> None:
    name = f"radar-pod-P4-{os.getpid()}-{role}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        assert attempt("none", "abstract-socket", name) == "done"
        assert attempt(role, "abstract-socket", name) in DENIED


@pytest.mark.parametrize("role", ["test", "courier", "agent", "register"])
@pytest.mark.parametrize("how", ["connect", "ring-connect"])
def test_P4_five_ports_beside_its_own(role: str, how: str, listeners: list[int]) -> None:
    own, *others = listeners
    if not is_possible(how, str(own)):
        pytest.skip("there is no io_uring here")
    if (role, how) != ("courier", "ring-connect"):  # which has no ring
        assert attempt(role, how, str(own), "--port", str(own)) == "done"
    for port in others:
        assert is_possible(how, str(port))
        assert attempt(role, how, str(port), "--port", str(own)) in DENIED


@pytest.mark.parametrize("role", ["bpf-loader", "serve"])
def test_P4_who_has_no_network_connects_nowhere(role: str, listeners: list[int]) -> None:
    for port in listeners[:5]:
        for how in ("connect", "ring-connect"):
            assert attempt(role, how, str(port)) in DENIED


@pytest.mark.parametrize("role", ROLES)
def test_P4_no_role_binds_to_a_port(role: str) -> None:
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        assert attempt("none", "bind", port) == "done"
        assert attempt(role, "bind", port) in DENIED
