"""A network of the tests' own, whose loopback is a line: what measures at its rate leaves the processors to others."""

from __future__ import annotations

import ctypes
import os
import subprocess

GIGABIT = 1
# Of the bytes of ten seconds, what a socket may hold: two ends of one connection differ by them.
HELD = 0.004
CLONE_NEWNET = 0x40000000


def shape(gbps: float) -> str:
    """A shell's lines."""
    held = int(min(4 << 20, HELD * 10 * gbps * 1e9 / 8))
    return f"""
        ip link set lo up
        tc qdisc add dev lo root tbf rate {1000 * gbps:.0f}mbit burst {min(1 << 20, held)} latency 20ms
        echo 4096 16384 {held} >/proc/sys/net/ipv4/tcp_wmem
        echo 4096 131072 {held} >/proc/sys/net/ipv4/tcp_rmem
    """


def live_on_a_line(gbps: float = GIGABIT) -> str | None:
    """From now on this thread and what it starts are in that network, where nothing can be fetched from.

    Where it cannot be made, everything stays as it was, and the answer is why.
    """
    lines = ["sh", "-ec", shape(gbps)]
    libc = ctypes.CDLL(None, use_errno=True)
    trial = subprocess.run(["unshare", "-n", *lines], capture_output=True, text=True)
    if trial.returncode != 0:
        return trial.stderr.strip()
    if libc.unshare(CLONE_NEWNET) != 0:
        return os.strerror(ctypes.get_errno())
    subprocess.run(lines, check=True)
    return None
