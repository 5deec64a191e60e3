"""The link program as a person uses it: commands, exit codes, and what cannot be."""

from __future__ import annotations

import contextlib
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
from links import (BAD_FILE, CANNOT_HERE, CANNOT_RUN, DONE, FIBRE, HERE, LINK, NO_COMMAND, NOT_DONE, USAGE, across,
                   check_accounts, leftovers, link, linktruth, need, on_a_small_disk, possible_here, scenario, up)

# --- usage ------------------------------------------------------------------------------------------


def test_help():
    run = link("--help")
    assert run.status == DONE and "link up NAME SCENARIO" in run.out and not run.err
    assert link("help").out == run.out


@pytest.mark.parametrize("words, says", [
    ([], "Usage"),
    (["up", "x"], "2 words expected"),
    (["exec", "x", "middle", "--", "true"], "client or server"),
    (["exec", "x", "client"], "COMMAND"),
    (["x.link", "ping"], "'ping'"),
    (["dwon", "x"], "dwon is no command"),
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


def unprivileged(open_path):
    """A copy that others may run, from where they may."""
    shutil.copy(LINK, open_path / "link")
    shutil.copy(FIBRE, open_path / "fibre.link")
    return [str(open_path / "link"), str(open_path / "fibre.link"), "--", "true"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")
def test_no_root(open_path):
    words = ["setpriv", "--reuid", "65534", "--clear-groups", *unprivileged(open_path)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert run.returncode == CANNOT_HERE and "root" in run.stderr, run.stderr


@possible_here
def test_no_tun(tmp_path):
    script = f"mount --bind {tmp_path} /dev/net && exec {LINK} {FIBRE} --name no-tun -- true"
    run = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == CANNOT_HERE and "/dev/net/tun" in run.stderr, run.stderr
    assert leftovers("no-tun") == []


@possible_here
def test_no_namespaces(wire):
    """As a system that allows none more says it."""
    script = ("echo 0 >/proc/sys/user/max_net_namespaces && mount -t tmpfs none /run && "
              f"exec {LINK} {wire} --name no-ns -- true")
    run = subprocess.run(["unshare", "-U", "-r", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == CANNOT_HERE and "could not make a network namespace" in run.stderr, run.stderr
    assert leftovers("no-ns") == []


@possible_here
def test_a_command_that_is_missing(wire, tmp_path):
    run = link(wire, "--truth", tmp_path / "t", "--", "no-such-command")
    assert run.status == NO_COMMAND and "no-such-command" in run.err
    assert os.listdir(tmp_path) == ["wire.link"]


@possible_here
def test_a_command_in_one_word(wire):
    run = link(wire, "--", "ping -c 1 $LINK_SERVER")
    assert run.status == NO_COMMAND and "without the quotes" in run.err


@possible_here
def test_a_command_that_cannot_be_run(wire):
    run = link(wire, "--", "/etc/passwd")
    assert run.status == CANNOT_RUN and "/etc/passwd" in run.err


@possible_here
def test_the_disk_is_full_from_the_start(wire):
    run = link(wire, "--truth", "/dev/full", "--", "sleep", "1000")
    assert run.status == NOT_DONE and "No space" in run.err, run.err


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
@pytest.mark.parametrize("route, server", [
    pytest.param("ip route change 198.18.0.0/30 dev link0 src $LINK_CLIENT", "$LINK_SERVER", id="IPv4"),
    pytest.param("ip -6 route change 2001:2::/64 dev link0 metric 256", "$LINK_SERVER6", id="IPv6"),
])
def test_a_route_has_its_congestion_control(route, server):
    """As docs/links.md has it: also one that the host keeps from namespaces' sysctl."""
    need("iperf3")
    if "cubic" not in Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split():
        pytest.skip("cubic is not in this kernel")
    script = f"{route} congctl cubic && iperf3 -J -n 10K -c {server}"
    run = link("[both]; rate = 20Mbit/s", "--server", "iperf3 -s >/dev/null", "--", "sh", "-c", script).done()
    assert re.findall(r'"sender_tcp_congestion":\s*"(\w+)"', run.out) == ["cubic"]


@possible_here
def test_sysctl_is_the_namespaces(wire):
    """What the host allows all, a side may have by default; the host's own stays as it is."""
    default = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    before = default.read_text()
    allowed = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control").read_text().split()
    for control in allowed:
        assert link(wire, "--", "sh", "-c", f"echo {control} >{default} && cat {default}").out.split() == [control]
    assert default.read_text() == before


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
    server = (f"trap '' TERM; sleep 1000 & echo $! $$ >{pids}; setsid sleep 1001 & echo $! >>{pids}; "
              f"exec {sys.executable} {HERE}/flows.py serve $LINK_SERVER 5000")
    began = time.monotonic()
    link(wire, "--server", server, "--", "sleep", "0.1").done()
    assert time.monotonic() - began < 50
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
    run = across(FIBRE, tmp_path, ["ping", "-q", "-f", "-l", "20", "-c", "2000", "$LINK_SERVER"])
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
def test_a_ping_of_nobody_is_a_ping_of_the_other_side(wire):
    """The first command that anybody tries: $LINK_SERVER unquoted, so by nothing."""
    run = link(wire, "--", "ping", "-c", "2", "-i", "0.1")
    assert run.status == 0 and "2 packets transmitted, 2 received" in run.out and "quote '$LINK_SERVER'" in run.err
    assert link(wire, "--quiet", "--", "ping", "-c", "1").err == ""


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
    out, err = run.communicate(timeout=60)
    os.close(terminal)
    assert run.returncode == 9 and "server 198.18.0.2" in out and "/bin/sh on a side of the link" in err


@possible_here
def test_a_truth_in_tables(wire, tmp_path):
    need("ping")
    link(wire, "--truth", tmp_path / "t.csv", "--", "ping", "-c", "3", "-i", "0.1", "$LINK_SERVER").done()
    truth = linktruth.read(tmp_path / "t.csv")
    check_accounts(truth.end)
    assert sum(b.delivered.packets for b in truth.bins("up")) == 3
    assert sorted(os.listdir(tmp_path)) == ["t.csv", "t.flow_bins.csv", "t.flows.csv", "wire.link"]
