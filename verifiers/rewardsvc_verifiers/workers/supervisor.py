"""The parent's one thread: hands out jobs, holds the clock, kills, refills, restarts.

Everything is non-blocking on one selector, so that a worker that neither reads nor answers
delays nobody. The only locks are around the queue of new jobs.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rewardsvc_verifiers.workers.framing import BrokenMessage, Frames, encode
from rewardsvc_verifiers.workers.results import JobResult, JobStatus

_MAXIMUM_ANSWER: Final = 1024 * 1024
_START_SECONDS: Final = 60.0
_FAILED_STARTS: Final = 3
_ENVIRONMENT: Final = (
    "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV",
    "TMPDIR", "SYSTEMROOT",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What a pool was made with."""

    size: int
    time_limit_seconds: float
    memory_limit_bytes: int
    jobs: dict[str, str]
    jobs_per_worker: int


@dataclass(slots=True)
class Job:
    """One submitted job."""

    name: str
    payload: Any
    time_limit_seconds: float
    future: Future[JobResult]
    deaths: int = 0
    started: bool = False


@dataclass(slots=True, eq=False)
class _Worker:
    """One worker process, from the request to fork it to its death."""

    connection: socket.socket
    pid: int = 0
    pidfd: int = -1
    job: Job | None = None
    identity: int = 0
    since: float = 0.0
    done: int = 0
    frames: Frames = field(default_factory=lambda: Frames(_MAXIMUM_ANSWER))
    unsent: bytes = b""


class Supervisor(threading.Thread):
    """Runs until `stop`; owns the zygote and the workers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="rewardsvc-worker-pool", daemon=True)
        self._settings = settings
        self._lock = threading.Lock()
        self._arrived: deque[Job] = deque()
        self._queue: deque[Job] = deque()
        self._stopping = False
        self._finished = False
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, "wake")
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lines = b""
        self._ready = False
        self._start_deadline = 0.0
        self._failed_starts = 0
        self._forking: deque[_Worker] = deque()
        self._workers: list[_Worker] = []
        self._identity = 0

    # Called from other threads.

    def add(self, job: Job) -> None:
        """Queue a job; ends it at once when the pool has stopped."""
        with self._lock:
            if not self._finished:
                self._arrived.append(job)
                job = None  # type: ignore[assignment]
        if job is not None:
            _finish(job, JobResult(JobStatus.UNAVAILABLE, message="the pool is closed"))
        else:
            self._wake()

    def stop(self) -> None:
        """Kill everything and end the thread."""
        self._stopping = True
        self._wake()
        if threading.current_thread() is not self:
            self.join()

    def processes(self) -> tuple[int, ...]:
        """Ids of the zygote and of the workers that are up."""
        zygote = self._zygote
        pids = [worker.pid for worker in list(self._workers) if worker.pid]
        return (*([zygote.pid] if zygote is not None else []), *pids)

    def abandon(self) -> None:
        """Close every descriptor without a word; for a forked child."""
        sockets = [self._wake_read, self._wake_write, self._control]
        sockets += [worker.connection for worker in (*self._workers, *self._forking)]
        for connection in sockets:
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.close()
        for worker in self._workers:
            if worker.pidfd >= 0:
                with contextlib.suppress(OSError):
                    os.close(worker.pidfd)
        with contextlib.suppress(OSError):
            self._selector.close()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_write.send(b"w")

    # The loop.

    def run(self) -> None:
        """Serve until stopped; whatever happens, no Future is left open."""
        try:
            while not self._stopping:
                self._take_arrived()
                self._keep_zygote()
                self._dispatch()
                for key, events in self._selector.select(self._patience()):
                    self._handle(key.data, events)
                self._enforce_limits()
        finally:
            self._shut_down()

    def _take_arrived(self) -> None:
        with self._lock:
            self._queue.extend(self._arrived)
            self._arrived.clear()

    def _patience(self) -> float | None:
        """Seconds until the next limit, or None to wait for an event."""
        limits = [
            worker.since + worker.job.time_limit_seconds
            for worker in self._workers
            if worker.job is not None
        ]
        if self._control is not None and (not self._ready or self._forking):
            limits.append(self._start_deadline)
        return max(0.0, min(limits) - time.monotonic()) if limits else None

    def _handle(self, data: Any, events: int) -> None:
        if data == "wake":
            with contextlib.suppress(BlockingIOError):
                self._wake_read.recv(4096)
        elif data == "control":
            self._read_control()
        elif data in self._workers:
            if events & selectors.EVENT_WRITE:
                self._send(data)
            if events & selectors.EVENT_READ:
                self._read_worker(data)

    # The zygote.

    def _keep_zygote(self) -> None:
        if self._zygote is not None:
            return
        if self._failed_starts >= _FAILED_STARTS:
            self._fail_queue("the worker processes cannot be started")
            if not self._queue:
                # The next job is worth another try.
                self._failed_starts = _FAILED_STARTS - 1
                if not self._arrived:
                    return
        ours, theirs = socket.socketpair()
        environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
        package_root = str(Path(__file__).resolve().parents[2])
        inherited = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, inherited]))
        try:
            self._zygote = subprocess.Popen(
                [
                    sys.executable, "-P", "-m", "rewardsvc_verifiers.workers.zygote",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )  # fmt: skip
        except OSError as problem:
            ours.close()
            self._failed_starts = _FAILED_STARTS
            self._fail_queue(f"the worker processes cannot be started: {problem}")
            return
        finally:
            theirs.close()
        ours.sendall(
            encode(
                {
                    "jobs": self._settings.jobs,
                    "memory_limit_bytes": self._settings.memory_limit_bytes,
                }
            )
        )
        ours.setblocking(False)
        self._control = ours
        self._lines = b""
        self._ready = False
        self._start_deadline = time.monotonic() + _START_SECONDS
        self._selector.register(ours, selectors.EVENT_READ, "control")

    def _read_control(self) -> None:
        assert self._control is not None
        descriptors: list[int] = []
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 4096, 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose_zygote()
            return
        self._lines += data
        while b"\n" in self._lines:
            line, _, self._lines = self._lines.partition(b"\n")
            message = json.loads(line)
            if "failed" in message:
                self._failed_starts = _FAILED_STARTS
                self._fail_queue(f"the worker processes cannot be started: {message['failed']}")
                self._lose_zygote()
                return
            if "ready" in message:
                self._ready = True
                self._failed_starts = 0
                for _ in range(self._settings.size):
                    self._fork()
            elif self._forking:
                worker = self._forking.popleft()
                worker.pid = int(message["pid"])
                worker.pidfd = descriptors.pop(0) if descriptors else -1
                self._workers.append(worker)
                self._selector.register(worker.connection, selectors.EVENT_READ, worker)
        for leftover in descriptors:
            os.close(leftover)

    def _fork(self) -> None:
        """Ask the zygote for one more worker."""
        if self._control is None or not self._ready or self._stopping:
            return
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"s"], [theirs.fileno()])
        except OSError:
            ours.close()
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._start_deadline = time.monotonic() + _START_SECONDS
        self._forking.append(_Worker(ours))

    def _lose_zygote(self) -> None:
        """The zygote died; the kernel has killed its workers with it."""
        if self._control is not None:
            self._selector.unregister(self._control)
            self._control.close()
            self._control = None
        if not self._ready:
            self._failed_starts += 1
        self._ready = False
        for worker in self._forking:
            worker.connection.close()
        self._forking.clear()
        if self._zygote is not None:
            self._zygote.kill()
            self._zygote.wait()
            self._zygote = None
        for worker in list(self._workers):
            self._bury(worker)

    # Jobs.

    def _dispatch(self) -> None:
        for worker in self._workers:
            if worker.job is not None:
                continue
            job = self._next_job()
            if job is None:
                return
            self._identity += 1
            worker.job = job
            worker.identity = self._identity
            worker.since = time.monotonic()
            worker.unsent = encode(
                {
                    "id": self._identity,
                    "job": job.name,
                    "payload": job.payload,
                    "time_limit_seconds": job.time_limit_seconds,
                }
            )
            self._send(worker)

    def _next_job(self) -> Job | None:
        while self._queue:
            job = self._queue.popleft()
            if job.started or job.future.set_running_or_notify_cancel():
                job.started = True
                return job
        return None

    def _send(self, worker: _Worker) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            # A broken connection is noticed when it is read.
            sent = worker.connection.send(worker.unsent)
            worker.unsent = worker.unsent[sent:]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.unsent else 0)
        self._selector.modify(worker.connection, events, worker)

    def _read_worker(self, worker: _Worker) -> None:
        try:
            data = worker.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._bury(worker)
            return
        try:
            messages = worker.frames.feed(data)
        except BrokenMessage as problem:
            self._end_job(worker, JobStatus.ERROR, message=f"the worker answered {problem}")
            self._bury(worker)
            return
        for message in messages:
            if (
                worker.job is None
                or not isinstance(message, dict)
                or message.get("id") != worker.identity
            ):
                self._end_job(worker, JobStatus.ERROR, message="the worker answered out of turn")
                self._bury(worker)
                return
            if "value" in message:
                self._end_job(worker, JobStatus.OK, message["value"])
            elif "memory" in message:
                self._end_job(worker, JobStatus.MEMORY_LIMIT, message="out of memory")
            else:
                self._end_job(worker, JobStatus.ERROR, message=str(message.get("error", "")))
            worker.done += 1
            if worker.done >= self._settings.jobs_per_worker:
                self._bury(worker)
                return

    def _end_job(
        self, worker: _Worker, status: JobStatus, value: Any = None, message: str = ""
    ) -> None:
        job, worker.job = worker.job, None
        if job is not None:
            seconds = time.monotonic() - worker.since
            _finish(job, JobResult(status, value, message, seconds))

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            job = worker.job
            if job is not None and now >= worker.since + job.time_limit_seconds:
                self._end_job(
                    worker, JobStatus.TIME_LIMIT,
                    message=f"stopped after {job.time_limit_seconds:g} s",
                )  # fmt: skip
                self._bury(worker)
        waiting = self._control is not None and (not self._ready or self._forking)
        if waiting and now >= self._start_deadline:
            self._lose_zygote()

    def _bury(self, worker: _Worker) -> None:
        """Kill a worker for certain, put its job back or end it, and ask for another."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        _kill(worker)
        self._selector.unregister(worker.connection)
        worker.connection.close()
        if worker.pidfd >= 0:
            os.close(worker.pidfd)
        job = worker.job
        if job is not None:
            job.deaths += 1
            used = time.monotonic() - worker.since
            if used >= 0.9 * job.time_limit_seconds:
                self._end_job(worker, JobStatus.TIME_LIMIT, message="stopped at its CPU limit")
            elif job.deaths >= 2:
                self._end_job(worker, JobStatus.DIED, message="its worker died twice")
            else:
                worker.job = None
                self._queue.appendleft(job)
        self._fork()

    # The end.

    def _fail_queue(self, message: str) -> None:
        self._take_arrived()
        while self._queue:
            job = self._queue.popleft()
            if job.started or job.future.set_running_or_notify_cancel():
                _finish(job, JobResult(JobStatus.UNAVAILABLE, message=message))

    def _shut_down(self) -> None:
        self._stopping = True
        with self._lock:
            self._finished = True
            self._queue.extend(self._arrived)
            self._arrived.clear()
        for worker in list(self._workers):
            job, worker.job = worker.job, None
            if job is not None:
                _finish(job, JobResult(JobStatus.UNAVAILABLE, message="the pool was closed"))
            self._bury(worker)
        self._ready = True
        self._lose_zygote()
        while self._queue:
            job = self._queue.popleft()
            if job.started or job.future.set_running_or_notify_cancel():
                _finish(job, JobResult(JobStatus.UNAVAILABLE, message="the pool was closed"))
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()


def _kill(worker: _Worker) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if worker.pidfd >= 0:
            signal.pidfd_send_signal(worker.pidfd, signal.SIGKILL)
        elif worker.pid:
            os.kill(worker.pid, signal.SIGKILL)


def _finish(job: Job, result: JobResult) -> None:
    if not job.future.done():
        job.future.set_result(result)
