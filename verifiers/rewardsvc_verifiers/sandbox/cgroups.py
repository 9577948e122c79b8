"""A delegated cgroup v2 subtree, where there is one: memory and process bounds over whole jobs.

Covers: when the service's own cgroup is writable and hands out the memory and pids controllers,
every zygote, with all its jobs, gets a leaf with `memory.max`, no swap and `pids.max`; the leaf
is killed and removed with the zygote. Does not cover: plain pods, where nothing is delegated;
there rlimits bound each process, and since a program cannot fork, one process is the job.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
LEAF_MEMORY_BYTES = 8 << 30
"""Over a zygote and its jobs together; each process's own bound is an rlimit."""
LEAF_PROCESSES = 512
_numbers = itertools.count()
_NEEDED = frozenset({"memory", "pids"})


def delegated(root: Path = _ROOT, membership: Path = Path("/proc/self/cgroup")) -> Path | None:
    """This process's cgroup v2 directory when leaves with memory and pids may be made in it."""
    try:
        line = next(x for x in membership.read_text().splitlines() if x.startswith("0::"))
        directory = root / line[3:].lstrip("/")
        enabled = set((directory / "cgroup.subtree_control").read_text().split())
    except (OSError, StopIteration):
        return None
    if enabled >= _NEEDED and os.access(directory, os.W_OK):
        return directory
    return None


def create_leaf(parent: Path, name: str, *, memory_bytes: int, processes: int) -> Path:
    """Makes a bounded leaf; OSError when the kernel refuses."""
    leaf = parent / name
    leaf.mkdir()
    (leaf / "memory.max").write_text(str(memory_bytes))
    with contextlib.suppress(OSError):  # no swap controller
        (leaf / "memory.swap.max").write_text("0")
    (leaf / "pids.max").write_text(str(processes))
    return leaf


def lease(root: Path = _ROOT, membership: Path = Path("/proc/self/cgroup")) -> Path | None:
    """A fresh bounded leaf for one zygote; None where nothing is delegated."""
    parent = delegated(root, membership)
    if parent is None:
        return None
    name = f"rewardsvc-{os.getpid()}-{next(_numbers)}"
    try:
        return create_leaf(parent, name, memory_bytes=LEAF_MEMORY_BYTES, processes=LEAF_PROCESSES)
    except OSError:
        return None


def enter(leaf: Path) -> None:
    """Moves the calling process, and so its future children, into the leaf."""
    (leaf / "cgroup.procs").write_text("0")


def remove(leaf: Path) -> None:
    """Kills whatever is left in the leaf and removes it; silent when it is already gone."""
    with contextlib.suppress(OSError):
        (leaf / "cgroup.kill").write_text("1")
    with contextlib.suppress(OSError):
        leaf.rmdir()
