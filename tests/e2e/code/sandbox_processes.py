"""What the tests look at from outside: processes, descriptors, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable


def descendants(root: int | None = None) -> set[int]:
    """All processes below one, as this process numbers them."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stream:
                    parents[int(name)] = int(stream.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found: set[int] = set()
    waiting = [root or os.getpid()]
    while waiting:
        parent = waiting.pop()
        children = {pid for pid, above in parents.items() if above == parent}
        waiting += children - found
        found |= children
    return found


def processes_of(uid: int) -> set[int]:
    """All processes of a user."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/status") as stream:
                    line = next(x for x in stream if x.startswith("Uid:"))
            except (OSError, StopIteration):
                continue
            if int(line.split()[1]) == uid:
                found.add(int(name))
    return found


def open_descriptors() -> int:
    """How many descriptors this process holds."""
    return len(os.listdir("/proc/self/fd"))


def resident_bytes() -> int:
    """This process's resident memory."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether a condition comes true within a time far beyond what it should take."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
