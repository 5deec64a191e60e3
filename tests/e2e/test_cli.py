"""The program as people and scripts use it: options, exit codes, formats, signals, full disks."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("RADAR_POD", str(ROOT / "build/dev/agent/radar-pod"))
SCHEMA = ROOT / "docs/result.schema.json"
MANUAL = ROOT / "docs/man"

# Whoever runs the tests behind a shell's "&" has it ignored, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# It writes a file of its own as it begins, and delivers a signal late.
thread_sanitizer = pytest.mark.skipif(b"__tsan_init" in pathlib.Path(PROGRAM).read_bytes(),
                                      reason="built with the thread sanitizer")
SANITIZED = re.search(b"__[at]san_init", pathlib.Path(PROGRAM).read_bytes()) is not None

DONE, NOT_DONE, USAGE, PARTLY, BAD_FILE, CANNOT_HERE = range(6)


def run(*words, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("timeout", 60)
    if "stdout" not in more:
        more["stdout"] = subprocess.PIPE
    return subprocess.run([PROGRAM, *words], stderr=subprocess.PIPE, text=True, **more)


@contextlib.contextmanager
def serving(*words):
    """The program's own lab server; yields {"ws": url, "wss": url} and its process. One that has
    ended by itself is told with its last words."""
    with tempfile.TemporaryFile("w+") as said:
        server = subprocess.Popen([PROGRAM, "serve", *words], stdout=subprocess.PIPE, stderr=said,
                                  text=True)
        server.told = False # to end
        try:
            urls = {}
            while len(urls) < 2:
                line = server.stdout.readline()
                assert line.startswith("listening "), line
                url = line.split()[1]
                urls[url.split(":")[0]] = url
            yield urls, server
            if server.poll() is not None and not server.told:
                said.seek(0)
                pytest.fail(f"the server ended with {server.returncode}: {said.read()[-8000:]}")
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


@pytest.fixture(scope="module")
def server():
    with serving() as (urls, _):
        yield urls


def wait_until_connected(url, seconds=20):
    """Until somebody has a connection to it, by proc(5)'s table: local, remote, state 01."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        if any(row[2].endswith(port) and row[3] == "01" for row in rows):
            return
        time.sleep(0.02)
    raise AssertionError(f"nobody has connected to {url} in {seconds} s")


def broken_off(server, *words, after=1.0, number=signal.SIGINT):
    """A test that was interrupted so long after it had connected: its output, and its exit code."""
    p = subprocess.Popen([PROGRAM, "test", "--server", server["ws"], *words],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until_connected(server["ws"])
    time.sleep(after)
    p.send_signal(number)
    out, _ = p.communicate(timeout=15) # and not 20 s later
    return out, p.returncode


def short(server, *words, **more):
    """A test of a few megabytes: over in a moment."""
    return run("test", "--server", server["ws"], "--max-bytes", "2MB", *words, **more)


# --- usage -----------------------------------------------------------------------------------------

USAGE_ERRORS = [
    ("no such command", ["frobnicate"], USAGE, "frobnicate"),
    ("no such option of the program", ["--frobnicate"], USAGE, "--frobnicate"),
    ("no such option", ["test", "--frobnicate"], USAGE, "--frobnicate"),
    ("a typing error", ["test", "--sever", "h"], USAGE, "did you mean --server?"),
    ("no value", ["test", "--server"], USAGE, "--server needs a value"),
    ("no such word", ["test", "--format", "xml"], USAGE, "human, json, jsonl or raw"),
    ("no such scheme", ["test", "--scheme", "https"], USAGE, "auto, ws or wss"),
    ("no size", ["test", "--max-bytes", "lots"], USAGE, "--max-bytes takes a size"),
    ("no such test", ["test", "iperf"], USAGE, "iperf"),
    ("both families", ["test", "-4", "-6"], USAGE, "-4 and -6"),
    ("a server, and a country to find one", ["test", "--server", "h", "--country", "US"], USAGE,
     "--country"),
    ("two outputs into one file", ["test", "--output", "r", "--result", "r"], USAGE, "--result"),
    ("a server, and a locate service", ["test", "--server", "h", "--locate-url", "http://h/"],
     USAGE, "--locate-url"),
    ("a country by name", ["test", "--country", "France"], USAGE, "two letters"),
    ("a locate URL of another scheme", ["test", "--locate-url", "ftp://h/"], USAGE, "http://"),
    ("a server URL of another scheme", ["test", "--server", "ftp://h/"], USAGE, "--server"),
    ("a server that is no name", ["test", "--server", "a b"], USAGE, "--server"),
    ("a port outside", ["test", "--server", "h:70000"], USAGE, "--server: could not take port"),
    ("two schemes", ["test", "--server", "ws://h/", "--scheme", "wss"], USAGE, "contradict"),
    ("raw of one direction", ["test", "--format", "raw", "--download"], USAGE, "both directions"),
    ("a certificate without its key", ["serve", "--cert", "x"], USAGE, "--key"),
    ("a port of the server's outside", ["serve", "--ws", "65536"], USAGE, "0 to 65535"),
    ("no clients at all", ["serve", "--max-clients", "0"], USAGE, "--max-clients"),
    ("doctor takes no operand", ["doctor", "io"], USAGE, "io"),
    ("ookla", ["test", "ookla"], CANNOT_HERE, "not in this release"),
    ("a trace without a form", ["test", "--trace", "f"], USAGE, "--trace takes a name"),
    ("a trace's interval", ["test", "--trace-interval", "1"], USAGE, "--trace-interval takes a time"),
    ("a trace into the result", ["test", "--trace", "f.csv", "--output", "f.csv"], USAGE, "same file"),
    ("a trace, and nothing to do", ["trace"], USAGE, "info, export or summary?"),
    ("no trace", ["trace", "info"], USAGE, "which file?"),
    ("a verb of nobody's", ["trace", "sing", "f"], USAGE, "no verb"),
    ("info as csv", ["trace", "info", "f", "--format", "csv"], USAGE, "human or json"),
    ("info into a file", ["trace", "info", "f", "--out", "o.csv"], USAGE, "belongs to export"),
    ("a summary of no event", ["trace", "summary", "f", "--event", "nod"], USAGE, "info, ack, retransmit"),
    ("export for people", ["trace", "export", "f", "--format", "human"], USAGE, "jsonl or csv"),
    ("export of no event", ["trace", "export", "f", "--event", "ack,"], USAGE, "--event takes"),
    ("export of no flow", ["trace", "export", "f", "--flow", "0"], USAGE, "--flow takes"),
    ("export backwards", ["trace", "export", "f", "--from", "2s", "--to", "1s"], USAGE, "--to is before"),
    ("export as neither", ["trace", "export", "f", "--out", "f.xml"], USAGE, "--out takes a name"),
    ("export as both", ["trace", "export", "f", "--format", "csv", "--out", "f.jsonl"], USAGE, "differ"),
    ("a trace that is not there", ["trace", "info", "/nonexistent"], BAD_FILE, "/nonexistent"),
    ("the daemon with a wrong option", ["agent", "--fast"], USAGE, "--fast"),
    ("its configuration is a directory", ["-c", "/"], BAD_FILE, "/ is no regular file"),
    ("a status of nobody", ["status", "--state-dir", "/nonexistent"], NOT_DONE, "/nonexistent"),
    ("a command to come", ["packages"], CANNOT_HERE, "packages is not in this release"),
    ("a CA file that is not there", ["test", "--ca-file", "/nonexistent.pem"], BAD_FILE,
     "/nonexistent.pem"),
    ("a CA file that is a device", ["test", "--ca-file", "/dev/null"], BAD_FILE,
     "/dev/null: it is no regular file"),
    ("a CA file that is a directory", ["test", "--ca-file", "/"], BAD_FILE, "it is a directory"),
    ("no such device", ["test", "--server", "h", "--interface", "nope7"], NOT_DONE, "nope7"),
]


@pytest.mark.parametrize("words, code, says", [c[1:] for c in USAGE_ERRORS],
                         ids=[c[0] for c in USAGE_ERRORS])
def test_r66_refused_with_one_clear_line(words, code, says):
    r = run(*words)
    assert r.returncode == code, r.stderr
    assert says in r.stderr
    assert r.stderr.count("\n") == 1
    assert r.stdout == ""


@pytest.mark.parametrize("command", ["test", "serve", "trace", "record", "report", "results", "register", "doctor",
                                     "agent", "status", "sentry"])
def test_r66_every_command_refuses_what_it_does_not_know(command, tmp_path):
    """And has done nothing by then: there is no file of it."""
    r = run(command, "--frobnicate", cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)})
    assert r.returncode == USAGE and r.stdout == ""
    assert "--frobnicate" in r.stderr and r.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_refused_locate_url_is_said_without_its_token():
    r = run("test", "--locate-url", "ftp://user:hush@h/v2?token=hush")
    assert r.returncode == USAGE and "ftp://" in r.stderr and "hush" not in r.stderr


@pytest.mark.parametrize("words", [["test"], ["serve"], ["trace"], ["record"], ["report"], ["results"], ["register"],
                                   ["doctor"], ["agent"], ["status"], ["sentry"], ["help"], []])
def test_help_fits_80_columns_and_exits_0(words):
    r = run(*words, "--help")
    assert r.returncode == DONE and r.stderr == ""
    assert "Usage: radar-pod" in r.stdout
    assert max(map(len, r.stdout.splitlines())) <= 80


def test_help_lists_only_what_is_there():
    listed = re.findall(r"^  ([a-z]+) ", run("help").stdout.split("Options:")[0], re.M)
    assert listed == ["test", "serve", "trace", "record", "report", "results", "register", "doctor",
                      "agent", "status", "sentry", "help"]
    for command in listed:
        assert run("help", command).returncode == DONE


@pytest.mark.parametrize("command", ["test", "serve", "trace", "record", "report", "results", "register", "doctor",
                                     "agent", "status"])
def test_every_option_has_its_place_in_the_manual(command):
    page = (MANUAL / f"radar-pod-{command}.1").read_text()
    described = set(re.findall(r"^\.It Fl -?([-a-z0-9]+)", page, re.M))
    helped = set(re.findall(r"^  --?([-a-z0-9]+)", run(command, "--help").stdout, re.M))
    assert described - {"h"} == helped


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_manual_pages_are_clean(tmp_path):
    (tmp_path / "man1").mkdir()
    pages = sorted(MANUAL.glob("*.1"))
    for page in pages:
        shutil.copy(page, tmp_path / "man1")
    r = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *map(str, pages)],
                       stdout=subprocess.PIPE, text=True)
    assert r.stdout == ""


def started_as_daemon(words, **environment):
    """What it says where its configuration is not valid: nothing is begun."""
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


@pytest.mark.parametrize("name", ["radar_agent", "radar-agent", None])
def test_without_arguments_it_is_the_daemon(name, tmp_path):
    """Under the first agent's names, and under its own where there is no terminal."""
    config = tmp_path / "config.conf"
    config.write_text("ping_freq=never\n")
    link = tmp_path / (name or "radar-pod")
    link.symlink_to(PROGRAM)
    r = started_as_daemon([link], RADAR_CONFIG_PATH=str(config))
    assert r.returncode == BAD_FILE
    assert "ping_freq" in r.stderr and r.stderr.count("\n") == 1


# --- -v --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-v", "--version", "-version"])
def test_r64_version_begins_with_the_bare_version(option):
    r = run(option)
    first, *others = r.stdout.splitlines()
    assert r.returncode == DONE and r.stderr == ""
    assert re.fullmatch(r"(\d+\.){2}\d+", first)
    assert f"Version: {first}" in others
    assert all(re.match(r"[A-Za-z]+: ", line) for line in others)


@pytest.mark.parametrize("option", ["-vv", "--vv"])
def test_r65_version_as_json(option):
    v = json.loads(run(option).stdout)
    assert set(v) == {"client_id", "version", "distribution", "net_interfaces", "watchdog_version",
                      "registration_token"}
    assert (v["client_id"], v["watchdog_version"], v["registration_token"]) == ("", "", "")
    assert v["distribution"].startswith("linux-")
    assert "lo" in [i["name"] for i in v["net_interfaces"]]
    assert all(list(i) == ["name", "mac", "ips", "default", "is_wlan"] for i in v["net_interfaces"])


def test_version_says_which_pod_it_is(tmp_path):
    """R65, from the configuration; its secret is nobody's business."""
    config = tmp_path / "config.conf"
    config.write_text("client_id=rk7m2q9xw3zt\nsecret=hT7wQ9mZp2K\nregistration_token=token==\n")
    environment = {**os.environ, "RADAR_CONFIG_PATH": str(config)}
    v = json.loads(run("-vv", env=environment).stdout)
    assert (v["client_id"], v["registration_token"]) == ("rk7m2q9xw3zt", "token==")
    words = run("-v", env=environment).stdout
    assert "ClientID: rk7m2q9xw3zt\n" in words and "hT7wQ9mZp2K" not in words + str(v)


@pytest.mark.parametrize("text", ["client_id", "ping_freq=never\nclient_id=rk7m2q9xw3zt\n", "\0"])
def test_version_is_told_whatever_the_configuration_says(text, tmp_path):
    (tmp_path / "config.conf").write_text(text)
    for option in ("-v", "-vv"):
        r = run(option, env={**os.environ, "RADAR_CONFIG_PATH": str(tmp_path / "config.conf")})
        assert r.returncode == DONE and r.stderr == ""


@pytest.mark.parametrize("name", ["radar-pod.tmp", "radar_agent.tmp"])
def test_r64_version_as_an_update_is_asked(name, tmp_path):
    """The new executable beside the old one, by whoever is about to put it there: with next to no environment."""
    program = tmp_path / name
    shutil.copy2(PROGRAM, program)
    before = sorted(tmp_path.iterdir())
    r = subprocess.run([program, "-v"], env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=60 if SANITIZED else 1)
    assert r.returncode == DONE and r.stderr == ""
    assert r.stdout.splitlines()[0] == run("-v").stdout.splitlines()[0]
    assert sorted(tmp_path.iterdir()) == before


@thread_sanitizer
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("option, sockets", [("-v", "none"), ("-vv", "AF_NETLINK")])
def test_r64_version_writes_no_file_and_uses_no_network(option, sockets, tmp_path):
    """The kernel is asked for the interfaces, which is no network."""
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=%file,%network,io_uring_setup",
                    PROGRAM, option], stdout=subprocess.DEVNULL, check=True, timeout=30,
                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    calls = trace.read_text()
    assert not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE", calls), calls
    assert not re.search(rf"\bsocket\w*\((?!{sockets},)", calls), calls
    assert not re.search(r"\b(connect|io_uring_setup|unlink|rename|mkdir)\w*\(", calls), calls
    assert not re.search(r"libcurl|ca-certificates|openssl\.cnf", calls), calls


# --- AES-GCM by vectors ------------------------------------------------------------------------------

WSS = ["--insecure", "--max-bytes", "2MB", "--format", "json", "--no-store"]


@pytest.fixture(scope="module")
def vectors():
    """The name of the library that does it, where doctor says that it is in use."""
    [gcm] = [f for f in json.loads(run("doctor", "--json").stdout)["findings"] if f["what"] == "aes-gcm"]
    if "VAES" not in gcm["detail"]:
        pytest.skip(f"AES-GCM {gcm['detail']}")
    return gcm["detail"].split()[-1]


@pytest.mark.parametrize("scheme, loaded", [("wss", True), ("ws", False)])
def test_a_test_by_wss_has_its_cipher_by_vectors(server, vectors, scheme, loaded):
    r = run("test", "--server", server[scheme], *WSS, env={**os.environ, "LD_DEBUG": "files"})
    assert r.returncode == DONE and json.loads(r.stdout)["download"]["bytes"] > 1_000_000
    assert "calling init: " in r.stderr
    assert bool(re.search(f"calling init: .*{re.escape(vectors)}", r.stderr)) == loaded


@pytest.mark.skipif(os.geteuid() != 0, reason="files are hidden as root")
def test_without_the_library_openssl_does_it_and_doctor_says_so(server, vectors):
    hidden = f"mount --bind /dev/null $(readlink -f $(ldconfig -p | awk '/{vectors}/ {{ print $NF }}'))"

    def without(*words):
        return subprocess.run(["unshare", "-m", "sh", "-ec", f"{hidden}; exec \"$@\"", "sh", PROGRAM, *words],
                              capture_output=True, text=True, timeout=60)

    r = without("test", "--server", server["wss"], *WSS)
    assert r.returncode == DONE and json.loads(r.stdout)["download"]["bytes"] > 1_000_000, r.stderr
    [gcm] = [f for f in json.loads(without("doctor", "--json").stdout)["findings"] if f["what"] == "aes-gcm"]
    assert gcm["state"] == "less" and "by OpenSSL" in gcm["detail"] and "libipsec-mb1" in gcm["remedy"]


# --- doctor ----------------------------------------------------------------------------------------


def test_doctor_says_what_follows_and_what_to_do():
    d = json.loads(run("doctor", "--json").stdout)
    findings = {f["what"]: f for f in d["findings"]}
    assert {"kernel", "io_uring", "epoll", "clock", "aes", "aes-gcm", "ktls", "ca store", "libcurl",
            "congestion control", "capabilities", "sandbox", "btf", "cgroup"} <= set(findings)
    for f in d["findings"]:
        assert f["state"] in ("good", "less", "broken")
        assert f["detail"]
        assert f["state"] == "good" or f["follows"]


def test_doctor_without_rights_says_what_they_are_for():
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    drop = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--"] if os.geteuid() == 0 else []
    r = subprocess.run([*drop, PROGRAM, "doctor", "--json"], capture_output=True, text=True, timeout=60)
    rights = next(f for f in json.loads(r.stdout)["findings"] if f["what"] == "capabilities")
    assert rights["state"] == "less" and "each ACK" in rights["follows"]
    assert "not in this release" not in rights["follows"]


def test_doctor_for_people_fits_80_columns_without_escapes():
    r = run("doctor")
    assert r.returncode == DONE
    assert "\x1b" not in r.stdout
    assert max(map(len, r.stdout.splitlines())) <= 80


# --- formats ---------------------------------------------------------------------------------------


def test_json_is_one_object_as_the_schema_says(server):
    jsonschema = pytest.importorskip("jsonschema")
    r = short(server, "--format", "json")
    assert r.returncode == DONE and r.stderr == ""
    result = json.loads(r.stdout)
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    for direction in ("download", "upload"):
        d = result[direction]
        assert d["complete"] and d["ending"] == "max_bytes"
        assert d["goodput_mbps"] == pytest.approx(d["bytes"] * 8e-6 / d["elapsed_s"], rel=1e-3)
    assert result["errors"] == []


def test_n91_a_whole_test_says_all_of_itself(server):
    jsonschema = pytest.importorskip("jsonschema")
    r = run("test", "--server", server["ws"], "--format", "json")
    assert r.returncode == DONE and r.stderr == ""
    result = json.loads(r.stdout)
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert result["scheme"] == "ws" and result["client_ip"] == "127.0.0.1"
    assert result["latency"]["idle_ms"] > 0
    for direction, source in (("download", "client received"), ("upload", "server tcp_info")):
        d = result[direction]
        assert d["complete"] and d["ending"] in ("close", "time")
        assert d["goodput_source"] == source
        assert 9.5 < d["elapsed_s"] < 13
        assert d["samples"] > 100 and d["rtt_ms"]["p50"] <= d["rtt_ms"]["p99"]
        assert d["server"]["bytes"] == pytest.approx(d["bytes"], rel=0.05) # what was on its way


def test_json_of_a_failure_is_null_with_its_reason():
    jsonschema = pytest.importorskip("jsonschema")
    with socket.socket() as nobody: # bound and not listening: refused
        nobody.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        r = run("test", "--server", url, "--format", "json")
    assert r.returncode == NOT_DONE
    result = json.loads(r.stdout)
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert result["download"] is None and result["upload"] is None
    assert [e["test"] for e in result["errors"]] == ["download", "upload"]
    assert all(e["code"] == "ECONNREFUSED" for e in result["errors"])
    assert "Connection refused" in r.stderr


def test_one_direction_only(server):
    result = json.loads(short(server, "--upload", "--format", "json").stdout)
    assert result["download"] is None and result["upload"]
    assert result["errors"] == []


def test_both_switches_are_both_directions(server):
    result = json.loads(short(server, "--upload", "--download", "--format", "json").stdout)
    assert result["download"] and result["upload"]


def test_io_epoll_is_said(server):
    result = json.loads(short(server, "--io", "epoll", "--format", "json").stdout)
    assert result["agent"]["io"] == "epoll"


def test_interface_is_proved(server):
    result = json.loads(short(server, "--interface", "lo", "--format", "json").stdout)
    assert result["interface"]["name"] == "lo"
    assert result["interface"]["effective"]


def test_insecure_is_said(server):
    r = run("test", "--server", server["wss"], "--max-bytes", "2MB", "--insecure", "--format", "json")
    result = json.loads(r.stdout)
    assert r.returncode == DONE
    assert result["tls"]["verified"] is False
    assert any("not verified" in w for w in result["warnings"])


def test_an_unverified_certificate_is_refused(server):
    r = run("test", "--server", server["wss"], "--format", "json")
    assert r.returncode == NOT_DONE
    assert {e["domain"] for e in json.loads(r.stdout)["errors"]} == {"tls"}


def test_n86_jsonl_events_then_the_summary(server):
    r = short(server, "--format", "jsonl")
    assert r.returncode == DONE
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    events, summary = lines[:-1], lines[-1]
    keys = [e["Key"] for e in events]
    assert all(set(e) == {"Key", "Value"} for e in events)
    assert [k for k in keys if k != "measurement"] == 2 * ["starting", "connected", "complete"]
    assert events[1]["Value"] == {"Test": "download", "Server": "127.0.0.1"}
    for e in events:
        assert e["Value"]["Test"] in ("download", "upload")
        assert e["Key"] != "measurement" or e["Value"]["Origin"] in ("client", "server")
    assert set(summary) == {"ServerFQDN", "ServerIP", "ClientIP", "Download", "Upload"}
    for direction in ("Download", "Upload"):
        assert set(summary[direction]) == {"UUID", "Throughput", "Latency", "Retransmission"}
        assert summary[direction]["Throughput"]["Unit"] == "Mbit/s"


def test_n87_jsonl_of_a_failure():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        r = run("test", "--server", f"ws://127.0.0.1:{nobody.getsockname()[1]}", "--download",
                "--format", "jsonl")
    assert r.returncode == NOT_DONE
    *events, summary = [json.loads(line) for line in r.stdout.splitlines()]
    assert [e["Key"] for e in events] == ["starting", "error", "complete"]
    assert events[1]["Value"]["Failure"]
    assert summary["Download"]["Throughput"] == {"Value": 0, "Unit": ""}
    assert summary["Upload"] is None


def test_r31_r32_raw_is_what_the_pod_service_takes(server):
    r = short(server, "--format", "raw")
    assert r.returncode == DONE
    *rows, summary = [json.loads(line) for line in r.stdout.splitlines()]
    assert set(summary) == {"Download", "Upload", "MinRTT"}
    assert all(isinstance(v["Value"], (int, float)) and v["Value"] > 0 for v in summary.values())
    counted = {}
    for row in rows:
        assert row["Key"] == "measurement"
        value = row["Value"]
        assert value.get("ConnectionInfo", {}) is not None
        if value["Test"] == "download" and "TCPInfo" in value:
            assert value["TCPInfo"]["BytesSent"] > 0
        if value["Origin"] == "client":
            counted[value["Test"]] = value["AppInfo"]
    assert set(counted) == {"download", "upload"}
    download = counted["download"]
    # Over loopback 2 MB take half a millisecond, and rows count whole microseconds.
    assert summary["Download"]["Value"] == pytest.approx(
        8 * download["NumBytes"] / download["ElapsedTime"], rel=2 / download["ElapsedTime"])


def test_r33_raw_of_a_failure_is_nothing():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        r = run("test", "--server", f"ws://127.0.0.1:{nobody.getsockname()[1]}", "--format", "raw")
    assert r.returncode == NOT_DONE
    assert r.stdout == ""
    assert "no download was measured" in r.stderr


def test_human_in_a_pipe_is_a_summary_without_escapes(server):
    out, _ = broken_off(server, "--upload", after=1.5)
    assert "\x1b" not in out and "\r" not in out
    assert max(map(len, out.splitlines())) <= 80
    for word in ("Upload", "as received by the server", "Latency", "Server", "Data used"):
        assert word in out


# --- a terminal ------------------------------------------------------------------------------------


def on_terminal(words, columns=80, seconds=60, interrupt_at=None, **environment):
    """Everything the program writes to a terminal of its own, and its exit code. It is interrupted when so many
    drawings have been made."""
    env = {"TERM": "xterm", "LANG": "C.UTF-8", "PATH": os.environ["PATH"], **environment}
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execve(PROGRAM, [PROGRAM, *words], env)
    written, began = b"", time.monotonic()
    while time.monotonic() - began < seconds:
        if interrupt_at and len(drawn_lines(written.decode(errors="ignore"))) > interrupt_at:
            os.write(terminal, b"\x03")
            interrupt_at = None
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                more = os.read(terminal, 65536)
            except OSError: # the other end is gone
                break
            if not more:
                break
            written += more
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return written.decode(), os.waitstatus_to_exitcode(status)


def drawn_lines(text):
    """What was drawn over itself, each drawing by itself and without escape sequences."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return [line for line in re.split(r"[\r\n]+", plain) if line.startswith(("Download", "Upload"))]


@pytest.fixture(scope="module")
def interrupted(server):
    return on_terminal(["test", "--server", server["ws"]], interrupt_at=12)


def test_a_line_moves_and_stays_on_its_line(interrupted):
    text, _ = interrupted
    lines = drawn_lines(text)
    assert 12 < len(lines) < 100 # ten a second; in less than its ten seconds
    assert all(len(line) <= 80 for line in lines)
    assert any("█" in line and "bit/s" in line and "s left" in line for line in lines)


def test_interrupted_prints_what_was_measured(interrupted):
    text, code = interrupted
    assert code == NOT_DONE
    assert "ended early" in text
    assert "download: interrupted after" in text


def test_the_cursor_is_never_hidden(interrupted):
    text, _ = interrupted
    assert "\x1b[?25" not in text and "\x1b[?1049" not in text


@pytest.mark.parametrize("columns", [20, 40, 60, 132])
def test_the_line_fits_any_width(server, columns):
    text, _ = on_terminal(["test", "--server", server["ws"], "--download"], columns=columns,
                          interrupt_at=5)
    assert all(len(line) <= columns for line in drawn_lines(text))


@pytest.mark.parametrize("columns", [20, 39, 40, 60, 80])
def test_the_summary_fits_the_terminal(server, columns):
    text, _ = on_terminal(["test", "--server", server["ws"], "--max-bytes", "2MB"],
                          columns=columns)
    lines = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).split("\r\n\r\n", 1)[1].split("\r\n")
    assert any(line.startswith("  Upload") for line in lines)
    assert [line for line in lines if len(line) > columns] == []


def test_no_color_has_neither_colour_nor_a_moving_line(server):
    text, _ = on_terminal(["test", "--server", server["ws"], "--max-bytes", "2MB"], NO_COLOR="1")
    assert "\x1b" not in text and not re.search(r"\r(?!\n)", text)
    assert text.startswith("  Download") and "Data used" in text


def test_a_dumb_terminal_gets_no_escapes(server):
    text, _ = on_terminal(["test", "--server", server["ws"], "--download"], TERM="dumb", LANG="C",
                          interrupt_at=5)
    assert "\x1b" not in text
    assert text.replace("^C", "").isascii()
    assert "[=" in text or "[>" in text


def test_without_arguments_on_a_terminal_it_helps():
    text, code = on_terminal([])
    assert code == DONE
    assert "Usage: radar-pod" in text


# --- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_partial_result(server, number):
    out, code = broken_off(server, "--format", "json", number=number)
    result = json.loads(out)
    assert code == NOT_DONE
    assert result["interrupted"] is True
    assert result["download"]["complete"] is False and result["download"]["bytes"] > 0
    assert result["upload"] is None
    assert [(e["test"], e["code"]) for e in result["errors"]] == [("upload", "ECANCELED")]
    assert "begin before the test was stopped" in result["errors"][0]["error"]


def test_a_signal_leaves_nothing_of_raw(server):
    assert broken_off(server, "--format", "raw") == ("", NOT_DONE)


def test_a_signal_while_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        p = subprocess.Popen([PROGRAM, "test", "--server",
                              f"ws://127.0.0.1:{silent.getsockname()[1]}"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until_connected(f"ws://127.0.0.1:{silent.getsockname()[1]}")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=6.5) # and not when its 7 s are over
        assert p.returncode == NOT_DONE


@pytest.mark.parametrize("number, other", [(signal.SIGINT, signal.SIGTERM),
                                           (signal.SIGTERM, signal.SIGINT)])
def test_an_ignored_signal_stays_ignored(server, number, other):
    p = subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--format", "json"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    wait_until_connected(server["ws"])
    for _ in range(2):
        time.sleep(0.3)
        p.send_signal(number)
    time.sleep(0.3)
    assert p.poll() is None
    p.send_signal(other)
    out, _ = p.communicate(timeout=15)
    assert p.returncode == NOT_DONE
    assert json.loads(out)["interrupted"] is True


@thread_sanitizer
def test_the_second_signal_ends_at_once(server):
    p = subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--format", "json"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until_connected(server["ws"])
    time.sleep(1.0)
    # While it is stopped both signals gather, and it hears one right after the other.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        p.send_signal(number)
    out, _ = p.communicate(timeout=15)
    assert p.returncode == -signal.SIGTERM
    assert out == ""


def test_serve_ends_in_order():
    with serving() as (urls, server):
        p = subprocess.Popen([PROGRAM, "test", "--server", urls["ws"], "--format", "json",
                              "--download"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_until_connected(urls["ws"])
        time.sleep(1.0)
        server.told = True
        server.terminate()
        assert server.wait(timeout=15) == DONE
        out, _ = p.communicate(timeout=30)
        assert json.loads(out)["download"]["bytes"] > 0


def test_serve_says_of_a_refused_request_its_status(tmp_path):
    with (tmp_path / "said").open("w+") as said:
        p = subprocess.Popen([PROGRAM, "serve", "--ws", "0"], stdout=subprocess.PIPE, stderr=said,
                             text=True)
        port = int(p.stdout.readline().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as c:
            c.sendall(b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"404" in c.recv(4096)
        p.terminate()
        assert p.wait(timeout=10) == DONE
        p.stdout.close()
        said.seek(0)
        assert re.search(r"127\.0\.0\.1:\d+ other 404\n", said.read())


# --- where the result goes -------------------------------------------------------------------------


def test_output_writes_a_file_and_nothing_else(server, tmp_path):
    r = short(server, "--format", "json", "--output", str(tmp_path / "r.json"))
    assert r.returncode == DONE and r.stdout == ""
    assert [f.name for f in tmp_path.iterdir()] == ["r.json"]
    assert json.loads((tmp_path / "r.json").read_text())["download"]


@pytest.mark.parametrize("format", ["human", "raw"])
def test_output_is_kept_when_a_test_fails(tmp_path, format):
    (tmp_path / "r").write_text("old")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        r = run("test", "--server", f"ws://127.0.0.1:{nobody.getsockname()[1]}", "--format", format,
                "--output", str(tmp_path / "r"))
    assert r.returncode == NOT_DONE
    assert (tmp_path / "r").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def fails_before_the_test(server, path):
    began = time.monotonic()
    r = run("test", "--server", server["ws"], "--output", str(path))
    assert r.returncode == NOT_DONE
    assert str(path) in r.stderr and r.stderr.count("\n") == 2 and "\nhint: " in r.stderr
    assert time.monotonic() - began < 15 # a test takes twenty
    return r.stderr


def test_output_to_a_missing_directory_fails_before_the_test(server, tmp_path):
    assert "No such file" in fails_before_the_test(server, tmp_path / "nowhere/r")


def test_output_to_a_directory_fails_before_the_test(server, tmp_path):
    assert "Is a directory" in fails_before_the_test(server, tmp_path)


@contextlib.contextmanager
def mounted(directory, options):
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mounts = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", directory],
                            capture_output=True, text=True)
    if mounts.returncode != 0:
        pytest.skip(f"tmpfs cannot be mounted here: {mounts.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


def test_the_result_goes_to_a_file_beside_what_is_printed(server, tmp_path):
    path = tmp_path / "r.json"
    r = short(server, "--result", str(path))
    assert r.returncode == DONE and "  Download" in r.stdout
    assert json.loads(path.read_text())["download"]["bytes"] > 0
    r = short(server, "--result", str(path), "--output", str(tmp_path / "r.txt"))
    assert r.returncode == DONE and r.stdout == ""
    assert "  Download" in (tmp_path / "r.txt").read_text()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_result_is_there_where_nothing_was_measured(tmp_path):
    r = run("test", "--server", "ws://127.0.0.1:1", "--result", str(tmp_path / "r.json"))
    assert r.returncode == NOT_DONE
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["download"] is None and len(result["errors"]) == 2


def test_a_result_that_cannot_be_written_fails_before_the_test(server, tmp_path):
    r = run("test", "--server", server["ws"], "--result", str(tmp_path / "nowhere/r"))
    assert r.returncode == NOT_DONE and r.stdout == "" and "No such file" in r.stderr


def test_output_to_a_full_disk_fails_before_the_test(server, tmp_path):
    with mounted(tmp_path, "size=64k"):
        with open(tmp_path / "fill", "wb") as f, contextlib.suppress(OSError):
            f.write(bytes(1 << 20))
            f.flush()
        assert "No space left" in fails_before_the_test(server, tmp_path / "r")
        assert [f.name for f in tmp_path.iterdir()] == ["fill"]


def test_output_to_a_disk_that_fills_meanwhile_leaves_nothing(server, tmp_path):
    with mounted(tmp_path, "size=64k"):
        p = subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--format", "json",
                              "--output", str(tmp_path / "r")],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until_connected(server["ws"])
        time.sleep(1.0)
        with open(tmp_path / "fill", "wb") as f, contextlib.suppress(OSError):
            f.write(bytes(1 << 20))
            f.flush()
        p.send_signal(signal.SIGINT)
        result, said = p.communicate(timeout=15)
        assert p.returncode == NOT_DONE
        assert "No space left" in said and "the result is on standard output" in said
        assert json.loads(result)["download"]
        assert [f.name for f in tmp_path.iterdir()] == ["fill"]


@thread_sanitizer
def test_output_to_a_file_that_may_not_grow_fails_before_the_test(server, tmp_path):
    r = subprocess.run(["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", PROGRAM, "test", "--server",
                        server["ws"], "--output", str(tmp_path / "r")],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == NOT_DONE
    assert "File too large" in r.stderr and not list(tmp_path.iterdir())


def test_output_to_a_read_only_disk_fails_before_the_test(server, tmp_path):
    with mounted(tmp_path, "ro"):
        assert "Read-only" in fails_before_the_test(server, tmp_path / "r")


@pytest.mark.parametrize("format", ["human", "json", "jsonl", "raw"])
def test_n89_a_full_disk_behind_stdout(server, format):
    with open("/dev/full", "w") as full:
        r = short(server, "--format", format, stdout=full)
    assert r.returncode == NOT_DONE
    assert "No space left on device" in r.stderr
    assert r.stderr.count("standard output") == 1


@pytest.mark.parametrize("words", [["help"], ["-v"], ["-vv"], ["doctor"], ["doctor", "--json"]])
def test_n89_a_full_disk_behind_other_commands(words):
    with open("/dev/full", "w") as full:
        r = run(*words, stdout=full)
    assert r.returncode == NOT_DONE
    assert "No space left on device" in r.stderr


@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_n89_stdout_is_closed(server, format):
    began = time.monotonic()
    r = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", PROGRAM, "test", "--server", server["ws"],
                        "--format", format], stderr=subprocess.PIPE, text=True, timeout=60)
    assert r.returncode == NOT_DONE
    assert "standard output" in r.stderr
    assert time.monotonic() - began < 10  # not one direction of it was run


def test_n89_a_reader_that_goes_away_ends_the_test(server):
    p = subprocess.Popen([PROGRAM, "test", "--server", server["ws"], "--format", "jsonl"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p.stdout.readline()
    p.stdout.close()
    assert p.wait(timeout=15) == NOT_DONE # and not 20 s later
    assert "Broken pipe" in p.stderr.read()
    p.stderr.close()


# --- machines that lack something ------------------------------------------------------------------


def bar_io_uring():
    """As containers' default profiles do: io_uring_setup(2) answers EPERM, in this process and its
    children."""
    number = 425 # of every architecture
    load, jump_if_equal, answer = 0x20, 0x15, 0x06
    rules = [(load, 0, 0, 0), (jump_if_equal, 0, 1, number), (answer, 0, 0, 0x50000 | errno.EPERM),
             (answer, 0, 0, 0x7FFF0000)]
    code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program, 0, 0) == 0 # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def test_h7_io_uring_barred_and_asked_for(server):
    r = short(server, "--io", "io_uring", preexec_fn=bar_io_uring)
    assert r.returncode == CANNOT_HERE
    assert "io_uring" in r.stderr and r.stdout == ""


def test_h7_io_uring_barred_falls_back_and_says_so(server):
    r = short(server, "--format", "json", preexec_fn=bar_io_uring)
    assert r.returncode == DONE
    agent = json.loads(r.stdout)["agent"]
    assert agent["io"] == "epoll" and "io_uring" in agent["io_reason"]


def test_h7_people_are_told_too(server):
    r = short(server, preexec_fn=bar_io_uring)
    assert r.returncode == DONE
    assert re.search(r"epoll \(could not [^)]*io_uring", " ".join(r.stdout.split()))


def test_h7_serve_says_it_once():
    p = subprocess.Popen([PROGRAM, "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, preexec_fn=bar_io_uring)
    p.stdout.readline()
    p.terminate()
    _, said = p.communicate(timeout=60)
    assert said.count("io_uring") == 1 and "the event loop is epoll" in said


def test_h7_doctor_says_who_bars_io_uring():
    r = run("doctor", "--json", preexec_fn=bar_io_uring)
    assert r.returncode == DONE
    finding, = (f for f in json.loads(r.stdout)["findings"] if f["what"] == "io_uring")
    assert finding["state"] == "less"
    assert "epoll" in finding["follows"] and finding["remedy"]



def test_serve_says_that_a_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        r = run("serve", "--ws", str(taken.getsockname()[1]))
    assert r.returncode == NOT_DONE
    assert "Address already in use" in r.stderr and "hint: " in r.stderr and "--ws" in r.stderr


def test_serve_says_that_there_is_no_such_congestion_control():
    r = run("serve", "--cc", "carrier-pigeon")
    assert r.returncode == CANNOT_HERE
    assert "carrier-pigeon" in r.stderr
    there = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().strip()
    assert f"hint: this kernel has {there}" in r.stderr


def socket_to(pid, port):
    """That process's socket whose peer has this port, as one of ours: pidfd_getfd(2)."""
    libc, began = ctypes.CDLL(None, use_errno=True), time.monotonic()
    process = os.pidfd_open(pid)
    try:
        while time.monotonic() - began < 20:
            for name in os.listdir(f"/proc/{pid}/fd"):
                fd = libc.syscall(438, process, int(name), 0)
                if fd < 0 and ctypes.get_errno() == errno.EPERM:
                    pytest.skip("pidfd_getfd(2) is not permitted here")
                if fd < 0: # it is closed again
                    continue
                if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                    os.close(fd)
                    continue
                found = socket.socket(fileno=fd)
                with contextlib.suppress(OSError):
                    if found.getpeername()[1] == port:
                        return found
                found.close()
            time.sleep(0.02)
    finally:
        os.close(process)
    pytest.fail(f"no socket of process {pid} is connected to port {port}")


def congestion_of(connection):
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


@pytest.mark.parametrize("words, control", [(["--cc", "reno"], "reno"), (["--cc", "cubic"], "cubic"), ([], "bbr")],
                         ids=["reno", "cubic", "as the reference"])
def test_serve_sets_what_its_connections_send_by(words, control):
    there = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if control not in there:
        pytest.skip(f"this kernel has no {control}")
    with serving(*words) as (urls, process), \
            socket.create_connection(("127.0.0.1", int(urls["ws"].rsplit(":", 1)[1]))) as client, \
            socket_to(process.pid, client.getsockname()[1]) as accepted:
        # The one is inherited, the other set behind accept(2), when the server is waiting for the request.
        assert congestion_of(accepted) == control
        assert eventually(lambda: accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_a_test_does_not_let_a_pong_wait_for_an_ack():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        p = subprocess.Popen([PROGRAM, "test", "--server", f"ws://127.0.0.1:{port}", "--no-store"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            silent.accept()[0].recv(1) # it has asked
            with socket_to(p.pid, port) as connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        finally:
            p.kill()
            p.wait()


def eventually(condition, seconds=20):
    began = time.monotonic()
    while not condition() and time.monotonic() - began < seconds:
        time.sleep(0.02)
    return condition()


def test_serve_says_that_nothing_was_measured():
    p = subprocess.Popen([PROGRAM, "serve", "--ws", "0"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    port = int(p.stdout.readline().rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /ndt/v7/upload HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                       b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       b"Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)) # a reset
    said = ""
    while "ended" not in said:
        line = p.stderr.readline()
        assert line, said
        said += line
    p.kill()
    p.communicate(timeout=10)
    assert "upload ended: before it was measured" in said and "0.0 Mbit/s" not in said


@pytest.mark.parametrize("value, warns", [("yes", 0), ("no", 0), ("", 0), ("maybe", 1)])
def test_a_variable_that_means_nothing_is_warned_of(value, warns):
    r = run("doctor", env={**os.environ, "RADAR_POD_CPU_AES": value})
    assert r.returncode == DONE
    assert r.stderr.count("RADAR_POD_CPU_AES takes yes or no") == warns


@pytest.mark.parametrize("aes, scheme", [("yes", "wss"), ("no", "ws")])
def test_the_scheme_follows_the_cpu(server, aes, scheme):
    host = server[scheme].partition("://")[2].strip("/")
    r = run("test", "--server", host, "--insecure", "--max-bytes", "2MB", "--format", "json",
            env={**os.environ, "RADAR_POD_CPU_AES": aes})
    assert r.returncode == DONE, r.stderr
    result = json.loads(r.stdout)
    assert (result["scheme"], result["scheme_reason"]) == (scheme, f"RADAR_POD_CPU_AES={aes}")


@pytest.mark.parametrize("aes, cipher", [("yes", "TLS_AES_128_GCM_SHA256"),
                                         ("no", "TLS_CHACHA20_POLY1305_SHA256")])
def test_the_cipher_follows_the_cpu(server, aes, cipher):
    r = run("test", "--server", server["wss"], "--insecure", "--max-bytes", "2MB", "--format", "json",
            env={**os.environ, "RADAR_POD_CPU_AES": aes})
    assert r.returncode == DONE, r.stderr
    assert json.loads(r.stdout)["tls"]["cipher"] == cipher


def test_a_test_warns_of_it_too(server):
    r = short(server, env={**os.environ, "RADAR_POD_CPU_AES": "maybe"})
    assert r.returncode == DONE
    assert r.stderr.count('RADAR_POD_CPU_AES takes yes or no, not "maybe"') == 1


def test_a_pipe_for_a_file_is_no_wait(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    for words in (["test", "--server", "h", "--ca-file", pipe],
                  ["serve", "--cert", pipe, "--key", pipe]):
        r = run(*words, timeout=30)
        assert r.returncode == BAD_FILE
        assert f"{pipe}: it is no regular file" in r.stderr


def test_a_file_that_is_empty(tmp_path):
    (tmp_path / "pem").touch()
    r = run("test", "--server", "h", "--ca-file", str(tmp_path / "pem"))
    assert r.returncode == BAD_FILE and "it is empty" in r.stderr


def test_serve_says_that_a_certificate_is_none(tmp_path):
    (tmp_path / "pem").write_text("nothing of the sort\n")
    pem = str(tmp_path / "pem")
    r = run("serve", "--wss", "0", "--cert", pem, "--key", pem)
    assert r.returncode == BAD_FILE
    assert pem in r.stderr and "hint: PEM files" in r.stderr


def test_a_ca_file_that_is_none(server, tmp_path):
    (tmp_path / "pem").write_text("nothing of the sort\n")
    r = run("test", "--server", server["wss"], "--ca-file", str(tmp_path / "pem"))
    assert r.returncode == BAD_FILE
    assert "pem" in r.stderr
