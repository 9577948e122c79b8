"""An engine in a process of its own, driven from asyncio.

The process is a fresh interpreter (exec, never a fork of a threaded parent, and the caller's
`__main__` is not imported again). It is killed with SIGKILL when closed, when it stalls and,
by the kernel, when its parent dies; it is started anew, with growing pauses, when it dies by
itself. Up to `in_flight` requests are in the process at a time: while one runs, the next is
already being prepared.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewardsvc.engines.framing import encode, read_message
from rewardsvc.errors import ConfigError, InternalError, Unavailable

__all__ = ["EngineCallFailed", "EngineCrashed", "EngineDown", "EngineProcess"]

_CHILD = "rewardsvc.engines.child"
_CONCURRENT_CHILD = "rewardsvc.engines.concurrent_child"
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
_EXIT_SECONDS = 0.5
_SHORT_LIFE_SECONDS = 10.0
"""A process that dies younger than this is started again after a pause, not at once."""


class EngineCrashed(Unavailable):
    """The engine process died, or was killed for stalling, with this call in it."""

    reason = "ENGINE_CRASHED"


class EngineDown(Unavailable):
    """The engine process is not running: it failed to start again, or was closed."""

    reason = "ENGINE_DOWN"


class EngineCallFailed(InternalError):
    """The engine raised on this call; it is still running."""

    reason = "ENGINE_CALL_FAILED"


@dataclass(slots=True)
class _Running:
    """One life of the process; times are `time.monotonic()`."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float
    answered: float = 0.0
    stalled: bool = False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class EngineProcess:
    """Runs `engine` ("module:Class") with `options` in a process of its own.

    Args:
        name: for error messages.
        options: keyword arguments of the class; must survive MessagePack.
        in_flight: calls in the process at a time, at least 1; further ones wait here.
        start_seconds: longest the engine may take to load and warm up.
        stall_seconds: longest the engine may take to answer anything while it has work;
            then it is killed and started anew.
        concurrent: the class is a `ConcurrentEngine`, which works on all that is in the process
            at a time, and is told which calls are given up; else an `Engine`.
        python: another interpreter to run it with; this one when None.
        environment: further environment variables.
    """

    def __init__(
        self,
        name: str,
        engine: str,
        options: Mapping[str, Any],
        *,
        in_flight: int = 2,
        start_seconds: float = 600.0,
        stall_seconds: float = 300.0,
        concurrent: bool = False,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self._order = {"engine": engine, "options": dict(options)}
        self._concurrent = concurrent
        self._python = python or sys.executable
        self._environment = dict(environment or {})
        self._start_seconds = start_seconds
        self._stall_seconds = stall_seconds
        self._slots = asyncio.Semaphore(in_flight)
        self._identities = itertools.count()
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._running: _Running | None = None
        self._up = asyncio.Event()
        """Set when a call need not wait: the engine runs, or is known to be down."""
        self._down = "it was not started"
        self._retry_at = 0.0
        self._supervisor: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._running.process.pid if self._running else None

    async def start(self) -> dict[str, Any]:
        """Starts the process and gives what the engine's `start` returned.

        Raises:
            ConfigError: the engine refused its options.
            EngineDown: the process could not be started for another reason.
        """
        if self._closed or self._supervisor is not None:
            raise EngineDown(f"engine {self.name} was started before")
        running, information = await self._launch()
        self._serve(running)
        self._supervisor = asyncio.create_task(self._supervise(running))
        return information

    async def call(self, request: Any) -> Any:
        """The engine's reply to `request`.

        Raises:
            EngineCallFailed: the engine raised on it.
            EngineCrashed: the process died with this call in it.
            EngineDown: the process is not running and could not be started again.
        """
        async with self._slots:
            await self._up.wait()
            running = self._running
            if running is None:
                raise EngineDown(
                    f"engine {self.name} is down: {self._down}",
                    max(0.0, self._retry_at - time.monotonic()),
                )
            identity = next(self._identities)
            reply = asyncio.get_running_loop().create_future()
            self._pending[identity] = reply
            try:
                # Not drained: a process that has stopped reading must not stop the watch, and
                # the slots bound what can be waiting here.
                running.writer.write(encode([identity, request]))
                await self._watch(reply, running)
                return await reply
            finally:
                self._pending.pop(identity, None)
                if self._concurrent and not reply.done() and self._running is running:
                    running.writer.write(encode([identity]))

    async def _watch(self, reply: asyncio.Future[Any], running: _Running) -> None:
        """Waits for `reply`; kills the process when it has answered nothing for too long."""
        sent = time.monotonic()
        while not reply.done():
            quiet_until = max(sent, running.answered) + self._stall_seconds
            remaining = quiet_until - time.monotonic()
            if remaining <= 0:
                running.stalled = True
                running.kill()
                return
            await asyncio.wait([reply], timeout=remaining)

    async def close(self) -> None:
        """Kills the process; calls in it fail. Idempotent."""
        self._closed = True
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await supervisor
        if self._running is not None:
            # A supervisor cancelled before its first step has ended nothing.
            await self._end(self._running)
        self._stop_serving("it was closed")
        self._fail_pending(EngineDown(f"engine {self.name} was closed"))

    def _serve(self, running: _Running) -> None:
        self._running = running
        self._up.set()

    def _stop_serving(self, why: str) -> None:
        self._running = None
        self._down = why
        self._up.set()

    def _fail_pending(self, error: Exception) -> None:
        for reply in self._pending.values():
            if not reply.done():
                reply.set_exception(error)

    async def _launch(self) -> tuple[_Running, dict[str, Any]]:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    self._python,
                    "-P",
                    "-m",
                    _CONCURRENT_CHILD if self._concurrent else _CHILD,
                    str(theirs.fileno()),
                    str(os.getpid()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=_environment() | self._environment,
                )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        running = _Running(process, reader, writer, since=time.monotonic())
        try:
            async with asyncio.timeout(self._start_seconds):
                writer.write(encode(self._order))
                answer = await read_message(reader)
        except BaseException as error:
            ending = await self._end(running)
            if isinstance(error, TimeoutError):
                raise EngineDown(
                    f"engine {self.name} did not start within {self._start_seconds:g} s"
                ) from None
            if isinstance(error, asyncio.IncompleteReadError | ConnectionError):
                raise EngineDown(f"engine {self.name} {ending} while starting") from None
            raise
        if "ready" in answer:
            return running, answer["ready"]
        await self._end(running)
        if "config_error" in answer:
            raise ConfigError(answer["config_error"])
        raise EngineDown(f"engine {self.name} failed to start: {answer['error']}")

    async def _end(self, running: _Running) -> str:
        """Makes sure that the process is gone and says how it went."""
        if running.reader.at_eof():
            # It comes just before the exit it announces: wait, to be able to name that exit.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EXIT_SECONDS):
                    await running.process.wait()
        running.kill()
        code = await running.process.wait()
        running.writer.close()
        with contextlib.suppress(OSError):
            await running.writer.wait_closed()
        if running.stalled:
            return f"was killed: no answer for {self._stall_seconds:g} s"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"exited with code {code}"

    async def _supervise(self, running: _Running) -> None:
        """Delivers replies; when the process dies, fails what was in it and starts another."""
        current: _Running | None = running
        pause = 0.0
        try:
            while current is not None:
                await self._deliver(current)
                self._running = None
                self._up.clear()
                ending = await self._end(current)
                lived = time.monotonic() - current.since
                current = None
                self._fail_pending(EngineCrashed(f"engine {self.name} {ending}"))
                pause = _longer(pause) if lived < _SHORT_LIFE_SECONDS else 0.0
                current = await self._restart(pause)
        finally:
            if current is not None:
                await self._end(current)

    async def _deliver(self, running: _Running) -> None:
        """Hands replies to their calls until the process is gone."""
        while True:
            try:
                identity, succeeded, content = await read_message(running.reader)
            except Exception:
                return  # gone, or not making sense: either way it is ended and replaced
            running.answered = time.monotonic()
            reply = self._pending.get(identity)
            if reply is None or reply.done():
                continue
            if succeeded:
                reply.set_result(content)
            else:
                reply.set_exception(EngineCallFailed(f"engine {self.name}: {content}"))

    async def _restart(self, pause: float) -> _Running:
        while True:
            await asyncio.sleep(pause)
            self.restarts += 1
            try:
                running, _ = await self._launch()
            except (ConfigError, EngineDown, OSError) as error:
                pause = _longer(pause)
                self._retry_at = time.monotonic() + pause
                self._stop_serving(str(error))
            else:
                self._serve(running)
                return running


def _longer(pause: float) -> float:
    return min(max(2 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)


def _environment() -> dict[str, str]:
    """The child's environment: this interpreter's import path, and no network for models."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {
        # OpenMP's threads would otherwise spin between operations and take the server's CPU:
        # measured on two shared cores, up to seven times the CPU time for the same scores.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PYTHONPATH": path,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
