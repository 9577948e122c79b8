"""Whether a program that ran out of wall time idled, or was kept from running.

Covers: the scheduler's own account of time spent running and queued, which no program can
write. Does not cover: kernels that keep none (gVisor); there the pressure or load of the whole
machine decides.
"""

from __future__ import annotations

import os


def starved(runner_pid: int, wall: float) -> bool:
    """Whether the runner's child was mostly runnable (running or queued) in its wall time.

    Read from the scheduler's own account of each thread. Where there is none (gVisor), a
    program that idles is told from one that starves by the pressure of the whole machine.
    """
    try:
        children = _text(f"/proc/{runner_pid}/task/{runner_pid}/children").split()
        busy = 0.0
        for child in children:
            for thread in os.listdir(f"/proc/{child}/task"):
                running, queued, *_ = _text(f"/proc/{child}/task/{thread}/schedstat").split()
                busy = max(busy, (int(running) + int(queued)) / 1e9)
        return busy >= 0.5 * wall
    except (OSError, ValueError):
        pass
    try:
        some = _text("/proc/pressure/cpu").split("avg10=")[1].split()[0]
        return float(some) > 20.0
    except (OSError, ValueError, IndexError):
        return os.getloadavg()[0] > 2.0 * (os.cpu_count() or 1)


def _text(path: str) -> str:
    with open(path) as stream:
        return stream.read(4096)
