"""The runner: confines itself, then runs one job's tests, one forked child each.

Covers: by the time it learns of the job it is in the job's namespaces, holds no capability, and
lives under Landlock and a seccomp allow-list, because it parses hostile source. A test child
gets a further filter (no processes, no signals to others), rlimits, and only the descriptors
meant for it; it never holds the runner's channel. The runner reports how a child ended, and
nothing else: whether the answer is right is decided where no untrusted program ever ran.

Does not cover: a wall clock. The trusted side keeps time and asks for the kill.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from rewardsvc_verifiers.sandbox import channel, landlock, linux, namespaces, privileges, seccomp
from rewardsvc_verifiers.sandbox.levels import Level

if TYPE_CHECKING:
    from rewardsvc_verifiers.sandbox.zygote import Confinement

_exit = os._exit
_KEPT = 512
_OPEN_FILES = 256


class LoadError(Exception):
    """The source cannot be compiled; the message says why, for people."""


def main(descriptor: int, confinement: Confinement, modes: Any, box: str | None) -> None:
    """Serves one job over `descriptor` until it closes; never returns."""
    job = socket.socket(fileno=fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _KEPT))
    ruleset = confinement.ruleset
    if ruleset is not None:
        ruleset = fcntl.fcntl(ruleset, fcntl.F_DUPFD_CLOEXEC, _KEPT)
    os.closerange(3, _KEPT)
    try:
        _confine(confinement, ruleset, box)
    except OSError as error:
        channel.send(job, {"error": str(error)})
        _exit(1)
    channel.send(job, {"ready": True})
    loaded: Any = None
    while True:
        try:
            message, descriptors = channel.receive(job)
        except channel.ChannelClosedError:
            _exit(0)
        if message["op"] == "load":
            answer, loaded = _load(modes, message, descriptors)
        elif message["op"] == "run":
            answer = _run(job, confinement, modes, loaded, message, descriptors)
        else:  # a kill that crossed the child's own end
            continue
        for received in descriptors:
            os.close(received)
        channel.send(job, answer)


def _confine(confinement: Confinement, ruleset: int | None, box: str | None) -> None:
    privileges.die_with_parent()
    # Undumpable is inherited by fork; said again because everything else leans on it.
    privileges.hide_from_tracing()
    os.umask(0o077)
    profile = confinement.profile
    if confinement.pid_namespace is not None:
        namespaces.mount_box(profile.box_bytes, profile.box_inodes)
        linux.set_capabilities(0)
    elif profile.compiler:
        if box is None:
            raise OSError("a compiler at this level needs a directory")
        if confinement.level is Level.LANDLOCK:
            ruleset = landlock.create(
                read=("/lib", "/lib64", "/usr", "/etc/ld.so.cache", "/etc/alternatives"),
                write=(box, "/dev/null"),
                execute=profile.execute,
            )
        os.chdir(box)
    if ruleset is not None:
        landlock.restrict(ruleset)
        os.close(ruleset)
    if confinement.filter is not None:
        seccomp.install(confinement.filter)


def _load(
    modes: Any, message: dict[str, Any], descriptors: list[int]
) -> tuple[dict[str, Any], Any]:
    source = channel.read_all(descriptors[0], 1 << 30)
    # Parsing hostile source is bounded like running it; running out kills this process, and the
    # trusted side reads that as a compile error.
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + message["cpu"], resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (message["memory"], resource.RLIM_INFINITY))
    try:
        return {"loaded": True}, modes.load(source, message["arguments"])
    except LoadError as error:
        return {"loaded": False, "error": str(error)[:2000]}, None
    except MemoryError:
        return {"loaded": False, "error": "the source needs too much memory to compile"}, None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY,) * 2)


def _run(
    job: socket.socket, confinement: Confinement, modes: Any, loaded: Any,
    message: dict[str, Any], descriptors: list[int],
) -> dict[str, Any]:  # fmt: skip
    child = os.fork()
    if child == 0:
        try:
            _become_child(confinement, message, descriptors)
            _exit(modes.MODES[message["mode"]](loaded, message["arguments"]))
        except BaseException:
            _exit(70)
        finally:
            _exit(70)
    handle = os.pidfd_open(child)
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    poller.register(job, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poller.poll()}
        if handle in ready:
            break
        try:
            channel.receive(job)
        except channel.ChannelClosedError:
            _kill(child)
            _exit(0)
        _kill(child)
    _, status, usage = os.wait4(child, 0)
    os.close(handle)
    return {
        "status": status,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024,
        "clean": _clean_box(confinement),
    }


def _kill(child: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(child, signal.SIGKILL)


def _become_child(
    confinement: Confinement, message: dict[str, Any], descriptors: list[int]
) -> None:
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    privileges.die_with_parent()
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _KEPT + 64) for descriptor in descriptors]
    for target, descriptor in enumerate(high):
        os.dup2(descriptor, target, inheritable=True)
    os.closerange(len(descriptors), _KEPT + 128)
    limits = message["limits"]
    cpu = math.ceil(limits["cpu"])
    privileges.limit(resource.RLIMIT_CORE, 0)
    privileges.limit(resource.RLIMIT_CPU, cpu, cpu + 1)
    privileges.limit(resource.RLIMIT_FSIZE, limits["output"])
    privileges.limit(resource.RLIMIT_STACK, limits["stack"])
    privileges.limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    privileges.limit(resource.RLIMIT_NPROC, confinement.processes)
    privileges.limit(resource.RLIMIT_MSGQUEUE, 0)
    kind = resource.RLIMIT_DATA if limits["count_data_only"] else resource.RLIMIT_AS
    privileges.limit(kind, limits["memory"])
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if confinement.profile.compiler:
        program = seccomp.compile_filter(seccomp.compiler_rules(), seccomp.ALLOW)
    else:
        execute = message["arguments"].get("execute_fd")
        program = seccomp.child_filter(os.getpid(), may_execute_fd=execute)
    seccomp.install(program)
    sys.stdin = sys.stdout = sys.stderr = None


def _clean_box(confinement: Confinement) -> bool:
    """Empties the box between tests; False when something could not be removed."""
    if confinement.pid_namespace is None or confinement.profile.compiler:
        return True
    try:
        with os.scandir(namespaces.BOX) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
    except (OSError, RecursionError):
        return False
    return True
