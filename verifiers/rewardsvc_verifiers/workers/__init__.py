"""Pre-forked worker processes that can be killed at any instant.

Big-integer C code holds the GIL: no thread and no signal handler stops it. Work that may run
away therefore runs in another process, and the parent holds the clock and sends SIGKILL.

A worker that has handled hostile text is not trusted: it gets a scrubbed environment, limits
on memory and CPU, and answers in size-capped JSON. It is not a sandbox: system calls are not
filtered, so only the project's own functions run there, never code from a model.
"""

from rewardsvc_verifiers.workers.pool import WorkerPool
from rewardsvc_verifiers.workers.results import JobResult, JobStatus

__all__ = ["JobResult", "JobStatus", "WorkerPool"]
