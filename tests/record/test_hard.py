"""Privileges, programs of others, disks: what is refused says why, and the program never suffers."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from conftest import (CANNOT_HERE, DONE, OWN_GROUP, PARTLY, PROGRAM, Trace, group_of_its_own, groups, in_mounts,
                      inside, python, record, run)

# --- privileges ------------------------------------------------------------------------------------


def without(*capabilities):
    """Root without some of what it may; CAP_SYS_ADMIN would stand for any of them."""
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    dropped = ",".join(f"-{c}" for c in ("sys_admin", *capabilities))
    return ["setpriv", "--bounding-set", dropped, "--inh-caps", dropped]


def record_under(words, out, *command, options=()):
    return subprocess.run([*words, PROGRAM, "record", "--out", out, *options, "--", *command], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


def test_no_root(tmp_path):
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    tmp_path.chmod(0o777)
    r = record_under(["setpriv", "--reuid", "65534", "--clear-groups"], "/tmp/never.csv", "touch", tmp_path / "ran")
    assert r.returncode == CANNOT_HERE
    assert "ebpf is not to be had: missing CAP_BPF CAP_PERFMON CAP_NET_ADMIN (run as root" in r.stderr
    assert "ebpf-sockops is not to be had: missing CAP_BPF CAP_NET_ADMIN" in r.stderr
    assert list(tmp_path.iterdir()) == []


CAPABILITIES = [
    ("all three", [], DONE, "ebpf"),
    ("no CAP_PERFMON", ["perfmon"], DONE, "ebpf-sockops"),
    ("no CAP_NET_ADMIN", ["net_admin"], CANNOT_HERE, "missing CAP_NET_ADMIN"),
    ("no CAP_BPF", ["bpf"], CANNOT_HERE, "missing CAP_BPF"),
]


@pytest.mark.parametrize("dropped, code, says", [c[1:] for c in CAPABILITIES], ids=[c[0] for c in CAPABILITIES])
def test_only_some_capabilities(tmp_path, sink, dropped, code, says):
    script = f"import socket, time\ns = socket.create_connection(('127.0.0.1', {sink.port}))\ntime.sleep(0.2)\n"
    r = record_under(without(*dropped), tmp_path / "t.csv", *python(script))
    assert r.returncode == code, r.stderr
    if code == DONE:
        t = Trace(tmp_path / "t.csv")
        assert t.header["source"] == says
        assert [f["comm"][:6] for f in t.flows] == ["python"] and t.flows[0]["pid"]
    else:
        assert says in r.stderr and list(tmp_path.iterdir()) == []


def test_a_source_that_was_asked_for_has_no_substitute(tmp_path):
    r = record_under(without("perfmon"), tmp_path / "t.csv", "true", options=["--stats", "ebpf"])
    assert r.returncode == CANNOT_HERE
    assert "ebpf is not to be had: missing CAP_PERFMON" in r.stderr and "sockops" not in r.stderr


def refuse_bpf():
    """A seccomp filter: bpf(2) answers EPERM."""
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    program = b"".join(struct.pack("HBBI", *i) for i in (
        (0x20, 0, 0, 0),            # the call's number
        (0x15, 0, 1, number),       # bpf?
        (0x06, 0, 0, 0x00050001),   # EPERM
        (0x06, 0, 0, 0x7fff0000)))  # allow
    buffer = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter_, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def test_bpf_refused_by_seccomp(tmp_path):
    if os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("the filter is for x86_64 and aarch64")
    r = record(tmp_path / "t.csv", "true", preexec_fn=refuse_bpf)
    assert r.returncode == CANNOT_HERE
    assert r.stderr.count("bpf(2) is barred although the capabilities are there") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_without_btf(tmp_path, sink):
    """It does not describe its types: the lesser source does without, and the other is not to be had."""
    script = f"import socket\nsocket.create_connection(('127.0.0.1', {sink.port})).sendall(b'hello')\n"
    hidden = "mount -t tmpfs none /sys/kernel/btf"
    r = in_mounts(hidden, PROGRAM, "record", "--out", tmp_path / "t.csv", *python(script))
    assert r.returncode == DONE, r.stderr
    t = Trace(tmp_path / "t.csv")
    assert t.header["source"] == "ebpf-sockops" and [f["remote_port"] for f in t.flows] == [sink.port]
    r = in_mounts(hidden, PROGRAM, "record", "--stats", "ebpf", "--out", tmp_path / "u.csv", "touch", tmp_path / "ran")
    assert r.returncode == CANNOT_HERE and "the kernel does not describe its types (BTF)" in r.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["t.csv"]


# What each look at a socket may take of the kernel's memory, in a network namespace: none may take 8 KB.
NO_ROOM = """
ip link set lo up && echo 8192 >/proc/sys/net/core/optmem_max || exit 77
exec "$@"
"""

BOTH_ENDS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as s:
    socket.create_connection(s.getsockname()).sendall(b"hello")
    s.accept()[0].recv(5)
"""


@pytest.mark.parametrize("stats", ["ebpf", "ebpf-sockops"])
def test_the_kernel_has_no_room_to_look_at_a_connection(tmp_path, stats):
    """Nothing can be told of it but that it was there."""
    r = record(tmp_path / "t.csv", "unshare", "--net", "sh", "-c", NO_ROOM, "sh", *python(BOTH_ENDS),
               options=["--stats", stats])
    if r.returncode == 77:
        pytest.skip(f"no network namespace with a bound of its own here: {r.stderr.strip()}")
    assert r.returncode == DONE
    assert "lacks 2 connections: the kernel had no room" in r.stderr and "net.core.optmem_max" in r.stderr
    t = Trace(tmp_path / "t.csv")
    assert t.flows == [] and t.end["lost"] == 2


# --- another program on the group ------------------------------------------------------------------

ATTACHES = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
def bpf(command, attr):
    attr = ctypes.create_string_buffer(attr.ljust(128, b"\\0"), 128)
    fd = libc.syscall(number, command, attr, 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return fd
code = struct.pack("<BBhi", 0xb7, 0, 0, 1) + struct.pack("<BBhi", 0x95, 0, 0, 0) # return 1
code, license = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
program = bpf(5, struct.pack("<IIQQ", 13, 2, ctypes.addressof(code), ctypes.addressof(license)))
group = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
bpf(8, struct.pack("<IIII", group, program, 3, int(sys.argv[2]))) # BPF_CGROUP_SOCK_OPS
"""


@contextlib.contextmanager
def held_by_another(flags):
    """A group above, to which a program of somebody else's is attached."""
    with group_of_its_own(OWN_GROUP, "held") as group:
        r = subprocess.run(python(ATTACHES, group, flags), capture_output=True, text=True)
        if r.returncode != 0:
            pytest.skip(f"nothing can be attached here: {r.stderr.splitlines()[-1]}")
        yield group


@pytest.mark.parametrize("stats", ["ebpf", "ebpf-sockops"])
def test_another_program_is_attached_and_shares(tmp_path, sink, stats):
    script = f"import socket\nsocket.create_connection(('127.0.0.1', {sink.port})).sendall(b'hello')\n"
    with held_by_another(2) as group: # BPF_F_ALLOW_MULTI
        r = record(tmp_path / "t.csv", *python(script), options=["--stats", stats], preexec_fn=inside(group))
        assert r.returncode == DONE, r.stderr
    assert len(Trace(tmp_path / "t.csv").flows) == 1


def test_another_program_is_attached_and_does_not_share(tmp_path):
    with held_by_another(0) as group:
        r = record(tmp_path / "t.csv", "touch", tmp_path / "ran", preexec_fn=inside(group))
        assert groups(group) == []
    assert r.returncode == CANNOT_HERE
    assert r.stderr.count("another program holds this control group's sockops for itself") == 2
    assert list(tmp_path.iterdir()) == []


# --- disks -----------------------------------------------------------------------------------------

TALKS = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(20000):
    s.sendall(b"x" * 10_000)
print("my work is done")
sys.exit(int(sys.argv[2]))
"""


@contextlib.contextmanager
def small_disk(tmp_path, options):
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", tmp_path], capture_output=True, text=True)
    if r.returncode != 0:
        pytest.skip(f"tmpfs cannot be mounted here: {r.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("programs, code", [(0, PARTLY), (7, 7)], ids=["it was done", "it failed"])
def test_the_disk_fills_and_the_program_does_not_notice(tmp_path, sink, programs, code):
    """Its own failure is told first: 3 would hide it."""
    with small_disk(tmp_path, "size=16k"): # a hundred samples
        r = record(tmp_path / "t.csv", *python(TALKS, sink.port, programs), options=["--interval", "0"])
        assert list(tmp_path.iterdir()) == []
    assert r.returncode == code and r.stdout == "my work is done\n"
    assert "No space left" in r.stderr and "the trace is lost" in r.stderr
    assert f"ended with {programs}" in r.stderr


def test_dev_full(tmp_path, sink):
    (tmp_path / "t.csv").symlink_to("/dev/full")
    r = record(tmp_path / "t.csv", *python(TALKS, sink.port, 0))
    assert r.returncode == PARTLY and "/dev/full" in r.stderr and "the trace is lost" in r.stderr


def test_an_old_trace_stays_where_the_new_one_is_lost(tmp_path, sink):
    with small_disk(tmp_path, "size=64k"):
        (tmp_path / "t.csv").write_text("old")
        r = record(tmp_path / "t.csv", *python(TALKS, sink.port, 0), options=["--interval", "0"])
        assert r.returncode == PARTLY
        assert (tmp_path / "t.csv").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
