"""The process that imports once and forks workers in milliseconds.

Started by exec (`python -m rewardsvc_verifiers.workers.zygote FD`), never by a fork of the
threaded parent. It stays single-threaded. On its control socket it receives `spawn` with one
socket attached and answers with the child's pid and, where the kernel has them, a pidfd, so
that the parent's SIGKILL can never reach a recycled pid. When the parent is gone its socket
ends, the zygote exits, and the kernel kills the workers.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from rewardsvc_verifiers.workers.framing import encode, receive
from rewardsvc_verifiers.workers.jobs import load

_PR_SET_PDEATHSIG = 1
_CONTROL_BYTES = 4096


def main(control_fd: int) -> None:
    """Serve spawn requests until the parent is gone."""
    control = socket.socket(fileno=control_fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = receive(control)
    try:
        functions = load(settings["jobs"])
    except Exception as problem:
        control.sendall(_line({"failed": f"{type(problem).__name__}: {problem}"}))
        return
    control.sendall(_line({"ready": os.getpid()}))
    while True:
        _reap()
        readable, _, _ = select.select([control], [], [], 0.5)
        if not readable:
            continue
        data, descriptors, _, _ = socket.recv_fds(control, _CONTROL_BYTES, 16)
        if not data:
            return
        # One request is one descriptor; the bytes only carry them.
        for descriptor in descriptors:
            _spawn(control, descriptor, functions, settings)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _spawn(
    control: socket.socket,
    descriptor: int,
    functions: dict[str, Callable[[Any], Any]],
    settings: dict[str, Any],
) -> None:
    zygote = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _worker(zygote, descriptor, functions, settings)
            status = 0
        finally:
            os._exit(status)
    os.close(descriptor)
    descriptors: list[int] = []
    with contextlib.suppress(OSError, AttributeError):
        descriptors.append(os.pidfd_open(pid))
    socket.send_fds(control, [_line({"pid": pid})], descriptors)
    for opened in descriptors:
        os.close(opened)


def _worker(
    zygote: int,
    descriptor: int,
    functions: dict[str, Callable[[Any], Any]],
    settings: dict[str, Any],
) -> None:
    _die_with_parent(zygote)
    _close_all_but(descriptor)
    memory = int(settings["memory_limit_bytes"])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = socket.socket(fileno=descriptor)
    while True:
        try:
            request = receive(connection)
        except (EOFError, ConnectionError):
            return
        _limit_cpu(float(request["time_limit_seconds"]))
        answer = _run(functions, request)
        try:
            frame = encode(answer)
        except (ValueError, TypeError, RecursionError):
            frame = encode({"id": request["id"], "error": "the answer cannot be sent as JSON"})
        connection.sendall(frame)
        if "memory" in answer:
            return  # a heap that hit the limit is not used again


def _run(functions: dict[str, Callable[[Any], Any]], request: dict[str, Any]) -> dict[str, Any]:
    identity = request["id"]
    try:
        return {"id": identity, "value": functions[request["job"]](request["payload"])}
    except MemoryError:
        return {"id": identity, "memory": True}
    except RecursionError:
        return {"id": identity, "error": "RecursionError: nested too deeply"}
    except Exception as problem:
        return {"id": identity, "error": f"{type(problem).__name__}: {str(problem)[:300]}"}


def _limit_cpu(seconds: float) -> None:
    """A second line of defence behind the parent's clock."""
    limit = math.ceil(time.process_time() + seconds) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _die_with_parent(zygote: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != zygote:
        os._exit(1)


def _close_all_but(descriptor: int) -> None:
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, limit)


if __name__ == "__main__":
    main(int(sys.argv[1]))
