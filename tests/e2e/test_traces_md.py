"""Each line that docs/traces.md shows is run, on a trace that is taken here."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import tools
from test_cli import DONE, PROGRAM, ROOT, run, server

__all__ = ["server"] # a fixture

PAGE = (ROOT / "docs/traces.md").read_text()


def shown(language, word=""):
    """The code block of a language that has the word in it."""
    [block] = [b for b in re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S) if word in b]
    return block


@pytest.fixture(scope="module")
def place(server, tmp_path_factory):
    """A directory with the trace that the page's first lines take, in all its forms."""
    directory = tmp_path_factory.mktemp("page")
    (directory / "bin").mkdir()
    (directory / "bin/radar-pod").symlink_to(pathlib.Path(PROGRAM).resolve())
    first = shown("sh", "--trace t.jsonl.zst").replace("radar-pod test", f"radar-pod test --max-bytes 2GB "
                                   f"--server {server['ws']}")
    r = subprocess.run(["sh", "-ec", first], cwd=directory, capture_output=True, text=True,
                       env={**os.environ, "PATH": f"{directory}/bin:{os.environ['PATH']}"}, timeout=60)
    assert r.returncode == 0, r.stderr
    assert run("trace", "export", str(directory / "t.csv"), "--out",
               str(directory / "t.jsonl")).returncode == DONE
    return directory


def need(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    return tool


def told(words, place, **more):
    r = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=60, **more)
    assert r.returncode == 0, r.stderr
    return r.stdout


def sql(query, place):
    """What DuckDB answers: rows of values."""
    script = f"import duckdb, json\nprint(json.dumps(duckdb.sql({query.strip()!r}).fetchall()))"
    return json.loads(told([sys.executable, "-c", script], place, env=tools.environment()))


def test_jq(place):
    need("jq")
    rows = told(["sh", "-ec", shown("sh", "jq")], place).splitlines()
    assert rows and all(float(ms) > 0 for _, ms in (row.split("\t") for row in rows))


def test_pandas(place):
    out = told([sys.executable, "-c", shown("python", "t.csv")], place, env=tools.environment())
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["1", "2"]


def test_pandas_compressed(place):
    assert run("trace", "export", str(place / "t.csv"), "--out",
               str(place / "t.csv.zst")).returncode == DONE
    told([sys.executable, "-c", shown("python", "t.csv").replace("t.csv", "t.csv.zst")], place,
         env=tools.environment())


def test_duckdb(place):
    rows = sql(shown("sql", "'t.csv'"), place)
    last = [s for s in map(json.loads, (place / "t.jsonl").read_text().splitlines()) if s.get("flow") == 1][-1]
    assert rows and all(mbps >= 0 for _, mbps in rows)
    assert sum(mbps for _, mbps in rows) * 1e6 / 80 == pytest.approx(last["bytes_received"], rel=1e-9)


def test_gnuplot(place):
    need("gnuplot")
    assert "download" in told(["gnuplot", "-"], place, input=shown("gnuplot"))


def test_r(place):
    need("Rscript")
    assert "srtt_us" in told(["Rscript", "-e", shown("r")], place)


def test_every_field_is_on_the_page(place):
    columns = next(line for line in (place / "t.csv").read_text().splitlines()
                   if not line.startswith("#"))
    for name in columns.split(","):
        assert f"`{name}`" in PAGE
