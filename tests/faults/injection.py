"""A program ended, or failed, at each of its system calls in turn: strace's injection over the (call, ordinal) pairs
of a run that was only watched. POD_FAULTS=all takes each, and so does the build as shipped but for the
whole daemon's failed calls; else, where these are many, a sample, another one each day.
"""

import collections
import datetime
import os
import random
import re
import shutil
import subprocess

import pytest

STRACE = shutil.which("strace")
ALL = os.environ.get("POD_FAULTS") == "all"
SEED = datetime.date.today().toordinal()

# What touches files. The rest of a run is the loader's and the sanitizer's.
FILE_CALLS = ("openat,open,creat,read,pread64,write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,"
              "link,linkat,unlink,unlinkat,ftruncate,fallocate,fchmod,fchown,mkdir,mkdirat,flock,fcntl,close,"
              "newfstatat,fstat,lstat,access,faccessat,faccessat2,readlink,getdents64")
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)")


def strace(options, argv, **more):
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **more.pop("env", {})} # LSan is no friend of ptrace
    return subprocess.run([STRACE, "-f", "-qq", *options, *map(str, argv)], capture_output=True, text=True, timeout=120,
                          env=environment, **more)


def sampled(found, count):
    """So many of them, in their order."""
    if ALL or len(found) <= count:
        return found
    print(f"{count} of {len(found)}, seed {SEED}")
    return [found[i] for i in sorted(random.Random(SEED).sample(range(len(found)), count))]


def needs_strace():
    if STRACE is None:
        pytest.skip("strace is not installed")
    r = strace(["-e", "trace=none", "-e", "inject=getppid:error=EPERM"], ["true"])
    if r.returncode != 0:
        pytest.skip(f"strace cannot trace here: {r.stderr.strip()}")


def numbered(log, begins):
    """(call, ordinal, line) of what strace has written, from the first call on of which begins(call, line) is true."""
    seen, found, begun = collections.Counter(), [], False
    for line in log.read_text(errors="replace").splitlines():
        call = CALL.match(line)
        if not call:
            continue
        seen[call[1]] += 1
        begun = begun or begins(call[1], line)
        if begun:
            found.append((call[1], seen[call[1]], line.strip()))
    return found


def pairs(argv, calls, where, tmp_path, **more):
    """(call, ordinal, line) of each file call of a run from the first on whose line has `where` in it."""
    log = tmp_path / "strace.log"
    r = strace(["-o", log, "-e", f"trace={calls}"], argv, **more)
    assert r.returncode == 0, r.stderr
    found = numbered(log, lambda call, line: where in line)
    assert found, f"no call with {where}"
    return found


def killed_at(call, ordinal, argv, **more):
    return strace(["-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={ordinal}"], argv,
                  **more)


def failing_at(call, ordinal, error, argv, **more):
    return strace(["-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={ordinal}"], argv,
                  **more)
