"""Running tests of one program in a box, and what each end means.

Covers: a job that broke is replaced and the test run again, up to ATTEMPTS times; what a limit
was is decided from the kernel's account and from CPU time, not from what the program says.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rewardsvc_verifiers.code.languages.base import CompileFailedError, Program
from rewardsvc_verifiers.code.programs.python import EXIT_MEMORY
from rewardsvc_verifiers.code.suite import Limits
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox import channel
from rewardsvc_verifiers.sandbox.host import ChildLimits, Ended, Job, SandboxError, Stop
from rewardsvc_verifiers.verdict import TestOutcome, TestStatus

ATTEMPTS = 3
_MEMORY_SIGNS = (b"std::bad_alloc", b"JavaScript heap out of memory", b"MemoryError",
                 b"Array buffer allocation failed", b"out of memory")  # fmt: skip
_TAIL = 2000


def child_limits(program: Program, limits: Limits) -> ChildLimits:
    """The limits of one test child of this program."""
    return ChildLimits(
        limits.cpu_seconds, limits.wall, limits.memory_bytes + program.extra_memory_bytes,
        limits.output_bytes, program.stack_bytes, program.count_data_only,
    )  # fmt: skip


class Box:
    """A job with the program loaded, replaced by a new one whenever it breaks."""

    def __init__(self, toolbox: Toolbox, program: Program, limits: Limits) -> None:
        self._toolbox, self._program, self._limits = toolbox, program, limits
        self._job: Job | None = None
        self._files = tuple(
            channel.sealed_memfd(data, executable=program.executable_files)
            for data in program.files
        )

    def __enter__(self) -> Box:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()
        for descriptor in self._files:
            os.close(descriptor)

    def drop(self) -> None:
        """Ends the job; the next test gets a new one."""
        if self._job is not None:
            self._job.close()
            self._job = None

    def job(self, arguments: dict[str, Any] | None = None) -> Job:
        """The job, opened and loaded when there is none.

        Raises:
            CompileFailedError: the source does not compile.
            SandboxError: the sandbox failed ATTEMPTS times in a row.
        """
        if self._job is not None and not self._job.reusable:
            self.drop()
        for attempt in range(1, ATTEMPTS + 1):
            if self._job is not None:
                break
            try:
                self._job = self._open(arguments or {})
            except SandboxError:
                self._toolbox.discard(self._program.profile)
                if attempt == ATTEMPTS:
                    raise
        assert self._job is not None
        return self._job

    def _open(self, arguments: dict[str, Any]) -> Job:
        job = self._toolbox.zygote(self._program.profile).job()
        try:
            loaded = job.load(
                self._program.source, arguments,
                cpu_seconds=self._limits.compile_cpu_seconds,
                memory_bytes=max(self._limits.memory_bytes, 256 << 20),
            )  # fmt: skip
            if not loaded.ok:
                raise CompileFailedError(loaded.message)
        except BaseException:
            job.close()
            raise
        return job

    def run(
        self,
        mode: str,
        arguments: dict[str, Any],
        descriptors: Sequence[int],
        wall_factor: int = 1,
    ) -> Ended:
        """Runs one child with the program's own files behind the given descriptors."""
        limits = child_limits(self._program, self._limits)
        limits = replace(limits, wall_seconds=limits.wall_seconds * wall_factor)
        job = self.job()
        try:
            return job.run(
                mode, {**self._program.arguments, **arguments},
                (*descriptors, *self._files), limits,
            )  # fmt: skip
        except SandboxError:
            self.drop()
            raise


@dataclass(frozen=True, slots=True)
class Files:
    """A child's descriptors: input, output, errors, and more by position."""

    input: int
    output: int
    errors: int
    extra: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        """In the order of the child's descriptor numbers."""
        return (self.input, self.output, self.errors, *self.extra)


@contextlib.contextmanager
def files(input_data: bytes, *extra: bytes | None) -> Iterator[Files]:
    """Memfds for one child: sealed input, empty output and errors, then sealed or empty ones."""
    opened: list[int] = []
    try:
        for data in (input_data, None, None, *extra):
            opened.append(channel.memfd() if data is None else channel.sealed_memfd(data))
        yield Files(opened[0], opened[1], opened[2], tuple(opened[3:]))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def limit_status(ended: Ended, limits: Limits, opened: Files) -> tuple[TestStatus, str] | None:
    """The status an end means, with a message; None when the child ended well.

    CPU time decides; the wall clock says `time_limit` only of a program that idled.
    """
    if ended.cpu_seconds > limits.cpu_seconds or ended.signal == signal.SIGXCPU:
        return TestStatus.TIME_LIMIT, f"used {ended.cpu_seconds:.2f} s of CPU time"
    if ended.stop is Stop.STARVED:
        return TestStatus.SANDBOX_ERROR, (
            f"the machine gave it {ended.cpu_seconds:.2f} s of CPU in {ended.wall_seconds:.1f} s"
        )
    if ended.stop is Stop.IDLE:
        return TestStatus.TIME_LIMIT, f"idled until the wall limit of {limits.wall:g} s"
    sizes = [os.fstat(descriptor).st_size for descriptor in (opened.output, opened.errors)]
    if ended.signal == signal.SIGXFSZ or max(sizes) >= limits.output_bytes:
        which = "standard output" if sizes[0] >= sizes[1] else "standard error"
        return TestStatus.OUTPUT_LIMIT, f"more than {limits.output_bytes} bytes on {which}"
    if ended.exit_code == 0:
        return None
    errors = tail(opened.errors)
    out_of_memory = any(sign in errors for sign in _MEMORY_SIGNS)
    near = ended.peak_memory_bytes >= 0.9 * limits.memory_bytes
    if ended.exit_code == EXIT_MEMORY or out_of_memory or (ended.signal and near):
        return TestStatus.MEMORY_LIMIT, f"needs more than {limits.memory_bytes} bytes of memory"
    if ended.signal == signal.SIGKILL:
        return TestStatus.SANDBOX_ERROR, "killed from outside, probably for the machine's memory"
    how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.exit_code}"
    text = errors.decode("utf-8", "replace").strip()
    return TestStatus.RUNTIME_ERROR, f"{how}: {text[-500:]}" if text else how


def tail(descriptor: int) -> bytes:
    """The end of a file, for messages."""
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL, max(0, size - _TAIL))


def outcome(name: str, ended: Ended, status: TestStatus, message: str = "") -> TestOutcome:
    """A test's outcome with what its child used."""
    return TestOutcome(name, status, ended.cpu_seconds, ended.peak_memory_bytes, message)


def sandbox_error(name: str, error: Exception) -> TestOutcome:
    """The outcome of a test that could not be run."""
    return TestOutcome(name, TestStatus.SANDBOX_ERROR, message=str(error)[:500])


def retried(run: Callable[[int], TestOutcome]) -> TestOutcome:
    """Calls `run(wall_factor)` until it is no sandbox_error, ATTEMPTS times at most.

    Each further attempt gets three times the wall time: a machine too busy to run a program
    within the first backstop is not helped by the same one again. CPU limits stay.
    """
    result = run(1)
    for attempt in range(1, ATTEMPTS):
        if result.status is not TestStatus.SANDBOX_ERROR:
            break
        result = run(3**attempt)
    return result


def cumulative(limits: Limits, tests: int) -> Limits:
    """Limits of one process that serves many tests, each of which has its own inside."""
    factor = max(1, min(tests, 32))
    return replace(
        limits, cpu_seconds=math.ceil(limits.cpu_seconds) * factor,
        wall_seconds=limits.wall * factor + 1,
    )  # fmt: skip
