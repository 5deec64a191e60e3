"""What a radio is doing, by a supplicant's socket (contract §7.5, §8.3, R43, R46): on both bodies of the loop, which
goes on meanwhile."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

from machine import PROBE
from supplicant import CONNECTED, SIGNAL, Supplicant

WAIT_MS = 2000
NOTHING = {"link": "not known", "connection_info": None}


def io_uring_is_barred():
    try:
        return pathlib.Path("/proc/sys/kernel/io_uring_disabled").read_text().strip() == "2"
    except FileNotFoundError:
        return False


@pytest.fixture(params=["io_uring", "epoll"])
def ask(request, tmp_path):
    """Asks about wlan0; what is left behind is nothing."""
    if request.param == "io_uring" and io_uring_is_barred():
        pytest.skip("io_uring is barred here")
    ours = tmp_path / "run"
    ours.mkdir()

    def asked(interface="wlan0", directory=None, sockets=tmp_path):
        r = subprocess.run([PROBE, "wifi", request.param, interface, str(directory or ours), str(sockets)],
                           capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stderr
        seen = json.loads(r.stdout)
        assert seen.pop("loop") == request.param
        return seen

    yield asked
    assert list(ours.iterdir()) == []


def outcome(seen):
    return {name: seen[name] for name in NOTHING}


def answering(tmp_path, status=(CONNECTED,), signal=(SIGNAL,)):
    return Supplicant(tmp_path, "wlan0", {b"STATUS": list(status), b"SIGNAL_POLL": list(signal)})


# --- what a supplicant says ------------------------------------------------------------------------


def test_the_contracts_connection_info(ask, tmp_path):
    with answering(tmp_path) as s:
        seen = ask()
    assert seen["link"] == "connected"
    assert seen["connection_info"] == {
        "bssid": "02:00:5e:aa:bb:cc", "status": "COMPLETED", "ip": "192.0.2.40", "signal": -57, "tx_speed": 433,
        "frequency": 5180, "channel": 36, "width": "80 MHz", "noise": -92, "ssid": "Lab"}
    assert all(type(v) in (int, str) for v in seen["connection_info"].values())
    assert [command for command, _ in s.asked] == ["STATUS", "SIGNAL_POLL"]


def test_our_socket_is_in_a_directory_that_is_ours_alone(ask, tmp_path):
    with answering(tmp_path) as s:
        assert ask()["connection_info"]["ssid"] == "Lab"
        assert ask()["connection_info"]["ssid"] == "Lab"
    places = [who for _, who in s.asked]
    assert s.modes == [0o700] * 4
    assert len(set(places)) == 2 # another name each time
    assert all(isinstance(e, PermissionError) for e in s.refused) # nobody else is heard


@pytest.mark.parametrize("state", ["INACTIVE", "DISCONNECTED", "SCANNING", "INTERFACE_DISABLED"])
def test_not_connected(ask, tmp_path, state):
    with answering(tmp_path, status=[f"wpa_state={state}\n".encode()]) as s:
        assert outcome(ask()) == {"link": "not connected", "connection_info": None}
    assert len(s.asked) == 1


@pytest.mark.parametrize("mhz, channel", [(2467, 12), (2472, 13), (2484, 14), (5720, 144), (5955, 1), (6415, 93)])
def test_R46_channels(ask, tmp_path, mhz, channel):
    frequency = f"{mhz}".encode()
    with answering(tmp_path, [CONNECTED.replace(b"5180", frequency)], [SIGNAL.replace(b"5180", frequency)]):
        info = ask()["connection_info"]
    assert (info["frequency"], info["channel"]) == (mhz, channel)


def test_a_value_with_equals_signs(ask, tmp_path):
    with answering(tmp_path, [CONNECTED.replace(b"ssid=Lab", b"ssid=a=b==c \\xc3\\xa4")]):
        assert ask()["connection_info"]["ssid"] == "a=b==c ä"


def test_what_a_driver_does_not_know_is_null(ask, tmp_path):
    with answering(tmp_path, signal=[b"RSSI=-57\nLINKSPEED=65535\nNOISE=9999\nFREQUENCY=5180\nWIDTH=unknown\n"]):
        info = ask()["connection_info"]
    assert info["signal"] == -57
    assert info["tx_speed"] is info["noise"] is info["width"] is None


def test_SIGNAL_POLL_refused(ask, tmp_path):
    with answering(tmp_path, signal=[b"FAIL\n"]):
        info = ask()["connection_info"]
    assert info["ssid"] == "Lab" and info["channel"] == 36 and info["signal"] is None


# --- R43: what cannot be had is no failure ---------------------------------------------------------


def test_R43_no_socket(ask):
    seen = ask()
    assert outcome(seen) == NOTHING and seen["took_ms"] < WAIT_MS


def test_R43_no_directory_of_sockets(ask, tmp_path):
    assert outcome(ask(sockets=tmp_path / "not" / "there")) == NOTHING


def test_R43_a_socket_that_nobody_reads(ask, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(tmp_path / "wlan0"))
    seen = ask()
    assert outcome(seen) == NOTHING and seen["took_ms"] < WAIT_MS


def test_R43_a_file_in_its_place(ask, tmp_path):
    (tmp_path / "wlan0").write_text("wpa_state=COMPLETED\n")
    assert outcome(ask()) == NOTHING


@pytest.mark.parametrize("where", ["not/there", "x" * 100], ids=["missing", "long"])
def test_R43_no_place_for_our_own(ask, tmp_path, where):
    with answering(tmp_path):
        assert outcome(ask(directory=tmp_path / where)) == NOTHING


def test_R43_a_socket_that_is_not_for_us(ask, tmp_path):
    """As it is where we are not in the supplicant's group."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("to be somebody else takes root and setpriv")
    with answering(tmp_path) as s:
        s.path.chmod(0o660)
        for place in [tmp_path, *tmp_path.parents][:3]:
            place.chmod(0o755)
        r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PROBE, "wifi", "epoll", "wlan0", "/tmp",
                            str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    assert outcome(json.loads(r.stdout)) == NOTHING and s.asked == []


def test_R43_silence(ask, tmp_path):
    with answering(tmp_path, status=[]) as s:
        seen = ask()
    assert outcome(seen) == NOTHING and len(s.asked) == 1
    assert WAIT_MS <= seen["took_ms"] < 2 * WAIT_MS
    assert seen["latest_tick_ms"] < WAIT_MS / 4 # the loop went on


def test_R43_silence_after_the_first_answer(ask, tmp_path):
    with answering(tmp_path, signal=[]):
        seen = ask()
    assert seen["connection_info"]["ssid"] == "Lab" and seen["connection_info"]["signal"] is None
    assert WAIT_MS <= seen["took_ms"] < 2 * WAIT_MS
    assert seen["latest_tick_ms"] < WAIT_MS / 4


def test_R43_it_ends_in_the_middle(ask, tmp_path):
    """Nobody tells us of a question that it had not read yet: then the wait ends it."""
    with answering(tmp_path) as s:
        s.leave_after = 1
        seen = ask()
    assert seen["connection_info"]["ssid"] == "Lab" and seen["connection_info"]["signal"] is None
    assert seen["took_ms"] < 2 * WAIT_MS


# --- hostile text ----------------------------------------------------------------------------------


@pytest.mark.parametrize("interface", ["../wlan0", "/etc/passwd", "..", ".", "", "a" * 16, "a" * 5000, "w/0"])
def test_a_name_that_no_interface_has(ask, tmp_path, interface):
    with answering(tmp_path) as s:
        assert outcome(ask(interface)) == NOTHING
    assert s.asked == []


HOSTILE = {
    "nothing": [b""],
    "zeros": [bytes(4096)],
    "any bytes": [bytes(range(256)) * 16],
    "no lines": [b"=" * 60000],
    "one endless line": [b"ssid=" + b"a" * 60000],
    "lines without end": [b"a=b\n" * 15000],
    "terminal escapes": [b"ssid=\x1b]0;x\x07\nwpa_state=\x1b[31m\n"],
    "JSON": [b'ssid="},"x":{"\nbssid="}],"default":true\n'],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_status(ask, tmp_path, what):
    with answering(tmp_path, status=HOSTILE[what]):
        seen = ask()
    assert outcome(seen) == NOTHING


def test_an_ssid_may_be_anything(ask, tmp_path):
    hostile = b'ssid=\\"},\\e[31m<b>\\x00\\xff'
    with answering(tmp_path, [CONNECTED.replace(b"ssid=Lab", hostile)]):
        assert ask()["connection_info"]["ssid"] == '"},?[31m<b>??'


def test_events_are_no_answers(ask, tmp_path):
    events = [b"<3>CTRL-EVENT-SCAN-RESULTS \n", b"<2>wpa_state=INACTIVE\n"] * 3
    with answering(tmp_path, [*events, CONNECTED], [*events, SIGNAL]):
        assert ask()["connection_info"]["signal"] == -57


def test_a_flood_of_events_ends_with_the_wait(ask, tmp_path):
    """Without an answer among them: the time for one is no longer for that."""
    with answering(tmp_path, status=[]) as s:
        s.pour_s = 2 * WAIT_MS / 1000
        seen = ask()
    assert outcome(seen) == NOTHING
    assert WAIT_MS <= seen["took_ms"] < 2 * WAIT_MS
    assert seen["latest_tick_ms"] < WAIT_MS / 4


# --- the real one ----------------------------------------------------------------------------------


def test_a_real_supplicant_answers(namespace, tmp_path):
    """wpa_supplicant itself, on a wired link, where it has no radio to tell of."""
    if not shutil.which("wpa_supplicant"):
        pytest.skip("wpa_supplicant is not installed")
    namespace.link("wlan0", "192.0.2.40/24")
    sockets, ours = tmp_path / "sockets", tmp_path / "run"
    ours.mkdir()
    (tmp_path / "conf").write_text(f"ctrl_interface={sockets}\nap_scan=0\n"
                                   "network={\n key_mgmt=IEEE8021X\n eap=MD5\n identity=\"x\"\n password=\"y\"\n}\n")
    with subprocess.Popen(namespace.inside("wpa_supplicant", "-Dwired", "-iwlan0", f"-c{tmp_path}/conf"),
                          stdout=subprocess.PIPE, text=True) as program:
        try:
            deadline = time.monotonic() + 10
            while not (sockets / "wlan0").exists():
                assert time.monotonic() < deadline and program.poll() is None, "it makes no socket"
                time.sleep(0.02)
            while (seen := namespace.probe("wifi", "epoll", "wlan0", ours, sockets))["link"] != "connected":
                assert seen["link"] == "not connected" and time.monotonic() < deadline, seen
        finally:
            program.terminate()
    assert seen["connection_info"]["status"] in ("ASSOCIATED", "COMPLETED")
    assert seen["connection_info"]["ip"] == "192.0.2.40"
    assert seen["connection_info"]["signal"] is None
