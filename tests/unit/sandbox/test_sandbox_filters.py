"""Compiled filters do what their rules say: run here by a small interpreter of BPF."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewardsvc_verifiers.sandbox import linux, seccomp
from rewardsvc_verifiers.sandbox.syscalls import architecture, number

ALLOWED = 0x7FFF0000
KILLED = 0x80000000
AUDIT, NUMBERS = architecture()


def interpret(
    program: bytes, call: int, arguments: tuple[int, ...] = (), audit: int = AUDIT
) -> int:
    """What the kernel would answer."""
    arguments = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", call, audit, 0, *(a & (1 << 64) - 1 for a in arguments))
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator = position = 0
    while True:
        operation, yes, no, value = code[position]
        position += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x15:
            position += yes if accumulator == value else no
        elif operation == 0x35:
            position += yes if accumulator >= value else no
        elif operation == 0x05:
            position += value
        elif operation == 0x06:
            return value
        else:
            raise AssertionError(f"unknown operation {operation:#x}")


RUNNER = seccomp.compile_filter(seccomp.runner_rules(), seccomp.Deny())
CHILD = seccomp.child_filter(4321)
NATIVE = seccomp.child_filter(4321, may_execute_fd=100)


def refused(program: bytes, name: str, *arguments: int) -> int | None:
    """The errno of a refusal, or None when the call is let through."""
    answer = interpret(program, number(name), arguments)
    return None if answer == ALLOWED else answer & 0xFFFF


@given(st.integers(0, 1000), st.integers(0, 2**64 - 1))
def test_every_number_is_answered_as_its_rule_says(call: int, argument: int) -> None:
    rules = seccomp.runner_rules()
    rule = next((r for name, r in rules.items() if NUMBERS.get(name) == call), seccomp.Deny())
    answer = interpret(RUNNER, call, (argument,) * 6)
    if isinstance(rule, seccomp.Deny):
        assert answer == 0x50000 | rule.code
    else:
        held = all((argument & mask & 0xFFFFFFFF) in values for _, mask, values in rule.conditions)
        assert answer == (ALLOWED if held else 0x50000 | errno.EPERM)


def test_other_architectures_are_killed() -> None:
    assert interpret(RUNNER, number("read"), audit=0x40000003) == KILLED
    if "stat" in NUMBERS:  # x86-64
        assert interpret(RUNNER, 0x40000000 + 39) == KILLED


@pytest.mark.parametrize(
    "name", ["socket", "connect", "mount", "unshare", "setns", "ptrace", "memfd_create",
             "pivot_root", "bind", "capset"],
)  # fmt: skip
def test_no_one_in_a_box_may(name: str) -> None:
    assert refused(RUNNER, name) == errno.EPERM


def test_processes_and_signals() -> None:
    assert refused(RUNNER, "clone", 17) is None
    for flag in (linux.CLONE_NEWUSER, linux.CLONE_NEWNS, linux.CLONE_NEWPID, linux.CLONE_NEWNET):
        assert refused(RUNNER, "clone", flag | 17) == errno.EPERM
    assert refused(RUNNER, "clone3") == errno.ENOSYS
    assert refused(CHILD, "clone", 17) == errno.EPERM
    assert refused(CHILD, "clone", linux.CLONE_THREAD) is None
    assert refused(CHILD, "kill", 4321, 15) is None
    assert refused(CHILD, "kill", 4321, 9) == errno.EPERM
    assert refused(CHILD, "tgkill", 4321, 4322, 10) is None
    assert refused(CHILD, "tgkill", 4321, 4322, 9) == errno.EPERM
    assert refused(CHILD, "timer_create") == errno.EPERM
    for pid in (-1, 0, 1, 4320, 4322):
        assert refused(CHILD, "kill", pid, 15) == errno.EPERM
        assert refused(CHILD, "tgkill", pid, pid, 15) == errno.EPERM
    assert refused(CHILD, "prlimit64", 1) == errno.EPERM


def test_executing() -> None:
    assert refused(CHILD, "execve") == errno.EPERM
    assert refused(CHILD, "execveat", 100, 0, 0, 0, linux.AT_EMPTY_PATH) == errno.EPERM
    assert refused(NATIVE, "execve") == errno.EPERM
    assert refused(NATIVE, "execveat", 100, 0, 0, 0, linux.AT_EMPTY_PATH) is None
    assert refused(NATIVE, "execveat", 100, 0, 0, 0, 0) == errno.EPERM
    assert refused(NATIVE, "execveat", 3, 0, 0, 0, linux.AT_EMPTY_PATH) == errno.EPERM


def test_only_a_local_stream_pair() -> None:
    assert refused(RUNNER, "socketpair", 1, 1 | 0o2000000) is None
    assert refused(RUNNER, "socketpair", 1, 2) == errno.EPERM
    assert refused(RUNNER, "socketpair", 2, 1) == errno.EPERM
    assert refused(RUNNER, "fcntl", 0, 8) == errno.EPERM
    assert refused(RUNNER, "ioctl", 0, 0x5412) == errno.EPERM
