"""Every TCP connection of the program and of its children, with its identity and its exact totals."""

import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import DONE, OWN_GROUP, PROGRAM, Trace, groups, python, record, run, wait_until

SENDS = """
import os, socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(count):
    s = socket.create_connection((host, port))
    s.sendall(b"x" * 100_000)
    s.shutdown(socket.SHUT_WR)
    s.recv(1) # the far end has read it all
    print(os.getpid(), *s.getsockname()[:2], flush=True)
"""

IN_CHILDREN = f"""
import subprocess, sys
for i in range(2):
    subprocess.run([sys.executable, "-c", {SENDS!r}, *sys.argv[1:]], check=True)
"""


@pytest.mark.parametrize("stats", ["ebpf", "ebpf-sockops"])
@pytest.mark.parametrize("script, flows", [(SENDS, 3), (IN_CHILDREN, 6)], ids=["its own", "its children's"])
def test_every_connection_is_there_with_its_totals(tmp_path, sink, stats, script, flows):
    r = record(tmp_path / "t.jsonl", *python(script, "127.0.0.1", sink.port, 3), options=["--stats", stats])
    assert r.returncode == DONE, r.stderr
    t = Trace(tmp_path / "t.jsonl")
    said = {int(port): int(pid) for pid, _, port in map(str.split, r.stdout.splitlines())}
    assert t.header["source"] == stats
    assert {f["local_port"]: f["pid"] for f in t.flows} == said and len(said) == flows
    for flow in t.flows:
        assert (flow["local_ip"], flow["remote_ip"]) == ("127.0.0.1", "127.0.0.1")
        assert flow["remote_port"] == sink.port and flow["role"] == "client"
        assert flow["comm"].startswith("python") and flow["ending"] == "closed"
        assert t.last(flow)["bytes_acked"] == sink.received[flow["local_port"]] + 2 # SYN and FIN
        if stats == "ebpf":
            assert flow["congestion"] == pathlib.Path(
                "/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
            assert t.last(flow)["bytes_sent"] == sink.received[flow["local_port"]]


CHOOSES_LATE = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, sys.argv[3].encode())
s.sendall(b"x" * 1000)
"""


def test_congestion_control_chosen_after_connecting(tmp_path, sink):
    """iperf3 -C does so."""
    control = pathlib.Path("/proc/sys/net/ipv4")
    default = (control / "tcp_congestion_control").read_text().strip()
    others = set((control / "tcp_available_congestion_control").read_text().split()) - {default}
    if not others:
        pytest.skip("this kernel has one congestion control")
    chosen = min(others)
    r = record(tmp_path / "t.jsonl", *python(CHOOSES_LATE, "127.0.0.1", sink.port, chosen),
               options=["--stats", "ebpf"])
    assert r.returncode == DONE, r.stderr
    [flow] = Trace(tmp_path / "t.jsonl").flows
    assert flow["congestion"] == chosen


@pytest.mark.parametrize("stats", ["ebpf", "ebpf-sockops"])
def test_ipv6(tmp_path, sink6, stats):
    r = record(tmp_path / "t.csv", *python(SENDS, "::1", sink6.port, 1), options=["--stats", stats])
    assert r.returncode == DONE, r.stderr
    [flow] = Trace(tmp_path / "t.csv").flows
    assert (flow["local_ip"], flow["remote_ip"], flow["remote_port"]) == ("::1", "::1", sink6.port)


ACCEPTS = """
import os, socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], os.getpid(), flush=True)
    s, _ = listener.accept()
    try:
        while s.recv(100_000) and sys.argv[1] == "all":
            pass
    except ConnectionResetError:
        pass
    s.close()
"""

ABORT = b"\1\0\0\0\0\0\0\0" # SO_LINGER: close is a reset


def accept(tmp_path, stats, what, end):
    """The trace of a program that accepts one connection, and its process id; `end` is what we do with ours."""
    p = subprocess.Popen([PROGRAM, "record", "--quiet", "--stats", stats, "--out", tmp_path / "t.jsonl",
                          *python(ACCEPTS, what)], stdout=subprocess.PIPE, text=True)
    port, pid = map(int, p.stdout.readline().split())
    with socket.create_connection(("127.0.0.1", port)) as s:
        ours = s.getsockname()[1]
        end(s)
    assert p.wait(timeout=60) == DONE
    t = Trace(tmp_path / "t.jsonl")
    [flow] = t.flows
    assert (flow["role"], flow["local_port"], flow["remote_port"]) == ("server", port, ours)
    return t, flow, pid


@pytest.mark.parametrize("stats", ["ebpf", "ebpf-sockops"])
def test_what_it_accepts_is_there_as_well(tmp_path, stats):
    t, flow, pid = accept(tmp_path, stats, "all", lambda s: s.sendall(b"x" * 500_000))
    assert t.last(flow)["bytes_received"] == 500_000 + 1 # and the FIN
    assert flow["pid"] == pid and flow["comm"].startswith("python")


def test_what_it_accepts_and_aborts(tmp_path):
    """Closed with data unread, which is a reset."""
    def end(s):
        s.sendall(b"x" * 200_000)
        with pytest.raises(ConnectionResetError):
            s.recv(1)
    _, flow, pid = accept(tmp_path, "ebpf", "some", end)
    assert flow["pid"] == pid and flow["ending"] == "reset sent"


def test_what_it_accepts_and_the_peer_aborts(tmp_path):
    """Then the network closed it, in whichever process ran."""
    _, flow, _ = accept(tmp_path, "ebpf", "all",
                        lambda s: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT))
    assert "pid" not in flow and flow["ending"] == "reset received"


def test_what_others_do_is_not_in_it(tmp_path, sink):
    """A connection of the same network, from outside the group."""
    p = subprocess.Popen([PROGRAM, "record", "--quiet", "--out", tmp_path / "t.jsonl", "sleep", "0.5"])
    subprocess.run(python(SENDS, "127.0.0.1", sink.port, 2), check=True, stdout=subprocess.DEVNULL)
    assert p.wait(timeout=60) == DONE
    assert Trace(tmp_path / "t.jsonl").flows == []


# A link to a neighbour: with an address, it is there and silent; without, nobody has it.
NOWHERE = """
ip link add here type veth peer name there && ip addr add 192.0.2.1/24 dev here &&
ip link set here up && ip link set there up && ip link set lo up && sleep 0.1 || exit 77
"""
SILENT = NOWHERE + "ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev here || exit 77"

CONNECTS = """
import socket, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(sys.argv[2]))
s.setblocking(sys.argv[3] == "waits")
print(s.connect_ex((sys.argv[1], 9)))
"""

NEVER_ESTABLISHED = {
    "refused": (NOWHERE, "127.0.0.1", 0, "waits", "111"), # ECONNREFUSED
    "timed out": (SILENT, "192.0.2.2", 500, "waits", "110"), # ETIMEDOUT
    "no route": (NOWHERE, "192.0.2.2", 0, "waits", "113"), # EHOSTUNREACH
    "given up": (SILENT, "192.0.2.2", 0, "goes", "115"), # EINPROGRESS
}


@pytest.mark.parametrize("stats", ["ebpf", "ebpf-sockops"])
@pytest.mark.parametrize("ending", NEVER_ESTABLISHED)
def test_a_connection_that_is_not_established_is_a_flow(tmp_path, stats, ending):
    """In a network namespace of the program's own."""
    setup, host, patience_ms, how, error = NEVER_ESTABLISHED[ending]
    command = [*python(CONNECTS, host, patience_ms, how)]
    r = record(tmp_path / "t.jsonl", "unshare", "--net", "sh", "-c", f'{setup}\nexec "$@"', "sh", *command,
               options=["--stats", stats])
    if r.returncode == 77:
        pytest.skip(f"no network namespace with a link here: {r.stderr.strip()}")
    assert (r.returncode, r.stdout.strip()) == (DONE, error), r.stderr
    t = Trace(tmp_path / "t.jsonl")
    [flow] = t.flows
    assert (flow["remote_ip"], flow["remote_port"], flow["role"]) == (host, 9, "client")
    assert flow["ending"] == (ending if stats == "ebpf" else "failed") and flow["pid"] > 0
    assert t.last(flow)["state"] == "close" and t.last(flow).get("bytes_acked", 0) == 0


def test_the_last_look_is_one_sample(tmp_path, sink):
    """The close and the end tell the same."""
    assert record(tmp_path / "t.jsonl", *python(SENDS, "127.0.0.1", sink.port, 2)).returncode == DONE
    t = Trace(tmp_path / "t.jsonl")
    assert [sum(s["flow"] == f["flow"] and s["state"] == "close" for s in t.samples) for f in t.flows] == [1, 1]


EXITS_AT_ONCE = """
import os, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
s.sendall(b"x" * 400_000)
os._exit(5) # with all of it in the kernel still
"""


@pytest.mark.parametrize("stats", ["ebpf", "ebpf-sockops"])
def test_it_exits_before_its_sockets_close(tmp_path, sink, stats):
    sink.pause_s = 0.5
    r = record(tmp_path / "t.jsonl", *python(EXITS_AT_ONCE, sink.port),
               options=["--stats", stats, "--linger", "10s"])
    assert r.returncode == 5, r.stderr
    t = Trace(tmp_path / "t.jsonl")
    [flow] = t.flows
    assert flow["ending"] and t.last(flow)["bytes_acked"] == 400_002


def test_a_connection_that_does_not_end_is_waited_for_with_a_bound(tmp_path, sink):
    """The peer never reads: what was sent stays, and with it the connection."""
    sink.pause_s = 3600
    script = EXITS_AT_ONCE.replace("400_000", "4_000_000").replace("s.sendall", "s.setblocking(False)\ns.send")
    r = record(tmp_path / "t.jsonl", *python(script, sink.port), options=["--linger", "200ms"])
    assert r.returncode == 5, r.stderr
    [flow] = Trace(tmp_path / "t.jsonl").flows
    assert flow.get("ending") is None


TEN_THOUSAND = """
import socket, sys, time
for i in range(10_000):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0") # no TIME_WAIT
    s.sendall(b"hello")
    s.close()
    time.sleep(float(sys.argv[2]))
"""
SANITIZED = re.search(b"__[at]san_init", pathlib.Path(PROGRAM).read_bytes()) is not None


def test_ten_thousand_flows(tmp_path, sink):
    """As fast as they come; who is built with sanitizers reads a fifth as fast, and gets as much more time."""
    p = subprocess.Popen([PROGRAM, "record", "--quiet", "--out", tmp_path / "t.jsonl.zst",
                          *python(TEN_THOUSAND, sink.port, 0.001 if SANITIZED else 0)])
    peak_kb = 0
    while p.poll() is None:
        peak_kb = max(peak_kb, status_kb(p.pid, "VmHWM"))
        time.sleep(0.02)
    assert p.returncode == DONE
    t = Trace(tmp_path / "t.jsonl.zst")
    assert len(t.flows) == 10_000 and t.end["lost"] == 0
    assert all(f["ending"] and f["remote_port"] == sink.port for f in t.flows)
    assert peak_kb < 48 << 10 or SANITIZED


def status_kb(pid, key):
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


STREAMS = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    s.sendall(b"x" * 100_000)
"""


def test_the_interval_thins_and_zero_does_not(tmp_path, sink):
    """How many ACKs come is the machine's; which of them are kept is ours."""
    apart_ns = {}
    for interval in ("0", "50ms"):
        path = tmp_path / f"{interval}.csv.zst"
        assert record(path, *python(STREAMS, sink.port, 1), options=["--interval", interval]).returncode == DONE
        t = Trace(path)
        assert t.end["lost"] == 0
        times = [s["at_ns"] for s in t.samples if s["event"] == "ack"]
        apart_ns[interval] = [b - a for a, b in zip(times, times[1:])]
    assert min(apart_ns["0"]) < 1_000_000 and min(apart_ns["50ms"]) >= 50_000_000
    assert len(apart_ns["0"]) > 2 * len(apart_ns["50ms"])


def test_what_the_ring_could_not_take_is_counted_and_told(tmp_path, sink):
    """The recorder is stopped, so that nothing is drained: 2,000 ends are more than the ring holds."""
    script = f"input()\n{TEN_THOUSAND.replace('10_000', '2_000')}\nprint('over', flush=True)\ninput()\n"
    with subprocess.Popen([PROGRAM, "record", "--out", tmp_path / "t.csv.zst", *python(script, sink.port, 0)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        try:
            wait_until(lambda: groups() and (OWN_GROUP / groups()[0] / "cgroup.procs").read_text(), "it to run")
            p.send_signal(signal.SIGSTOP)
            p.stdin.write("\n")
            p.stdin.flush()
            assert p.stdout.readline() == "over\n"
        finally:
            p.send_signal(signal.SIGCONT)  # whatever comes: a stopped one is waited for by each later test
        _, said = p.communicate("\n", timeout=60)
    assert p.returncode == DONE
    t = Trace(tmp_path / "t.csv.zst")
    assert t.end["lost"] > 0 and t.end["lost_for_space"] == 0
    assert f"lacks {t.end['lost']} samples" in said
    assert sum(int(n) for n in re.findall(r"(\d+) on CPU \d", said)) == t.end["lost"]
    assert ("missed_at_most" in t.end) == (t.header["source"] == "ebpf")
    assert ("may lack up to" in said) == (t.end.get("missed_at_most", 0) > 0)
    assert f"{t.end['lost']} samples" in run("trace", "info", tmp_path / "t.csv.zst").stdout
