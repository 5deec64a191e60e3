"""The whole daemon between a request and the service's answer, ended by SIGKILL at one of its system calls and started
again, or with one of its calls failed: what its pieces promise (test_delivery.py) holds for how they are put together.

Killed (D1): the service has the result once; twice, under one key, only where its answer could not be noted; and once the
daemon has said that the test has a result, none is run again.

Failed (D3): the daemon lives, what it has said to have a result arrives, and so does the next one.

POD_FAULTS=all takes each point, and so does the build as shipped where it is killed; else samples, others each day.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / folder) for folder in ("service", "servers", "peers")]

import pytest

from daemon import IN_VAIN_S, eventually
from injection import ALL, SEED, STRACE, needs_strace, numbered
from pod_daemon import pods
from pod_service import PodService, in_own_network

SAMPLE = 16
AT_FILES = {"pwrite64", "fdatasync", "fsync", "openat"}
FAIL_SAMPLE = 24
MEMORY = "" if "RADAR_POD_SANITIZED" in os.environ else ",mmap,mremap,brk,mprotect" # a sanitizer ends without them
FAILING = {
    "ENOSPC": "openat,pwrite64,write,fdatasync,fsync,ftruncate,rename,linkat",
    "EDQUOT": "openat,pwrite64,write,fdatasync,fsync,ftruncate,rename,linkat",
    "EIO": "openat,read,pread64,pwrite64,write,fdatasync,fsync,ftruncate,rename,linkat,unlink,unlinkat,close,fcntl,flock,"
           "newfstatat,fstat,lseek,fchmod,fchown,access,readlink",
    "EMFILE": "openat,socket,socketpair,pipe2,memfd_create,epoll_create1,eventfd2,pidfd_open",
    "ENOMEM": "openat,read,pread64,pwrite64,socket,pipe2,memfd_create" + MEMORY,
    "EINTR": "openat,read,pread64,pwrite64,write,fdatasync,fsync,ftruncate",
}  # fmt: skip
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=0"} # LSan is no friend of ptrace


def is_over(pod, service):
    """Nothing is on its way any more; or the daemon is dead."""
    if not pod.is_alive():
        return True
    s = pod.status()
    return service.measurements and s["store"]["pending"] + s["store"]["uncertain"] == 0


def alive_or_over(pod, service):
    try:
        return is_over(pod, service)
    except AssertionError: # it died meanwhile, or is not there yet
        return False


def end(pod):
    """Where it was not killed: strace lets nothing end itself, and to be asked for its status may be what kills it."""
    with contextlib.suppress(OSError, IndexError):
        daemon = Path(f"/proc/{pod.pid}/task/{pod.pid}/children").read_text().split()[0]
        os.kill(int(daemon), signal.SIGTERM)
    pod.process.wait(IN_VAIN_S)


def live(folder, options, service):
    """One daemon on its own is traced, its children run as ever; it is asked behind its first sync."""
    with pods(folder, service) as make:
        service.pod.test_requested = True
        pod = make(runners="OOKLA").start(before=(STRACE, "-qq", *options), **ENVIRONMENT)
        eventually(lambda: alive_or_over(pod, service))
        end(pod)
        yield pod
        said = pod.said()
        pod.up(**ENVIRONMENT)
        eventually(lambda: alive_or_over(pod, service))
        pod.stop()
        assert set(m.key for m in service.measurements) == {service.measurements[0].key}
        assert len(service.measurements) <= 2
        if "1 have a result" in said:
            assert pod.ookla_runs() == 1, "measured again"
        if "has arrived" in said:
            assert len(service.measurements) == 1, "sent again after it had arrived"
        assert service.problems() == []


@in_own_network
def points(folder):
    """(call, ordinal) from where the test's process is started on."""
    log = folder / "log"
    with PodService() as service:
        for _ in live(folder / "watched", ("-o", str(log), "-e", "trace=all"), service):
            assert len(service.measurements) == 1
    found = numbered(log, lambda call, line: call == "pidfd_open")
    assert len(found) > 15, found
    return [(call, ordinal) for call, ordinal, _ in found]


@in_own_network
def play(folder, call, ordinal):
    inject = ("-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={ordinal}")
    with PodService() as service:
        for _ in live(folder, inject, service):
            pass


def sampled(found):
    if ALL:
        return found
    chosen = random.Random(SEED)
    files, others = [p for p in found if p[0] in AT_FILES], [p for p in found if p[0] not in AT_FILES]
    return [p for some in (files, others) for p in chosen.sample(some, min(len(some), SAMPLE // 2))]


def test_D1_R36_the_whole_daemon_killed(tmp_path):
    needs_strace()
    found = points(folder=tmp_path)
    chosen = sampled(found)
    print(f"seed {SEED}: {len(chosen)} of {len(found)} points: {chosen}")
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda n: play(folder=tmp_path / str(n), call=chosen[n][0], ordinal=chosen[n][1]), range(len(chosen))):
            pass


# --- failed ----------------------------------------------------------------------------------------------------


def keys(service):
    return {m.key for m in service.measurements}


def counts(pod):
    """Tests that have a result, and results that have arrived, as it says when it is asked: a line of its log may be what
    fails."""
    with contextlib.suppress(AssertionError, ValueError):
        s = pod.status()
        return s["tests"]["measured"], s["uploads"]["arrived"]
    return 0, 0


def arrives(pod, service, count):
    """Asked for as long as the service has no result for it, as the service does."""
    assert pod.is_alive(), pod.said()
    if len(keys(service)) < count:
        service.ask()
    return len(keys(service)) >= count and counts(pod)[1] >= count


@in_own_network
def fail(folder, before, environment):
    """Two tests, one after the other."""
    with PodService() as service, pods(folder, service) as make:
        pod = make(runners="OOKLA").start(before=before, **ENVIRONMENT, **environment)
        eventually(service.cable.confirmed)
        for count in (1, 2):
            eventually(lambda: arrives(pod, service, count), 3 * IN_VAIN_S, 0.5)  # noqa: B023
        # One is asked for once more where its result is on its way: then there are three.
        eventually(lambda: counts(pod)[0] == len(keys(service)) in (2, 3))
        try:
            end(pod) if before else pod.stop()
        except subprocess.TimeoutExpired:
            end(pod)  # the handler's word to the loop was what failed; the second signal is the kernel's
        unsaid = pod.said().endswith("could not write to standard output: Input/output error\n")  # its very last close
        assert pod.process.returncode in ((1,) if unsaid else (0, -signal.SIGTERM)), pod.said()
        assert len(service.measurements) <= 3 and service.problems() == []


def failing_points(folder):
    """(call, ordinal, error) of each call on files, descriptors and memory from the request on."""
    log = folder / "log"
    fail(folder=folder / "watched", before=(STRACE, "-qq", "-o", str(log), "-s", "200", "-e", "trace=all"), environment={})
    found = numbered(log, lambda call, line: "the service asks for a test" in line)
    assert len(found) > 50, found
    return [(call, ordinal, error) for call, ordinal, _ in found for error, calls in FAILING.items() if call in calls.split(",")]


def test_D3_the_whole_daemon_failed(tmp_path):
    needs_strace()
    found = failing_points(tmp_path)
    chosen = found if ALL else [
        point for error in FAILING for point in random.Random(SEED).sample([p for p in found if p[2] == error],
                                                                          FAIL_SAMPLE // len(FAILING))
    ]  # fmt: skip
    print(f"seed {SEED}: {len(chosen)} of {len(found)} points: {chosen}")

    def play(n):
        call, ordinal, error = chosen[n]
        try:
            inject = ("-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={ordinal}")
            fail(folder=tmp_path / str(n), before=(STRACE, "-qq", *inject), environment={})
        except AssertionError as failure:
            raise AssertionError(f"{chosen[n]}: {failure}") from failure

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(play, range(len(chosen))):
            pass


@pytest.mark.skipif("RADAR_POD_SANITIZED" in os.environ, reason="a sanitizer's runtime has to be loaded first")
def test_D3_every_write_is_short(tmp_path):
    """Of the daemon and of all that it starts: half of what is written is taken, each time, for good."""
    note = tmp_path / "one was cut"
    fail(folder=tmp_path / "pod", before=(), environment={"LD_PRELOAD": os.environ["SHORT_WRITES"], "SHORT_WRITES_NOTE": str(note)})
    assert note.exists()
