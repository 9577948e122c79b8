"""Giving up privileges: uid, capabilities, dumpability, rlimits.

Covers: after `drop_identity` and `drop_capabilities` a process is an unprivileged user that
cannot regain anything (no_new_privs, empty bounding set), leaves no core and cannot be traced by
its own uid. Does not cover: what an unprivileged user may do anyway; that is seccomp's and
Landlock's part.
"""

from __future__ import annotations

import contextlib
import os
import resource

from rewardsvc_verifiers.sandbox import linux

SANDBOX_UID = 64637
"""The uid programs run as when the verifier was started by root; nobody else's."""

_LAST_CAPABILITY = 63


def drop_identity(*, keep_capabilities: bool) -> None:
    """Becomes SANDBOX_UID when root; otherwise stays who it is.

    Args:
        keep_capabilities: keep those held in this user namespace, to mount later.
    """
    if os.geteuid() != 0:
        return
    _, permitted = linux.get_capabilities()
    if keep_capabilities:
        linux.prctl(linux.PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(SANDBOX_UID, SANDBOX_UID, SANDBOX_UID)
    os.setresuid(SANDBOX_UID, SANDBOX_UID, SANDBOX_UID)
    if keep_capabilities:
        linux.set_capabilities(permitted)


def bound_capabilities() -> None:
    """Empties the bounding and ambient sets, so that no exec ever brings one back."""
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            linux.prctl(linux.PR_CAPBSET_DROP, capability)
        except OSError:  # past the last one, or already without the right to drop
            break
    with contextlib.suppress(OSError):
        linux.prctl(linux.PR_CAP_AMBIENT, linux.PR_CAP_AMBIENT_CLEAR_ALL)


def forbid_new_privileges() -> None:
    """Sets no_new_privs, for this process and everything it will ever start."""
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)


def hide_from_tracing() -> None:
    """Makes the process undumpable: /proc/<pid> is root's, ptrace by its own uid fails."""
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def die_with_parent() -> None:
    """SIGKILL when the parent ends. Cleared by the kernel on a uid change: call it after."""
    linux.prctl(linux.PR_SET_PDEATHSIG, 9)


def limit(kind: int, soft: int, hard: int | None = None) -> None:
    """setrlimit that never asks for more than the hard limit in force."""
    _, ceiling = resource.getrlimit(kind)
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        hard = min(hard, ceiling) if hard != resource.RLIM_INFINITY else ceiling
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(kind, (soft, hard))
