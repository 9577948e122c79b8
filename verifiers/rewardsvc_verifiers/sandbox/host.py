"""The trusted side: starts zygotes, drives jobs, keeps the wall clock, decides what a limit was.

Covers: a job that hangs, dies or lies about itself costs its own outcome, never the caller's
process; every wait has an end. A wall clock that ran out is told apart: the program idled or
burnt its time (`TIME_LIMIT`), or the machine did not let it run (`STARVED`, to be retried).
Does not cover: threads; one Zygote and its jobs belong to one thread at a time.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

from rewardsvc_verifiers.sandbox import cgroups, channel, privileges
from rewardsvc_verifiers.sandbox.levels import Level
from rewardsvc_verifiers.sandbox.profile import MEBIBYTE, Profile
from rewardsvc_verifiers.sandbox.starvation import starved

_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from rewardsvc_verifiers.sandbox.zygote import main;"
    "main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])"
)
# No secret of the service's environment reaches a program; hashing is reproducible.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TMPDIR": "/w/box",
    "HOME": "/w/box",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
}
_START_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_LOAD_SECONDS_PER_CPU_SECOND = 6.0


class SandboxError(RuntimeError):
    """The sandbox itself failed; the program under test was not judged."""


class Stop(Enum):
    """Why the trusted side ended a child, if it did."""

    NOT_STOPPED = "not_stopped"
    IDLE = "idle"
    """The wall clock ran out while the program slept, waited or was stopped."""
    STARVED = "starved"
    """The wall clock ran out while the program was runnable and the machine was busy."""


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one test child may use; sent to the runner."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    stack_bytes: int = 8 * MEBIBYTE
    count_data_only: bool = False
    """Bound private memory rather than address space, for runtimes that reserve much of it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a test child ended, as the kernel reported it."""

    exit_code: int | None
    signal: int | None
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    stop: Stop


@dataclass(frozen=True, slots=True)
class Loaded:
    """Whether the source compiled, and what the compiler said."""

    ok: bool
    message: str = ""


@dataclass
class Zygote:
    """A running zygote; a context manager. Start with `Zygote.start`."""

    profile: Profile
    level: Level
    process: subprocess.Popen[bytes]
    control: socket.socket
    leaf: Path | None = None
    """The cgroup of this zygote and its jobs, where a subtree is delegated."""
    _next_job: int = 0
    _ended: dict[int, int] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)

    @classmethod
    def start(cls, profile: Profile, level: Level) -> Zygote:
        """Starts a zygote and waits until it is confined.

        Raises:
            SandboxError: it could not start, or could not reach `level`; says why.
        """
        ours, theirs = channel.pair()
        leaf = cgroups.lease() if level is Level.FULL else None
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-B", "-c", _BOOTSTRAP, _PACKAGE_PARENT,
                 str(int(level)), profile.to_json(), str(theirs.fileno()), str(leaf or "")],
                env=_ENVIRONMENT, pass_fds=(theirs.fileno(),), cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        zygote = cls(profile, level, process, ours, leaf)
        try:
            message = zygote._receive(_START_SECONDS)
            if "ready" not in message:
                raise SandboxError(str(message.get("error", "unknown")))
        except (SandboxError, channel.ChannelClosedError) as error:
            zygote.close()
            raise SandboxError(
                f"sandbox {profile.name!r} at level {level.name} did not start: {error}"
            ) from error
        return zygote

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """Kills the zygote and every job of it, and reaps."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        if self.leaf is not None:
            cgroups.remove(self.leaf)

    def job(self) -> Job:
        """Forks a runner and waits until it is confined; SandboxError when it cannot be."""
        self._next_job += 1
        return Job(self, self._next_job)

    def _receive(self, seconds: float) -> dict[str, Any]:
        if not _readable(self.control, seconds):
            raise SandboxError(f"the zygote did not answer within {seconds:g} s")
        return channel.receive(self.control)[0]

    def _collect(self, job: int, seconds: float) -> int | None:
        """The wait status of a job's runner, waiting for it up to `seconds`."""
        end = time.monotonic() + seconds
        while job not in self._ended:
            left = end - time.monotonic()
            if not _readable(self.control, max(0.0, left)):
                return None
            message, _ = channel.receive(self.control)
            ended = message.get("ended")
            if ended in self._open:
                self._open.discard(ended)
                self._ended[ended] = int(message["status"])
        return self._ended.pop(job)


class Job:
    """One confined runner. Load a source, run test children one after another, close."""

    def __init__(self, zygote: Zygote, identity: int) -> None:
        self._zygote = zygote
        self._identity = identity
        self._directory: str | None = None
        self._runner_pid = 0
        self._started = 0.0
        self._wall = 0.0
        self.reusable = True
        """False once the box could not be emptied: take a new job for the next test."""
        self._socket, theirs = channel.pair()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            with theirs:
                if zygote.profile.compiler and zygote.level in (Level.LANDLOCK, Level.RLIMITS):
                    self._directory = _private_directory()
                channel.send(
                    zygote.control,
                    {"op": "spawn", "id": identity, "box": self._directory},
                    (theirs.fileno(),),
                )
                zygote._open.add(identity)
            message = self._receive(_ANSWER_SECONDS * 3)
            if message is None or "ready" not in message:
                raise SandboxError(f"no runner: {(message or {}).get('error', 'it died')}")
        except channel.ChannelClosedError as error:
            self.close()
            raise SandboxError(f"the zygote is gone: {error}") from error
        except SandboxError:
            self.close()
            raise

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Ends the runner and whatever it still runs, and forgets the job's directory."""
        self._socket.close()
        zygote = self._zygote
        if self._identity in zygote._open:
            with contextlib.suppress(channel.ChannelClosedError):
                channel.send(zygote.control, {"op": "kill", "id": self._identity})
                zygote._collect(self._identity, _ANSWER_SECONDS)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def load(self, source: bytes, arguments: dict[str, Any], *, cpu_seconds: float,
             memory_bytes: int) -> Loaded:  # fmt: skip
        """Gives the runner its source. A runner that dies of it is a source that cannot load.

        Raises:
            SandboxError: the runner did not answer, though it used little CPU.
        """
        descriptor = channel.sealed_memfd(source)
        try:
            self._send(
                {"op": "load", "arguments": arguments, "cpu": math.ceil(cpu_seconds),
                 "memory": memory_bytes},
                (descriptor,),
            )  # fmt: skip
        finally:
            os.close(descriptor)
        answer = self._receive(cpu_seconds * _LOAD_SECONDS_PER_CPU_SECOND + _ANSWER_SECONDS)
        if answer is not None:
            return Loaded(bool(answer.get("loaded")), str(answer.get("error", "")))
        status = self._zygote._collect(self._identity, _ANSWER_SECONDS)
        code = None if status is None else os.waitstatus_to_exitcode(status)
        if code is not None and code < 0 and -code != signal.SIGKILL:
            return Loaded(False, f"the compiler ended by {_signal_name(-code)}")
        raise SandboxError(f"the runner ended while loading (status {code})")

    def start(self, mode: str, arguments: dict[str, Any], descriptors: Sequence[int],
              limits: ChildLimits) -> None:  # fmt: skip
        """Starts one test child with `descriptors` as its 0, 1, 2, …"""
        self._send(
            {
                "op": "run",
                "mode": mode,
                "arguments": arguments,
                "limits": {
                    "cpu": limits.cpu_seconds,
                    "memory": limits.memory_bytes,
                    "output": limits.output_bytes,
                    "stack": limits.stack_bytes,
                    "count_data_only": limits.count_data_only,
                },
            },
            descriptors,
        )
        self._started = time.monotonic()
        self._wall = limits.wall_seconds

    def wait(self) -> Ended:
        """Waits for the child started last, killing it when its wall time is over.

        Raises:
            SandboxError: the runner died or does not answer.
        """
        left = self._started + self._wall - time.monotonic()
        stop = Stop.NOT_STOPPED
        if not _readable(self._socket, max(0.0, left)):
            stop = self.kill()
        answer = self._receive(_ANSWER_SECONDS)
        wall = time.monotonic() - self._started
        if answer is None:
            raise SandboxError("the runner died while a test ran")
        try:
            code = os.waitstatus_to_exitcode(int(answer["status"]))
            self.reusable = self.reusable and bool(answer["clean"])
            return Ended(
                code if code >= 0 else None,
                -code if code < 0 else None,
                float(answer["cpu"]),
                wall,
                int(answer["memory"]),
                stop,
            )
        except (KeyError, ValueError, TypeError) as error:
            raise SandboxError(f"the runner answered nonsense: {error}") from error

    def run(self, mode: str, arguments: dict[str, Any], descriptors: Sequence[int],
            limits: ChildLimits) -> Ended:  # fmt: skip
        """`start` and `wait`."""
        self.start(mode, arguments, descriptors, limits)
        return self.wait()

    def kill(self) -> Stop:
        """Kills the running child, after looking whether it idled or was kept from running."""
        wall = time.monotonic() - self._started
        stop = Stop.STARVED if starved(self._runner_pid, wall) else Stop.IDLE
        with contextlib.suppress(SandboxError):
            self._send({"op": "kill"})
        return stop

    def _send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        try:
            channel.send(self._socket, message, descriptors)
        except channel.ChannelClosedError as error:
            raise SandboxError(f"the runner is gone: {error}") from error

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """The runner's next message, or None when it is gone; SandboxError when it is silent."""
        if not _readable(self._socket, seconds):
            raise SandboxError(f"the runner did not answer within {seconds:g} s")
        if not self._runner_pid:
            self._runner_pid = _peer_pid(self._socket)
        try:
            return channel.receive(self._socket)[0]
        except channel.ChannelClosedError:
            return None


def _readable(channel_socket: socket.socket, seconds: float) -> bool:
    poller = select.poll()
    poller.register(channel_socket, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def _peer_pid(channel_socket: socket.socket) -> int:
    """The sender of the next message, as this process numbers it (SCM_CREDENTIALS)."""
    _, ancillary, _, _ = channel_socket.recvmsg(1, socket.CMSG_SPACE(12), socket.MSG_PEEK)
    for _, kind, data in ancillary:
        if kind == socket.SCM_CREDENTIALS and len(data) >= 4:
            return int(struct.unpack("i", data[:4])[0])
    return 0


def _private_directory() -> str:
    path = tempfile.mkdtemp(prefix="rewardsvc-compile-")
    if os.geteuid() == 0:
        os.chown(path, privileges.SANDBOX_UID, privileges.SANDBOX_UID)
    return path


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
