"""The program that is recorded runs as it would without: its code, its signals, what it was given."""

import os
import pty
import signal
import subprocess
import time

import pytest

from conftest import (CANNOT_HERE, DONE, NOT_DONE, PROGRAM, USAGE, Trace, python, record, run,
                      wait_until)

# --- its exit code ---------------------------------------------------------------------------------

CODES = [
    ("done", ["true"], 0),
    ("its own failure", ["sh", "-c", "exit 42"], 42),
    ("killed", ["sh", "-c", "kill -KILL $$"], 128 + 9),
    ("terminated", ["sh", "-c", "kill -TERM $$"], 128 + 15),
    ("not there", ["/nowhere/at-all"], 127),
    ("not in the path", ["no-such-program-anywhere"], 127),
    ("no program", ["/etc/passwd"], 126),
    ("a directory", ["/"], 126),
]


@pytest.mark.parametrize("command, code", [c[1:] for c in CODES], ids=[c[0] for c in CODES])
def test_its_code_is_the_programs(tmp_path, command, code):
    r = record(tmp_path / "t.jsonl", *command)
    assert r.returncode == code
    if code in (126, 127): # nothing ran, so there is nothing to trace
        assert command[0] in r.stderr and r.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
    else:
        assert Trace(tmp_path / "t.jsonl").flows == []


USAGE_ERRORS = [
    ("no program", ["record"], "which program?"),
    ("none behind --", ["record", "--"], "which program?"),
    ("no such option", ["record", "--frobnicate", "true"], "--frobnicate"),
    ("no form of a trace", ["record", "--out", "t.txt", "true"], ".jsonl"),
    ("no such source", ["record", "--stats", "magic", "true"], "ebpf-sockops"),
    ("no time", ["record", "--interval", "often", "true"], "--interval takes a time"),
]


@pytest.mark.parametrize("words, says", [c[1:] for c in USAGE_ERRORS], ids=[c[0] for c in USAGE_ERRORS])
def test_wrong_usage(tmp_path, words, says):
    r = run(*words, cwd=tmp_path)
    assert r.returncode == USAGE and says in r.stderr
    assert list(tmp_path.iterdir()) == []


def test_options_end_where_the_program_begins(tmp_path):
    r = run("record", "--out", tmp_path / "t.jsonl", "echo", "--out", "-h")
    assert r.returncode == DONE and r.stdout == "--out -h\n"
    assert Trace(tmp_path / "t.jsonl").header["command"] == "echo --out -h"


def test_without_a_name_the_trace_is_named_by_program_and_time(tmp_path):
    r = run("record", "true", cwd=tmp_path)
    [path] = tmp_path.iterdir()
    assert path.name.startswith("true-20") and path.name in r.stderr
    assert Trace(path).header["command"] == "true"


def test_what_does_not_fit_in_memory_goes_to_the_state_directory_that_is_named(tmp_path):
    """A file without a name, as the program that is recorded sees it in its parent."""
    (state := tmp_path / "state").mkdir()
    r = record(tmp_path / "t.csv", "sh", "-c", "ls -l /proc/$PPID/fd", options=["--state-dir", state])
    assert r.returncode == DONE and f"-> {state}/#" in r.stdout, r.stdout


def test_quiet_says_nothing(tmp_path):
    assert record(tmp_path / "t.csv", "true", options=["--quiet"]).stderr == ""


# --- what it is given ------------------------------------------------------------------------------

STATE = """
import os, signal
status = open("/proc/self/status").read()
pick = lambda key: next(l for l in status.splitlines() if l.startswith(key))
print(pick("SigBlk"), pick("SigIgn"), pick("NoNewPrivs"), pick("CapEff"))
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1], os.getpgrp() == os.getpgid(os.getppid()))
print(sorted(os.environ.items()))
"""


def as_given(words, **more):
    r = subprocess.run([*words, *python(STATE)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60,
                       text=True, check=True, **more)
    return r.stdout


def plain():
    pass


def with_signals_changed():
    signal.signal(signal.SIGHUP, signal.SIG_IGN) # as nohup(1) does
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})


@pytest.mark.parametrize("change", [plain, with_signals_changed])
def test_signals_descriptors_and_environment_are_as_given(tmp_path, change):
    read_end, write_end = os.pipe()
    more = {"pass_fds": [write_end], "preexec_fn": change, "restore_signals": False, "cwd": tmp_path}
    without = as_given([], **more)
    assert as_given([PROGRAM, "record", "--quiet", "--out", "t.csv"], **more) == without
    os.close(read_end)
    os.close(write_end)


def test_its_input_and_output_are_its_own(tmp_path):
    text = "".join(f"line {i}\n" for i in range(20000))
    r = subprocess.run([PROGRAM, "record", "--quiet", "--out", tmp_path / "t.csv", "cat"], input=text,
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == DONE and r.stdout == text and r.stderr == ""


def test_a_reader_that_leaves_ends_it_as_it_would(tmp_path):
    """`record -- yes | head -1`: the program dies of SIGPIPE."""
    p = subprocess.Popen([PROGRAM, "record", "--quiet", "--out", tmp_path / "t.csv", "yes"],
                         stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"y\n"
    p.stdout.close()
    assert p.wait(timeout=60) == 128 + signal.SIGPIPE


# --- signals ---------------------------------------------------------------------------------------

TELLS = """
import signal, sys, time
def told(number, frame):
    print(signal.Signals(number).name, flush=True)
    seen.append(number)
seen = []
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
               signal.SIGUSR2, signal.SIGALRM, signal.SIGRTMIN):
    signal.signal(number, told)
print("ready", flush=True)
while len(seen) < int(sys.argv[1]):
    time.sleep(0.01)
time.sleep(0.2)
sys.exit(40 + len(seen))
"""


def started(tmp_path, *command, **more):
    return subprocess.Popen([PROGRAM, "record", "--quiet", "--out", tmp_path / "t.csv", *command],
                            stdout=subprocess.PIPE, text=True, **more)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM",
                                  "SIGRTMIN"])
def test_a_signal_is_passed_on(tmp_path, name):
    p = started(tmp_path, *python(TELLS, 1))
    assert p.stdout.readline() == "ready\n"
    p.send_signal(getattr(signal, name))
    assert p.stdout.read() == f"{name}\n"
    assert p.wait(timeout=60) == 41
    Trace(tmp_path / "t.csv")


def test_a_program_that_dies_of_it_is_told_so(tmp_path):
    p = started(tmp_path, "sh", "-c", "echo ready; exec sleep 60")
    assert p.stdout.readline() == "ready\n"
    p.terminate()
    assert p.wait(timeout=60) == 128 + signal.SIGTERM
    Trace(tmp_path / "t.csv")


def test_the_terminals_interrupt_comes_once(tmp_path):
    """Ctrl-C goes to all processes of the terminal; passed on, it would come twice."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(PROGRAM, [PROGRAM, "record", "--quiet", "--out", str(tmp_path / "t.csv"), *python(TELLS, 1)])
    said = b""
    while b"ready" not in said:
        said += os.read(fd, 1000)
    os.write(fd, b"\x03")
    try:
        while True:
            said += os.read(fd, 1000)
    except OSError: # its last process is gone
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 41
    assert said.count(b"SIGINT") == 1
    os.close(fd)


HUNG_UP = """
import signal, sys, time
def told(number, frame):
    open(sys.argv[1], "w").close()
    sys.exit(7)
signal.signal(signal.SIGHUP, told)
print("ready", flush=True)
time.sleep(20)
"""


def test_the_terminals_hangup_reaches_it(tmp_path):
    """The kernel tells the session's leader alone, as which ssh(1) starts a command."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(PROGRAM, [PROGRAM, "record", "--quiet", "--out", str(tmp_path / "t.csv"),
                           *python(HUNG_UP, tmp_path / "told")])
    said = b""
    while b"ready" not in said:
        said += os.read(fd, 1000)
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert (tmp_path / "told").exists()
    Trace(tmp_path / "t.csv")


def test_on_a_terminal_a_table_sums_up(tmp_path, closed_port):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(PROGRAM, [PROGRAM, "record", "--out", str(tmp_path / "t.csv"), *python(
            "import socket\nsocket.socket().connect_ex(('127.0.0.1', %d))" % closed_port)])
    said = b""
    try:
        while True:
            said += os.read(fd, 1000)
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == DONE
    assert b"Connection" in said and b"127.0.0.1:%d" % closed_port in said
    os.close(fd)


def test_an_alarm_set_before_reaches_the_program(tmp_path):
    """alarm(2) survives exec(2): it was meant for the program."""
    p = started(tmp_path, *python(TELLS, 1), preexec_fn=lambda: signal.setitimer(signal.ITIMER_REAL, 1))
    assert p.stdout.read() == "ready\nSIGALRM\n"
    assert p.wait(timeout=60) == 41


# --- what it leaves behind -------------------------------------------------------------------------


def test_a_daemon_that_outlives_it_runs_on(tmp_path):
    r = record(tmp_path / "t.jsonl", "sh", "-c", "setsid sleep 30 >/dev/null 2>&1 & echo $!",
               options=["--linger", "100ms"])
    daemon = int(r.stdout)
    try:
        assert r.returncode == DONE and "sh left 1 process running" in r.stderr
        assert "radar-pod" not in open(f"/proc/{daemon}/cgroup").read()
    finally:
        os.kill(daemon, signal.SIGKILL)


SPEAKS_LATER = """
import os, socket, sys, time
if os.fork() == 0: # a daemon, the classic way
    os.setsid()
    time.sleep(0.5)
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).sendall(b"x" * 1000)
"""


def test_a_daemon_is_recorded_as_long_as_one_lingers(tmp_path, sink):
    r = record(tmp_path / "t.jsonl", *python(SPEAKS_LATER, sink.port), options=["--linger", "1h"])
    assert r.returncode == DONE and "left" not in r.stderr
    t = Trace(tmp_path / "t.jsonl")
    [flow] = t.to_port(sink.port)
    assert t.last(flow)["bytes_acked"] >= 1000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_lingering(tmp_path, number):
    p = subprocess.Popen([PROGRAM, "record", "--quiet", "--linger", "1h", "--out", tmp_path / "t.csv", "sh", "-c",
                          "setsid sleep 30 >/dev/null 2>&1 & echo $!"], stdout=subprocess.PIPE, text=True)
    daemon = int(p.stdout.readline())
    try:
        time.sleep(0.3)
        assert p.poll() is None
        p.send_signal(number)
        assert p.wait(timeout=60) == DONE
        Trace(tmp_path / "t.csv")
    finally:
        os.kill(daemon, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{daemon}"), "the daemon to be gone")


# --- where the trace cannot go ---------------------------------------------------------------------


def test_a_missing_directory_is_found_before_it_runs(tmp_path):
    r = record(tmp_path / "nowhere/t.csv", "touch", tmp_path / "ran")
    assert r.returncode == NOT_DONE and "No such file" in r.stderr
    assert not (tmp_path / "ran").exists()


def test_polling_is_refused_with_its_reason(tmp_path):
    r = record(tmp_path / "t.csv", "touch", tmp_path / "ran", options=["--stats", "tcp_info"])
    assert r.returncode == CANNOT_HERE
    assert "between two polls" in r.stderr and list(tmp_path.iterdir()) == []
