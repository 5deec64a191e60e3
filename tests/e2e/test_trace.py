"""Traces as people take and read them: test --trace over loopback, the trace command, hard conditions."""

import contextlib
import csv
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from test_cli import (BAD_FILE, DONE, NOT_DONE, PARTLY, PROGRAM, SCHEMA, USAGE, mounted, run, server,
                      serving, short)

__all__ = ["server"] # a fixture

HEADER = '{"schema":"radar-pod/trace/1","record":"header"}\n'
FLOW = '{"record":"flow","flow":1,"cookie":"00000000000000ff"}\n'
END = '{"record":"end","samples":0}\n'

FORMS = ["t.jsonl", "t.csv", "t.jsonl.zst", "t.csv.zst"]


def records(path):
    """Every record of a trace, by the program's own export to JSON lines."""
    r = run("trace", "export", str(path), "--format", "jsonl")
    assert r.returncode == DONE, r.stderr
    return [json.loads(line) for line in r.stdout.splitlines()]


def samples_of(lines):
    return [line for line in lines if "record" not in line]


@pytest.fixture(scope="module")
def traced(server, tmp_path_factory):
    """A second and more of both directions, with a trace: its path, and the result."""
    path = tmp_path_factory.mktemp("traced") / "t.jsonl"
    r = run("test", "--server", server["ws"], "--max-bytes", "4GB", "--trace", str(path),
            "--format", "json", "--stats", "tcp_info")
    assert r.returncode == DONE, r.stderr
    return path, json.loads(r.stdout)


# --- taking one ------------------------------------------------------------------------------------


def test_both_directions_are_in_it(traced):
    jsonschema = pytest.importorskip("jsonschema")
    path, result = traced
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    header, end, samples = lines[0], lines[-1], samples_of(lines)
    assert header["schema"] == "radar-pod/trace/1" and header["source"] == "tcp_info"
    assert header["result"] == result["id"]
    assert abs(header["utc_ns"] / 1e9 - time.time()) < 600
    flows = [line for line in lines if line.get("record") == "flow"]
    assert [f["test"] for f in flows] == ["download", "upload"]
    assert all(f["remote_ip"] == "127.0.0.1" and f["comm"] == "radar-pod" for f in flows)
    assert end["samples"] == len(samples) == end["info"] and end["lost"] == 0
    assert [s["at_ns"] for s in samples] == sorted(s["at_ns"] for s in samples)
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert result["trace"] == {"file": str(path), "samples": len(samples), "samples_lost": 0,
                               "error": None}


def test_its_last_totals_are_what_the_test_counted(traced):
    path, result = traced
    last = {s["flow"]: s for s in samples_of(map(json.loads, path.read_text().splitlines()))}
    assert last[1]["bytes_received"] >= result["download"]["bytes"]
    assert last[2]["bytes_acked"] == pytest.approx(result["upload"]["client"]["bytes"], rel=0.02)
    assert last[1]["bytes_received"] + last[2]["bytes_acked"] <= result["bytes_used"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_back(server, tmp_path, form):
    r = short(server, "--trace", str(tmp_path / form))
    assert r.returncode == DONE, r.stderr
    assert [f.name for f in tmp_path.iterdir()] == [form]
    assert "  Trace  " in r.stdout
    assert len(samples_of(records(tmp_path / form))) >= 4


@pytest.mark.parametrize("form", FORMS)
def test_a_test_with_a_trace_stays_within_8_mb(server, tmp_path, form):
    if b"san_init" in pathlib.Path(PROGRAM).read_bytes():
        pytest.skip("a sanitizer has its own idea of memory")
    p = subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--max-bytes", "2GB", "--stats",
                          "tcp_info", "--format", "json", "--trace", str(tmp_path / form)],
                         stdout=subprocess.DEVNULL)
    peak_kb = 0
    while p.poll() is None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = pathlib.Path(f"/proc/{p.pid}/status").read_text()
            peak_kb = max([peak_kb, *map(int, re.findall(r"VmHWM:\s+(\d+)", status))])
        time.sleep(0.002)
    assert p.returncode == DONE
    assert 1 << 10 < peak_kb < 8 << 10


def test_a_trace_goes_over_tls_too(server, tmp_path):
    r = run("test", "--server", server["wss"], "--insecure", "--max-bytes", "2MB", "--trace",
            str(tmp_path / "t.csv"))
    assert r.returncode == DONE
    assert len(samples_of(records(tmp_path / "t.csv"))) >= 4


def test_the_interval_is_kept(server, tmp_path):
    path = tmp_path / "t.jsonl"
    r = run("test", "--server", server["ws"], "--download", "--max-bytes", "2GB", "--trace", str(path),
            "--trace-interval", "20ms", "--stats", "tcp_info")
    assert r.returncode == DONE
    lines = records(path)
    at = [s["at_ns"] for s in samples_of(lines)]
    assert lines[0]["interval_ns"] == 20_000_000
    assert all(b - a >= 20_000_000 for a, b in zip(at[:-1], at[1:-1])) # the last is at the end


def test_a_refused_connection_leaves_an_empty_trace(tmp_path):
    path = tmp_path / "t.jsonl"
    r = run("test", "--server", "ws://127.0.0.1:1", "--trace", str(path), "--stats", "tcp_info")
    assert r.returncode == NOT_DONE
    lines = records(path)
    assert [line["record"] for line in lines] == ["header", "end"]


def test_two_tests_at_once_have_a_trace_each(server, tmp_path):
    running = [subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--max-bytes", "50MB",
                                 "--trace", str(tmp_path / f"{i}.csv.zst")],
                                stdout=subprocess.DEVNULL) for i in range(2)]
    assert [p.wait(timeout=60) for p in running] == [DONE, DONE]
    cookies = [{line["cookie"] for line in records(tmp_path / f"{i}.csv.zst")
                if line.get("record") == "flow"} for i in range(2)]
    assert all(len(c) == 2 for c in cookies) and not cookies[0] & cookies[1]


def test_two_traces_into_one_file_leave_a_whole_one(server, tmp_path):
    path = tmp_path / "t.jsonl"
    running = [subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--max-bytes", "50MB",
                                 "--trace", str(path)], stdout=subprocess.DEVNULL)
               for i in range(2)]
    assert {p.wait(timeout=60) for p in running} <= {DONE, PARTLY}
    assert records(path)[-1]["record"] == "end"
    assert len(list(tmp_path.iterdir())) == 1


# --- where it cannot go ----------------------------------------------------------------------------


def open_files(pid):
    links = []
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError): # closed since
            links.append(os.readlink(fd))
    return links


@pytest.mark.parametrize("more", [[], ["--no-store"]], ids=["kept", "not kept"])
def test_what_does_not_fit_in_memory_goes_to_the_state_directory_that_is_named(server, tmp_path, more):
    """A file without a name."""
    (state := tmp_path / "state").mkdir()
    running = subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--trace", str(tmp_path / "t.csv"),
                                "--state-dir", str(state), *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not any(f.startswith(f"{state}/#") for f in open_files(running.pid)):
            assert running.poll() is None and time.monotonic() < until
            time.sleep(0.02)
    finally:
        running.kill()
        running.wait()


def fails_before_the_test(server, path):
    began = time.monotonic()
    r = run("test", "--server", server["ws"], "--trace", str(path))
    assert r.returncode == NOT_DONE and r.stdout == ""
    said, hint = r.stderr.splitlines()
    assert str(path) in said and hint.startswith("hint: ")
    assert time.monotonic() - began < 15 # a test takes twenty
    return r.stderr


def test_a_missing_directory_fails_before_the_test(server, tmp_path):
    assert "No such file" in fails_before_the_test(server, tmp_path / "nowhere/t.csv")


def test_a_directory_fails_before_the_test(server, tmp_path):
    (tmp_path / "t.csv").mkdir()
    assert "Is a directory" in fails_before_the_test(server, tmp_path / "t.csv")


def test_a_read_only_disk_fails_before_the_test(server, tmp_path):
    with mounted(tmp_path, "ro"):
        assert "Read-only" in fails_before_the_test(server, tmp_path / "t.csv")


def lost_and_said(r, path):
    """The result is kept, the trace is named as lost."""
    assert r.returncode == PARTLY, r.stderr
    result = json.loads(r.stdout)
    assert result["download"]["goodput_mbps"] > 0
    assert result["trace"]["error"] and result["trace"]["samples"] == 0
    assert "the trace is lost" in r.stderr and str(path) in r.stderr
    return result


def test_dev_full_loses_the_trace_and_keeps_the_result(server, tmp_path):
    path = tmp_path / "t.jsonl"
    path.symlink_to("/dev/full")
    r = short(server, "--trace", str(path), "--format", "json")
    assert "No space left" in lost_and_said(r, "/dev/full")["trace"]["error"]
    assert os.readlink(path) == "/dev/full"


def test_a_disk_quota_loses_the_trace_and_keeps_the_result(server, tmp_path):
    """RLIMIT_FSIZE: a file may not grow over 20 kB."""
    path = tmp_path / "t.jsonl"
    r = run("test", "--server", server["ws"], "--max-bytes", "400MB", "--trace", str(path), "--format",
            "json", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20480, 20480)))
    assert "File too large" in lost_and_said(r, path)["trace"]["error"]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_meanwhile_keeps_the_old_trace(server, tmp_path):
    with mounted(tmp_path, "size=64k"):
        (tmp_path / "t.jsonl").write_text("old")
        r = run("test", "--server", server["ws"], "--max-bytes", "2GB", "--trace",
                str(tmp_path / "t.jsonl"), "--format", "json")
        assert "No space left" in lost_and_said(r, tmp_path)["trace"]["error"]
        assert (tmp_path / "t.jsonl").read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 1


# --- reading one -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["info", "summary"])
def test_for_people_it_fits_80_columns_without_escapes(traced, verb):
    r = run("trace", verb, str(traced[0]))
    assert r.returncode == DONE and r.stderr == ""
    assert max(map(len, r.stdout.splitlines())) <= 80
    assert "\x1b" not in r.stdout and "127.0.0.1" in r.stdout


def test_info_and_summary_as_json_agree_with_the_result(traced):
    path, result = traced
    info = json.loads(run("trace", "info", str(path), "--format", "json").stdout)
    flows = json.loads(run("trace", "summary", str(path), "--format", "json").stdout)["flows"]
    assert info["samples"] == result["trace"]["samples"] and info["complete"]
    assert [f["test"] for f in flows] == ["download", "upload"]
    assert flows[0]["bytes_of"] == "bytes_received" and flows[1]["bytes_of"] == "bytes_acked"
    for flow, direction in zip(flows, ("download", "upload")):
        assert flow["ending"] == result[direction]["ending"]
        assert flow["min_rtt_ms"] > 0 and flow["max_cwnd_segments"] > 0


def test_export_there_and_back_is_the_same(traced, tmp_path):
    path, _ = traced
    for form in ("a.csv", "b.jsonl.zst", "c.csv.zst", "d.jsonl"):
        assert run("trace", "export", str(path), "--out", str(tmp_path / form)).returncode == DONE
        path = tmp_path / form
    assert (tmp_path / "d.jsonl").read_bytes() == traced[0].read_bytes()


def test_export_does_not_replace_its_trace(traced, tmp_path):
    trace = tmp_path / "t.jsonl"
    trace.write_bytes(traced[0].read_bytes())
    r = run("trace", "export", str(trace), "--flow", "1", "--out", str(tmp_path / "." / "t.jsonl"))
    assert r.returncode == USAGE and "the trace itself" in r.stderr
    assert trace.read_bytes() == traced[0].read_bytes()


def test_export_filters_by_flow_time_and_event(traced):
    path, _ = traced
    whole = samples_of(records(path))
    began = json.loads(path.read_text().splitlines()[0])["monotonic_ns"]
    r = run("trace", "export", str(path), "--format", "jsonl", "--flow", "2", "--from", "1ms",
            "--to", "60s")
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    want = [s for s in whole if s["flow"] == 2 and s["at_ns"] - began >= 1_000_000]
    assert samples_of(lines) == want and want
    assert lines[-1]["left_out"] == len(whole) - len(want)
    cookie = next(line["cookie"] for line in lines if line.get("record") == "flow")
    by_cookie = run("trace", "export", str(path), "--flow", cookie).stdout
    assert len([l for l in by_cookie.splitlines() if l[0].isdigit()]) == len(
        [s for s in whole if s["flow"] == 2])
    none = run("trace", "export", str(path), "--event", "ack,retransmit", "--format", "jsonl").stdout
    assert samples_of(map(json.loads, none.splitlines())) == []


def test_info_and_summary_filter_as_export_does(traced):
    path, _ = traced
    whole = samples_of(records(path))
    began = json.loads(path.read_text().splitlines()[0])["monotonic_ns"]
    want = [s for s in whole if s["flow"] == 2 and 10_000_000 <= s["at_ns"] - began <= 900_000_000]
    words = ["--format", "json", "--flow", "2", "--from", "10ms", "--to", "900ms"]
    info = json.loads(run("trace", "info", str(path), *words).stdout)
    assert info["samples"] == len(want) and info["left_out"] == len(whole) - len(want)
    assert info["samples_lost"] == 0 and info["complete"]
    [flow] = json.loads(run("trace", "summary", str(path), *words).stdout)["flows"]
    assert flow["flow"] == 2 and flow["samples"] == len(want)
    none = json.loads(run("trace", "summary", str(path), "--event", "retransmit,congestion", "--format",
                          "json").stdout)["flows"]
    assert [f["samples"] for f in none] == [0, 0]
    assert f"{len(whole)} samples, as was asked" in run("trace", "info", str(path), "--event", "ack").stdout


@pytest.mark.parametrize("flow", ["3", "16384", "0123456789abcdef"])
@pytest.mark.parametrize("verb", [["info"], ["summary"], ["summary", "--format", "json"], ["export"],
                                  ["export", "--out", "o.csv"]], ids=" ".join)
def test_a_flow_that_is_not_there_is_said(traced, tmp_path, verb, flow):
    r = run("trace", verb[0], str(traced[0].resolve()), *verb[1:], "--flow", flow, cwd=tmp_path)
    assert r.returncode == NOT_DONE
    assert r.stderr == f"error: {traced[0].resolve()} has no flow {flow} (radar-pod trace info lists them)\n"
    assert list(tmp_path.iterdir()) == []
    assert verb == ["export"] or r.stdout == ""


def test_a_flow_that_is_not_there_of_a_cut_trace(tmp_path):
    (tmp_path / "t").write_text(HEADER + FLOW)
    r = run("trace", "summary", str(tmp_path / "t"), "--flow", "2")
    assert r.returncode == NOT_DONE
    assert "is cut off" in r.stderr and "has no flow 2" in r.stderr


HEAD = """
import signal, subprocess, sys
signal.signal(signal.SIGPIPE, getattr(signal, sys.argv[1]))
p = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, restore_signals=False)
p.stdout.readline()
p.stdout.close()
said = p.stderr.read()
print(p.wait(), said)
"""

# As coreutils have it: silence, and where the caller had the signal ignored a message.
BROKEN_PIPE = {
    "SIG_DFL": (-signal.SIGPIPE, ""),
    "SIG_IGN": (NOT_DONE, "radar-pod: could not write to standard output: Broken pipe"),
}


@pytest.mark.parametrize("handling", BROKEN_PIPE)
def test_a_reader_that_has_enough(tmp_path, handling):
    """export | head"""
    line = '{"at_ns":1,"flow":1,"event":"ack","srtt_us":1}\n'
    (tmp_path / "t").write_text(HEADER + FLOW + 200_000 * line)
    r = subprocess.run([sys.executable, "-c", HEAD, handling, PROGRAM, "trace", "export", tmp_path / "t"],
                       stdout=subprocess.PIPE, text=True, timeout=60)
    code, said = BROKEN_PIPE[handling]
    assert r.stdout == f"{code} {said}\n" + ("\n" if said else "")


def test_csv_is_a_table_under_its_names(traced):
    out = run("trace", "export", str(traced[0]), "--format", "csv").stdout
    rows = list(csv.DictReader(l for l in out.splitlines() if not l.startswith("#")))
    assert len(rows) == len(samples_of(records(traced[0])))
    assert {"at_ns", "flow", "event", "srtt_us", "bytes_acked", "ca_state"} <= set(rows[0])
    assert rows[0]["latest_rtt_us"] == "" # TCP_INFO has none: absent, not 0


def test_standard_input_is_read(traced):
    with traced[0].open() as f:
        assert "radar-pod" in run("trace", "info", "-", stdin=f).stdout


def test_losses_are_told_with_a_summary(tmp_path):
    (tmp_path / "t").write_text(HEADER + FLOW + '{"record":"end","samples":0,"lost":3}\n')
    for words in ([], ["--format", "json"]):
        r = run("trace", "summary", str(tmp_path / "t"), *words)
        assert r.returncode == DONE
        assert r.stderr == f"warning: {tmp_path}/t is without 3 samples, lost while it was taken\n"
    assert json.loads(r.stdout)["samples_lost"] == 3
    (tmp_path / "t").write_text(HEADER + FLOW)
    r = run("trace", "summary", str(tmp_path / "t"), "--format", "json")
    assert r.returncode == PARTLY and json.loads(r.stdout)["samples_lost"] is None


@pytest.mark.parametrize("missed", [None, 0, 41], ids=["not known", "none", "some"])
def test_what_may_be_missed_is_kept_and_told(tmp_path, missed):
    end = END if missed is None else END.replace("}", f',"missed_at_most":{missed}}}')
    (tmp_path / "t").write_text(HEADER + FLOW + end)
    for form in FORMS:
        r = run("trace", "export", str(tmp_path / "t"), "--out", str(tmp_path / form))
        assert r.returncode == DONE, r.stderr
        assert records(tmp_path / form)[-1].get("missed_at_most") == missed
        assert json.loads(run("trace", "info", str(tmp_path / form), "--format", "json").stdout)["missed_at_most"] == missed
    said = run("trace", "info", str(tmp_path / "t")).stdout
    assert ("  Missed  " in said) == (missed is not None) and ("up to 41 segments: " in said) == (missed == 41)


def test_info_says_what_was_recorded(tmp_path):
    (tmp_path / "t").write_text(HEADER.replace("}", ',"command":"curl -s x\\u001b[2J"}') + END)
    assert "  Command   curl -s x?[2J\n" in run("trace", "info", str(tmp_path / "t")).stdout
    info = json.loads(run("trace", "info", str(tmp_path / "t"), "--format", "json").stdout)
    assert info["command"] == "curl -s x\x1b[2J"


def test_what_is_not_known_of_a_flow_is_null(tmp_path):
    (tmp_path / "t").write_text(HEADER + FLOW + END)
    for verb in ("info", "summary"):
        [flow] = json.loads(run("trace", verb, str(tmp_path / "t"), "--format", "json").stdout)["flows"]
        assert [flow[m] for m in ("local_ip", "local_port", "remote_ip", "remote_port", "pid", "comm")] == 6 * [None]


def test_the_rate_of_a_slow_flow_is_not_rounded_away(tmp_path):
    """50 bytes in a second."""
    sample = '{"at_ns":%d,"flow":1,"event":"ack","bytes_acked":%d,"bytes_received":0}\n'
    (tmp_path / "t").write_text(HEADER + FLOW + sample % (0, 0) + sample % (1_000_000_000, 50)
                                + '{"record":"end","samples":2}\n')
    [flow] = json.loads(run("trace", "summary", str(tmp_path / "t"), "--format", "json").stdout)["flows"]
    assert flow["goodput_mbps"] == 0.0004


CUT = [("behind the header", HEADER), ("in a line", HEADER + FLOW + '{"at_ns":1,"flow":1,"ev')]


@pytest.mark.parametrize("text", [c[1] for c in CUT], ids=[c[0] for c in CUT])
def test_a_cut_trace_is_used_as_far_as_it_goes(tmp_path, text):
    (tmp_path / "t").write_text(text)
    for verb in ("info", "summary", "export"):
        r = run("trace", verb, str(tmp_path / "t"))
        assert r.returncode == PARTLY
        assert "is cut off" in r.stderr and r.stderr.count("\n") == 1


def test_half_a_compressed_trace_is_used_as_far_as_it_goes(traced, tmp_path):
    assert run("trace", "export", str(traced[0]), "--out", str(tmp_path / "t.csv.zst")).returncode == 0
    half = (tmp_path / "t.csv.zst").read_bytes()
    (tmp_path / "half").write_bytes(half[:len(half) * 3 // 4])
    assert run("trace", "info", str(tmp_path / "half")).returncode == PARTLY


BAD = [
    ("a newer version", HEADER.replace("trace/1", "trace/2"), "version 2"),
    ("nothing", "", "it is empty"),
    ("no trace", "hello\n", "line 1: not the header of a trace: "),
    ("a wrong type", HEADER + FLOW + '{"at_ns":"x","flow":1,"event":"ack"}\n', "line 3: at_ns"),
    ("a huge line", HEADER + "x" * 1_000_000, "line 2: it is too long"),
    ("a flow of nobody", HEADER + '{"at_ns":1,"flow":9,"event":"ack"}\n', "line 2: flow"),
    ("a wrong count", HEADER + '{"record":"end","samples":7}\n', "line 2: samples"),
    ("something behind the end", HEADER + END + HEADER, "line 3: something follows"),
]


@pytest.mark.parametrize("text, says", [c[1:] for c in BAD], ids=[c[0] for c in BAD])
@pytest.mark.parametrize("verb", ["info", "export"])
def test_a_bad_trace_is_refused_with_its_line(tmp_path, verb, text, says):
    (tmp_path / "t").write_text(text)
    r = run("trace", verb, str(tmp_path / "t"), *(["--out", str(tmp_path / "o.csv")]
                                                  if verb == "export" else []))
    assert r.returncode == BAD_FILE
    assert says in r.stderr and r.stderr.count("\n") == 1
    assert [f.name for f in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize("verb", ["info", "export"])
def test_a_directory_is_no_trace(tmp_path, verb):
    r = run("trace", verb, str(tmp_path))
    assert (r.returncode, r.stderr) == (BAD_FILE, f"error: {tmp_path}: could not read it: Is a directory\n")


def test_what_a_trace_says_does_not_steer_the_terminal(tmp_path):
    (tmp_path / "t").write_text(HEADER + '{"record":"flow","flow":1,"ending":"\\u001b[2J","comm":'
                                '"\\u001b]0;x"}\n' + END)
    for verb in ("info", "summary"):
        r = run("trace", verb, str(tmp_path / "t"))
        assert r.returncode == DONE and "\x1b" not in r.stdout


def test_export_to_a_full_disk_leaves_nothing(traced, tmp_path):
    with open("/dev/full", "w") as full:
        r = run("trace", "export", str(traced[0]), stdout=full)
    assert r.returncode == NOT_DONE and "No space left" in r.stderr
    with mounted(tmp_path, "size=32k"):
        r = run("trace", "export", str(traced[0]), "--out", str(tmp_path / "t.csv"))
        assert r.returncode == NOT_DONE and "No space left" in r.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", [["info"], ["summary"], ["export", "--event", "state"]], ids=lambda v: v[0])
def test_two_gigabytes_are_never_in_memory(verb):
    """A trace of 2 GB through a pipe, in 8 MB."""
    if b"san_init" in pathlib.Path(PROGRAM).read_bytes():
        pytest.skip("a sanitizer has its own idea of memory")
    line = ('{"at_ns":1,"flow":1,"event":"ack","srtt_us":1,"rttvar_us":1,"bytes_acked":%d,"bytes_received":2,'
            '"pacing_rate_bps":12345678,"notsent_bytes":0}\n')
    block = "".join(line % i for i in range(8000)).encode()
    blocks = -(-(2 << 30) // len(block))
    p = subprocess.Popen([PROGRAM, "trace", verb[0], "-", *verb[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write((HEADER + FLOW).encode())
    for _ in range(blocks):
        p.stdin.write(block)
    p.stdin.write(b'{"record":"end","samples":%d}\n' % (8000 * blocks))
    p.stdin.flush()
    peak_kb = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{p.pid}/status").read_text())[1])
    p.stdin.close()
    assert p.stdout.read() and p.wait(timeout=60) == DONE
    assert peak_kb < 8 << 10


def test_a_long_trace_is_read_in_constant_memory(tmp_path):
    """150 MB of trace in an address space of 100 MB."""
    if b"__asan_init" in pathlib.Path(PROGRAM).read_bytes() or \
            b"__tsan_init" in pathlib.Path(PROGRAM).read_bytes():
        pytest.skip("a sanitizer takes terabytes of addresses")
    line = '{"at_ns":%d,"flow":1,"event":"ack","srtt_us":1,"bytes_acked":1,"bytes_received":2}\n'
    with (tmp_path / "t").open("w") as f:
        f.write(HEADER + FLOW)
        for i in range(18):
            f.write("".join(line % (i * 100_000 + j) for j in range(100_000)))
        f.write('{"record":"end","samples":1800000}\n')
    limit = 100 << 20
    r = run("trace", "info", str(tmp_path / "t"), "--format", "json",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert r.returncode == DONE, r.stderr
    assert json.loads(r.stdout)["samples"] == 1_800_000
