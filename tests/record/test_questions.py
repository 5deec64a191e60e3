"""The three questions of docs/traces.md: each command is run, and the answer is as it is told there."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import PROGRAM, ROOT

sys.path.insert(0, str(ROOT / "tests/e2e"))
import tools # noqa: E402
from test_traces_md import shown, sql, told # noqa: E402

LINK = os.environ.get("RADAR_POD_LINK", str(ROOT / "build/dev/bench/link/radar-pod-link"))


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


TRIES = 3


def once(script, place):
    """Runs a block of the page in a place of its own; the reason where a link of it is void."""
    (place / "bin").mkdir(parents=True)
    (place / "bin/radar-pod").symlink_to(PROGRAM)
    script = script.replace("bench/link/link", f"{LINK} --doze").replace("bench/links/", f"{ROOT}/bench/links/")
    r = subprocess.run(["sh", "-c", script], cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                       env={**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}"}, timeout=120)
    if r.returncode == 5:
        pytest.skip(r.stderr.strip())
    void = re.search("link: void: .*", r.stderr)
    assert void or r.returncode == 0, r.stderr
    return void and void.group()


def across(script, place, answers):
    """Runs a block, and lets `answers` judge where it ran. A busy machine delays packets and the link calls the run
    void: then what it answers counts where it is right, and else it is run again."""
    tools.environment() # or skip, before half a minute is spent
    if not os.access(LINK, os.X_OK):
        pytest.skip(f"{LINK} is not built")
    for i in range(TRIES):
        void = once(script, place / str(i))
        try:
            answers(place / str(i))
            return
        except AssertionError:
            if not void:
                raise
    pytest.skip(f"{TRIES} times of {TRIES} another answer, and {void}")


def test_is_this_links_buffer_bloated(tmp_path):
    need("iperf3")

    def answers(place):
        [[idle_ms, loaded_ms, mbps]] = sql(shown("sql", "bloat.csv"), place)
        assert 16.9 < idle_ms < 19 and loaded_ms > 5 * idle_ms and 20 < mbps < 30

    across(shown("sh", "bloat.csv"), tmp_path, answers)


def test_bbr_or_cubic(tmp_path):
    need("iperf3")
    controls = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if not {"bbr", "cubic"} <= set(controls):
        pytest.skip("bbr or cubic is not in this kernel")

    def answers(place):
        out = told([sys.executable, "-c", shown("python", "cable-bbr")], place, env=tools.environment())
        rows = [line.split() for line in out.splitlines()]
        mbps, rtt_ms, again = ({row[0]: float(row[i]) for row in rows} for i in (1, 2, 3))
        assert mbps["cable-bbr"] > 0.9 * mbps["cable-cubic"] > 20
        assert rtt_ms["cable-cubic"] > 3 * rtt_ms["cable-bbr"]
        assert mbps["lossy-bbr"] > 1.3 * mbps["lossy-cubic"]
        assert again["lossy-bbr"] > 0 and again["lossy-cubic"] > 0

    across(shown("sh", "for control in bbr cubic"), tmp_path, answers)


def test_was_it_the_wifi_or_the_cpu(tmp_path):
    need("bash", "python3", "xz")

    def answers(place):
        rows = {work: figures for work, *figures in sql(shown("sql", "busy_percent"), place)}
        (wifi_mbps, wifi_busy, wifi_receiver), (cpu_mbps, cpu_busy, _) = rows["cat"], rows["xz"]
        assert wifi_mbps > 2 * cpu_mbps
        assert wifi_busy > 95 and wifi_receiver < 5 and cpu_busy < 60

    across(shown("sh", "sink.py"), tmp_path, answers)
