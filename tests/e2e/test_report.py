"""`radar-pod report`: what goes in, what comes out, and every hard condition. test_report_page.py looks at the
pages in a browser."""

import html
import json
import pathlib
import re
import resource
import subprocess
import time

import pytest

from test_cli import (BAD_FILE, DONE, NOT_DONE, PARTLY, PROGRAM, USAGE, mounted, run, server)
from test_trace import END, FLOW, HEADER, traced

__all__ = ["server", "traced"] # fixtures

RESULT = '{"schema":"radar-pod/result/1","download":null,"upload":null}'


def text_of(page, element):
    """What stands in the element of that id, without tags; ids of ours do not nest in themselves."""
    inner = re.search(rf'<(\w+)[^>]* id="{element}"[^>]*>(.*?)</\1>', page, re.S)[2]
    return html.unescape(re.sub(r"<[^>]*>", " ", inner))


def figures_of(page, table):
    """The rows of a table: a member's name, and the exact values of its cells (None: not known)."""
    inner = re.search(rf'<table id="{table}">(.*?)</table>', page, re.S)[1]
    rows = {}
    for name, cells in re.findall(r'<tr data-member="([^"]*)">(.*?)</tr>', inner, re.S):
        rows[name] = [float(value) if value else None
                      for value in re.findall(r'<td(?: data-value="([^"]*)")?>', cells)]
    return rows


def member(result, path):
    for name in re.findall(r"[a-z_0-9]+", path):
        if result is None:
            return None
        result = result[int(name) if name.isdigit() else name]
    return result


def people(mbps):
    """A rate as the terminal has it."""
    unit, value = (("Gbit/s", mbps / 1e3) if mbps >= 999.95 else
                   ("kbit/s", mbps * 1e3) if mbps < 1 else ("Mbit/s", mbps))
    return f"{value:.{2 if value < 9.995 else 1 if value < 999.95 else 0}f} {unit}"


@pytest.fixture(scope="module")
def reported(traced, tmp_path_factory):
    """Of the test of `traced`: the page, and the result that it is of."""
    path, result = traced
    directory = tmp_path_factory.mktemp("reported")
    (directory / "r.json").write_text(json.dumps(result))
    r = run("report", str(path), "--result", str(directory / "r.json"), "-o",
            str(directory / "page.html"))
    assert r.returncode == DONE and r.stdout == "" and r.stderr == ""
    return (directory / "page.html").read_text(), result


# --- what is on it -----------------------------------------------------------------------------------


def test_figures_on_the_page_agree_with_the_result(reported):
    page, result = reported
    rows = figures_of(page, "directions")
    assert len(rows) >= 13
    for path, (down, up) in rows.items():
        for cell, direction in ((down, "download"), (up, "upload")):
            want = member(result, f"{direction}.{path}")
            assert cell == (None if want is None else pytest.approx(want, abs=1e-6)), path


def test_large_figures_are_those_of_the_terminal(reported):
    page, result = reported
    for direction in ("download", "upload"):
        said = " ".join(text_of(page, f"card-{direction}").split())
        assert people(result[direction]["goodput_mbps"]) in said


def test_the_page_says_what_the_terminal_said(server, tmp_path):
    """The three steps of ./quickstart."""
    r = run("test", "--server", server["wss"], "--insecure", "--max-bytes", "2GB", "--trace",
            str(tmp_path / "t.jsonl.zst"), "--result", str(tmp_path / "r.json"))
    assert r.returncode == DONE, r.stderr
    said = run("report", str(tmp_path / "t.jsonl.zst"), "--result", str(tmp_path / "r.json"))
    assert said.returncode == DONE and said.stderr == ""
    for label in ("Download", "Upload"):
        rate = re.search(rf"^  {label} +([0-9.]+ .bit/s)", r.stdout, re.M)[1]
        assert rate in " ".join(text_of(said.stdout, f"card-{label.lower()}").split())
    latency = re.search(r"^  Latency +(.*)", r.stdout, re.M)[1]
    table = re.search(r'<table id="latency".*?</table>', said.stdout, re.S)[0]
    for figure in re.findall(r"[0-9.]+ ms", latency):
        assert figure in table


def test_latency_agrees_with_the_result(reported):
    page, result = reported
    table = re.search(r'<table id="latency".*?</table>', page, re.S)[0]
    values = [float(v) for v in re.findall(r'data-value="([^"]*)"', table)]
    known = [result["latency"][m] for m in ("idle_ms", "loaded_down_ms", "loaded_up_ms")]
    assert values == pytest.approx([v for v in known if v is not None], abs=1e-6)


def test_every_value_of_the_result_is_listed_as_its_json_has_it(reported):
    page, result = reported
    listed = dict(re.findall(r'<tr><th scope="row"><bdi>(.*?)</bdi></th><td><bdi>(.*?)</bdi>', page))
    assert listed["download.goodput_mbps"] == json.dumps(result["download"]["goodput_mbps"])
    assert listed["download.bytes"] == str(result["download"]["bytes"])
    assert listed["id"] == result["id"] and listed["tls"] == "null"


def test_every_warning_is_on_the_page(reported):
    page, result = reported
    for warning in result["warnings"]:
        assert html.escape(warning, quote=False) in html.unescape(page) or \
            warning in html.unescape(page)


def test_the_bytes_of_the_curves_are_those_of_the_trace(reported):
    page, _ = reported
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
    assert [f["name"] for f in data["flows"]] == ["download", "upload"]
    connections = re.search(r'<table id="connections">(.*?)</table>', page, re.S)[1]
    assert connections.count("<tr>") == 3
    for flow in data["flows"]:
        assert sum(flow["bytes"]["v"]) > 1_000_000
        assert max(v + a for v, a in zip(flow["srtt"]["v"],
                                         flow["srtt"].get("above", [0] * 9999))) > 0


def test_nothing_is_fetched(reported):
    page, _ = reported
    before_scripts = page[:page.index('<script type="application/json"')]
    assert not re.search(r"\b(src|href|srcset|action)\s*=|url\(|@import", before_scripts)
    assert "sourceMappingURL" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_a_result_alone_makes_a_page(traced, tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(traced[1]))
    r = run("report", str(tmp_path / "r.json"))
    assert r.returncode == DONE
    assert people(traced[1]["download"]["goodput_mbps"]) in " ".join(
        text_of(r.stdout, "card-download").split())
    assert f"in the trace of this test, <bdi>{traced[0]}</bdi>" in r.stdout and "<script" not in r.stdout


@pytest.mark.parametrize("trace, says", [
    ("null", "There is no trace of this test"),
    ('{"file":"<t>.csv","error":null}', "<bdi>&lt;t&gt;.csv</bdi>"),
    ('{"file":"t.csv","error":"no space"}', "The trace of this test was lost"),
])
def test_where_the_curves_are_is_said(tmp_path, trace, says):
    (tmp_path / "r").write_text(RESULT[:-1] + ',"trace":%s}' % trace)
    r = run("report", str(tmp_path / "r"))
    assert r.returncode == DONE
    assert says in re.search(r"<h2>Over time</h2>(.*?)</section>", r.stdout, re.S)[1]


def test_a_trace_alone_makes_a_page(traced):
    r = run("report", str(traced[0]))
    assert r.returncode == DONE and "2 TCP connections in" in r.stdout


@pytest.mark.parametrize("form", ["t.csv", "t.jsonl.zst", "t.csv.zst"])
def test_every_form_makes_the_same_page(traced, tmp_path, form):
    assert run("trace", "export", str(traced[0]), "--out", str(tmp_path / form)).returncode == DONE
    data = [re.search(r'id="data">(.*?)</script>', run("report", str(p)).stdout, re.S)[1]
            for p in (traced[0], tmp_path / form)]
    assert data[0] == data[1]


def test_standard_input_may_be_either(traced, tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(traced[1]))
    for path, says in ((traced[0], "2 TCP connections"), (tmp_path / "r.json", "Internet connection")):
        with open(path) as f:
            r = run("report", "-", stdin=f)
        assert r.returncode == DONE and says in r.stdout


# --- what is seldom, and what is not known ----------------------------------------------------------------


def data_of(path):
    r = run("report", str(path))
    assert r.returncode == DONE, r.stderr
    return json.loads(re.search(r'id="data">(.*?)</script>', r.stdout, re.S)[1])


def lead_of(page):
    return re.search(r'<p class="lead">(.*?)</p>', page, re.S)[1]


def test_what_is_seldom_is_not_rounded_away(tmp_path):
    """A few bytes and segments between samples that are seconds apart, and what was sent again after a timeout."""
    lines = [HEADER, FLOW]
    for ms, event, acked, retrans, ooo in ((0, "ack", 0, 0, 0), (5000, "retransmit", 100, 7, 0),
                                           (10000, "ack", 300, 7, 1)):
        lines.append(json.dumps({"at_ns": ms * 1_000_000, "flow": 1, "event": event, "bytes_acked": acked,
                                 "bytes_received": 0, "bytes_sent": 400, "bytes_retrans": retrans,
                                 "ooo_segments": ooo}) + "\n")
    (tmp_path / "t").write_text("".join([*lines, '{"record":"end","samples":3}\n']))
    data = data_of(tmp_path / "t")
    [flow] = data["flows"]
    assert {name: sum(flow[name]["v"]) for name in ("bytes", "retrans", "ooo", "events")} == {
        "bytes": 300, "retrans": 7, "ooo": 1, "events": 1}
    assert flow["events"] == {"at": 5_000_000 // data["width_us"], "v": [1]} # where it was, not before


def test_bytes_that_nobody_counted_are_not_told(tmp_path):
    (tmp_path / "t").write_text(HEADER + FLOW + '{"at_ns":5000000,"flow":1,"event":"ack","srtt_us":7}\n'
                                '{"at_ns":17345678,"flow":1,"event":"ack","srtt_us":8}\n'
                                '{"record":"end","samples":2}\n')
    r = run("report", str(tmp_path / "t"))
    assert r.returncode == DONE
    assert lead_of(r.stdout) == "1 TCP connection in 12.3 ms."
    assert "<td>12.3 ms</td><td>–</td><td>–</td>" in r.stdout


NO_SAMPLES = "The trace has no samples"


@pytest.mark.parametrize("text, code, says", [
    (HEADER + END, DONE, NO_SAMPLES + ": no connection was made while it was taken."),
    (HEADER + FLOW + '{"record":"end","samples":0,"left_out":5}\n', DONE, NO_SAMPLES + "."),
    (HEADER + '{"record":"end","samples":0,"lost":5}\n', DONE, NO_SAMPLES + "."),
    (HEADER, PARTLY, NO_SAMPLES + "."),
], ids=["no connections", "an excerpt", "lost", "cut off"])
def test_why_there_are_no_samples_is_said_where_it_is_known(tmp_path, text, code, says):
    (tmp_path / "t").write_text(text)
    r = run("report", str(tmp_path / "t"))
    assert r.returncode == code and lead_of(r.stdout) == says


def test_the_header_is_on_the_page(tmp_path):
    (tmp_path / "t").write_text(HEADER.replace("}", ',"command":"curl <x>","memory_bytes":11,"spill_bytes":12}')
                                + END)
    page = run("report", str(tmp_path / "t")).stdout
    for name, value in (("command", "<bdi>curl &lt;x&gt;</bdi>"), ("memory_bytes", "11"), ("spill_bytes", "12")):
        assert f'<th scope="row">{name}</th><td>{value}</td>' in page


# --- many connections ----------------------------------------------------------------------------------


def crowd(path, flows, samples=20, comm="curl"):
    """A recording of so many flows; the last ones are the largest."""
    lines = [HEADER]
    for i in range(1, flows + 1):
        lines.append(json.dumps({
            "record": "flow", "flow": i, "cookie": f"{i:016x}", "local_ip": "192.0.2.1",
            "local_port": 40000 + i, "remote_ip": "198.51.100.4", "remote_port": 443, "role": "client",
            "pid": 100 + i, "comm": comm}) + "\n")
    for k in range(samples):
        for i in range(1, flows + 1):
            lines.append(json.dumps({
                "at_ns": 1_000_000_000 + k * 10_000_000 + i, "flow": i, "event": "ack",
                "srtt_us": 20000 + i, "bytes_acked": 100 * k, "bytes_received": 1000 * i * k}) + "\n")
    lines.append(json.dumps({"record": "end", "flows": flows, "samples": samples * flows, "lost": 0})
                 + "\n")
    path.write_text("".join(lines))


@pytest.mark.parametrize("piped", [False, True])
def test_of_a_hundred_connections_the_largest_are_drawn(tmp_path, piped):
    crowd(tmp_path / "t.jsonl", 100)
    if piped:
        with subprocess.Popen(["cat", tmp_path / "t.jsonl"], stdout=subprocess.PIPE) as cat:
            r = run("report", "-", stdin=cat.stdout)
    else:
        r = run("report", str(tmp_path / "t.jsonl"))
    assert r.returncode == DONE, r.stderr
    data = json.loads(re.search(r'id="data">(.*?)</script>', r.stdout, re.S)[1])
    assert [f["n"] for f in data["flows"]] == list(range(25, 33) if piped else range(93, 101))
    assert ("came through a pipe" in r.stdout) == piped
    assert r.stdout.count("curl to 198.51.100.4:443") >= 100


def test_of_thousands_the_table_has_the_largest(tmp_path):
    crowd(tmp_path / "t.jsonl", 3000, samples=2)
    r = run("report", str(tmp_path / "t.jsonl"))
    assert r.returncode == DONE and len(r.stdout) < 1_500_000
    assert r.stdout.count("</tr>") < 300 and "2800 smaller connections" in r.stdout
    assert "the 8 largest are drawn; the 200 largest are in the table below" in r.stdout


# --- what is wrong with it ------------------------------------------------------------------------------

WRONG_FILES = [
    ("nothing", "", "it is empty"),
    ("neither", "hello\n", "neither a trace nor a result"),
    ("a newer trace", HEADER.replace("trace/1", "trace/2"), "version 2"),
    ("a newer result", RESULT.replace("result/1", "result/2"), "version 2"),
    ("a trace with a wrong type", HEADER + FLOW + '{"at_ns":"x","flow":1,"event":"ack"}\n', "line 3"),
    ("a trace with a huge line", HEADER + "x" * 1_000_000, "line 2: it is too long"),
    ("a result with a wrong type", RESULT.replace("null,", '{"bytes":[1]},'), "download.bytes: no number"),
    ("a result that is cut off", RESULT[:-9], "neither a trace nor a result"),
    ("a result with a second one behind", RESULT + RESULT, "neither a trace nor a result"),
    ("a result without end", RESULT[:-1] + "," + '"a":[' * 100_000, "neither a trace nor a result"),
    ("two megabytes of result", RESULT[:-1] + ',"a":"' + "x" * 2_000_000 + '"}', "larger than one"),
    ("bytes", "\x00\x01\x02\xff" * 100, "neither a trace nor a result"),
]


@pytest.mark.parametrize("content, says", [c[1:] for c in WRONG_FILES], ids=[c[0] for c in WRONG_FILES])
def test_a_wrong_file_is_refused(tmp_path, content, says):
    (tmp_path / "f").write_text(content)
    r = run("report", str(tmp_path / "f"), "-o", str(tmp_path / "page.html"))
    assert r.returncode == BAD_FILE, r.stderr
    assert says in r.stderr and r.stderr.count("\n") == 1
    assert [f.name for f in tmp_path.iterdir()] == ["f"]


def test_no_such_file_and_a_directory(tmp_path):
    r = run("report", str(tmp_path / "nowhere"), "-o", str(tmp_path / "page.html"))
    assert r.returncode == BAD_FILE and "No such file" in r.stderr
    r = run("report", str(tmp_path), "-o", str(tmp_path / "page.html"))
    assert r.returncode == BAD_FILE and "Is a directory" in r.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_second_file_is_refused(traced, tmp_path):
    for content, says in ((HEADER, "it is a trace"), ("", "it is empty"), ("{}", "schema")):
        (tmp_path / "r").write_text(content)
        r = run("report", str(traced[0]), "--result", str(tmp_path / "r"), "-o", str(tmp_path / "p"))
        assert r.returncode == BAD_FILE and says in r.stderr, r.stderr
    r = run("report", str(traced[0]), "--result", str(tmp_path / "x"))
    assert r.returncode == BAD_FILE and "No such file" in r.stderr


def test_a_result_that_names_a_trace_is_a_result(tmp_path):
    (tmp_path / "r").write_text(RESULT[:-1] + ',"trace":{"file":"/radar-pod/trace/1"}}')
    assert run("report", str(tmp_path / "r")).returncode == DONE


def test_a_result_beside_a_result_is_wrong_usage(tmp_path):
    (tmp_path / "r").write_text(RESULT)
    r = run("report", str(tmp_path / "r"), "--result", str(tmp_path / "r"))
    assert r.returncode == USAGE and "--result goes with a trace" in r.stderr


def test_a_result_of_another_test_is_said(traced, tmp_path):
    (tmp_path / "r").write_text(RESULT[:-1] + ',"id":"another"}')
    r = run("report", str(traced[0]), "--result", str(tmp_path / "r"))
    assert r.returncode == DONE
    assert "different tests" in r.stderr and "of different tests" in r.stdout


@pytest.mark.parametrize("text", [HEADER, HEADER + FLOW + '{"at_ns":1,"flow":1,"ev',
                                  HEADER + FLOW + '{"at_ns":5,"flow":1,"event":"ack","srtt_us":7}\n'],
                         ids=["behind the header", "in a line", "behind a sample"])
def test_a_cut_trace_makes_a_page_that_says_so(tmp_path, text):
    (tmp_path / "t").write_text(text)
    r = run("report", str(tmp_path / "t"), "-o", str(tmp_path / "page.html"))
    assert r.returncode == PARTLY and "is cut off" in r.stderr and r.stderr.count("\n") == 1
    assert "The trace was cut off" in (tmp_path / "page.html").read_text()


def test_both_directions_null_make_a_page(tmp_path):
    (tmp_path / "r").write_text(RESULT[:-1] + ',"errors":[{"test":"download","error":"no route"}]}')
    r = run("report", str(tmp_path / "r"))
    assert r.returncode == DONE
    assert "The download could not be measured: <bdi>no route</bdi>" in r.stdout


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[2J"


def test_hostile_names_stay_text(tmp_path):
    crowd(tmp_path / "t", 2, comm=HOSTILE[:15])
    quoted = json.dumps(HOSTILE)
    (tmp_path / "r").write_text(
        '{"schema":"radar-pod/result/1","server":{"machine":%s,"city":%s,"url":%s},"warnings":[%s],'
        '"started_at":%s,%s:%s,"download":{"ending":%s,"goodput_source":%s}}' % ((quoted,) * 9))
    r = run("report", str(tmp_path / "t"), "--result", str(tmp_path / "r"))
    assert r.returncode == DONE
    assert r.stdout.count("<script") == 3 and "<img" not in r.stdout and "\x1b" not in r.stdout
    assert "&lt;img src=x onerror=alert(1)&gt;" in r.stdout


def test_values_that_no_screen_holds(tmp_path):
    (tmp_path / "r").write_text(
        '{"schema":"radar-pod/result/1","download":{"goodput_mbps":1e300,"bytes":1e300,'
        '"steady_mbps":1e-300,"steady_ci95_mbps":[0,1e300],"rtt_ms":{"p50":1e308},'
        '"limits_percent":{"network":1e308}},"latency":{"idle_ms":1e308,"loaded_up_ms":0}}')
    r = run("report", str(tmp_path / "r"))
    assert r.returncode == DONE
    assert not re.search(r"[^\w](nan|inf)[^\w]", r.stdout[r.stdout.index("<body"):])


# --- where it goes -----------------------------------------------------------------------------------------


def test_usage():
    for words in ([], ["a", "b"], ["a", "--result"]):
        assert run("report", *words).returncode == USAGE


def test_to_a_full_disk_nothing_is_left(traced, tmp_path):
    with open("/dev/full", "w") as full:
        r = run("report", str(traced[0]), stdout=full)
    assert r.returncode == NOT_DONE and "No space left" in r.stderr
    with mounted(tmp_path, "size=64k"):
        (tmp_path / "old.html").write_text("old")
        for name in ("page.html", "old.html"):
            r = run("report", str(traced[0]), "-o", str(tmp_path / name))
            assert r.returncode == NOT_DONE and "No space left" in r.stderr
        assert [f.name for f in tmp_path.iterdir()] == ["old.html"]
        assert (tmp_path / "old.html").read_text() == "old"


def test_to_a_quota_nothing_is_left(traced, tmp_path):
    r = run("report", str(traced[0]), "-o", str(tmp_path / "page.html"),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20480, 20480)))
    assert r.returncode == NOT_DONE and "File too large" in r.stderr
    assert list(tmp_path.iterdir()) == []


def test_to_a_read_only_disk_and_nowhere(traced, tmp_path):
    r = run("report", str(traced[0]), "-o", str(tmp_path / "nowhere/page.html"))
    assert r.returncode == NOT_DONE and "No such file" in r.stderr
    with mounted(tmp_path, "ro"):
        r = run("report", str(traced[0]), "-o", str(tmp_path / "page.html"))
        assert r.returncode == NOT_DONE and "Read-only" in r.stderr


def test_what_a_page_is_made_of_is_not_replaced_by_it(traced, tmp_path):
    trace, result, link = tmp_path / "t.jsonl", tmp_path / "r.json", tmp_path / "link.html"
    trace.write_bytes(traced[0].read_bytes())
    result.write_text("{}")
    link.symlink_to(trace)
    for out in (trace, link, result):
        r = run("report", str(trace), "--result", str(result), "-o", str(out))
        assert r.returncode == USAGE and "made of" in r.stderr
    assert trace.read_bytes() == traced[0].read_bytes() and result.read_text() == "{}"


def test_a_terminal_wants_no_page(traced):
    import pty
    master, slave = pty.openpty()
    r = run("report", str(traced[0]), stdout=slave)
    assert r.returncode == USAGE and "-o page.html" in r.stderr


def test_a_long_trace_is_read_in_bounded_memory(tmp_path):
    """A million samples in an address space of 100 MB; how fast is bench/trace's matter."""
    if any(mark in pathlib.Path(PROGRAM).read_bytes() for mark in (b"__asan_init", b"__tsan_init")):
        pytest.skip("a sanitizer takes terabytes of addresses")
    line = '{"at_ns":%d,"flow":1,"event":"ack","srtt_us":%d,"bytes_acked":1,"bytes_received":%d}\n'
    peak = 777_777
    with (tmp_path / "t").open("w") as f:
        f.write(HEADER + FLOW)
        for i in range(10):
            f.write("".join(line % (n * 10_000, 900_000 if n == peak else 20_000 + n % 50, n * 1000)
                            for n in range(i * 100_000, (i + 1) * 100_000)))
        f.write('{"record":"end","samples":1000000}\n')
    limit = 100 << 20
    r = run("report", str(tmp_path / "t"),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert r.returncode == DONE, r.stderr
    assert len(r.stdout) < 1_500_000
    data = json.loads(re.search(r'id="data">(.*?)</script>', r.stdout, re.S)[1])
    srtt = data["flows"][0]["srtt"]
    above = [v + a for v, a in zip(srtt["v"], srtt["above"])]
    assert max(above) == 900_000 # one sample of a million
    bin_of_peak = peak * 10_000 // (data["width_us"] * 1000)
    assert above.index(900_000) + srtt["at"] == bin_of_peak
