"""The interfaces of a pod, and which has the default route (contract §8.1, §8.2, R18, R44, R45): real namespaces,
against what iproute2 says of them."""

import base64
import ipaddress
import json
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

from machine import PROBE, PROGRAM, output_of

# --- R44: the default route ------------------------------------------------------------------------


def test_R44_by_a_gateway(namespace):
    namespace.link("eth0", "192.0.2.17/24")
    namespace.link("eth1", "198.51.100.17/24")
    namespace.ip("route add default via 198.51.100.1")
    assert namespace.default() == "eth1"


@pytest.mark.parametrize("kind", ["veth", "dummy", "tun"])
def test_R44_on_the_link(namespace, kind):
    namespace.link("eth0", "192.0.2.17/24")
    if kind == "tun":
        namespace.ip("tuntap add ppp0 mode tun")
        namespace.ip("link set ppp0 up")
        namespace.ip("addr add 192.0.2.200 peer 198.51.100.1 dev ppp0")
    else:
        namespace.link("ppp0", "198.51.100.2/32", kind=kind)
    namespace.ip("route add default dev ppp0")
    assert namespace.default() == "ppp0"
    if kind == "tun":
        assert [a["IP"] for a in namespace.interfaces()["ppp0"]["ips"] if "." in a["IP"]] == ["192.0.2.200"]


@pytest.mark.parametrize("how", ["via fe80::1 dev wan", "dev wan"])
def test_R44_IPv6_only(namespace, how):
    namespace.link("lan", "2001:db8:1::17/64")
    namespace.link("wan", "2001:db8:2::17/64")
    namespace.ip(f"-6 route add default {how}")
    assert namespace.default() == "wan"


def test_R44_IPv4_goes_before_IPv6(namespace):
    namespace.link("four", "192.0.2.17/24")
    namespace.link("six", "2001:db8::17/64")
    namespace.ip("-6 route add default dev six metric 1")
    assert namespace.default() == "six"
    namespace.ip("route add default via 192.0.2.1 metric 5000")
    assert namespace.default() == "four"


@pytest.mark.parametrize("first, second", [(600, 100), (100, 600)])
def test_R44_two_metrics(namespace, first, second):
    namespace.link("a", "192.0.2.17/24")
    namespace.link("b", "198.51.100.17/24")
    namespace.ip(f"route add default via 192.0.2.1 metric {first}")
    namespace.ip(f"route add default via 198.51.100.1 metric {second}")
    assert namespace.default() == ("a" if first < second else "b")


def test_R44_two_metrics_of_IPv6(namespace):
    namespace.link("a", "2001:db8:1::17/64")
    namespace.link("b", "2001:db8:2::17/64")
    namespace.ip("-6 route add default dev a metric 2048")
    namespace.ip("-6 route add default dev b metric 512")
    assert namespace.default() == "b"


@pytest.mark.parametrize("family, via", [("-4", ("192.0.2.1", "198.51.100.1")), ("-6", ("2001:db8:1::1", "2001:db8:2::1"))])
@pytest.mark.parametrize("weights, want", [((1, 5), "b"), ((5, 1), "a"), ((3, 3), "ab")])
def test_R44_multipath(namespace, family, via, weights, want):
    namespace.link("a", "192.0.2.17/24", "2001:db8:1::17/64")
    namespace.link("b", "198.51.100.17/24", "2001:db8:2::17/64")
    namespace.ip(f"{family} route add default nexthop via {via[0]} dev a weight {weights[0]} "
                 f"nexthop via {via[1]} dev b weight {weights[1]}")
    assert namespace.default() in list(want)


def test_R44_by_a_gateway_of_the_other_family(namespace):
    namespace.link("a", "2001:db8::17/64", "192.0.2.17/32")
    namespace.ip("route add default via inet6 fe80::1 dev a")
    assert namespace.default() == "a"


@pytest.mark.parametrize("kind", ["unreachable", "blackhole", "prohibit", "throw"])
@pytest.mark.parametrize("family", ["-4", "-6"])
def test_R44_what_leads_nowhere_is_no_default(namespace, kind, family):
    namespace.link("a", "192.0.2.17/24", "2001:db8::17/64")
    namespace.ip(f"{family} route add {kind} default metric 1")
    assert namespace.default() is None
    namespace.ip(f"{family} route add default dev a metric 700")
    assert namespace.default() == "a"


def test_R44_a_gateway_to_one_network_is_no_default(namespace):
    """What the first agent takes for one (W33)."""
    namespace.link("lan", "192.0.2.17/24")
    namespace.ip("route add 10.0.0.0/8 via 192.0.2.1")
    namespace.ip("route add 0.0.0.0/1 via 192.0.2.1")
    assert namespace.default() is None


def test_R44_only_table_main_counts(namespace):
    namespace.link("lan", "192.0.2.17/24")
    namespace.link("vpn", "198.51.100.17/24")
    for table in (100, 1000):
        namespace.ip(f"route add default via 198.51.100.1 table {table}")
    assert namespace.default() is None
    namespace.ip("route add default via 192.0.2.1 metric 4000")
    assert namespace.default() == "lan"


def test_R44_a_link_that_goes_down_takes_its_route_along(namespace):
    namespace.link("a", "192.0.2.17/24")
    namespace.link("b", "198.51.100.17/24")
    namespace.ip("route add default via 192.0.2.1 metric 100")
    namespace.ip("route add default via 198.51.100.1 metric 600")
    assert namespace.default() == "a"
    namespace.ip("link set dev a down")
    assert namespace.default() == "b"
    namespace.ip("link delete dev b")
    assert namespace.default() is None


def test_R44_nothing_at_all(namespace):
    assert namespace.default() is None


# --- every interface -------------------------------------------------------------------------------


def lay_vlan(namespace):
    namespace.link("eth0")
    namespace.ip("link add link eth0 name eth0.7 type vlan id 7")
    return "eth0.7", "vlan"


def lay_bridge(namespace):
    namespace.link("br0", kind="bridge")
    namespace.link("eth0")
    namespace.ip("link set eth0 master br0")
    return "br0", "bridge"


def lay_macvlan(namespace):
    namespace.link("eth0")
    namespace.ip("link add link eth0 name mv0 type macvlan")
    return "mv0", "macvlan"


@pytest.mark.parametrize("lay", [lay_vlan, lay_bridge, lay_macvlan])
def test_R44_virtual_links(namespace, lay):
    """Each is listed once, and may have the default route."""
    name, kind = lay(namespace)
    namespace.ip(f"link set {name} up")
    namespace.ip(f"addr add 192.0.2.17/24 dev {name}")
    namespace.ip("route add default via 192.0.2.1")
    assert namespace.default() == name
    assert namespace.probe("interfaces")["kinds"][name] == kind
    assert list(namespace.interfaces()) == [i["ifname"] for i in json.loads(namespace.ip("-j link"))]


def test_R45_what_iproute2_says(namespace):
    """Names, MAC, addresses, masks and order, of links that are up, down, without and with many addresses."""
    namespace.link("eth0", "192.0.2.17/24", "192.0.2.18/24", "10.0.0.1/30", "2001:db8::17/64", "2001:db8:9::1/127")
    namespace.link("br0", kind="bridge")
    namespace.ip("link add down0 type veth peer name down1")
    namespace.ip("tuntap add tun0 mode tun")
    truth = None
    while truth != (now := json.loads(namespace.ip("-j addr"))): # the kernel gives an address of its own, some time
        truth = now
        listed = json.loads(output_of(*namespace.inside(PROGRAM, "-vv")))["net_interfaces"]
    assert [i["name"] for i in listed] == [t["ifname"] for t in truth]
    for i, t in zip(listed, truth):
        mac = t.get("address", "") if ":" in t.get("address", "") else ""
        assert i["mac"] == ("" if set(mac) <= set("0:") else mac)
        assert [(a["IP"], ipaddress.ip_address(a["IP"]).max_prefixlen) for a in i["ips"]] == \
               [(a["local"], 32 if a["family"] == "inet" else 128) for a in t["addr_info"]]
        for a, b in zip(i["ips"], t["addr_info"]):
            mask = base64.b64decode(a["Mask"], validate=True)
            assert len(mask) == (4 if b["family"] == "inet" else 16)
            assert bin(int.from_bytes(mask, "big")).count("1") == b["prefixlen"]
            network = ipaddress.ip_network(f"{a['IP']}/{b['prefixlen']}", strict=False)
            assert mask == network.netmask.packed
        assert list(i) == ["name", "mac", "ips", "default", "is_wlan"]
        assert i["is_wlan"] is False


def test_the_contracts_bytes(namespace):
    namespace.ip("link add eth0 index 40 address 02:00:5e:10:00:01 type bridge")
    namespace.ip("addr add 192.0.2.17/24 dev eth0")
    assert ('{"name":"eth0","mac":"02:00:5e:10:00:01","ips":[{"IP":"192.0.2.17","Mask":"////AA=="}],'
            '"default":false,"is_wlan":false}') in output_of(*namespace.inside(PROGRAM, "-vv"))


def test_more_than_there_is_room_for(namespace):
    """300 links: 256 are told, and that of the default route is one of them."""
    batch = "".join(f"link add v{i} type veth peer name w{i}\n" for i in range(150))
    batch += "link set v149 up\nlink set w149 up\naddr add 192.0.2.17/24 dev v149\n"
    batch += "route add default via 192.0.2.1\n"
    subprocess.run(["ip", "-n", namespace.name, "-batch", "-"], input=batch, text=True, check=True)
    seen = namespace.probe("interfaces")
    assert len(seen["interfaces"]) == 256 and seen["interfaces_more"] == 300 + 1 - 256
    assert namespace.default() == "v149"


def test_addresses_of_one_leave_room_for_another(namespace):
    namespace.link("many")
    namespace.link("one", "192.0.2.17/24")
    batch = "".join(f"addr add 2001:db8::{i:x}/64 dev many nodad\n" for i in range(1, 101))
    subprocess.run(["ip", "-n", namespace.name, "-batch", "-"], input=batch, text=True, check=True)
    seen = namespace.probe("interfaces")
    addresses = {i["name"]: i["ips"] for i in seen["interfaces"]}
    total = json.loads(namespace.ip("-j addr show dev many"))[0]["addr_info"]
    assert len(addresses["many"]) == 32 and seen["addresses_more"] == len(total) - 32
    assert addresses["one"][0]["IP"] == "192.0.2.17"


def test_links_that_come_and_go_while_they_are_listed(namespace):
    """The kernel says that a listing was torn, and it is read again: what was there throughout is never missed."""
    namespace.link("eth0", "192.0.2.17/24")
    namespace.ip("route add default via 192.0.2.1")
    over = threading.Event()
    batch = "".join(f"link add v{i} type veth peer name w{i}\nlink delete v{i}\n" for i in range(20))

    def churn():
        while not over.is_set():
            subprocess.run(["ip", "-n", namespace.name, "-batch", "-"], input=batch, text=True, check=True)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            seen = namespace.probe("interfaces", 20)
            names = [i["name"] for i in seen["interfaces"]]
            assert len(names) == len(set(names))
            flagged = [i for i in seen["interfaces"] if i["default"]]
            assert seen["torn"] or [(i["name"], i["ips"][0]["IP"]) for i in flagged] == [("eth0", "192.0.2.17")]
    finally:
        over.set()
        thread.join()


def test_memory_stays(namespace):
    """What a day of heartbeats asks for, 5,760 times."""
    if b"__asan_" in pathlib.Path(PROBE).read_bytes() or b"__tsan_" in pathlib.Path(PROBE).read_bytes():
        pytest.skip("a sanitizer keeps what was freed")
    namespace.link("eth0", "192.0.2.17/24", "2001:db8::17/64")
    seen = namespace.probe("interfaces", 5760)
    assert seen["last_kb"] <= seen["first_kb"], seen


# --- what cannot be had ----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["socket:error=EAFNOSUPPORT", "socket:error=EMFILE", "sendto:error=EPERM",
                                   "recvmsg:error=ENOBUFS", "recvmsg:error=EIO:when=3+", "poll:error=ENOMEM"])
def test_R18_an_array_even_if_enumeration_fails(fault):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    r = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={fault}", PROGRAM, "-vv"],
                       capture_output=True, text=True, timeout=60,
                       env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert r.returncode == 0, r.stderr
    assert json.loads(r.stdout)["net_interfaces"] == []


# --- radios ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["wireless", "phy80211"])
def test_a_driver_of_the_older_interface_is_a_radio(namespace, mark):
    """As /sys shows it; a /sys of our own, which only that process sees."""
    namespace.link("wlan0", "192.0.2.17/24")
    namespace.link("eth0")
    script = f"mount -t tmpfs none /sys/class/net && mkdir -p /sys/class/net/wlan0/{mark} && exec {PROGRAM} -vv"
    r = subprocess.run(["unshare", "-m", *namespace.inside("sh", "-c", script)], capture_output=True, text=True,
                       timeout=60)
    assert r.returncode == 0, r.stderr
    assert [i["name"] for i in json.loads(r.stdout)["net_interfaces"] if i["is_wlan"]] == ["wlan0"]


def test_a_radio_of_the_kernels(namespace):
    r = subprocess.run(["modprobe", "mac80211_hwsim", "radios=1"], capture_output=True, text=True) \
        if shutil.which("modprobe") else None
    if r is None or r.returncode != 0:
        pytest.skip("this kernel has no mac80211_hwsim")
    try:
        listed = json.loads(output_of(PROBE, "interfaces"))["interfaces"]
        assert any(i["is_wlan"] for i in listed)
    finally:
        subprocess.run(["modprobe", "-r", "mac80211_hwsim"], check=True)


# --- cross traffic ---------------------------------------------------------------------------------

SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + float(sys.argv[1])
s.sendto(bytes(1000), ("192.0.2.99", 9))
print("it sends", flush=True)
while time.monotonic() < end:
    s.sendto(bytes(1000), ("192.0.2.99", 9))
    time.sleep(0.001)
"""


def sender(namespace, seconds):
    """Up to 8 Mbit/s, to nobody; it has begun."""
    namespace.link("eth0", "192.0.2.17/24")
    namespace.ip("neigh add 192.0.2.99 lladdr 02:00:5e:00:00:63 dev eth0 nud permanent")
    program = subprocess.Popen(namespace.inside("python3", "-c", SENDER, seconds), stdout=subprocess.PIPE)
    assert program.stdout.readline() == b"it sends\n"
    return program


def test_a_line_in_use_is_told_so_after_patience(namespace):
    with sender(namespace, 20) as program:
        seen = namespace.probe("traffic", "eth0", 250_000, 300, 900)
        program.terminate()
    assert seen["verdict"] == "busy" and seen["busy_bps"] > 250_000 and seen["looks"] >= 2


def test_a_line_that_becomes_quiet_is_waited_for(namespace):
    with sender(namespace, 1.5):
        seen = namespace.probe("traffic", "eth0", 250_000, 300, 30_000)
    assert seen["verdict"] == "quiet" and seen["busy_bps"] <= 250_000


def test_an_interface_that_is_not_there_counts_nothing(namespace):
    assert namespace.probe("traffic", "eth0", 250_000, 300, 900)["verdict"] == "unknown"
