"""How a process sees to it that it and its descendants do not outlive whom they serve.

Covers the parent's death by any signal, and this process's own: its process group is killed by
a guard, a fork that waits for the end of a pipe which only this process holds open. Not
covered: descendants that leave the group on purpose, and a guard that is itself killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["die_with_parent", "guard_group"]

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when its parent, process `parent`, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def guard_group(*not_for_the_guard: int) -> None:
    """Makes this process the leader of a group that ends with it.

    Forks: call it before any thread is started. `not_for_the_guard` are descriptors whose
    other ends wait for this process's end, and so must not be held open by the guard.
    """
    os.setsid()
    read, write = os.pipe()  # not inherited over exec: descendants do not hold it open
    if os.fork():
        os.close(read)
        return
    try:
        for descriptor in (write, *not_for_the_guard):
            os.close(descriptor)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.read(read, 1)
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(0)
