"""Namespaces and the file tree of a box (levels FULL and NAMESPACES).

Covers: the program sees a read-only tree of only the granted paths and one writable tmpfs of
bounded size and inode count, no /proc, no network device, no process but its own job's.
Does not cover: syscalls (seccomp), memory and CPU (rlimits, cgroup).

A zygote enters its namespaces once and becomes process 1 of a pid namespace of its own, so that
the kernel kills every job with it; each job then gets a fresh pid and mount namespace.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from rewardsvc_verifiers.sandbox import linux
from rewardsvc_verifiers.sandbox.privileges import SANDBOX_UID

BOX_PARENT = "/w"
BOX = "/w/box"
"""The only writable directory of a job. Its parent is what Landlock grants: a rule on a
mount point itself does not reach what is later mounted on it."""

_ALL = (
    linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS | linux.CLONE_NEWPID
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_SCAFFOLD = ("/tmp", "/mnt", "/run", "/var")  # noqa: S108 - mounted over in our namespace only


def enter() -> None:
    """Moves this process into new namespaces; its next child is process 1 of the pid one.

    Root maps itself and SANDBOX_UID, to build the tree as root and then leave it; anyone else
    maps only its own uid.

    Raises:
        OSError: the kernel, a container runtime or a policy refuses.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        linux.unshare(_ALL)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
        return
    mapping = f"0 0 1\n{SANDBOX_UID} {SANDBOX_UID} 1\n"
    ready_read, ready_write = os.pipe()
    parent = os.getpid()
    helper = os.fork()
    if helper == 0:
        # Several entries may be written only from outside, by a process privileged there.
        status = 1
        try:
            os.close(ready_write)
            if os.read(ready_read, 1) == b"x":
                _write(f"/proc/{parent}/uid_map", mapping)
                _write(f"/proc/{parent}/gid_map", mapping)
                status = 0
        finally:
            os._exit(status)
    os.close(ready_read)
    try:
        linux.unshare(_ALL)
        os.write(ready_write, b"x")
    finally:
        os.close(ready_write)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise OSError("the uid map of the user namespace could not be written")


def build_root(read: Iterable[str]) -> None:
    """Builds the read-only tree of the granted paths and makes it this namespace's root."""
    sources = {path: os.open(path, os.O_PATH) for path in _outermost(read) if os.path.exists(path)}
    devices = {path: os.open(path, os.O_PATH) for path in _DEVICES if os.path.exists(path)}
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    base = next(path for path in _SCAFFOLD if os.path.isdir(path))
    linux.mount("tmpfs", base, "tmpfs", linux.MS_NOSUID, "size=1m,nr_inodes=1024,mode=755")
    os.chdir(base)
    os.umask(0o022)  # the tree is built by root, and read by the sandbox's uid
    for path, descriptor in (sources | devices).items():
        target = base + path
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        linux.mount(f"/proc/self/fd/{descriptor}", target, "", linux.MS_BIND | linux.MS_REC)
        os.close(descriptor)
        if path in sources:
            _make_read_only(target)
    for path in (BOX_PARENT, BOX):
        os.mkdir(base + path)
    with contextlib.suppress(FileExistsError):
        os.symlink(BOX, base + "/tmp")  # noqa: S108
    for link in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        _copy_link(link, base)
    linux.pivot_root_here()
    linux.mount("none", "/", "", linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY
                | linux.MS_NOSUID)  # fmt: skip


def mount_box(size: int, inodes: int) -> None:
    """In a job: a fresh mount namespace with an empty writable tmpfs at BOX."""
    linux.unshare(linux.CLONE_NEWNS)
    options = f"size={size},nr_inodes={inodes},mode=700,uid={os.getuid()},gid={os.getgid()}"
    linux.mount("tmpfs", BOX, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    os.chdir(BOX)


def next_child_in_new_pid_namespace(own: int) -> None:
    """Makes the next fork process 1 of a fresh pid namespace.

    Args:
        own: a descriptor of this process's own pid namespace; only from there may a new one be
            opened again.
    """
    linux.setns(own, linux.CLONE_NEWPID)
    linux.unshare(linux.CLONE_NEWPID)


def _write(path: str, text: str) -> None:
    with open(path, "w") as stream:
        stream.write(text)


def _outermost(paths: Iterable[str]) -> list[str]:
    """Absolute paths without those that lie inside another; links are resolved."""
    chosen: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths} | set()):
        if not any(path == top or path.startswith(top + "/") for top in chosen):
            chosen.append(path)
    return chosen


def _copy_link(path: str, base: str) -> None:
    """Repeats a top-level link such as /lib -> usr/lib where the tree has none."""
    if os.path.islink(path) and not os.path.lexists(base + path):
        os.symlink(os.readlink(path), base + path)


def _make_read_only(target: str) -> None:
    try:
        linux.set_mount_attributes(
            target, linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
        )
    except OSError:
        # Kernels before 5.12 and gVisor. Flags locked by the outer namespace must be repeated.
        flags = os.statvfs(target).f_flag & (
            os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME
        )
        linux.mount("none", target, "", flags | linux.MS_REMOUNT | linux.MS_BIND
                    | linux.MS_RDONLY | linux.MS_NOSUID)  # fmt: skip
