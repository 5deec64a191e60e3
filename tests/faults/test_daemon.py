"""The whole daemon, ended by SIGKILL at one of its system calls between a test's beginning and the service's answer, and
started again: what its pieces promise (test_delivery.py) holds for how they are put together.

The service has the result once; twice, under one key, only where its answer could not be noted; and once the daemon has
said that the test has a result, none is run again. A sample, another one each day; POD_FAULTS=all takes each point.
"""

import contextlib
import datetime
import os
import random
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / folder) for folder in ("service", "servers", "peers")]

from daemon import IN_VAIN_S, eventually
from injection import STRACE, needs_strace, numbered
from pod_daemon import pods
from pod_service import PodService, in_own_network

ALL = os.environ.get("POD_FAULTS") == "all"
SAMPLE = 16
SEED = datetime.date.today().toordinal()
AT_FILES = {"pwrite64", "fdatasync", "fsync", "openat"}
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
