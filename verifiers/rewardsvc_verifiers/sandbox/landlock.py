"""Landlock: which files a process may reach, applied by the process to itself.

Covers: opening, listing, creating, removing, renaming and executing files outside the granted
paths; TCP bind and connect (ABI 4); signals and abstract sockets to processes outside the
domain (ABI 6). Does not cover: `stat` and path existence, quotas, UDP, files already open.
What it does not cover is covered by the mount namespace (level 3) or by seccomp.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from rewardsvc_verifiers.sandbox import linux

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_ACCESS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _READ_FILE | _READ_DIR
_RULE_PATH_BENEATH = 1
_CREATE_RULESET_VERSION = 1


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The Landlock ABI of this kernel; 0 when it has none, it is off, or gVisor answers."""
    try:
        return linux.syscall("landlock_create_ruleset", 0, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def _handled(version: int) -> tuple[int, int, int, int]:
    """(file accesses, network accesses, scopes, attribute size) this ABI can refuse."""
    files = (1 << 13) - 1
    if version >= 2:
        files |= 1 << 13
    if version >= 3:
        files |= _TRUNCATE
    if version >= 5:
        files |= _IOCTL_DEV
    return (
        files,
        3 if version >= 4 else 0,
        3 if version >= 6 else 0,
        (24 if version >= 6 else 16 if version >= 4 else 8),
    )


def create(
    *, read: Iterable[str] = (), write: Iterable[str] = (), execute: Iterable[str] = ()
) -> int:
    """Builds a ruleset that refuses all but the given paths (missing ones are skipped).

    Returns:
        A descriptor for `restrict`; the caller closes it.

    Raises:
        OSError: the kernel has no Landlock.
    """
    files, network, scoped, size = _handled(abi())
    attributes = _RulesetAttributes(files, network, scoped)
    ruleset = linux.syscall("landlock_create_ruleset", ctypes.byref(attributes), size, 0)
    grants = [(path, _READ) for path in read]
    grants += [(path, files & ~_EXECUTE & ~_IOCTL_DEV) for path in write]
    grants += [(path, _READ | _EXECUTE) for path in execute]
    for path, access in grants:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                access &= _FILE_ACCESS
            rule = _PathBeneath(access & files, descriptor)
            linux.syscall("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)
    return ruleset


def restrict(ruleset: int) -> None:
    """Confines this thread and its future children to a ruleset; needs no_new_privs."""
    linux.syscall("landlock_restrict_self", ruleset, 0)
