"""Sandboxed tests per second beside plain subprocesses and bubblewrap, in one run.

    python tests/benchmarks/code_throughput.py [--rounds 5] [--jobs 40]

Each variant runs `print(1)`, one client, in interleaved rounds. What is compared is CPU time per
job (of this process and all its children), because a shared machine's wall clock says little:
jobs/s per core is its inverse. bubblewrap is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rewardsvc_verifiers.code import CodeVerifier, TestSuite
from rewardsvc_verifiers.sandbox import linux
from rewardsvc_verifiers.sandbox.levels import Level, SandboxUnavailableError

IMPORTS = (
    "import abc, array, bisect, calendar, cmath, collections, contextlib, copy, dataclasses,"
    " datetime, decimal, enum, fractions, functools, hashlib, heapq, io, itertools, json, math,"
    " numbers, operator, os, queue, random, re, statistics, string, struct, sys, textwrap,"
    " threading, time, timeit, traceback, types, typing, unicodedata\n"
)
PYTHON = os.path.realpath(sys.executable)


@dataclass
class Variant:
    """One way of running a program, and what it cost."""

    name: str
    run: Callable[[], None]
    tests_per_job: int = 1
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of this process, its finished children, and living zygotes with theirs."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    tick = os.sysconf("SC_CLK_TCK")
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / tick
    return total


def below(root: int) -> list[int]:
    """Living processes below one."""
    found: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stream:
                    parent = int(stream.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == root:
                found += [int(name), *below(int(name))]
    return found


def subprocess_variant(name: str, command: list[str]) -> Variant:
    """A fresh process for each job."""

    def run() -> None:
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout.strip() == b"1"

    return Variant(name, run)


def bubblewrap(program: str) -> list[str]:
    """bubblewrap with all namespaces, as far as a read-only system needs."""
    library = os.path.dirname(os.path.dirname(PYTHON))
    return [
        "bwrap", "--unshare-all", "--clearenv", "--die-with-parent", "--ro-bind", "/usr", "/usr",
        "--ro-bind", "/lib", "/lib", "--ro-bind-try", "/lib64", "/lib64", "--ro-bind", library,
        library, "--tmpfs", "/tmp", "--dev", "/dev", PYTHON, "-I", "-S", "-c", program,
    ]  # fmt: skip


def sandboxed(verifier: CodeVerifier, tests: int) -> Callable[[], None]:
    """One job of so many tests in our box."""
    suite = TestSuite.stdio([("", "1")] * tests, extraction="whole")

    def run() -> None:
        verdict = verifier.verify("print(1)", suite)
        assert verdict.outcome == "correct", verdict.reason

    return run


def settle() -> None:
    """Lets the last processes be reaped, ours those that bubblewrap leaves behind.

    bubblewrap does not wait for its process 1, whose CPU time would then be counted nowhere.
    """
    time.sleep(0.05)
    while True:
        try:
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG) is None:
                return
        except ChildProcessError:
            return


def main() -> None:
    """Runs the variants and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=40)
    options = parser.parse_args()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    variants = [
        subprocess_variant("plain python -I -S", [PYTHON, "-I", "-S", "-c", "print(1)"]),
        subprocess_variant(
            "plain + usual imports", [PYTHON, "-I", "-S", "-c", IMPORTS + "print(1)"]
        ),
    ]
    if shutil.which("bwrap"):
        variants += [
            subprocess_variant("bubblewrap", bubblewrap("print(1)")),
            subprocess_variant("bubblewrap + imports", bubblewrap(IMPORTS + "print(1)")),
        ]
    else:
        print("bubblewrap is not installed: left out")
    verifiers = []
    for level in (Level.FULL, Level.LANDLOCK):
        try:
            verifier = CodeVerifier(workers=1, level=level)
        except SandboxUnavailableError as error:
            print(f"level {level.name} left out: {error}")
            continue
        verifiers.append(verifier)
        for tests in (1, 10):
            name = f"rewardsvc {level.name}, {tests} test{'s' * (tests > 1)} a job"
            variants.append(Variant(name, sandboxed(verifier, tests), tests))
    for variant in variants:
        variant.run()
    zygotes = below(os.getpid())
    for _ in range(options.rounds):
        for variant in variants:
            jobs = max(5, options.jobs // variant.tests_per_job)
            cpu, wall = cpu_seconds(zygotes), time.perf_counter()
            for _ in range(jobs):
                variant.run()
            settle()
            variant.cpu.append((cpu_seconds(zygotes) - cpu) / jobs)
            variant.wall.append((time.perf_counter() - wall) / jobs)
    for verifier in verifiers:
        verifier.close()
    report(variants)


def report(variants: list[Variant]) -> None:
    """The table, and ratios to bubblewrap with imports (our boxes have the imports loaded)."""
    print(
        "| variant | CPU ms/job, median (best) | jobs/s per core | tests/s per core | p50 wall ms |"
    )
    print("|---|---|---|---|---|")
    for variant in variants:
        cpu = statistics.median(variant.cpu)
        print(
            f"| {variant.name} | {cpu * 1e3:.1f} ({min(variant.cpu) * 1e3:.1f}) | {1 / cpu:.0f} |"
            f" {variant.tests_per_job / cpu:.0f} | {statistics.median(variant.wall) * 1e3:.1f} |"
        )
    by_name = {variant.name: statistics.median(variant.cpu) for variant in variants}
    for name, cost in by_name.items():
        if name.startswith("rewardsvc") and name.endswith("1 test a job"):
            for peer in ("plain python -I -S", "plain + usual imports", "bubblewrap",
                         "bubblewrap + imports"):  # fmt: skip
                if peer in by_name:
                    print(f"{name}: {by_name[peer] / cost:.2f} times the jobs/s of {peer}")


if __name__ == "__main__":
    main()
