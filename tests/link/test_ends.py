"""How links end: by themselves, by signals, by hand; and what each leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

from links import (DONE, FIBRE, HERE, LINK, NO_COMMAND, NOT_DONE, check_accounts, children, host_network, leftovers,
                   link, linktruth, need, on_a_small_disk, possible_here, scenario, start, up, wait_until)

# --- ends of every kind -------------------------------------------------------------------------------


@possible_here
def test_control_c(wire, tmp_path):
    need("ping")
    truth = tmp_path / "t.jsonl"
    run = start(wire, "--name", "ctrl-c", "--truth", truth, "--", "ping", "-i", "0.1", "$LINK_SERVER")
    run.stdout.readline()
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert "packets transmitted" in out # the command had its own end
    assert linktruth.read(truth).end["interrupted"] is True
    check_accounts(linktruth.read(truth).end)
    assert leftovers("ctrl-c") == []


@possible_here
def test_nobody_reads_what_it_says(wire, tmp_path):
    """As in `link … 2>&1 | head`: the command hears of it, the link ends as ever."""
    truth = tmp_path / "t.jsonl"
    run = start(wire, "--name", "unheard", "--truth", truth, "--", "sh", "-c", "echo ready; sleep 0.1; yes")
    run.stdout.readline()
    run.stdout.close()
    run.stderr.close()
    assert run.wait(timeout=60) == 128 + signal.SIGPIPE
    assert not linktruth.read(truth).warnings
    assert leftovers("unheard") == []


@possible_here
def test_sigterm_reaches_the_command(wire):
    run = start(wire, "--name", "term", "--", "sleep", "1000")
    wait_until(lambda: leftovers("term") and "sleep" in children(run.pid).values())
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM
    assert leftovers("term") == []


@possible_here
def test_what_sigkill_leaves_the_next_start_removes(wire, tmp_path):
    before = host_network()
    run = start(wire, "--name", "killed", "--truth", tmp_path / "t.jsonl", "--server",
                f"exec {sys.executable} {HERE}/flows.py serve $LINK_SERVER 5000",
                "--", "sh", "-c", "trap '' TERM; echo ready; sleep 1000")
    run.stdout.readline()
    run.kill()
    run.wait(timeout=60)
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
        run.wait(timeout=60)
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
    run.wait(timeout=60)
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
def test_several_at_once(wire, tmp_path):
    need("ping")
    with up("lab-a", FIBRE), up("lab-b", scenario("v6only")), up("lab-c", wire, "--truth", "c.jsonl", cwd=tmp_path):
        lines = [json.loads(line) for line in link("list", "--json").out.splitlines()]
        assert [line["name"] for line in lines] == ["lab-a", "lab-b", "lab-c"]
        assert lines[1]["scenario"] == str(scenario("v6only")) and lines[1]["truth"] is None
        assert lines[2]["truth"] == str(tmp_path / "c.jsonl") # wherever it is asked
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
        assert inside.wait(timeout=60) == -signal.SIGTERM


@possible_here
def test_two_take_it_down(wire):
    """The second asks while what runs there, and will not end, is being ended."""
    with up("lab-a", wire):
        stubborn = start("exec", "lab-a", "server", "--", "sh", "-c", "trap '' TERM; echo ready; exec sleep 1000")
        stubborn.stdout.readline()
        first = start("down", "lab-a")
        time.sleep(0.3)
        second = link("down", "lab-a").done()
        _, told = first.communicate(timeout=60)
        assert first.returncode in (DONE, NOT_DONE) and told == second.err
        stubborn.wait(timeout=60)


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
    run.communicate(timeout=60)
    assert leftovers("to-end") == []


@possible_here
def test_a_command_that_will_not_end_is_ended(wire):
    """Who takes a link down does not wait for what ignores it."""
    run = start(wire, "--name", "stubborn", "--", "sh", "-c", "trap '' TERM; echo ready; exec sleep 1000")
    run.stdout.readline()
    assert link("down", "stubborn").status == 128 + signal.SIGKILL
    run.communicate(timeout=60)
    assert leftovers("stubborn") == []
