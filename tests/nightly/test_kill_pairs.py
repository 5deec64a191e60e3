"""Bar D2: the daemon's part of a delivery is killed, and its recovery is killed as well, each at a system call drawn by
seed. A result that two of them have left in doubt is kept, in quarantine, and said: it is sent no third time (contract
4.6). POD_NIGHTLY=1 takes 1,000 pairs, else a dozen; RADAR_POD_SEED is the seed."""

import datetime
import os
import random

import pytest

from injection import needs_strace
from test_delivery import ID, each, points, rig  # noqa: F401

PAIRS = 1000 if os.environ.get("POD_NIGHTLY") else 12
SEED = int(os.environ.get("RADAR_POD_SEED", datetime.date.today().toordinal()))


@pytest.fixture(autouse=True)
def _needs_strace():
    needs_strace()


def killed(pod, point, test):
    call, ordinal = point
    return pod.traced(["-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={ordinal}"], test)


def test_D2_killed_in_the_recovery_from_a_kill(rig):  # noqa: F811
    print(f"seed {SEED}")
    found = points(rig, "all")
    draw = random.Random(SEED)
    twice, kept = [], []

    def play(pod, service, pair):
        first, second = pair
        said, arrived_with = "", None
        for point, test in ((first, True), (second, False)):
            said += killed(pod, point, test).stdout
            if "arrived" in said and arrived_with is None:
                arrived_with = service.taken[ID]
        after = pod.run()
        unsure = after.returncode == 3 and "is in quarantine: it was sent twice" in said + after.stderr
        assert after.returncode == 0 or unsure, (pair, said, after.stderr)
        taken = service.taken[ID]
        assert taken >= 1 or unsure or "stored" not in said, f"{pair}: lost"
        assert taken <= 2 and set(service.taken) <= {ID} and pod.runs() <= 1, pair
        assert arrived_with in (None, taken), f"{pair}: sent again after it had arrived"
        assert all(b.count(b'"MinRTT"') == 1 for b in service.bodies), f"{pair}: torn"
        if taken == 2:
            twice.append(pair)
        if unsure:
            kept.append((pair, taken))
        pod.run()
        # What a killed daemon has handed to its courier may still be on its way, and comes while nobody waits for it.
        assert service.taken[ID] == taken or unsure and service.taken[ID] <= 2, f"{pair}: sent again by a later start"

    each(rig, [(draw.choice(found), draw.choice(found)) for _ in range(PAIRS)], play)
    print(f"{PAIRS} pairs of {len(found)} points, {len(twice)} of them with a second sending: {twice}")
    print(f"{len(kept)} in quarantine, {sum(taken == 0 for _, taken in kept)} of them not taken: {kept}")
