"""A network of the tests' own, whose loopback is a line: what measures at its rate leaves the processors to others."""

from __future__ import annotations

import ctypes
import os
import subprocess

# The four megabytes that a socket holds are less than half a percent of ten seconds.
GIGABIT = 1
UP = ["ip", "link", "set", "lo", "up"]
CLONE_NEWNET = 0x40000000


def live_on_a_line(gbps: float = GIGABIT) -> str | None:
    """From now on this thread and what it starts are in that network, where nothing can be fetched from.

    Where it cannot be made, everything stays as it was, and the answer is why.
    """
    shape = f"tc qdisc add dev lo root tbf rate {1000 * gbps:.0f}mbit burst 1mb latency 20ms".split()
    libc = ctypes.CDLL(None, use_errno=True)
    trial = subprocess.run(["unshare", "-n", "sh", "-ec", f"{' '.join(UP)}; {' '.join(shape)}"],
                           capture_output=True, text=True)
    if trial.returncode != 0:
        return trial.stderr.strip()
    if libc.unshare(CLONE_NEWNET) != 0:
        return os.strerror(ctypes.get_errno())
    for words in (UP, shape):
        subprocess.run(words, check=True)
    return None
