"""The control group: gone whatever happens, and what stands in its way."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import (CANNOT_HERE, DONE, GROUPS, MOUNT, NOT_DONE, OWN_GROUP, PROGRAM, Trace, group_of_its_own,
                      groups, in_mounts, inside, python, record, run, wait_until)


def sleeping(tmp_path, name="t.csv", **more):
    """A recording of a program that sleeps; its process, its group, the program's pid."""
    p = subprocess.Popen([PROGRAM, "record", "--quiet", "--out", tmp_path / name, "sh", "-c",
                          "echo $$; exec sleep 60"], stdout=subprocess.PIPE, text=True, **more)
    pid = int(p.stdout.readline())
    [group] = [g for g in groups() if g.startswith(f"{GROUPS}{p.pid}.")]
    return p, OWN_GROUP / group, pid


def keeper_of(p):
    for pid in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (pid / "stat").read_text().rsplit(")", 1)
        except OSError:  # somebody's, that has ended since it was listed
            continue
        if words[0].endswith("(radar-pod-keep") and int(words[1].split()[1]) == p.pid:
            return int(pid.name)
    raise AssertionError("no keeper")


def end(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), f"{pid} to be gone")


def test_its_own_group_holds_the_program_and_not_the_recorder(tmp_path):
    p, group, pid = sleeping(tmp_path)
    assert (group / "cgroup.procs").read_text().split() == [str(pid)]
    end(pid)
    assert p.wait(timeout=60) == 128 + 9
    assert not group.exists()


def test_killed_it_leaves_no_group_and_the_program_runs_on(tmp_path):
    p, group, pid = sleeping(tmp_path)
    p.kill()
    p.wait()
    wait_until(lambda: not group.exists(), "the group to be gone")
    assert GROUPS not in pathlib.Path(f"/proc/{pid}/cgroup").read_text()
    assert list(tmp_path.iterdir()) == []
    end(pid)


def test_killed_with_its_keeper_the_next_one_clears_up(tmp_path):
    p, group, pid = sleeping(tmp_path)
    keeper = keeper_of(p)
    os.kill(keeper, signal.SIGKILL)
    p.kill()
    p.wait()
    time.sleep(0.2)
    assert group.exists()
    assert record(tmp_path / "u.csv", "true").returncode == DONE
    assert not group.exists()
    assert GROUPS not in pathlib.Path(f"/proc/{pid}/cgroup").read_text()
    end(pid)


def test_nobody_elses_group_is_touched(tmp_path):
    for name in ("radar-pod-recorder.1.2", f"{GROUPS}x.2", f"{GROUPS}{os.getpid()}.1x", f"{GROUPS}999999999.1x"):
        (OWN_GROUP / name).mkdir()
    try:
        assert record(tmp_path / "t.csv", "true").returncode == DONE
    finally:
        for name in ("radar-pod-recorder.1.2", f"{GROUPS}x.2", f"{GROUPS}{os.getpid()}.1x",
                     f"{GROUPS}999999999.1x"):
            (OWN_GROUP / name).rmdir() # which fails where it is gone


MAKES_GROUPS = """
import os, pathlib, subprocess, sys
own = pathlib.Path(sys.argv[1] + next(l[3:].strip() for l in open("/proc/self/cgroup") if l.startswith("0::")))
(own / "within/deeper").mkdir(parents=True)
if len(sys.argv) > 2: # somebody stays there
    p = subprocess.Popen(["sleep", "30"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (own / "within/cgroup.procs").write_text(str(p.pid))
    print(p.pid)
"""


def test_groups_that_the_program_made_go_with_it(tmp_path):
    r = record(tmp_path / "t.csv", *python(MAKES_GROUPS, MOUNT))
    assert r.returncode == DONE and "stays" not in r.stderr
    assert groups() == []


def test_a_group_that_the_program_made_and_uses_is_told(tmp_path):
    r = record(tmp_path / "t.csv", *python(MAKES_GROUPS, MOUNT, "and stays"), options=["--linger", "0s", "--quiet"])
    pid, [group] = int(r.stdout), groups()
    assert r.returncode == DONE and "stays: " in r.stderr and f"{GROUPS}{group.split('.')[1]} " in r.stderr
    assert f"{group}/within" in pathlib.Path(f"/proc/{pid}/cgroup").read_text()
    end(pid)
    assert record(tmp_path / "u.csv", "true").returncode == DONE # the next one finds it empty
    assert groups() == []


def test_two_at_once_see_their_own(tmp_path, sink):
    script = ("import socket, sys, time\ntime.sleep(0.3)\n"
              "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\ns.sendall(b'x' * int(sys.argv[2]))\n")
    running = [subprocess.Popen([PROGRAM, "record", "--quiet", "--out", tmp_path / f"{i}.csv",
                                 *python(script, sink.port, 1000 * (i + 1))]) for i in range(2)]
    assert [p.wait(timeout=60) for p in running] == [DONE, DONE]
    for i in range(2):
        t = Trace(tmp_path / f"{i}.csv")
        [flow] = t.flows
        assert t.last(flow)["bytes_acked"] == 1000 * (i + 1) + 2


def test_one_within_another(tmp_path, sink):
    script = f"import socket\nsocket.create_connection(('127.0.0.1', {sink.port})).sendall(b'hello')\n"
    r = record(tmp_path / "out.csv", PROGRAM, "record", "--out", tmp_path / "in.csv", *python(script))
    assert r.returncode == DONE, r.stderr
    outer, inner = Trace(tmp_path / "out.csv"), Trace(tmp_path / "in.csv")
    assert len(inner.flows) == 1 and inner.flows[0]["cookie"] in [f["cookie"] for f in outer.flows]


def test_two_killed_within_one_another_are_cleared(tmp_path):
    p = subprocess.Popen([PROGRAM, "record", "--quiet", "--out", tmp_path / "o.csv", PROGRAM, "record", "--quiet",
                          "--out", tmp_path / "i.csv", "sh", "-c", "echo $$ $PPID; exec sleep 60"],
                         stdout=subprocess.PIPE, text=True)
    program, inner = map(int, p.stdout.readline().split())
    for pid in (p.pid, inner):
        os.kill(pid, signal.SIGKILL)
    p.wait()
    wait_until(lambda: not groups(), "both groups to be gone")
    end(program)


def test_below_the_callers_group(tmp_path):
    """What limits the caller goes on to limit the program."""
    with group_of_its_own(OWN_GROUP, "below") as group:
        r = record(tmp_path / "t.csv", "cat", "/proc/self/cgroup", preexec_fn=inside(group))
        assert r.returncode == DONE, r.stderr
        assert f"0::{'/' + str(group.relative_to(MOUNT))}/{GROUPS}" in r.stdout
        assert groups(group) == []


# --- what stands in its way ------------------------------------------------------------------------


HIDDEN = [
    ("not mounted", f"umount -l {MOUNT}"),
    ("covered by another mount", f"mount -t tmpfs none {MOUNT}"),
    ("as ip-netns(8) shows it", "mount -t sysfs none /sys\nip link set lo up"),
]


BOTH_ENDS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as s:
    socket.create_connection(s.getsockname()).sendall(b"hello")
    s.accept()[0].recv(5)
"""


@pytest.mark.parametrize("script", [c[1] for c in HIDDEN], ids=[c[0] for c in HIDDEN])
def test_no_cgroup2_is_to_be_seen(tmp_path, script):
    """With CAP_SYS_ADMIN it has a mount of its own; without, it says what to do."""
    r = in_mounts(script, PROGRAM, "record", "--out", tmp_path / "t.csv", *python(BOTH_ENDS))
    assert r.returncode == DONE, r.stderr
    assert {f["role"] for f in Trace(tmp_path / "t.csv").flows} == {"client", "server"}
    r = in_mounts(script, "setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", PROGRAM, "record",
                  "--out", tmp_path / "u.csv", "touch", tmp_path / "ran")
    assert r.returncode == CANNOT_HERE
    assert "could not find a mount of cgroup2 (mount -t cgroup2" in r.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["t.csv"]


def test_killed_where_none_is_to_be_seen_it_leaves_no_group(tmp_path):
    p = subprocess.Popen(["unshare", "-m", "sh", "-ec", f'umount -l {MOUNT}\nexec "$@"', "sh", PROGRAM, "record",
                          "--quiet", "--out", tmp_path / "t.csv", "sh", "-c", "echo $$; exec sleep 60"],
                         stdout=subprocess.PIPE, text=True)
    pid = int(p.stdout.readline())
    assert len(groups()) == 1
    p.kill()
    p.wait()
    wait_until(lambda: not groups(), "the group to be gone")
    end(pid)


@pytest.mark.parametrize("name", ["elsewhere", "a place with spaces"])
def test_it_is_mounted_elsewhere(tmp_path, sink, name):
    (tmp_path / name).mkdir()
    script = f"import socket\nsocket.create_connection(('127.0.0.1', {sink.port})).sendall(b'hello')\n"
    r = in_mounts(f"umount -l {MOUNT}\nmount -t cgroup2 none '{tmp_path / name}'", PROGRAM, "record", "--out",
                  tmp_path / "t.csv", *python(script))
    assert r.returncode == DONE, r.stderr
    assert len(Trace(tmp_path / "t.csv").flows) == 1


def test_a_part_of_it_is_mounted(tmp_path):
    """As a container sees it without a namespace of control groups: only what is below its own."""
    with group_of_its_own(OWN_GROUP, "part") as group:
        (tmp_path / "part").mkdir()
        r = in_mounts(f"mount --bind {group} '{tmp_path / 'part'}'\numount -l {MOUNT}\necho 0 > "
                      f"'{tmp_path / 'part'}/cgroup.procs'", PROGRAM, "record", "--out", tmp_path / "t.csv", "cat",
                      "/proc/self/cgroup")
        assert r.returncode == DONE, r.stderr
        assert f"/{group.name}/{GROUPS}" in r.stdout


def test_it_is_mounted_for_reading_only(tmp_path):
    r = in_mounts(f"mount -o remount,bind,ro {MOUNT}", PROGRAM, "record", "--out", tmp_path / "t.csv", "true")
    assert r.returncode == CANNOT_HERE and "Read-only file system" in r.stderr and str(MOUNT) in r.stderr


@pytest.mark.parametrize("limit", ["descendants", "depth"])
def test_it_is_full(tmp_path, limit):
    with group_of_its_own(OWN_GROUP, "full") as group:
        (group / f"cgroup.max.{limit}").write_text("0")
        r = record(tmp_path / "t.csv", "touch", tmp_path / "ran", preexec_fn=inside(group))
        assert r.returncode == NOT_DONE
        assert f"cgroup.max.{limit}" in r.stderr and str(group) in r.stderr
        assert list(tmp_path.iterdir()) == []


def pids_group():
    """A group that can limit processes, of either version."""
    v1 = pathlib.Path("/sys/fs/cgroup/pids")
    if (v1 / "cgroup.procs").exists():
        return v1
    if "pids" in (OWN_GROUP / "cgroup.subtree_control").read_text():
        return OWN_GROUP
    pytest.skip("no control group here limits processes")


@pytest.mark.parametrize("processes", [1, 2])
def test_no_process_may_be_made(tmp_path, processes):
    """1: the recorder alone. 2: and its keeper."""
    with group_of_its_own(pids_group(), "pids") as group:
        (group / "pids.max").write_text(str(processes))
        r = record(tmp_path / "t.csv", "touch", tmp_path / "ran", preexec_fn=inside(group))
        assert r.returncode == NOT_DONE
        assert "Resource temporarily unavailable" in r.stderr
        assert list(tmp_path.iterdir()) == []


def test_three_processes_are_enough(tmp_path):
    with group_of_its_own(pids_group(), "three") as group:
        (group / "pids.max").write_text("3")
        assert record(tmp_path / "t.csv", "true", preexec_fn=inside(group)).returncode == DONE
