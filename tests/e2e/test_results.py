"""`radar-pod results`, and what a test keeps."""

import json
import os
import sqlite3
import subprocess
import time

import pytest

from test_cli import (BAD_FILE, CANNOT_HERE, DONE, NOT_DONE, PARTLY, PROGRAM, USAGE, run, server)

__all__ = ["server"] # a fixture


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def environment(state):
    return {**os.environ, "STATE_DIRECTORY": str(state)}


def measure(server, environment, *words):
    r = run("test", "--server", server["ws"], "--max-bytes", "1MB", "--format", "json", *words, env=environment)
    assert r.returncode == DONE, r.stderr
    return json.loads(r.stdout)


def ids(environment, *words):
    r = run("results", "list", "--format", "jsonl", *words, env=environment)
    assert r.returncode == DONE, r.stderr
    return [json.loads(line)["id"] for line in r.stdout.splitlines()]


def test_a_test_is_kept(server, environment, state):
    results = [measure(server, environment) for _ in range(2)]
    assert ids(environment) == [results[1]["id"], results[0]["id"]]
    row = json.loads(run("results", "list", "--format", "json", env=environment).stdout)[0]
    assert row["download_mbps"] == results[1]["download"]["goodput_mbps"]
    assert row["cause"] == "hand" and row["delivery"] == "private" and row["interface"] is None
    assert row["bytes_used"] == results[1]["bytes_used"]
    shown = run("results", "show", results[0]["id"], "--format", "json", env=environment)
    assert json.loads(shown.stdout) == results[0]
    exported = run("results", "export", env=environment)
    assert [json.loads(line) for line in exported.stdout.splitlines()] == results[::-1]
    assert json.loads(run("results", "export", "--format", "json", env=environment).stdout) == results[::-1]
    assert state.stat().st_mode & 0o7777 == 0o700
    assert (state / "store.db").stat().st_mode & 0o7777 == 0o600


def test_for_people(server, environment):
    result = measure(server, environment)
    r = run("results", env=environment)
    head, line = r.stdout.splitlines()
    assert head.split()[:2] == ["id", "started"] and line.startswith(result["id"])
    assert f"{result['upload']['goodput_mbps']:.2f}" in line
    r = run("results", "show", result["id"][:23], env=environment)
    assert f"scheme {' ' * 33} {result['scheme']}\n" in r.stdout
    assert "\nsteady" not in r.stdout


def test_not_kept(server, environment, state):
    measure(server, environment, "--no-store")
    assert not state.exists()
    r = run("results", env=environment)
    assert r.returncode == DONE and r.stdout == "" and "no results are kept here yet" in r.stderr
    assert run("results", "--format", "json", env=environment).stdout == "[]\n"


def test_state_dir(server, environment, state, tmp_path):
    result = measure(server, environment, "--state-dir", str(tmp_path / "other"))
    assert not state.exists()
    assert ids(environment, "--state-dir", str(tmp_path / "other")) == [result["id"]]
    (tmp_path / "config.conf").write_text(f"state_dir={tmp_path}/other\n")
    configured = {**os.environ, "RADAR_CONFIG_PATH": str(tmp_path / "config.conf")}
    assert ids(configured) == [result["id"]]


def test_newest_only(server, environment):
    results = [measure(server, environment)["id"] for _ in range(3)]
    assert ids(environment, "--max", "2") == results[:0:-1]


def test_a_report_of_a_result(server, environment, tmp_path):
    result = measure(server, environment)
    page = tmp_path / "page.html"
    r = run("report", result["id"], "-o", str(page), env=environment)
    assert r.returncode == DONE, r.stderr
    assert result["id"] in page.read_text()
    short = run("report", result["id"][:18], "-o", str(page), env=environment)
    assert short.returncode == DONE, short.stderr
    r = run("report", "00000000-0000", "-o", str(page), env=environment)
    assert r.returncode == NOT_DONE and "there is no result 00000000-0000" in r.stderr
    r = run("report", result["id"], "--result", "x", "-o", str(page), env=environment)
    assert r.returncode == USAGE


@pytest.mark.parametrize("words, code, said", [
    (["show"], USAGE, "which result?"),
    (["show", "0190aaaa"], NOT_DONE, "there is no result 0190aaaa"),
    (["list", "0190aaaa"], USAGE, "\"0190aaaa\" is not understood here"),
    (["export", "--format", "human"], USAGE, "export is for programs"),
    (["drop"], USAGE, "there is list, show or export"),
])
def test_refused(server, environment, words, code, said):
    measure(server, environment)
    r = run("results", *words, env=environment)
    assert r.returncode == code and said in r.stderr


def test_several_begin_so(server, environment):
    first = measure(server, environment)["id"]
    measure(server, environment)
    r = run("results", "show", first[:5], env=environment) # ids begin with their millisecond: the eighth lasts a minute
    assert r.returncode == NOT_DONE and "more than one result begins with" in r.stderr


def test_R67_a_state_directory_that_cannot_be(server, environment, tmp_path):
    """The result is not lost: it is where it was asked for."""
    (tmp_path / "file").write_text("")
    r = run("test", "--server", server["ws"], "--max-bytes", "1MB", "--format", "json",
            env={**environment, "STATE_DIRECTORY": str(tmp_path / "file" / "state")})
    assert r.returncode == DONE and json.loads(r.stdout)["download"]
    assert "the result is not kept (--no-store): could not make the state directory" in r.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="directories of others are for root")
def test_root_keeps_it_in_a_directory_of_anothers(server, environment, state):
    """As where the daemon has a user of its own; while it measures, root may not what only root may."""
    state.mkdir(mode=0o700)
    os.chown(state, 12345, 12345)
    results = [measure(server, environment)["id"] for _ in range(2)]
    assert ids(environment) == results[::-1]


def test_while_another_writes(server, environment, state):
    """A reader sees what was stored, and waits for nobody."""
    measure(server, environment)
    writer = sqlite3.connect(state / "store.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert len(ids(environment)) == 1
    assert time.monotonic() - began < 4
    writer.execute("ROLLBACK")


def test_a_damaged_result_is_told(server, environment, state):
    measure(server, environment)
    kept = measure(server, environment)
    db = sqlite3.connect(state / "store.db")
    db.execute("UPDATE results SET object = zeroblob(length(object)) WHERE seq = 1")
    db.commit()
    db.close()
    r = run("results", "export", env=environment)
    assert r.returncode == PARTLY and "1 results are not what was stored" in r.stderr
    assert json.loads(r.stdout)["id"] == kept["id"]


def test_R62_a_damaged_store(server, environment, state):
    first = measure(server, environment)["id"]
    (state / "store.db").write_bytes(b"garbage" * 1000)
    assert run("results", env=environment).returncode == BAD_FILE
    r = run("test", "--server", server["ws"], "--max-bytes", "1MB", "--format", "json", env=environment)
    assert r.returncode == DONE and "store.db was set aside as store.db.2" in r.stderr
    assert ids(environment) == [json.loads(r.stdout)["id"]] != [first]


def test_a_later_release(server, environment, state):
    measure(server, environment)
    db = sqlite3.connect(state / "store.db")
    db.execute("PRAGMA user_version = 9")
    db.execute("UPDATE facts SET value = '9' WHERE name = 'schema'")
    db.commit()
    db.close()
    r = run("results", env=environment)
    assert r.returncode == CANNOT_HERE and "a later release of radar-pod has written it" in r.stderr


def test_a_pipe_that_closes(server, environment):
    for _ in range(2):
        measure(server, environment)
    p = subprocess.run(["sh", "-c", f"{PROGRAM} results export | head -c 10"], env=environment, capture_output=True,
                       text=True, timeout=30)
    assert p.stdout == '{"schema":'
