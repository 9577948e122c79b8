"""The pool as its user sees it: submit a job, get a Future of a JobResult."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self

from rewardsvc_verifiers.workers.framing import encode
from rewardsvc_verifiers.workers.jobs import JOBS
from rewardsvc_verifiers.workers.results import JobResult, JobStatus
from rewardsvc_verifiers.workers.supervisor import Job, Settings, Supervisor

_MEBIBYTE: Final = 1024 * 1024
_LIVE: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


class WorkerPool:
    """A fixed number of killable worker processes.

    Args:
        size: how many jobs run at once; at least 1.
        time_limit_seconds: after this much execution (never queueing) a job's worker is
            killed and the job ends as `time_limit`.
        memory_limit_bytes: address space of each worker (RLIMIT_AS).
        jobs: table of functions, name to `module:function`; from code, never from a request.
        jobs_per_worker: a worker is replaced after this many jobs.

    Processes start with the first `submit` (or `start`). `submit` may be called from any
    thread; its Future always ends with a JobResult, whatever dies. Use as a context manager
    or call `close`.
    """

    def __init__(
        self,
        size: int = 2,
        time_limit_seconds: float = 0.8,
        memory_limit_bytes: int = 512 * _MEBIBYTE,
        *,
        jobs: Mapping[str, str] = JOBS,
        jobs_per_worker: int = 1000,
    ) -> None:
        if size < 1:
            raise ValueError(f"size is {size}; it must be at least 1")
        if not 0 < time_limit_seconds < 86400:
            raise ValueError(
                f"time_limit_seconds is {time_limit_seconds}; it must be over 0 and below a day"
            )
        if memory_limit_bytes < 64 * _MEBIBYTE:
            raise ValueError(
                f"memory_limit_bytes is {memory_limit_bytes}; a worker needs 64 MiB to start"
            )
        if jobs_per_worker < 1:
            raise ValueError(f"jobs_per_worker is {jobs_per_worker}; it must be at least 1")
        self._settings = Settings(
            size, time_limit_seconds, memory_limit_bytes, dict(jobs), jobs_per_worker
        )
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None
        self._closed = False
        self._owner = os.getpid()
        _LIVE.add(self)

    @property
    def time_limit_seconds(self) -> float:
        """The default time limit of a job."""
        return self._settings.time_limit_seconds

    @property
    def size(self) -> int:
        """How many jobs run at once."""
        return self._settings.size

    def start(self) -> None:
        """Start the processes now rather than with the first job. Returns at once."""
        self._running()

    def _running(self) -> Supervisor:
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker pool is closed")
            if self._owner != os.getpid():
                raise RuntimeError("the worker pool belongs to the process that made it")
            if self._supervisor is None:
                self._supervisor = Supervisor(self._settings)
                self._supervisor.start()
            return self._supervisor

    def submit(
        self, job: str, payload: Any, time_limit_seconds: float | None = None
    ) -> Future[JobResult]:
        """Run a job of the table on one JSON value.

        The Future ends with a JobResult and never raises, unless it is cancelled while
        waiting. Raises KeyError for a job not in the table, ValueError for a payload that is
        too large or not JSON, RuntimeError when the pool is closed.
        """
        if job not in self._settings.jobs:
            known = ", ".join(sorted(self._settings.jobs))
            raise KeyError(f"no job is called {job!r}; there are: {known}")
        limit = (
            self._settings.time_limit_seconds
            if time_limit_seconds is None
            else (time_limit_seconds)
        )
        if not limit > 0:
            raise ValueError(f"time_limit_seconds is {limit}; it must be over 0")
        try:
            encode(payload)
        except (TypeError, RecursionError) as problem:
            raise ValueError(f"payload: it is not JSON: {problem}") from None
        supervisor = self._running()
        future: Future[JobResult] = Future()
        supervisor.add(Job(job, payload, limit, future))
        return future

    def close(self) -> None:
        """Kill all workers; jobs that have not ended become `unavailable`. Idempotent."""
        with self._lock:
            self._closed = True
            supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None and self._owner == os.getpid():
            supervisor.stop()

    def processes(self) -> tuple[int, ...]:
        """Process ids of the zygote and the workers, for monitoring."""
        supervisor = self._supervisor
        return () if supervisor is None else supervisor.processes()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _abandon(self) -> None:
        """In a forked child: drop the parent's sockets, so that its end is noticed."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.abandon()


def _after_fork_in_child() -> None:
    for pool in list(_LIVE):
        pool._abandon()


os.register_at_fork(after_in_child=_after_fork_in_child)

__all__ = ["JobResult", "JobStatus", "WorkerPool"]
