"""The link program as a person uses it: commands, exit codes, ends of every kind, and what cannot be."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from links import (BAD_FILE, CANNOT_HERE, DONE, LINK, NOT_DONE, USAGE, across, check_accounts, host_network, leftovers,
                   link, linktruth, need, scenario, up, why_not)

HERE = Path(__file__).resolve().parent
FIBRE = scenario("fibre")
NO_COMMAND, CANNOT_RUN = 127, 126

possible_here = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

# Whoever runs the tests behind a shell's "&" has it ignored, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def wire(tmp_path):
    """A link that changes nothing."""
    path = tmp_path / "wire.link"
    path.write_text("")
    return path


def start(*words, **more):
    return subprocess.Popen([LINK, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True, **more)


def wait_until(what, seconds=10):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.02)


# --- usage ------------------------------------------------------------------------------------------


def test_help():
    run = link("--help")
    assert run.status == DONE and "link up NAME SCENARIO" in run.out and not run.err


@pytest.mark.parametrize("words, says", [
    ([], "Usage"),
    (["up", "x"], "2 words expected"),
    (["exec", "x", "middle", "--", "true"], "client or server"),
    (["exec", "x", "client"], "COMMAND"),
    (["x.link", "ping"], "'ping'"),
    (["x.link", "--fast", "--", "true"], "--fast"),
    (["list", "--truth", "x"], "--truth"),
    (["down", "Not a name"], "name a link"),
])
def test_wrong_usage(words, says):
    run = link(*words)
    assert run.status == USAGE and says in run.err, run.err


@pytest.mark.parametrize("text, says", [
    ("speed = 3Mbit/s\n", "bad.link:1"),
    ("[down]\nrate = 10furlongs\n", "bad.link:2"),
    ("mtu = 20\n", "bad.link:1"),
    ("[down]\nloss = 120%\n", "bad.link:2"),
    ("[down]\ntrace = bad.trace\n", "bad.trace:2"),
])
def test_a_bad_scenario_is_named_by_file_and_line(text, says, tmp_path):
    (tmp_path / "bad.link").write_text(text)
    (tmp_path / "bad.trace").write_text("5\n3\n")
    run = link(tmp_path / "bad.link", "--", "true")
    assert run.status == BAD_FILE and says in run.err, run.err


def test_a_scenario_that_is_not_there():
    run = link("/nonexistent/x.link", "--", "true")
    assert run.status == BAD_FILE and "/nonexistent/x.link" in run.err


# --- what cannot be -----------------------------------------------------------------------------------


def unprivileged(tmp_path):
    """A copy that others may run, from where they may."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o005 != 0o005 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
        if parent == Path("/tmp"):
            break
    shutil.copy(LINK, tmp_path / "link")
    shutil.copy(FIBRE, tmp_path / "fibre.link")
    return [str(tmp_path / "link"), str(tmp_path / "fibre.link"), "--", "true"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")
def test_no_root(tmp_path):
    words = ["setpriv", "--reuid", "65534", "--clear-groups", *unprivileged(tmp_path)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert run.returncode == CANNOT_HERE and "root" in run.stderr, run.stderr


@possible_here
def test_no_tun(tmp_path):
    script = f"mount --bind {tmp_path} /dev/net && exec {LINK} {FIBRE} --name no-tun -- true"
    run = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=20)
    assert run.returncode == CANNOT_HERE and "/dev/net/tun" in run.stderr, run.stderr
    assert leftovers("no-tun") == []


@possible_here
def test_no_namespaces(wire):
    """As a system that allows none more says it."""
    script = f"echo 0 >/proc/sys/user/max_net_namespaces; exec {LINK} {wire} --name no-ns -- true"
    run = subprocess.run(["unshare", "-U", "-r", "sh", "-c", script], capture_output=True, text=True, timeout=20)
    assert run.returncode != DONE and run.stderr.startswith("link: could not"), run.stderr
    assert leftovers("no-ns") == []


@possible_here
def test_a_command_that_is_missing(wire, tmp_path):
    run = link(wire, "--truth", tmp_path / "t", "--", "no-such-command")
    assert run.status == NO_COMMAND and "no-such-command" in run.err
    assert os.listdir(tmp_path) == ["wire.link"]


@possible_here
def test_a_command_that_cannot_be_run(wire):
    run = link(wire, "--", "/etc/passwd")
    assert run.status == CANNOT_RUN and "/etc/passwd" in run.err


@possible_here
def test_the_disk_is_full_from_the_start(wire):
    run = link(wire, "--truth", "/dev/full", "--", "sleep", "1000")
    assert run.status == NOT_DONE and "No space" in run.err, run.err


def on_a_small_disk(tmp_path, line):
    """A shell's line with a disk of 64 kB at `disk`: some tenths of a second of truth."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=64k none {disk} && {line}"
    return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=20)


@possible_here
def test_the_disk_fills_meanwhile(wire, tmp_path):
    run = on_a_small_disk(tmp_path, f"{LINK} {wire} --truth {tmp_path}/disk/t.jsonl -- sleep 1000; "
                                    f"echo $?; ls {tmp_path}/disk")
    assert run.stdout.split() == [str(NOT_DONE)], run
    assert "No space" in run.stderr and "void: the truth could not be written" in run.stderr, run.stderr


@possible_here
def test_a_truth_that_cannot_be_begun(wire):
    run = link(wire, "--truth", "/nonexistent/t.jsonl", "--name", "no-truth", "--", "true")
    assert run.status == NOT_DONE and "/nonexistent/t.jsonl" in run.err
    assert leftovers("no-truth") == []


# --- a command ----------------------------------------------------------------------------------------


@possible_here
def test_its_status_is_ours(wire):
    assert link(wire, "--quiet", "--", "sh", "-c", "exit 7").status == 7
    assert link(wire, "--quiet", "--", "sh", "-c", "kill -9 $$").status == 128 + signal.SIGKILL


@possible_here
def test_addresses(wire):
    script = "echo $LINK_SERVER $LINK_CLIENT $LINK_SERVER6 $LINK_CLIENT6 $LINK_NAME"
    run = link(wire, "--name", "named", "--", "env", "sh", "-c", script.replace("$", "$"))
    assert run.out.split() == ["198.18.0.2", "198.18.0.1", "2001:2::2", "2001:2::1", "named"]


@possible_here
def test_v6_only_has_no_v4(tmp_path):
    run = link(scenario("v6only"), "--", "sh", "-c", "echo $LINK_SERVER; ip -4 -o addr show link0")
    assert run.out.split() == ["2001:2::2"]


@possible_here
def test_words_are_expanded(wire):
    assert link(wire, "--", "echo", "$LINK_SERVER:${LINK_SERVER}:$HOME").out == "198.18.0.2:198.18.0.2:$HOME\n"


@possible_here
def test_sys_is_the_namespaces(wire):
    assert link(wire, "--", "ls", "/sys/class/net").out.split() == ["link0", "lo"]


@possible_here
def test_the_server_listens_before_the_command_begins(wire, tmp_path):
    server = f"sleep 0.5; exec {sys.executable} {HERE}/flows.py serve $LINK_SERVER 5000"
    link(wire, "--server", server, "--", sys.executable, HERE / "flows.py", "connect", "$LINK_SERVER", "5000",
         "1").done()


@possible_here
def test_the_server_and_its_children_end_with_the_command(wire, tmp_path):
    pids = tmp_path / "pids"
    server = f"trap '' TERM; sleep 1000 & echo $! $$ >{pids}; setsid sleep 1001 & echo $! >>{pids}; wait"
    began = time.monotonic()
    link(wire, "--server", server, "--", "sleep", "0.1").done()
    assert time.monotonic() - began < 20
    for pid in pids.read_text().split():
        assert not os.path.exists(f"/proc/{pid}/ns/net") or os.readlink(f"/proc/{pid}/exe") == ""


@possible_here
def test_ten_thousand_flows(wire, tmp_path):
    server = f"exec {sys.executable} {HERE}/flows.py serve $LINK_SERVER 5000"
    run = across(wire, tmp_path, [sys.executable, str(HERE / "flows.py"), "connect", "$LINK_SERVER", "5000", "10000"],
                 server).done()
    assert len(run.truth.flows) == 20000
    assert all(f.unique_payload_bytes == 1 and f.exact for f in run.truth.flows)
    assert run.end["flows_not_told_apart_segments"] == 0


@possible_here
def test_packets_that_are_no_ip(wire, tmp_path):
    script = ("import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM); "
              "[s.sendto(b'\\x10' + bytes(n), ('link0', 0x0800)) for n in (0, 1, 40, 1000)]")
    run = across(wire, tmp_path, [sys.executable, "-c", script])
    assert run.end["not_ip_packets"] == 4
    assert run.end["up"]["offered"]["packets"] == 4


@possible_here
def test_each_late_packet_has_a_cause(tmp_path):
    need("ping")
    run = across(FIBRE, tmp_path, ["ping", "-q", "-c", "2000", "-i", "0.0005", "$LINK_SERVER"])
    late = run.end["up"]["late_packets"] + run.end["down"]["late_packets"]
    assert sum(cause["late_packets"] for cause in run.end["stalls"].values()) == late
    assert all(cause["max_ns"] <= cause["sum_ns"] for cause in run.end["stalls"].values())


@possible_here
def test_the_second_link_leaves_the_first_its_cpu(tmp_path):
    """Each emulator has a CPU of its own, as long as there are any; one is everybody's."""
    ends = []
    with contextlib.ExitStack() as stack:
        for i in range(len(os.sched_getaffinity(0))):
            truth = tmp_path / f"{i}.jsonl"
            stack.enter_context(up(f"cpu-{i}", FIBRE, "--truth", str(truth)))
            ends.append(truth)
    cpus = [linktruth.read(truth).end.get("cpu") for truth in ends]
    assert cpus[-1] is None
    assert len(set(cpus)) == len(cpus) and None not in cpus[:-1]


@possible_here
def test_an_unquoted_variable_is_told(wire):
    """As a shell hands it over: by nothing."""
    run = link(wire, "--", "ls", "--no-such-option")
    assert run.status == 2 and "write '$LINK_SERVER'" in run.err
    assert "write" not in link(wire, "--", "sh", "-c", "exit 2 # $LINK_SERVER").err
    assert "write" not in link(wire, "--", "true").err


@possible_here
def test_a_text_is_a_scenario(tmp_path):
    run = across("[both]; delay = 20ms", tmp_path, ["true"]).done()
    assert run.truth.header["scenario"]["name"] == "inline"
    assert run.truth.header["scenario"]["down"]["delay_ns"] == 20_000_000
    bad = link("[both]; delay = 20furlongs", "--", "true")
    assert bad.status == BAD_FILE and "inline:2" in bad.err


@possible_here
def test_a_terminal_has_a_shell(wire):
    terminal, inside = pty.openpty()
    run = subprocess.Popen([LINK, str(wire)], stdin=inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           start_new_session=True, env=os.environ | {"SHELL": "/bin/sh"})
    os.close(inside)
    os.write(terminal, b"echo server $LINK_SERVER; exit 9\n")
    out, err = run.communicate(timeout=20)
    os.close(terminal)
    assert run.returncode == 9 and "server 198.18.0.2" in out and "/bin/sh on a side of the link" in err


# --- ends of every kind -------------------------------------------------------------------------------


@possible_here
def test_control_c(wire, tmp_path):
    need("ping")
    truth = tmp_path / "t.jsonl"
    run = start(wire, "--name", "ctrl-c", "--truth", truth, "--", "ping", "-i", "0.1", "$LINK_SERVER")
    run.stdout.readline()
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGINT)
    out, _ = run.communicate(timeout=10)
    assert "packets transmitted" in out # the command had its own end
    assert linktruth.read(truth).end["interrupted"] is True
    check_accounts(linktruth.read(truth).end)
    assert leftovers("ctrl-c") == []


@possible_here
def test_sigterm_reaches_the_command(wire):
    run = start(wire, "--name", "term", "--", "sleep", "1000")
    wait_until(lambda: leftovers("term") and "sleep" in children(run.pid).values())
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=10)
    assert run.returncode == 128 + signal.SIGTERM
    assert leftovers("term") == []


def children(pid):
    """Names by number."""
    lines = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return {int(number): name for number, name in (line.split() for line in lines.splitlines())}


@possible_here
def test_what_sigkill_leaves_the_next_start_removes(wire, tmp_path):
    before = host_network()
    run = start(wire, "--name", "killed", "--truth", tmp_path / "t.jsonl", "--server",
                f"exec {sys.executable} {HERE}/flows.py serve $LINK_SERVER 5000",
                "--", "sh", "-c", "trap '' TERM; echo ready; sleep 1000")
    run.stdout.readline()
    run.kill()
    run.wait(timeout=10)
    assert len(leftovers("killed")) == 3
    assert link("list").out == ""
    link(wire, "--quiet", "--", "true").done()
    assert leftovers("killed") == []
    assert sorted(os.listdir(tmp_path)) == ["wire.link"] # half a truth is none
    assert host_network() == before


@possible_here
def test_what_waits_to_run_keeps_no_dead_link(wire):
    """The command waits for a server that takes its time. Where the link is killed then, its process may be slow to
    hear of that; here it does not at all."""
    run = start(wire, "--name", "killed-early", "--server", "exec sleep 1000", "--", "true")
    wait_until(lambda: "sleep" in children(run.pid).values())
    waiting, = (pid for pid, name in children(run.pid).items() if name != "sleep")
    os.kill(waiting, signal.SIGSTOP)
    try:
        run.kill()
        run.wait(timeout=10)
        assert link("list").out == ""
        assert "1 dead link" in link("clean").out
    finally:
        os.kill(waiting, signal.SIGCONT)
    assert leftovers("killed-early") == []


@possible_here
def test_clean(wire):
    run = start(wire, "--name", "to-clean", "--", "sleep", "1000")
    wait_until(lambda: "sleep" in children(run.pid).values())
    run.kill()
    run.wait(timeout=10)
    done = link("clean")
    assert done.status == DONE and "1 dead link" in done.out
    assert leftovers("to-clean") == []
    assert link("clean").out == ""


@possible_here
def test_the_hosts_network_stays_as_it_is(wire):
    before = host_network()
    with up("host", FIBRE):
        assert host_network() == before
    link(wire, "--quiet", "--", "true").done()
    assert host_network() == before


# --- links for longer -----------------------------------------------------------------------------------


@possible_here
def test_up_exec_down(tmp_path):
    need("ping")
    truth = tmp_path / "t.jsonl"
    with up("lab-a", scenario("vdsl"), "--truth", str(truth)):
        ping = link("exec", "lab-a", "client", "--", "ping", "-c", "2", "-i", "0.2", "$LINK_SERVER")
        assert ping.status == DONE and "2 received" in ping.out
        assert "198.18.0.2" in link("exec", "lab-a", "server", "--", "sh", "-c", "ip -o -4 addr show link0").out
        assert link("exec", "lab-a", "client", "--", "sh", "-c", "exit 9").status == 9
        assert link("exec", "lab-a", "client", "--", "no-such-command").status == NO_COMMAND
        assert not truth.exists()
        down = link("down", "lab-a").done()
        end = linktruth.read(truth).end # whole as soon as down is back
        check_accounts(end)
        assert end["up"]["offered"]["packets"] == 2 and end["interrupted"] is False
        assert "promises kept" in down.err or down.late
    assert leftovers("lab-a") == []


@possible_here
def test_several_at_once(wire):
    need("ping")
    with up("lab-a", FIBRE), up("lab-b", scenario("v6only")), up("lab-c", wire):
        lines = [json.loads(line) for line in link("list", "--json").out.splitlines()]
        assert [line["name"] for line in lines] == ["lab-a", "lab-b", "lab-c"]
        assert lines[1]["scenario"] == str(scenario("v6only")) and lines[1]["truth"] is None
        assert re.search(r"^lab-b +\S+v6only\.link", link("list").out, re.MULTILINE)
        for name in ("lab-a", "lab-b", "lab-c"):
            assert link("exec", name, "client", "--", "ping", "-c", "1", "-W", "3", "$LINK_SERVER").status == DONE
    assert link("list").out == ""


@possible_here
def test_a_name_that_is_up(wire):
    with up("lab-a", FIBRE):
        for words in (["up", "lab-a", FIBRE], [wire, "--name", "lab-a", "--", "true"]):
            run = link(*words)
            assert run.status == NOT_DONE and "lab-a" in run.err and "is up" in run.err
        assert link("exec", "lab-a", "client", "--", "true").status == DONE


@possible_here
def test_a_name_that_is_not_up():
    for words in (["down", "nobody"], ["exec", "nobody", "client", "--", "true"]):
        run = link(*words)
        assert run.status == NOT_DONE and "nobody" in run.err


@possible_here
def test_down_ends_what_runs_there(wire):
    with up("lab-a", wire):
        inside = start("exec", "lab-a", "server", "--", "sleep", "1000")
        wait_until(lambda: "sleep" in Path(f"/proc/{inside.pid}/comm").read_text())
        link("down", "lab-a").done()
        assert inside.wait(timeout=5) == -signal.SIGTERM


@possible_here
def test_down_tells_of_a_void_run(wire, tmp_path):
    run = on_a_small_disk(tmp_path, f"{LINK} up lab-a {wire} --truth {tmp_path}/disk/t.jsonl && sleep 2; "
                                    f"{LINK} down lab-a; echo $?")
    assert run.stdout.split()[-1] == str(NOT_DONE) and "void" in run.stderr, run
    assert leftovers("lab-a") == []


@possible_here
def test_a_run_can_be_taken_down(wire):
    run = start(wire, "--name", "to-end", "--", "sleep", "1000")
    wait_until(lambda: "sleep" in children(run.pid).values())
    assert link("down", "to-end").status == 128 + signal.SIGTERM
    run.communicate(timeout=10)
    assert leftovers("to-end") == []
