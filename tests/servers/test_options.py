"""Command lines that cannot be meant: exit code 2, 4 or 5, and a message that says what would be right."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import pytest

import peers
import pod

pytestmark = pytest.mark.at_once

NOWHERE = ["--server", "ws://127.0.0.1:1"]  # if it were taken after all: nobody listens there


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(pod.binary()), *words], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, env=peers.environment())  # fmt: skip


def check(r: subprocess.CompletedProcess[str], status: int, words: str) -> None:
    assert r.returncode == status, f"status {r.returncode}\n{r.stderr}\n{r.stdout}"
    assert re.search(words, r.stderr, re.DOTALL), r.stderr
    assert not r.stdout, r.stdout
    assert len(r.stderr) < 1000 and "Sanitizer" not in r.stderr, r.stderr


USAGE = {
    "unknown option": (["--sever", "x"], "--sever.*--server"),
    "unknown option, nothing alike": (["--quux"], "--quux"),
    "short option": (["-x"], "-x"),
    "one dash": (["-server", "x"], "-server"),
    "word": (["fast"], "fast"),
    "another word": (["ndt7", "ndt7"], "ndt7"),
    "ndt5": (["ndt5"], "ndt5"),
    "no value": (["--format"], "--format.*human.*json"),
    "no value before an option": (["--server", "--download"], "--server.*HOST"),
    "value of a switch": (["--download=yes"], "--download"),
    "format": (["--format", "xml"], "human, json, jsonl or raw.*xml"),
    "format in capitals": (["--format", "JSON"], "JSON"),
    "empty format": (["--format="], "--format"),
    "scheme": (["--scheme", "https"], "auto, ws.*or wss"),
    "io": (["--io", "threads"], "io_uring.*threads"),
    "stats": (["--stats", "kprobe"], "tcp_info.*kprobe"),
    "size that is negative": (["--max-bytes", "-1"], "--max-bytes.*-1"),
    "size that is no number": (["--max-bytes", "lots"], "--max-bytes.*lots"),
    "size with a wrong unit": (["--max-bytes", "5 apples"], "--max-bytes.*apples"),
    "size beyond 64 bits": (["--max-bytes", "99999999999999999999"], "--max-bytes"),
    "size beyond 64 bits by its unit": (["--max-bytes", "99999999999GiB"], "--max-bytes"),
    "empty size": (["--max-bytes", ""], "--max-bytes"),
    "empty server": (["--server", ""], "--server"),
    "server with a space": (["--server", "a b"], "--server"),
    "server with a newline": (["--server", "a\nb"], "--server"),
    "server with a port that is none": (["--server", "h:http"], "--server.*port|port"),
    "server with port 0": (["--server", "h:0"], "port"),
    "server with port 65536": (["--server", "h:65536"], "port"),
    "server with a user": (["--server", "ws://u:p@h/"], "user"),
    "server over ftp": (["--server", "ftp://h/"], "ftp.*ws and wss"),
    "server over https": (["--server", "https://h/"], "https.*ws and wss"),
    "server without a host": (["--server", "ws:///ndt/v7/download"], "host"),
    "server that is a port": (["--server", ":80"], "host"),
    "half an IPv6 literal": (["--server", "[::1"], "--server"),
    "server that is too long": (["--server", "h" * 300], "--server"),
    "URL that is too long": (["--server", "ws://h/" + "x" * 9000], "--server"),
    "server and country": (["--server", "h", "--country", "DE"], "--server.*--country"),
    "server and locate": (["--server", "h", "--locate-url", "http://127.0.0.1:1/"], "--locate-url"),
    "scheme against the URL": (["--server", "ws://h", "--scheme", "wss"], "contradict"),
    "country by name": (["--country", "Germany", "--locate-url", "http://127.0.0.1:1/"], "two letters"),
    "locate URL of another kind": (["--locate-url", "file:///etc/passwd"], "http"),
    "locate URL that is none": (["--locate-url", "locate"], "--locate-url"),
    "-4 and -6": ([*NOWHERE, "-4", "-6"], "-4 and -6"),
    "raw of one direction": ([*NOWHERE, "--format", "raw", "--download"], "raw.*both"),
    "empty output": (["--output", ""], "--output"),
}  # fmt: skip


@pytest.mark.parametrize("words, message", USAGE.values(), ids=USAGE)
def test_usage(words: list[str], message: str):
    safe = words if any(w in ("--server", "--locate-url") for w in words) else [*NOWHERE, *words]
    check(run("test", *safe), 2, message)


def test_not_in_this_release():
    check(run("test", "ookla", *NOWHERE), 5, "ookla.*not in this release")


@pytest.mark.parametrize("words, message", [(["tset"], "tset"), (["--server", "x"], "--server"), (["help", "x"], "x")])
def test_no_such_command(words: list[str], message: str):
    check(run(*words), 2, message)


def pem(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


CA_FILES = {
    "empty": "",
    "garbage": "hello",
    "half a certificate": "-----BEGIN CERTIFICATE-----\nMIIB",
    "a certificate of nothing": pem("AAAA"),
    "a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("text", CA_FILES.values(), ids=CA_FILES)
def test_ca_file(text: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "authorities.pem"
        path.write_text(text)
        check(run("test", "--server", "wss://127.0.0.1:1", "--ca-file", str(path)), 4, "authorities.pem")


@pytest.mark.parametrize("path", ["/nowhere/at.all", "/etc"])
def test_ca_file_that_is_none(path: str):
    check(run("test", "--server", "wss://127.0.0.1:1", "--ca-file", path), 4, path)


@pytest.mark.parametrize("words", [[], ["test"], ["serve"], ["doctor"]])
def test_help(words: list[str]):
    r = run(*words, "--help")
    assert r.returncode == 0 and "Usage: radar-pod" in r.stdout and not r.stderr
    assert not [line for line in r.stdout.splitlines() if len(line) > 80 and "://" not in line]
