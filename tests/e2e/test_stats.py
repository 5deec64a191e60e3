"""Where the kernel's figures come from: each source by name, and what stands in the way of each."""

import ctypes
import json
import os
import pathlib
import platform
import shutil
import signal
import struct
import subprocess
import time

import pytest

from test_cli import CANNOT_HERE, DONE, NOT_DONE, PROGRAM, SCHEMA, run, server

__all__ = ["server"] # a fixture

SOURCES = ["ebpf", "ebpf-sockops", "tcp_info"]


def result_of(server, *words):
    """A short test's result."""
    r = run("test", "--server", server["ws"], "--max-bytes", "1GB", "--format", "json", *words)
    assert r.returncode == DONE, r.stderr
    return json.loads(r.stdout)


def needs(source):
    """Skips where this machine has no such source; doctor says why."""
    r = run("test", "--stats", source, "--server", "ws://127.0.0.1:1")
    if r.returncode == CANNOT_HERE:
        pytest.skip(r.stderr.splitlines()[0])


def loader_of(pid):
    """Its loader, as soon as it is one: until then it shares its parent's memory, which waits for it."""
    for _ in range(20000):
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                for child in children.read().split():
                    with open(f"/proc/{child}/cmdline") as line:
                        if line.read().split("\0")[1] == "bpf-loader":
                            return int(child)
        except IndexError:
            pass # of a program that has just begun nothing is told for an instant
        except OSError:
            return None
    return None


def stopped_loading(*words):
    """A test whose BPF loader stands still, and that loader's process."""
    for _ in range(20):
        p = subprocess.Popen([PROGRAM, "test", *words], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        loader = loader_of(p.pid)
        try:
            os.kill(loader, signal.SIGSTOP)
            return p, loader
        except (OSError, TypeError):
            p.kill() # it was faster than we
            p.communicate()
    pytest.fail("no loader was met")


def without(server, capabilities, *words):
    """The test with no capabilities but these, and how it ended."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("capabilities are dropped as root, by setpriv(1)")
    kept = ",".join(["-all", *(f"+{c}" for c in capabilities)])
    return subprocess.run(["setpriv", "--bounding-set", kept, "--inh-caps", kept, PROGRAM, "test",
                           "--server", server["ws"], "--max-bytes", "100MB", "--format", "json",
                           *words], capture_output=True, text=True, timeout=60)


def in_a_namespace(script, server, *words):
    """The test after a shell's script, in a mount namespace of its own."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a mount namespace is made as root, by unshare(1)")
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                           script + '\nexec "$@"', "sh", PROGRAM, "test", "--server", server["ws"],
                           "--max-bytes", "100MB", "--format", "json", *words],
                          capture_output=True, text=True, timeout=60)


# --- each by name ----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_the_source_is_told(server, tmp_path, source):
    jsonschema = pytest.importorskip("jsonschema")
    needs(source)
    path = tmp_path / "t.jsonl"
    result = result_of(server, "--stats", source, "--trace", str(path))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert result["agent"]["stats"] == lines[0]["source"] == source
    assert "stats_reason" not in result["agent"] or source != "ebpf"
    assert ("missed_at_most" in lines[-1]) == (source == "ebpf")
    assert any("may lack up to" in w for w in result["warnings"]) == (lines[-1].get("missed_at_most", 0) > 0)
    flows = [line for line in lines if line.get("record") == "flow"]
    assert [(f["test"], f["comm"], f["ending"]) for f in flows] == [
        ("download", "radar-pod", "max_bytes"), ("upload", "radar-pod", "max_bytes")]
    assert result["download"]["samples"] > 0 and result["upload"]["samples"] > 0


@pytest.mark.parametrize("source", SOURCES)
def test_its_last_totals_are_those_of_both_ends(server, tmp_path, source):
    needs(source)
    path = tmp_path / "t.jsonl"
    result = result_of(server, "--stats", source, "--trace", str(path))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    samples = [line for line in lines if "record" not in line]
    received = max(s["bytes_received"] for s in samples if s["flow"] == 1)
    acked = max(s["bytes_acked"] for s in samples if s["flow"] == 2)
    # what was counted by the program; headers: a frame's for each 1 MiB, the upgrade's; what stood unread as it had enough
    unread = int(pathlib.Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2])
    assert result["download"]["bytes"] <= received <= result["download"]["bytes"] * 1.001 + 20000 + unread
    assert acked <= result["upload"]["client"]["bytes"] * 1.001 + 20000
    assert acked >= result["upload"]["bytes"]


@pytest.mark.parametrize("source", ["ebpf", "ebpf-sockops"])
def test_interval_0_is_every_one_there_is(server, tmp_path, source):
    needs(source)
    path = tmp_path / "t.jsonl"
    result = result_of(server, "--stats", source, "--trace", str(path), "--trace-interval", "0")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    acks = [line for line in lines if line.get("event") == "ack"]
    assert lines[0]["interval_ns"] == 0
    assert len(acks) > (2000 if source == "ebpf" else 200)
    assert lines[-1]["lost"] == result["trace"]["samples_lost"]
    assert lines[-1]["lost"] >= result["download"]["samples_lost"] + result["upload"]["samples_lost"]


def test_the_handshake_is_seen(server, tmp_path):
    needs("ebpf")
    path = tmp_path / "t.jsonl"
    result = result_of(server, "--stats", "ebpf", "--download", "--trace", str(path))
    first = next(s for s in map(json.loads, path.read_text().splitlines()) if "record" not in s)
    assert (first["event"], first["bytes_acked"]) == ("state", 0) # before its SYN was sent
    assert "srtt_us" not in first # no round trip yet: absent, not 0
    assert first["at_ns"] < result["download"]["started_ns"]
    idle = result["download"]["idle_rtt_ms"]
    assert idle["samples"] >= 1 and idle["min"] <= idle["p50"] <= idle["max"]
    assert result["latency"]["idle_ms"] == idle["min"]


def test_a_coarse_trace_leaves_the_figures_fine(server, tmp_path):
    needs("ebpf")
    path = tmp_path / "t.jsonl"
    result = result_of(server, "--stats", "ebpf", "--download", "--max-bytes", "4GB", "--trace",
                     str(path), "--trace-interval", "50ms")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    acks = [line["at_ns"] for line in lines if line.get("event") == "ack"]
    assert all(b - a >= 50_000_000 for a, b in zip(acks, acks[1:]))
    assert result["download"]["samples"] > 5 * len(acks)


def test_a_refused_connection_is_traced(tmp_path):
    needs("ebpf")
    path = tmp_path / "t.jsonl"
    run("test", "--server", "ws://127.0.0.1:1", "--download", "--trace", str(path), "--stats", "ebpf")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    flows = [line for line in lines if line.get("record") == "flow"]
    assert [(f["remote_port"], f["ending"]) for f in flows] == [(1, "refused")]


# --- what stands in the way ------------------------------------------------------------------------


def test_without_privileges_it_falls_back_and_says_so(server):
    r = without(server, [])
    assert r.returncode == DONE, r.stderr
    agent = json.loads(r.stdout)["agent"]
    assert agent["stats"] == "tcp_info"
    assert agent["stats_reason"] == "missing CAP_BPF CAP_PERFMON"
    assert r.stderr == ""


@pytest.mark.parametrize("source", ["ebpf", "ebpf-sockops"])
def test_without_privileges_it_cannot_be_asked_for(server, source):
    r = without(server, [], "--stats", source)
    assert r.returncode == CANNOT_HERE and r.stdout == ""
    reason, remedy = r.stderr.splitlines()
    assert "missing CAP_BPF" in reason
    assert "setcap cap_bpf,cap_perfmon,cap_net_admin+ep" in remedy and "doctor" in remedy


def test_without_the_right_to_trace_it_is_the_lesser_tier(server):
    needs("ebpf-sockops")
    r = without(server, ["bpf", "net_admin"])
    assert r.returncode == DONE, r.stderr
    agent = json.loads(r.stdout)["agent"]
    assert (agent["stats"], agent["stats_reason"]) == ("ebpf-sockops", "missing CAP_PERFMON")


def test_three_capabilities_are_enough(server):
    needs("ebpf")
    r = without(server, ["bpf", "perfmon", "net_admin"], "--stats", "ebpf")
    assert r.returncode == DONE, r.stderr


def refuse_bpf():
    """A seccomp filter as containers have it: bpf(2) is EPERM."""
    number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    program = b"".join(struct.pack("HBBI", *line) for line in code)
    held = ctypes.create_string_buffer(program)
    filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(held)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, filter_) == 0 # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def test_a_seccomp_filter_that_refuses_bpf(server):
    needs("ebpf")
    words = [PROGRAM, "test", "--server", server["ws"], "--max-bytes", "100MB", "--format", "json"]
    r = subprocess.run(words, capture_output=True, text=True, timeout=60, preexec_fn=refuse_bpf)
    assert r.returncode == DONE, r.stderr
    agent = json.loads(r.stdout)["agent"]
    assert agent["stats"] == "tcp_info"
    assert agent["stats_reason"].startswith("bpf(2) is barred")
    r = subprocess.run([*words, "--stats", "ebpf"], capture_output=True, text=True, timeout=60,
                       preexec_fn=refuse_bpf)
    assert r.returncode == CANNOT_HERE
    assert "bpf(2) is barred" in r.stderr and "seccomp" in r.stderr


def test_a_kernel_that_does_not_describe_its_types(server):
    needs("ebpf-sockops")
    r = in_a_namespace("mount -t tmpfs none /sys/kernel/btf", server)
    assert r.returncode == DONE, r.stderr
    agent = json.loads(r.stdout)["agent"]
    assert agent["stats"] == "ebpf-sockops"
    assert "(BTF)" in agent["stats_reason"]


NO_CGROUPS = "grep ' - cgroup2 ' /proc/self/mountinfo | cut -d' ' -f5 | xargs -r -n1 umount -l"


def test_no_control_groups_do_not_matter_to_the_best_tier(server):
    needs("ebpf")
    r = in_a_namespace(NO_CGROUPS, server, "--stats", "ebpf")
    assert r.returncode == DONE, r.stderr


def test_no_control_groups_bar_the_lesser_tier(server):
    needs("ebpf-sockops")
    r = in_a_namespace(NO_CGROUPS, server, "--stats", "ebpf-sockops")
    assert r.returncode == CANNOT_HERE
    assert "control groups of version 2 are not mounted" in r.stderr and "mount -t cgroup2" in r.stderr


def test_control_groups_at_another_place(server, tmp_path):
    needs("ebpf-sockops")
    r = in_a_namespace(f"{NO_CGROUPS}\nmount -t cgroup2 none {tmp_path}", server, "--stats",
                       "ebpf-sockops")
    assert r.returncode == DONE, r.stderr


@pytest.mark.parametrize("capabilities, ebpf, sockops", [
    ([], "missing CAP_BPF CAP_PERFMON", "missing CAP_BPF CAP_NET_ADMIN"),
    (["bpf", "net_admin"], "missing CAP_PERFMON", "attached"),
    (["bpf", "perfmon"], "attached", "missing CAP_NET_ADMIN"),
], ids=["none", "no tracing", "no control group"])
def test_doctor_says_what_each_tier_lacks(capabilities, ebpf, sockops):
    needs("ebpf")
    needs("ebpf-sockops")
    kept = ",".join(["-all", *(f"+{c}" for c in capabilities)])
    r = subprocess.run(["setpriv", "--bounding-set", kept, "--inh-caps", kept, PROGRAM, "doctor"],
                       capture_output=True, text=True, timeout=60)
    text = " ".join(r.stdout.split())
    assert ebpf in text and sockops in text


# --- while it is loaded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [(), ("--stats", "ebpf"), ("--stats", "ebpf-sockops")])
def test_an_interrupt_while_the_programs_load(server, words, number):
    needs("ebpf")
    p, loader = stopped_loading("--server", server["ws"], "--format", "json", *words)
    time.sleep(0.2)
    p.send_signal(number)
    out, said = p.communicate(timeout=4) # and not when the loader's time is over
    result = json.loads(out)
    assert p.returncode == NOT_DONE
    assert result["interrupted"] is True
    # Of a download the server's answer may already be there when the interrupt is heard.
    missing = [test for test in ("download", "upload") if result[test] is None]
    assert "upload" in missing and [(e["test"], e["code"]) for e in result["errors"]] == [(t, "ECANCELED") for t in missing]
    assert "stopped" in said
    assert not os.path.exists(f"/proc/{loader}")
