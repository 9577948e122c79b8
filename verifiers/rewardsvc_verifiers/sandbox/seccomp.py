"""Seccomp allow-lists: which syscalls a sandboxed process may make.

Covers: everything not listed answers EPERM (unknown, newer calls ENOSYS, so that libc falls
back), foreign architectures are killed. A program under test cannot start processes, open
sockets, create namespaces, trace, signal others, raise limits or install filters.
Does not cover: paths (a filter cannot follow pointers: that is Landlock's and the mount
namespace's part), or how much of an allowed thing is used (that is rlimits).

Filters are compiled to a search tree, not a list: the kernel simulates a new filter once for
every syscall number when it is installed, so depth, not length, is what a job pays for.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardsvc_verifiers.sandbox import linux
from rewardsvc_verifiers.sandbox.syscalls import AUDIT_X86_64, architecture

_LOAD, _JEQ, _JGE, _AND, _JUMP, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x05, 0x06
_KILL_PROCESS = 0x80000000
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_X32_BIT = 0x40000000
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16

_NAMESPACE_FLAGS = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWTIME

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True)
class Deny:
    """Answer this errno."""

    code: int = errno.EPERM


@dataclass(frozen=True)
class Allow:
    """Let the call through when every condition holds; EPERM otherwise.

    A condition is (argument index, mask, allowed values), on the low 32 bits: every argument
    examined here is one the kernel itself reads as a 32-bit number.
    """

    conditions: tuple[tuple[int, int, tuple[int, ...]], ...] = ()


Rule = Allow | Deny
ALLOW = Allow()

_PLAIN_TEXT = """
read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction
rt_sigprocmask rt_sigreturn pread64 pwrite64 readv writev access pipe select sched_yield mremap
msync mincore madvise dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile sendto
recvfrom sendmsg recvmsg shutdown getsockname getpeername setsockopt getsockopt exit wait4 uname
flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat
link unlink symlink readlink chmod fchmod umask gettimeofday getrlimit getrusage sysinfo times
getuid getgid geteuid getegid getppid getpgrp getgroups getresuid getresgid getpgid getsid
rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack utime statfs fstatfs getpriority
sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
sched_rr_get_interval arch_prctl setrlimit gettid time futex sched_getaffinity epoll_create
getdents64 set_tid_address restart_syscall fadvise64 clock_gettime clock_getres clock_nanosleep
exit_group epoll_wait epoll_ctl utimes waitid openat mkdirat newfstatat unlinkat renameat linkat
symlinkat readlinkat fchmodat faccessat pselect6 ppoll set_robust_list get_robust_list utimensat
epoll_pwait eventfd eventfd2 epoll_create1 dup3 pipe2 preadv pwritev getcpu renameat2 getrandom
membarrier copy_file_range preadv2 pwritev2 statx rseq close_range faccessat2 epoll_pwait2
"""
_PLAIN = _PLAIN_TEXT.split()

_TCGETS, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIOCLEX, _FIONCLEX = (
    0x5401, 0x5413, 0x541B, 0x5421, 0x5451, 0x5450,
)  # fmt: skip
# F_DUPFD, GETFD, SETFD, GETFL, SETFL, GETLK, SETLK, SETLKW, DUPFD_CLOEXEC, pipe size, seals.
# F_SETOWN and F_SETSIG are left out: they make the kernel signal another process.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1031, 1032, 1033, 1034)
_SOCK_STREAM, _SOCK_TYPE_MASK, _AF_UNIX = 1, 0xF, 1


def base_rules() -> dict[str, Rule]:
    """What any process in a box may call: no processes, no sockets but a local pair."""
    rules: dict[str, Rule] = dict.fromkeys(_PLAIN, ALLOW)
    rules["ioctl"] = Allow(
        ((1, 0xFFFFFFFF, (_TCGETS, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIOCLEX, _FIONCLEX)),)
    )
    rules["fcntl"] = Allow(((1, 0xFFFFFFFF, _FCNTL),))
    # asyncio wakes itself through a socket pair; a stream pair cannot be sent elsewhere.
    rules["socketpair"] = Allow(
        ((0, 0xFFFFFFFF, (_AF_UNIX,)), (1, _SOCK_TYPE_MASK, (_SOCK_STREAM,)))
    )
    rules["clone3"] = Deny(errno.ENOSYS)  # flags are behind a pointer; libc falls back to clone
    rules["openat2"] = Deny(errno.ENOSYS)
    return rules


def runner_rules() -> dict[str, Rule]:
    """The runner's: the base, and what it takes to start, watch, kill and confine children."""
    rules = base_rules()
    for name in (
        "fork", "vfork", "execve", "execveat", "kill", "tgkill", "prctl", "prlimit64", "pidfd_open",
        "pidfd_send_signal", "seccomp", "landlock_create_ruleset", "landlock_add_rule",
        "landlock_restrict_self", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "personality",
        "sched_setaffinity", "timerfd_create", "timerfd_settime", "timerfd_gettime", "pkey_alloc",
        "pkey_free", "pkey_mprotect", "setpgid", "timer_create", "timer_settime", "timer_gettime",
        "timer_getoverrun", "timer_delete",
    ):  # fmt: skip
        rules[name] = ALLOW
    rules["clone"] = Allow(((0, _NAMESPACE_FLAGS, (0,)),))
    return rules


_OWN_SIGNALS = tuple(signal for signal in range(65) if signal != 9)
# PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_SECCOMP, PR_SET_VMA (names of mappings).
_PRCTL = (15, 16, 3, 21, 0x53564D41)


def child_rules(pid: int, *, may_execute_fd: int | None = None) -> dict[str, Rule]:
    """What is taken from a program under test, on top of the runner's filter.

    Args:
        pid: the program's own process id, as it sees it: the only one it may signal.
        may_execute_fd: the descriptor of the one executable it may become (a sealed memfd or
            an interpreter), or None when it may not execute anything.
    """
    # Not SIGKILL: a program that ended by it was ended from outside, and is run again.
    own = Allow(((0, 0xFFFFFFFF, (pid,)), (1, 0xFFFFFFFF, _OWN_SIGNALS)))
    own_thread = Allow(((0, 0xFFFFFFFF, (pid,)), (2, 0xFFFFFFFF, _OWN_SIGNALS)))
    rules: dict[str, Rule] = dict.fromkeys(
        ("fork", "vfork", "execve", "execveat", "seccomp", "landlock_create_ruleset",
         "landlock_add_rule", "landlock_restrict_self", "pidfd_open", "pidfd_send_signal",
         "setpgid", "sched_setaffinity", "timer_create"),
        Deny(),
    )  # fmt: skip
    rules["clone"] = Allow(((0, linux.CLONE_THREAD, (linux.CLONE_THREAD,)),))
    rules["kill"] = rules["rt_sigqueueinfo"] = own
    rules["tgkill"] = rules["rt_tgsigqueueinfo"] = own_thread
    rules["prlimit64"] = Allow(((0, 0xFFFFFFFF, (0, pid)),))
    rules["prctl"] = Allow(((0, 0xFFFFFFFF, _PRCTL),))
    if may_execute_fd is not None:
        rules["execveat"] = Allow(
            ((0, 0xFFFFFFFF, (may_execute_fd,)), (4, 0xFFFFFFFF, (linux.AT_EMPTY_PATH,)))
        )
    return rules


_ANY_PID = 0x7A6B5C4D


@functools.cache
def _child_template(may_execute_fd: int | None) -> bytes:
    return compile_filter(child_rules(_ANY_PID, may_execute_fd=may_execute_fd), ALLOW)


def child_filter(pid: int, *, may_execute_fd: int | None = None) -> bytes:
    """The compiled `child_rules`; all but the process id is compiled once, in the zygote."""
    template = _child_template(may_execute_fd)
    return template.replace(struct.pack("<I", _ANY_PID), struct.pack("<I", pid))


def compiler_rules() -> dict[str, Rule]:
    """What is taken from a compiler driver: it may start its own helpers, nothing else."""
    rules: dict[str, Rule] = dict.fromkeys(
        ("seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
         "pidfd_open", "pidfd_send_signal", "setpgid", "tgkill", "kill", "rt_sigqueueinfo",
         "rt_tgsigqueueinfo"),
        Deny(),
    )  # fmt: skip
    rules["prctl"] = Allow(((0, 0xFFFFFFFF, _PRCTL),))
    rules["prlimit64"] = Allow(((0, 0xFFFFFFFF, (0,)),))
    return rules


def _return(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)


def _leaf(rule: Rule) -> list[Instruction]:
    if isinstance(rule, Deny):
        return [_return(_ERRNO | rule.code)]
    code: list[Instruction] = []
    for index, mask, values in rule.conditions:
        code.append((_LOAD, 0, 0, _OFFSET_ARGUMENTS + 8 * index))
        if mask != 0xFFFFFFFF:
            code.append((_AND, 0, 0, mask))
        for position, value in enumerate(values):
            # On a match, skip the remaining comparisons and the refusal behind them.
            code.append((_JEQ, len(values) - position, 0, value))
        code.append(_return(_ERRNO | errno.EPERM))
    return [*code, _return(_ALLOW)]


def _tree(ranges: Sequence[tuple[int, Rule]]) -> list[Instruction]:
    """Code that finds the range a number lies in; a range runs up to the next one's start."""
    if len(ranges) == 1:
        return _leaf(ranges[0][1])
    middle = len(ranges) // 2
    left, right = _tree(ranges[:middle]), _tree(ranges[middle:])
    start = ranges[middle][0]
    if len(left) <= 255:
        return [(_JGE, len(left), 0, start), *left, *right]
    return [(_JGE, 0, 1, start), (_JUMP, 0, 0, len(left)), *left, *right]


def compile_filter(rules: Mapping[str, Rule], default: Rule) -> bytes:
    """Compiles rules by syscall name to a BPF program; names this machine lacks are skipped."""
    audit, numbers = architecture()
    by_number = sorted((numbers[name], rule) for name, rule in rules.items() if name in numbers)
    ranges: list[tuple[int, Rule]] = [(0, default)]
    for value, rule in by_number:
        if ranges[-1][0] == value:
            ranges[-1] = (value, rule)
        else:
            ranges.append((value, rule))
        ranges.append((value + 1, default))
    merged = [entry for i, entry in enumerate(ranges) if i == 0 or entry[1] != ranges[i - 1][1]]
    head: list[Instruction] = [
        (_LOAD, 0, 0, _OFFSET_ARCHITECTURE),
        (_JEQ, 1, 0, audit),
        _return(_KILL_PROCESS),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
    ]
    if audit == AUDIT_X86_64:
        head += [(_JGE, 0, 1, _X32_BIT), _return(_KILL_PROCESS)]
    return b"".join(struct.pack("<HBBI", *i) for i in [*head, *_tree(merged)])


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(program: bytes) -> None:
    """Adds a filter to this thread for good; needs no_new_privs. OSError when refused."""
    structure = _Program(len(program) // 8, program)
    linux.syscall("seccomp", 1, 0, ctypes.byref(structure))
