"""Thin ctypes wrappers of the Linux calls the sandbox needs and Python lacks.

Covers: syscalls by number, prctl, unshare, setns, mount, pivot_root, capabilities.
Does not cover: any policy. What is called when, and in which order, is decided in
`namespaces`, `privileges`, `seccomp` and `landlock`.
"""

from __future__ import annotations

import ctypes
import os

from rewardsvc_verifiers.sandbox.syscalls import number

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_THREAD = 0x00010000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_FDCWD = -100
MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4

_CAPABILITY_VERSION_3 = 0x20080522


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(name: str, *arguments: object) -> int:
    """Calls a syscall by name; raises OSError on failure."""
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number(name)), *converted), name)


def prctl(option: int, *arguments: int) -> int:
    """prctl(2); raises OSError on failure."""
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc.prctl(option, *padded), f"prctl({option})")


def unshare(flags: int) -> None:
    """unshare(2); raises OSError on failure."""
    _checked(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(descriptor: int, kind: int) -> None:
    """setns(2); raises OSError on failure."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2); raises OSError on failure."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _checked(result, f"mount {kind or 'bind'} on {target}")


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def set_mount_attributes(target: str, attributes: int) -> None:
    """mount_setattr(2), recursively; raises OSError on failure."""
    structure = _MountAttributes(attributes, 0, 0, 0)
    syscall(
        "mount_setattr",
        AT_FDCWD,
        ctypes.c_char_p(target.encode()),
        AT_RECURSIVE,
        ctypes.byref(structure),
        ctypes.sizeof(structure),
    )


def pivot_root_here() -> None:
    """Makes the current directory the root of the mount namespace and drops the old root."""
    syscall("pivot_root", ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    _checked(_libc.umount2(b".", MNT_DETACH), "umount2 of the old root")
    os.chdir("/")


def set_capabilities(mask: int) -> None:
    """Sets the effective and permitted sets to `mask` and empties the inheritable set."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _checked(_libc.capset(header, data), "capset")


def get_capabilities() -> tuple[int, int]:
    """The (effective, permitted) capability masks of this process."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    _checked(_libc.capget(header, data), "capget")
    return data[0] | data[3] << 32, data[1] | data[4] << 32
