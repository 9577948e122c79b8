"""Mixed hostile and ordinary load, and what it leaves behind; shared by a test and a benchmark."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass, field

from rewardsvc_verifiers.code import CodeVerifier, TestSuite
from sandbox_limits import LIMITS
from sandbox_processes import descendants, eventually, open_descriptors, resident_bytes

_OPTIONS = {"extraction": "whole", "limits": LIMITS}
STDIO = TestSuite.stdio([("7", "42"), ("1", "6")], **_OPTIONS)
FUNCTION = TestSuite.function("f", [([1], 2), ([5], 6)], **_OPTIONS)
ASSERTS = TestSuite.asserts("f", "assert f(1) == 2\nassert f(2) == 3\n", **_OPTIONS)
RIGHT = "def f(n): return n + 1\nif __name__ == '__main__': print(int(input()) * 6)"
HOSTILE = (
    "import os\nwhile True: os.fork()",
    "import os\nos.kill(-1, 9)",
    "x = []\nwhile True: x.append(bytes(1 << 20))",
    "while True: print('x' * 100000)",
    "for i in range(10 ** 6): open(f'f{i}', 'w').close()",
    "open('big', 'wb').write(bytes(3 << 20)); import os; os.mkdir('d'); os.chmod('d', 0)",
    "import os\nfor i in range(3000):\n  os.mkdir('d'); os.chdir('d')",
    "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()",
    "import ctypes\nctypes.string_at(0)",
    "def f(n):\n  import os\n  os._exit(0)",
    "def f(n): raise SystemExit",
    "def f(n): return 'x' * (64 << 20)",
    "(" * 100_000,
    "import socket\nsocket.socket()",
    "x = 9 ** 9 ** 9",
    "import time\ntime.sleep(1000)",
)


@dataclass
class Readings:
    """What the process and its sandboxes held, at intervals."""

    jobs: int = 0
    wrong: list[str] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    echo: bool = False
    """Whether to print each reading as it is taken."""

    def note(self, seconds: float, processes: int) -> None:
        """Adds a reading."""
        self.rows.append(
            {
                "seconds": round(seconds, 1),
                "jobs": self.jobs,
                "descriptors": open_descriptors(),
                "processes": processes,
                "resident_mebibytes": resident_bytes() / (1 << 20),
                "sandbox_mebibytes": _resident_below(),
                "own_mounts": _mounts(),
            }
        )
        if self.echo:
            print("| " + " | ".join(f"{value:.6g}" for value in self.rows[-1].values()) + " |")


def _resident_below() -> float:
    """Resident memory of everything below this process, in MiB."""
    total = 0
    for pid in descendants():
        try:
            with open(f"/proc/{pid}/statm") as stream:
                total += int(stream.read().split()[1])
        except OSError:
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _mounts() -> int:
    """Mounts of this process's own namespace: boxes must never show up here."""
    with open("/proc/self/mounts") as stream:
        return sum(1 for _ in stream)


def run(verifier: CodeVerifier, seconds: float, every: float, *, echo: bool = False) -> Readings:
    """Loads the verifier for so long, reading every so often with the verifier at rest."""
    readings = Readings(echo=echo)
    suites = (STDIO, FUNCTION, ASSERTS)
    hostile = itertools.cycle(itertools.product(HOSTILE, suites))
    for suite in suites:
        verifier.verify_batch([(RIGHT, suite)] * 4)
    idle = len(descendants())
    start = last = time.monotonic()
    while (now := time.monotonic()) - start < seconds:
        batch = []
        for suite in suites:
            program, other = next(hostile)
            batch += [(RIGHT, suite), (program, other), (RIGHT, suite)]
        verdicts = verifier.verify_batch(batch)
        readings.jobs += len(batch)
        for (program, _), verdict in zip(batch, verdicts, strict=True):
            if (program == RIGHT) != (verdict.outcome == "correct"):
                readings.wrong.append(f"{program[:60]!r}: {verdict.reason[:200]}")
        if now - last >= every or not readings.rows:
            last = now
            eventually(lambda: len(descendants()) <= idle)
            readings.note(now - start, len(descendants()))
    eventually(lambda: len(descendants()) <= idle)
    readings.note(time.monotonic() - start, len(descendants()))
    return readings
