"""The store's part of bars D1 and D3: a process that stores results, or notes that one has arrived, is ended, and
failed, at each of its system calls on files. What it had told is there, once, whole; and the next start goes on.

Of the hundred calls a sample is taken (injection.py).
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from injection import failing_at, killed_at, needs_strace, pairs, sampled

KEEPER = os.environ["STORE_KEEPER"]
CALLS = "openat,pwrite64,write,fdatasync,fsync,rename,unlink,ftruncate,fcntl,mkdir,close"
SAMPLE = 24
FAILING = "openat,pwrite64,fdatasync,fsync,rename,unlink,ftruncate,mkdir"


@pytest.fixture(autouse=True)
def _needs_strace():
    needs_strace()


@pytest.fixture
def rig():
    """In memory where there is such a place: hundreds of stores are made and flushed."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield pathlib.Path(folder)


def keeper(state, *words):
    return [KEEPER, state, *words]


def keep(state, *words):
    return subprocess.run([*map(str, keeper(state, *words))], capture_output=True, text=True, timeout=60)


def told(text, what):
    return {int(line.split()[1]) for line in text.splitlines() if line.startswith(what + " ")}


def look(state, line):
    """Every result that there is, by delivery; each once."""
    r = keep(state, "look")
    assert r.returncode == 0, (line, r.stderr)
    numbers = [int(row.split()[1]) for row in r.stdout.splitlines()]
    assert len(numbers) == len(set(numbers)), line
    return {int(row.split()[1]): row.split()[0] for row in r.stdout.splitlines()}


def fresh(rig, before):
    state = rig / "state"
    shutil.rmtree(state, ignore_errors=True)
    if before is not None:
        shutil.copytree(before, state)
    return state


def stored(rig, *numbers):
    before = rig / "before"
    shutil.rmtree(before, ignore_errors=True)
    r = keep(before, "put", *map(str, numbers))
    assert r.returncode == 0, r.stderr
    return before


@pytest.mark.parametrize("begun", [False, True], ids=["first_start", "later"])
def test_D1_killed_while_it_stores(rig, begun):
    before = stored(rig, 1) if begun else None
    state = fresh(rig, before)
    points = pairs(keeper(state, "put", "2", "3"), CALLS, str(state), rig)
    assert len(points) > 50
    for call, ordinal, line in sampled(points, SAMPLE):
        state = fresh(rig, before)
        r = killed_at(call, ordinal, keeper(state, "put", "2", "3"))
        there = look(state, line)
        assert told(r.stdout, "stored") | ({1} if begun else set()) <= set(there) <= {1, 2, 3}, line
        assert keep(state, "put", "2", "3", "4").returncode == 0, line
        assert set(look(state, line)) == {2, 3, 4} | ({1} if begun else set()), line
        assert not list(state.glob("store.db.2*")), f"set aside: {line}"


def test_D1_killed_while_it_sends(rig):
    before = stored(rig, 1, 2)
    state = fresh(rig, before)
    for call, ordinal, line in sampled(pairs(keeper(state, "send", "1"), CALLS, str(state), rig), SAMPLE):
        state = fresh(rig, before)
        r = killed_at(call, ordinal, keeper(state, "send", "1"))
        there = look(state, line)
        assert set(there) == {1, 2} and there[2] == "waiting", line
        if told(r.stdout, "arrived"):
            assert there[1] == "arrived", line


def test_D1_killed_while_it_mends(rig):
    """The file is damaged, with every result still to be had: each start may be the last for now."""
    before = stored(rig, 1, 2)
    with open(before / "store.db", "r+b") as f:
        f.write(b"\0" * 100)
    state = fresh(rig, before)
    for call, ordinal, line in sampled(pairs(keeper(state, "look"), CALLS, str(state), rig), SAMPLE):
        state = fresh(rig, before)
        killed_at(call, ordinal, keeper(state, "look"))
        assert set(look(state, line)) == {1, 2}, line
        assert len(list(state.glob("store.db.2*"))) == 1, line


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_D3_failing_while_it_stores(rig, error):
    before = stored(rig, 1)
    state = fresh(rig, before)
    for call, ordinal, line in sampled(pairs(keeper(state, "put", "2"), FAILING, str(state), rig), SAMPLE // 2):
        state = fresh(rig, before)
        r = failing_at(call, ordinal, error, keeper(state, "put", "2"))
        assert r.returncode in (0, 1), (line, r.stderr)
        there = look(state, line)
        assert {1} | told(r.stdout, "stored") <= set(there) <= {1, 2}, f"false «stored»: {line}"
        assert keep(state, "put", "2", "3").returncode == 0, line
        assert not list(state.glob("store.db.2*")), f"set aside: {line}"


def test_R67_a_place_that_cannot_be(rig):
    (rig / "file").write_text("")
    r = keep(rig / "file" / "state", "look")
    assert r.returncode == 1 and r.stderr.startswith("could not make the state directory")


def test_R67_read_only(rig):
    state = fresh(rig, None)
    state.mkdir()
    r = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none "$1" && exec "$0" "$1" look', KEEPER,
                        str(state)], capture_output=True, text=True)
    if "unshare" in r.stderr or "mount:" in r.stderr:
        pytest.skip(f"a read-only file system cannot be mounted: {r.stderr.strip()}")
    assert r.returncode == 1 and "Read-only file system" in r.stderr
