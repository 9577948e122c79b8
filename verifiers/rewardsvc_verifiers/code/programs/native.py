"""Inside the box: becoming a compiled program or an interpreter, and running a compiler."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

_EXIT_COMPILER = 1
_RESULT = 3


def prepare() -> None:
    """Nothing to prepare."""


def load(source: bytes, arguments: dict[str, Any]) -> bytes:
    """Keeps the source for the compiler."""
    return source


def _execute(source: bytes, arguments: dict[str, Any]) -> int:
    """Becomes the executable on a descriptor, or at a path the profile grants."""
    target = arguments["execute_fd"]
    if "path" in arguments:
        descriptor = os.open(arguments["path"], os.O_RDONLY)
    else:
        descriptor = arguments["from"]
    os.dup2(descriptor, target, inheritable=False)
    os.close(descriptor)
    command = arguments.get("command") or [arguments["name"]]
    os.execve(target, command, {"LC_ALL": "C.UTF-8", "TMPDIR": "/w/box", "HOME": "/w/box"})  # noqa: S606
    return 127  # not reached


def _compile(source: bytes, arguments: dict[str, Any]) -> int:
    """Runs the compiler on the source in the box, and copies what it made to RESULT."""
    with open(arguments["source"], "wb") as stream:
        stream.write(source)
    here = os.getcwd()
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": here, "HOME": here}
    child = os.fork()
    if child == 0:
        os.close(_RESULT)
        try:
            os.execve(arguments["command"][0], arguments["command"], environment)  # noqa: S606
        finally:
            os._exit(127)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        return _EXIT_COMPILER
    with open(arguments["result"], "rb") as made:
        while part := made.read(1 << 20):
            os.write(_RESULT, part)
    return 0


MODES: dict[str, Callable[[Any, dict[str, Any]], int]] = {
    "execute": _execute,
    "compile": _compile,
}
