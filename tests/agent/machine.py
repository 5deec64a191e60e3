"""Network namespaces of the tests' own, and the programs that are asked about them."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("RADAR_POD", str(ROOT / "build/dev/agent/radar-pod"))
PROBE = os.environ.get("SYSINFO_PROBE", str(ROOT / "build/dev/tests/agent/sysinfo_probe"))

numbers = itertools.count(1)


def output_of(*argv, **more):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60, **more)
    assert r.returncode == 0, f"{argv}: {r.stderr}"
    return r.stdout


class Namespace:
    """One of `ip netns`, with loopback up. `ip("link add …")` skips the test where this kernel has no such link."""

    def __init__(self):
        self.name = f"radar-pod-test-{os.getpid()}-{next(numbers)}"
        r = subprocess.run(["ip", "netns", "add", self.name], capture_output=True, text=True)
        if r.returncode != 0:
            pytest.skip(f"no network namespace can be made: {r.stderr.strip()}")
        self.ip("link set lo up")

    def ip(self, words):
        r = subprocess.run(["ip", "-n", self.name, *words.split()], capture_output=True, text=True)
        if "Unknown device type" in r.stderr or "Operation not supported" in r.stderr:
            pytest.skip(f"not with this kernel: ip {words}")
        assert r.returncode == 0, f"ip {words}: {r.stderr}"
        return r.stdout

    def link(self, name, *addresses, kind="veth"):
        """A link that is up; a veth's peer is up, too."""
        self.ip(f"link add name {name} type {kind}" + (f" peer name {name}-peer" if kind == "veth" else ""))
        if kind == "veth":
            self.ip(f"link set dev {name}-peer up")
        self.ip(f"link set dev {name} up")
        for address in addresses:
            self.ip(f"addr add {address} dev {name}" + (" nodad" if ":" in address else ""))

    def inside(self, *argv):
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def probe(self, *words):
        return json.loads(output_of(*self.inside(PROBE, *words)))

    def interfaces(self):
        """As `radar-pod -vv` has them, by name."""
        listed = json.loads(output_of(*self.inside(PROGRAM, "-vv")))["net_interfaces"]
        assert len({i["name"] for i in listed}) == len(listed)
        return {i["name"]: i for i in listed}

    def default(self):
        """The name of the one interface that is flagged, or None."""
        flagged = [name for name, i in self.interfaces().items() if i["default"]]
        assert len(flagged) <= 1
        return flagged[0] if flagged else None

    def delete(self):
        subprocess.run(["ip", "netns", "delete", self.name], check=True)


def needs_namespaces():
    if os.geteuid() != 0:
        pytest.skip("network namespaces are made by root")
    if not shutil.which("ip"):
        pytest.skip("iproute2 is not installed")


@pytest.fixture
def namespace():
    needs_namespaces()
    n = Namespace()
    yield n
    n.delete()
