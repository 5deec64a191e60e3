"""The Debian package: what is in it, what lintian says, its life where no systemd runs, in a root of its own."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packing import BUILD, FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD, Begin, dpkg, pack, tool
from root import Root

ROOT = Path(__file__).resolve().parents[2]
STRIPPED_BYTES_MAX = 1_500_000


# --- the file ---------------------------------------------------------------------------------------------


def test_lintian_finds_no_error(deb: Path) -> None:
    said = tool("lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0", deb)
    print(said)


def test_who_answers_for_it_is_the_builds_word(deb: Path, tmp_path: Path) -> None:
    """-DPOD_MAINTAINER=…, in both places where a package has it; who has not given it claims no address of anybody."""
    [named] = re.findall(r"^POD_MAINTAINER:STRING=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    assert tool("dpkg-deb", "-f", deb, "Maintainer").strip() == named
    tool("dpkg-deb", "-x", deb, tmp_path)
    with gzip.open(tmp_path / "usr/share/doc/radar-pod/changelog.Debian.gz", "rt") as changelog:
        assert f"\n -- {named}  " in changelog.read()
    [default] = re.findall(r'set\(POD_MAINTAINER "(.*)"', (ROOT / "cmake/package.cmake").read_text())
    assert default.endswith(".invalid>")


def test_it_holds_what_a_pod_needs(deb: Path) -> None:
    listed = tool("dpkg-deb", "-c", deb)
    files = {line.split()[5]: line.split() for line in listed.splitlines()}
    for wanted in [
        "./usr/bin/radar-pod", "./usr/lib/radar-pod/take-over", "./usr/lib/systemd/system/radar-pod.service",
        "./usr/lib/systemd/system/radar-pod-bpf.socket",
        "./usr/lib/systemd/system/radar-pod-bpf@.service", "./usr/lib/sysusers.d/radar-pod.conf",
        "./usr/lib/tmpfiles.d/radar-pod.conf", "./usr/share/bash-completion/completions/radar-pod",
        "./usr/share/doc/radar-pod/copyright", "./usr/share/doc/radar-pod/changelog.gz",
        "./usr/share/doc/radar-pod/changelog.Debian.gz", "./usr/share/doc/radar-pod/operations.md",
        "./etc/default/radar-pod", *(f"./usr/share/man/man1/radar-pod{c}.1.gz" for c in ["", "-agent", "-status"]),
    ]:  # fmt: skip
        assert wanted in files, listed
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    assert not [name for name in files if "/include/" in name or name.endswith(".a")]
    assert int(files["./usr/bin/radar-pod"][2]) <= STRIPPED_BYTES_MAX
    assert tool("dpkg-deb", "-I", deb, "conffiles").split() == ["/etc/default/radar-pod"]
    depends = tool("dpkg-deb", "-f", deb, "Depends")
    assert all(name in depends for name in ["libc6", "libssl3", "libcurl4", "libsqlite3-0"]), depends


def test_packed_again_it_is_the_same(deb: Path, tmp_path: Path) -> None:
    """Part of bar P7, which asks for it of two builds."""
    assert tool("cmp", deb, pack(tmp_path)) == ""


# --- without systemd as process 1 -----------------------------------------------------------------------------


def test_where_no_systemd_runs_it_explains(deb: Path, begin: Begin) -> None:
    root = begin()
    said = dpkg(root, "-i", root.put(deb, "/tmp/pod.deb"))
    assert "systemd does not run here" in said and "radar-pod agent --state-dir /var/lib/radar-pod" in said
    owned = root.run("stat", "-c", "%U %a", "/etc/radar-pod", "/var/lib/radar-pod").stdout.splitlines()
    assert owned == ["radar-pod 750", "radar-pod 700"]
    assert root.run("systemctl", "is-enabled", "radar-pod.service", "radar-pod-bpf.socket").stdout.split() == [
        "enabled", "enabled"]  # fmt: skip
    assert root.run("radar-pod", "-v").stdout.startswith("0.")


def test_data_stays_on_remove_and_goes_on_purge(deb: Path, begin: Begin) -> None:
    root = begin()
    dpkg(root, "-i", root.put(deb, "/tmp/pod.deb"))
    for name in ["/etc/radar-pod/config.conf", "/var/lib/radar-pod/store.db", "/etc/.radar-pod.a1B2c3"]:
        root.path(name).write_text("kept\n")
    dpkg(root, "-r", "radar-pod")
    assert not root.path("/usr/bin/radar-pod").exists()
    assert root.path("/var/lib/radar-pod/store.db").read_text() == "kept\n"
    assert root.path("/etc/radar-pod/config.conf").exists() and root.path("/etc/default/radar-pod").exists()
    dpkg(root, "-P", "radar-pod")
    for name in ["/etc/radar-pod", "/var/lib/radar-pod", "/etc/default/radar-pod", "/etc/.radar-pod.a1B2c3"]:
        assert not root.path(name).exists(), name
    assert not list(root.path("/etc/systemd/system").rglob("radar-pod*"))


# --- a first agent's configuration ------------------------------------------------------------------------------

FIRST_AGENTS = {
    "its package's": (FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD + "server_url=https://one.example\n",
                      "server_url=https://one.example"),
    "its image's": ("/home/radar/.config/radar/config.conf", FIRST_AGENTS_POD + "server_url=https://two.example\n",
                    "server_url=https://two.example"),
    "without a home": ("/radar/config.conf", FIRST_AGENTS_POD + "server_url=https://three.example\n",
                       "server_url=https://three.example"),
    "its default service": (FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD, "server_url=https://pods.radartoolkit.com"),
    "the service cleared": (FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD + "server_url=\n",
                            "server_url=https://pods.radartoolkit.com"),
    "blanks for a service": (FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD + "server_url=\t \n",
                             "server_url=https://pods.radartoolkit.com"),
    "blanks before its service": (FIRST_AGENTS_CONFIG, FIRST_AGENTS_POD + "\tserver_url=https://four.example\n",
                                  "\tserver_url=https://four.example"),
}  # fmt: skip


@pytest.fixture(scope="module")
def lodging(deb: Path) -> Iterator[Root]:
    """One root with the package, for many first agents."""
    root = Root({}, systemd=False)
    dpkg(root, "-i", root.put(deb, "/tmp/pod.deb"))
    yield root
    root.end()


def take_over(root: Root, theirs: str, text: str) -> str:
    root.path("/etc/radar-pod/config.conf").unlink(missing_ok=True)
    root.path(theirs).parent.mkdir(parents=True, exist_ok=True)
    root.path(theirs).write_text(text)
    return root.run("/usr/lib/radar-pod/take-over").stdout


@pytest.mark.parametrize("case", FIRST_AGENTS)
def test_a_first_agents_configuration_is_taken_over(lodging: Root, case: str) -> None:
    theirs, text, wanted = FIRST_AGENTS[case]
    lodging.path("/etc/.radar-pod.a1B2c3").write_text(FIRST_AGENTS_POD)  # of one that was killed
    assert theirs in take_over(lodging, theirs, text)
    ours = lodging.path("/etc/radar-pod/config.conf").read_text()
    assert ours.startswith(text) and ours.splitlines()[-1] == wanted
    assert lodging.run("stat", "-c", "%U:%G %a", "/etc/radar-pod/config.conf").stdout == "radar-pod:radar-pod 600\n"
    assert lodging.path(theirs + ".taken-over").read_text() == text and not lodging.path(theirs).exists()
    assert not list(lodging.path("/etc").glob(".radar-pod*"))
    assert "rabcdefghijk" in lodging.run("radar-pod", "-v").stdout
    lodging.path(theirs + ".taken-over").unlink()


def test_a_configuration_of_ours_is_left_alone(lodging: Root) -> None:
    theirs = FIRST_AGENTS_CONFIG
    take_over(lodging, theirs, FIRST_AGENTS_POD)
    lodging.path(theirs).write_text("client_id=rother\n")
    assert lodging.run("/usr/lib/radar-pod/take-over").stdout == ""
    assert "rother" not in lodging.path("/etc/radar-pod/config.conf").read_text()
    lodging.path(theirs).unlink()
    lodging.path(theirs + ".taken-over").unlink()


def test_a_link_to_anothers_file_gives_nothing(lodging: Root) -> None:
    lodging.path("/etc/radar-pod/config.conf").unlink(missing_ok=True)
    theirs = lodging.path("/home/radar/.config/radar/config.conf")
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.symlink_to("/etc/shadow")
    assert lodging.run("/usr/lib/radar-pod/take-over").stdout == ""
    assert not lodging.path("/etc/radar-pod/config.conf").exists()
    theirs.unlink()
