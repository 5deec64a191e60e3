"""A throwaway root: this machine's files under a layer that is gone afterwards, with systemd of its own as process 1.

Nothing of this machine is touched: what is written goes to a tmpfs, processes are in namespaces of their own and end
with the first of them, control groups are below one of the test's own. Only the network is this machine's, for its
loopback.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import folders
import pytest
from daemon import eventually

# What the started system has to reach: all that this machine's own units would do is left out.
EMPTY_UNITS = ["sysinit.target", "basic.target", "network-online.target", "sockets.target", "shutdown.target"]

SET_UP = r"""
set -eu
layers=$1 systemd=$2
mount -t tmpfs -o mode=0755 none "$layers"
mkdir "$layers/upper" "$layers/work" "$layers/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$layers/root"
cd "$layers/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs -o mode=0755 none run
mount -t tmpfs none tmp
mount -t tmpfs -o mode=0755 none dev
mkdir dev/shm dev/pts
for device in null zero full random urandom tty; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
rm -rf etc/radar-pod var/lib/radar-pod root/.config/radar usr/sbin/policy-rc.d
cp -r "$layers.in/." .
[ "$systemd" = no ] || mount -t cgroup2 cgroup2 sys/fs/cgroup
pivot_root . mnt # in a chroot there are no user namespaces
cd /
umount -l mnt
if [ "$systemd" = no ]; then
	touch tmp/begun
	exec sleep infinity
fi
export container=radar-pod-test
exec "$systemd" --system --unit=test.target --log-target=null --show-status=no
"""


def cgroup_mount() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, point, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(point)
    pytest.skip("control groups of version 2 are not mounted")


def clear_groups() -> None:
    """What killed runs have left, whose folders are gone: nothing runs in it any more."""
    for group in cgroup_mount().glob(f"{folders.PREFIX}root-*"):
        if not Path(tempfile.gettempdir(), group.name).exists():
            remove_group(group)


def remove_group(group: Path) -> bool:
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            Path(folder).rmdir()
        except OSError:
            return False
    return not group.exists()


class Root:
    """`files` are laid down before it begins: {"/path": text}."""

    def __init__(self, files: dict[str, str], systemd: bool) -> None:
        if os.geteuid() != 0:
            pytest.skip("a root of one's own is made as root")
        if systemd:
            clear_groups()
        self.layers = folders.make("root")
        self.given = Path(f"{self.layers}.in")
        self.group = cgroup_mount() / self.layers.name if systemd else None
        if systemd:
            files = files | {f"/etc/systemd/system/{name}": "[Unit]\nDefaultDependencies=no\n" for name in EMPTY_UNITS}
            files["/etc/systemd/system/test.target"] = (
                "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n"
            )
            files["/etc/systemd/system/systemd-journald.service.d/alone.conf"] = (
                "[Unit]\nDefaultDependencies=no\n"
            )
        for name, text in files.items():
            path = self.given / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.given.mkdir(exist_ok=True)
        self.begin(systemd)

    def begin(self, systemd: bool) -> None:
        program = shutil.which("systemd", path="/lib/systemd:/usr/lib/systemd") if systemd else "no"
        if not program:
            pytest.skip("there is no systemd here")
        self.log = (self.layers.parent / f"{self.layers.name}.log").open("w+")
        self.first = 0
        if self.group:
            try:
                self.group.mkdir()
            except OSError as error:
                self.group = None
                self.forget()
                pytest.skip(f"no control group can be made here: {error}")
        enter = 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"' if self.group else 'shift; exec "$@"'
        self.holder = subprocess.Popen(
            ["sh", "-ec", enter, "sh", self.group or "", "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation=private", "--pid", "--ipc",
             "--uts", "--cgroup", "--fork", "--kill-child", "sh", "-c", SET_UP, "sh", self.layers, program],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        try:
            eventually(self.is_up, 300)
        except AssertionError:
            self.log.seek(0)
            said = self.log.read()
            self.end()
            pytest.skip(f"no root of one's own could be begun here: {said.strip() or 'it did not come up'}")

    def is_up(self) -> bool:
        assert self.holder.poll() is None
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        if not children:
            return False
        self.first = int(children[0])
        if self.group:
            return self.run("systemctl", "is-active", "test.target", check=False).returncode == 0
        return self.run("test", "-e", "/tmp/begun", check=False).returncode == 0

    def run(self, *argv: str | Path, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        """A command in there; both outputs as one."""
        done = subprocess.run(
            ["nsenter", f"--target={self.first}", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd",
             *map(str, argv)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"} | more,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}"
        return done

    def path(self, name: str) -> Path:
        """A file of it as this side sees it."""
        return Path(f"/proc/{self.first}/root") / name.lstrip("/")

    def put(self, source: Path, name: str) -> str:
        shutil.copy(source, self.path(name))
        return name

    def end(self) -> None:
        if self.first:
            os.kill(self.first, signal.SIGKILL)
        self.holder.kill()
        self.holder.wait()
        if self.group:
            eventually(self.group_is_gone, 300)
        self.forget()

    def forget(self) -> None:
        self.log.close()
        folders.remove(self.layers)

    def group_is_gone(self) -> bool:
        assert self.group
        return remove_group(self.group)
