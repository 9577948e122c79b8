"""Isolation levels: what each covers, what it does not, and which this machine can give.

* **FULL** (3): user, mount, pid, network, ipc and uts namespaces, a fresh quota-bound tmpfs per
  job, Landlock, a seccomp allow-list, rlimits; a delegated cgroup v2 where there is one.
* **LANDLOCK** (2): for a plain unprivileged container (no namespaces): Landlock, seccomp
  allow-list without fork, rlimits. Lost against FULL: no writable directory at all (Python's
  `tempfile` fails), file names outside can be probed with `stat`, process ids are visible as
  numbers, an orphan is reaped by the container's init.
* **NAMESPACES** (1): FULL without Landlock, which is what gVisor offers inside; gVisor itself is
  the wall then. On a plain kernel it is FULL less its second wall around files and signals.
* **RLIMITS** (0): seccomp and rlimits only. The program can read every file its uid can read,
  so the image must hold no secret. Never used unless asked for by name.

No level defends against kernel bugs in the allowed syscalls, or hides timing between jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How well a program under test is isolated; higher is stronger."""

    RLIMITS = 0
    NAMESPACES = 1
    LANDLOCK = 2
    FULL = 3


class SandboxUnavailableError(RuntimeError):
    """This machine cannot isolate programs as well as asked; says what is missing."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the probe found, and why a level above is out of reach.

    Attributes:
        level: the strongest level available, None when not even seccomp works.
        landlock_abi: 0 without Landlock.
        cgroup: whether a cgroup v2 subtree with memory and pids is delegated to us.
        missing: what failed, one sentence each.
    """

    level: Level | None
    landlock_abi: int
    cgroup: bool
    missing: tuple[str, ...]


def require(found: Capabilities, minimum: Level | None) -> Level:
    """The level to run at, or SandboxUnavailableError saying what is missing.

    Args:
        minimum: the weakest acceptable level; None accepts any but RLIMITS.
    """
    wanted = Level.NAMESPACES if minimum is None else minimum
    if found.level is None or found.level < wanted:
        has = "none" if found.level is None else f"{found.level.name} ({int(found.level)})"
        hint = (
            " RLIMITS (0) can be allowed with minimum_level=Level.RLIMITS where the image holds"
            " no secret."
            if minimum is None and found.level is Level.RLIMITS
            else ""
        )
        raise SandboxUnavailableError(
            f"minimum_level {wanted.name} ({int(wanted)}) is not available here; available: {has}."
            f" Missing: {'; '.join(found.missing) or 'nothing else'}.{hint}"
        )
    return found.level
