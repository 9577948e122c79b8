"""The zygote: a process that has the language loaded and forks a runner for each job.

Started by `host.Zygote` with an empty environment. It imports what jobs will want, gives up
every privilege, and from then on only forks, reaps and kills. It never sees a job's data: that
goes to the runner, over the runner's own channel, after the runner has confined itself.

Does not cover: what the runner confines itself with; see `runner` and `levels`.
"""

from __future__ import annotations

import contextlib
import ctypes  # noqa: F401 - loaded here once, so that no job pays for it
import gc
import importlib
import os
import select
import signal
import socket
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsvc_verifiers.sandbox import (
    cgroups,
    channel,
    landlock,
    linux,
    namespaces,
    privileges,
    runner,
    seccomp,
)
from rewardsvc_verifiers.sandbox.levels import Level
from rewardsvc_verifiers.sandbox.profile import Profile

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
_SHARED_DATA = ("/usr/share/zoneinfo",)
EXECUTABLE = 100
"""The descriptor on which a child finds what it is to become."""
_HEADROOM_OF_PROCESSES = 512
_PROCESSES_IN_NAMESPACE = 160


@dataclass(frozen=True)
class Confinement:
    """What a runner needs in order to confine itself.

    Attributes:
        level: the level in force.
        profile: the profile in force.
        ruleset: Landlock descriptor to enter per job; None when already entered, or absent.
        filter: the runner's seccomp program; None when already installed.
        processes: RLIMIT_NPROC of a test child.
        pid_namespace: descriptor of the zygote's own pid namespace; None without namespaces.
    """

    level: Level
    profile: Profile
    ruleset: int | None
    filter: bytes | None
    processes: int
    pid_namespace: int | None


def main(package_parent: str, level: int, profile_json: str, descriptor: int, leaf: str) -> None:
    """Entry point of the process; never returns normally before its channel closes.

    Args:
        leaf: the cgroup to enter; empty for none.
    """
    control = socket.socket(fileno=descriptor)
    try:
        if leaf:
            cgroups.enter(Path(leaf))
        confinement, modes = _start(package_parent, Level(level), Profile.from_json(profile_json))
    except Exception as error:
        with contextlib.suppress(channel.ChannelClosedError):
            channel.send(control, {"error": f"{type(error).__name__}: {error}"[:2000]})
        os._exit(1)
    channel.send(control, {"ready": os.getpid()})
    _serve(control, confinement, modes)
    os._exit(0)


def _start(package_parent: str, level: Level, profile: Profile) -> tuple[Confinement, Any]:
    sys.path[:] = [os.path.realpath(path) for path in sys.path if path != package_parent]
    own_paths = [package_parent, *profile.import_paths]
    sys.path += own_paths
    modes = importlib.import_module(profile.programs)
    for name in profile.preload:
        importlib.import_module(name)
    modes.prepare()
    sys.path[:] = [path for path in sys.path if path not in own_paths]
    read = (*_library_paths(), *profile.read)
    if level in (Level.FULL, Level.NAMESPACES):
        confinement = _enter_namespaces(level, profile, read)
    else:
        confinement = _enter_plain(level, profile, read)
    for descriptor in (None, EXECUTABLE):
        seccomp.child_filter(1, may_execute_fd=descriptor)  # compiled once, for all jobs
    gc.collect()
    gc.freeze()
    return confinement, modes


def _library_paths() -> tuple[str, ...]:
    standard = os.path.realpath(sysconfig.get_path("stdlib"))
    library = sysconfig.get_config_var("LIBDIR")
    shared = sysconfig.get_config_var("INSTSONAME") or ""
    own_library = (os.path.join(library, shared),) if library and ".so" in shared else ()
    return (standard, *own_library, *_SYSTEM_LIBRARIES, *_SHARED_DATA)


def _enter_namespaces(level: Level, profile: Profile, read: tuple[str, ...]) -> Confinement:
    namespaces.enter()
    first = os.fork()
    if first:
        _stand_by(first)
    pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    namespaces.build_root((*read, *profile.execute))
    privileges.drop_identity(keep_capabilities=True)
    privileges.bound_capabilities()
    privileges.forbid_new_privileges()
    privileges.hide_from_tracing()
    privileges.die_with_parent()
    ruleset = None
    if level is Level.FULL:
        ruleset = landlock.create(
            read=("/",), write=(namespaces.BOX_PARENT, "/dev/null"), execute=profile.execute
        )
    program = seccomp.compile_filter(seccomp.runner_rules(), seccomp.Deny())
    return Confinement(level, profile, ruleset, program, _PROCESSES_IN_NAMESPACE, pid_namespace)


def _enter_plain(level: Level, profile: Profile, read: tuple[str, ...]) -> Confinement:
    processes = _processes_of_this_user() + _HEADROOM_OF_PROCESSES
    privileges.drop_identity(keep_capabilities=False)
    if os.geteuid() == 0:
        raise PermissionError("programs must not run as root, and this uid cannot be changed")
    with contextlib.suppress(OSError):
        linux.set_capabilities(0)
    privileges.bound_capabilities()
    privileges.forbid_new_privileges()
    privileges.hide_from_tracing()
    privileges.die_with_parent()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    program: bytes | None = seccomp.compile_filter(seccomp.runner_rules(), seccomp.Deny())
    # A compiler's job has a directory of its own, so it confines itself when it knows it.
    if not profile.compiler:
        if level is Level.LANDLOCK:
            ruleset = landlock.create(
                read=(*read, *profile.read, "/dev/zero", "/dev/urandom"),
                write=("/dev/null",),
                execute=profile.execute,
            )
            landlock.restrict(ruleset)
            os.close(ruleset)
        assert program is not None
        seccomp.install(program)
        program = None
        os.chdir("/")
    return Confinement(level, profile, None, program, processes, None)


def _processes_of_this_user() -> int:
    """Threads that count against the uid programs will run as; at least those in sight."""
    uid = os.geteuid() or privileges.SANDBOX_UID
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{name}/task").st_uid == uid:
                    total += len(os.listdir(f"/proc/{name}/task"))
    return total


def _stand_by(child: int) -> None:
    """Outside the pid namespace: lives as long as the zygote, so that killing this kills all."""
    # Its own copy of the control channel would keep the channel open after the zygote's death.
    os.closerange(3, 256)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _serve(control: socket.socket, confinement: Confinement, modes: Any) -> None:
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(wake_read, select.POLLIN)
    jobs: dict[int, int] = {}
    while True:
        ready = {descriptor for descriptor, _ in poller.poll()}
        if wake_read in ready:
            os.read(wake_read, 4096)
            _reap(control, jobs)
        if control.fileno() not in ready:
            continue
        try:
            message, descriptors = channel.receive(control)
        except channel.ChannelClosedError:
            return
        if message["op"] == "spawn":
            pid = _spawn(confinement, modes, descriptors[0], message.get("box"))
            jobs[pid] = message["id"]
        elif message["op"] == "kill":
            for pid, job in jobs.items():
                if job == message["id"]:
                    os.kill(pid, signal.SIGKILL)
        for descriptor in descriptors:
            os.close(descriptor)


def _spawn(confinement: Confinement, modes: Any, descriptor: int, box: str | None) -> int:
    if confinement.pid_namespace is not None:
        namespaces.next_child_in_new_pid_namespace(confinement.pid_namespace)
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            runner.main(descriptor, confinement, modes, box)
        finally:
            os._exit(1)
    return pid


def _reap(control: socket.socket, jobs: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        job = jobs.pop(pid, None)
        if job is not None:
            channel.send(control, {"ended": job, "status": status})
