"""From the end of a test to the service's answer: the daemon's part (runner, store, uploader, courier) is ended, and
failed, at each of its system calls, and the service's answer is cut at each of its bytes.

Each result arrives once; twice only where it was sent and the answer could not be noted; and no test is run again.
A result is there from the moment the daemon has said "stored": ended before, the test is one that has not ended.

Of the several hundred points a sample is taken (injection.py).
"""

import collections
import contextlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from injection import STRACE, needs_strace, numbered, sampled

DELIVERY = os.environ["POD_DELIVERY"]
SAMPLE = 60
ID = "0190f3c2-1111-7222-8333-444455556666"
PROGRAM = """#!/bin/sh
echo run >>RAN
cat <<'END'
{"Key":"measurement","Value":{"AppInfo":{"NumBytes":7,"ElapsedTime":2},"Origin":"client","Test":"download"}}
{"Key":"measurement","Value":{"AppInfo":{"NumBytes":7,"ElapsedTime":2},"Origin":"client","Test":"upload"}}
{"Download":{"Value":28},"Upload":{"Value":28},"MinRTT":{"Value":1}}
END
cat >&3 <<'END'
{"schema":"radar-pod/result/1","id":"ID","bytes_used":14}
END
"""
ANSWER = json.dumps({"id": 991, "style": "NDT7"}).encode()
WHOLE = (b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)) + ANSWER


class Service:
    """Counts what it has taken whole, by id; `cut` bytes of an answer are all that is sent of it."""

    def __init__(self):
        outer = self
        self.taken = collections.Counter()
        self.bodies = []
        self.cut = None
        self.status = None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.close_connection = True
                if len(body) < int(self.headers["Content-Length"]):
                    return # who sent it was killed meanwhile
                if outer.status:
                    self.wfile.write(b"HTTP/1.1 %d Later\r\nContent-Length: 0\r\n\r\n" % outer.status)
                    return
                outer.taken[self.headers["Idempotency-Key"]] += 1
                outer.bodies.append(body)
                self.wfile.write(WHOLE if outer.cut is None else WHOLE[:outer.cut])

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()


class Pod:
    def __init__(self, folder, service):
        self.folder, self.service = Path(folder), service
        self.state, self.ran = self.folder / "state", self.folder / "ran"
        self.program = self.folder / "program"
        self.program.write_text(PROGRAM.replace("RAN", str(self.ran)).replace("ID", ID))
        self.program.chmod(stat.S_IRWXU)

    def argv(self, test, asked):
        return [DELIVERY, str(self.state), self.service.url, *([str(self.program)] if test else ["asked"] if asked else [])]

    def run(self, test=False, before=(), asked=False):
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return subprocess.run([*before, *self.argv(test, asked)], capture_output=True, text=True, timeout=60,
                              env={**environment, "ASAN_OPTIONS": "detect_leaks=0", "OF_POD": str(self.folder)})

    def left_behind(self):
        """Whether something of a killed one lives: its courier may still be sending."""
        mark = f"OF_POD={self.folder}\0".encode()
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in environment.read_bytes():
                    return True
        return False

    def traced(self, options, test=True):
        """The daemon alone is traced: its children run as ever."""
        return self.run(test, [STRACE, "-qq", *options])

    def runs(self):
        return len(self.ran.read_text().splitlines()) if self.ran.exists() else 0


@pytest.fixture(autouse=True)
def _needs_strace():
    needs_strace()


@pytest.fixture
def rig():
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


def fresh(folder, service):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Pod(folder, service)


def points(rig, calls):
    """(call, ordinal) from where the test's process is started on."""
    with Service() as service:
        pod, log = fresh(rig / "watched", service), rig / "log"
        r = pod.traced(["-o", str(log), "-e", f"trace={calls},pidfd_open" if calls != "all" else "trace=all"])
        assert r.returncode == 0 and service.taken == {ID: 1}, r.stderr
    found = numbered(log, lambda call, line: call == "pidfd_open")
    assert len(found) > 15, found
    return [(call, ordinal) for call, ordinal, _ in found if call != "pidfd_open"]


def half_of(found, calls):
    """A sample of which half is of these calls."""
    return (sampled([p for p in found if p[0] in calls], SAMPLE // 2) +
            sampled([p for p in found if p[0] not in calls], SAMPLE // 2))


def each(rig, found, play):
    """Four at a time, each with a pod and a service of its own."""
    def one(numbered):
        number, point = numbered
        folder = rig / str(number)
        with Service() as service:
            pod = fresh(folder, service)
            play(pod, service, point)
        shutil.rmtree(folder, ignore_errors=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, enumerate(found)))


def test_D1_killed_at_every_call(rig):
    lost_answers = []

    def play(pod, service, point):
        call, ordinal = point
        r = pod.traced(["-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={ordinal}"])
        stored, arrived = "stored" in r.stdout, "arrived" in r.stdout
        after = pod.run()
        assert after.returncode == 0, (point, r.stdout, after.stderr)
        taken = service.taken[ID]
        assert taken <= 2 and set(service.taken) <= {ID}, point
        assert taken >= 1 or not stored, f"{point}: lost"
        assert taken == 1 or not arrived, f"{point}: sent again after it had arrived"
        if taken == 2:
            lost_answers.append(point)
        assert pod.runs() <= 1, f"{point}: {pod.runs()} runs"
        assert all(b.count(b'"MinRTT"') == 1 for b in service.bodies), f"{point}: torn"
        pod.run()
        assert service.taken[ID] == taken, f"{point}: sent again by a later start"

    found = points(rig, "all")
    each(rig, half_of(found, {"fdatasync", "pwrite64", "sendmsg", "recvmsg", "epoll_pwait2", "epoll_pwait", "waitid"}), play)
    print(f"{len(found)} points, {len(lost_answers)} of them with a second sending: {lost_answers}")


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_D3_failing_writes(rig, error):
    """No false "stored"; what was said to have arrived is not sent again; and a later start brings the rest."""
    def play(pod, service, point):
        call, ordinal = point
        r = pod.traced(["-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={ordinal}"])
        assert r.returncode >= 0, (point, r.stderr)
        taken = service.taken[ID]
        for _ in range(2):
            pod.run()
        if "stored" in r.stdout:
            assert service.taken[ID] >= 1, f"{point}: false «stored»\n{r.stderr}"
        if "arrived" in r.stdout:
            assert service.taken[ID] == taken == 1, f"{point}: sent again"
        assert service.taken[ID] <= 2 and pod.runs() <= 1, point

    found = points(rig, "pwrite64,fdatasync,fsync,ftruncate")
    each(rig, sampled(found, SAMPLE // 3), play)


def test_D7_answer_cut_at_each_byte(rig):
    """Taken, and the answer is cut: it is repeated once, under the same id, and then not any more."""

    def play(pod, service, cut):
        service.cut = cut
        r = pod.run(test=True)
        assert r.returncode in (0, 3), r.stderr
        assert service.taken == {ID: 1}, (cut, service.taken)
        assert pod.runs() == 1

    each(rig, sampled(range(len(WHOLE)), 20), play)


def test_R38_refused_then_taken(rig):
    with Service() as service:
        pod = fresh(rig / "pod", service)
        service.status = 503
        r = pod.run(test=True)
        assert r.returncode == 3 and "stored" in r.stdout, r.stderr
        assert not service.taken and pod.runs() == 1
