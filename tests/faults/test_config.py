"""Saving the configuration, ended and failed at each of its system calls: what is there afterwards is the old file or
the new one (contract R6), and a failure is told (bar D3)."""

import os
import re
import stat

import pytest

from injection import FILE_CALLS, failing_at, killed_at, needs_strace, pairs, strace

SAVER = os.environ["CONFIG_SAVER"]
OLD = "# a pod's\r\nclient_id=rk7m2q9xw3zt\r\nsecret=a-secret-that-is-longer\r\nfuture=1\r\n"
NEW = OLD.replace("a-secret-that-is-longer", "short") + "ping_freq=5\n"
ERRORS = ["ENOSPC", "EIO", "EDQUOT"]
FAILING = "openat,write,fsync,linkat,rename,ftruncate,fchmod,read,flock,close"


@pytest.fixture(autouse=True)
def _needs_strace():
    needs_strace()


@pytest.fixture
def config(tmp_path):
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc" / "config.conf"


def argv(config):
    return [SAVER, config, "secret", "short", "ping_freq", "5"]


def put(config, text):
    for left in config.parent.iterdir():
        left.unlink()
    if text is not None:
        config.write_bytes(text.encode())


def there(config):
    return config.read_bytes().decode() if config.exists() else None


def mode(config):
    return stat.S_IMODE(config.stat().st_mode)


@pytest.mark.parametrize("old", [OLD, None], ids=["replaced", "new"])
def test_R6_D1_killed_at_every_call(config, tmp_path, old):
    """Old or new, never neither; and what a killed saver leaves does not keep the next from saving."""
    new = NEW if old else "secret=short\nping_freq=5\n"
    put(config, old)
    points = pairs(argv(config), FILE_CALLS, str(config), tmp_path)
    seen = set()
    assert len(points) > 10
    for call, ordinal, line in points:
        put(config, old)
        r = killed_at(call, ordinal, argv(config))
        assert r.returncode != 0, line
        assert there(config) in (old, new), line
        seen.add(there(config))
        r = strace(["-o", os.devnull, "-e", "trace=none"], argv(config))
        assert r.returncode == 0 and there(config) == new, line
        assert mode(config) == 0o600 and os.listdir(config.parent) == ["config.conf"], line
    assert seen == {old, new}


@pytest.mark.parametrize("old", [OLD, None], ids=["replaced", "new"])
def test_R6_on_the_disk_before_it_has_its_name(config, tmp_path, old):
    """And its name is there before it is told to be saved: else a power cut leaves an empty file, or the old one."""
    put(config, old)
    log = tmp_path / "strace.log"
    assert strace(["-y", "-o", log, "-e", "trace=write,fsync,linkat,rename"], argv(config)).returncode == 0
    calls = [line for line in log.read_text().splitlines() if str(config.parent) in line]
    written = max(i for i, line in enumerate(calls) if "write(" in line)
    flushed = next(i for i, line in enumerate(calls) if i > written and "fsync(" in line and "config.conf>" not in line)
    named = next(i for i, line in enumerate(calls) if re.search(r"(linkat|rename)\(.* = 0$", line))
    assert written < flushed < named, calls
    assert re.search(rf"fsync\(\d+<{re.escape(str(config.parent))}>\) += 0$", calls[-1]), calls


@pytest.mark.parametrize("error", ERRORS)
def test_D3_failing_at_every_call(config, tmp_path, error):
    put(config, OLD)
    points = pairs(argv(config), FAILING, str(config), tmp_path)
    told = 0
    for call, ordinal, line in points:
        put(config, OLD)
        r = failing_at(call, ordinal, error, argv(config))
        if r.returncode == 0:
            assert there(config) == NEW, f"false «saved»: {line}"
        else:
            assert there(config) in (OLD, NEW), line
            assert r.stderr.startswith("could not "), line
            told += 1
        if call in ("write", "fsync", "rename") and "exited" not in line:
            assert r.returncode != 0, f"not told: {line}"
    assert told >= 5


def test_D3_interrupted_and_short_of_memory(config, tmp_path):
    put(config, OLD)
    for error in ("EINTR", "ENOMEM", "EMFILE"):
        for call, ordinal, line in pairs(argv(config), FAILING, str(config), tmp_path):
            put(config, OLD)
            r = failing_at(call, ordinal, error, argv(config))
            assert there(config) == NEW if r.returncode == 0 else there(config) in (OLD, NEW), line


def test_D4_a_full_disk(config, tmp_path):
    """A limit on the size of files stands for a disk without room."""
    put(config, OLD)
    r = strace(["-o", os.devnull, "-e", "trace=none"], ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *argv(config)])
    assert r.returncode != 0
    assert there(config) == OLD
