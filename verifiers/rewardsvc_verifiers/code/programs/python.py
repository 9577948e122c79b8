"""Inside the box: Python programs under test, and the trusted-by-no-one side of grading them.

A child runs one of MODES and its exit code is reported by the kernel, through the runner. What
it writes is data for a comparison made elsewhere. Nothing here decides whether a test passed,
so a program that takes over this process wins nothing but its own output.
"""

from __future__ import annotations

import _sitebuiltins
import atexit
import builtins
import io
import linecache
import os
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rewardsvc_verifiers.code.programs import candidate, grader
from rewardsvc_verifiers.code.programs.source import FILE_NAME, compile_source
from rewardsvc_verifiers.sandbox.runner import LoadError

# The interpreter starts without `site`, which would have defined these.
for _name in ("exit", "quit"):
    setattr(builtins, _name, _sitebuiltins.Quitter(_name, "Ctrl-D (i.e. EOF)"))

_exit = os._exit
OWN_MODULES: tuple[str, ...] = ()
"""Names of this package's loaded modules; set by `prepare` in the zygote."""
_hidden: list[types.ModuleType] = []
"""Kept alive: taking a module apart touches every page it is on."""
EXIT_EXCEPTION = 1
EXIT_MEMORY = 86
"""Exit code of a child that ended by MemoryError. A program may fake it: it still failed."""


@dataclass(frozen=True)
class Source:
    """A compiled program and its text."""

    code: types.CodeType
    text: str


def prepare() -> None:
    """Called in the zygote once everything is imported."""
    global OWN_MODULES
    OWN_MODULES = tuple(key for key in sys.modules if key.startswith("rewardsvc_verifiers"))
    warnings.simplefilter("ignore")


def load(source: bytes, arguments: dict[str, Any]) -> Any:
    """Compiles the source, or for a grader prepares its tests.

    Raises:
        LoadError: it does not compile; the message is the compiler's.
    """
    try:
        text = source.decode()
        if arguments.get("grader"):
            return grader.prepare(text, arguments)
        compiled = Source(compile_source(text), text)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise LoadError(f"{type(error).__name__}: {error}") from None
    # Our own modules, out of the program's way. Once, here, and from a list made before the
    # fork: walking the table would touch, and so copy, hundreds of its pages.
    for key in OWN_MODULES:
        _hidden.append(sys.modules.pop(key))
    return compiled


def _script(source: Source, arguments: dict[str, Any]) -> int:
    module = _fresh_main("__main__", source)
    return _finish(lambda: exec(source.code, module.__dict__))  # noqa: S102 - the sandbox's job


def _call(source: Source, arguments: dict[str, Any]) -> int:
    module = _fresh_main(arguments["module"], source)
    return _finish(lambda: candidate.call_once(source.code, module, arguments["function"]))


def _serve(source: Source, arguments: dict[str, Any]) -> int:
    module = _fresh_main(arguments["module"], source)
    return _finish(lambda: candidate.serve(source.code, module, arguments))


def _grade(prepared: Any, arguments: dict[str, Any]) -> int:
    _open_streams()
    return _finish(lambda: grader.grade(prepared, arguments))


MODES: dict[str, Callable[[Any, dict[str, Any]], int]] = {
    "script": _script,
    "call": _call,
    "serve": _serve,
    "grade": _grade,
}


def _open_streams() -> None:
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "rb", closefd=False)), "utf-8")
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw = io.BufferedWriter(io.FileIO(number, "wb", closefd=False))
        errors = "backslashreplace" if number == 2 else "strict"
        stream = io.TextIOWrapper(raw, "utf-8", errors, line_buffering=number == 2)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.__stdin__ = sys.stdin  # type: ignore[misc]


def _fresh_main(name: str, source: Source) -> types.ModuleType:
    """An empty module for the program."""
    _open_streams()
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules[name] = module
    if name != "__main__":
        sys.modules.pop("__main__", None)
    sys.argv = [FILE_NAME]
    lines = source.text.splitlines(keepends=True)
    linecache.cache[FILE_NAME] = (len(source.text), None, lines, FILE_NAME)
    return module


def _finish(program: Callable[[], object]) -> int:
    """Runs to the end as the interpreter would: threads joined, exit handlers, flushed output."""
    code = _guarded(program)
    for step in (threading._shutdown, atexit._run_exitfuncs, _flush):  # type: ignore[attr-defined]
        code = _guarded(step) or code
    return code


def _flush() -> None:
    sys.stdout.flush()


def _guarded(program: Callable[[], object]) -> int:
    try:
        program()
    except SystemExit as stop:
        return _exit_code(stop.code)
    except MemoryError:
        return EXIT_MEMORY
    except BaseException as error:
        _report(error)
        return EXIT_EXCEPTION
    return 0


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF
    os.write(2, str(code)[:4096].encode("utf-8", "replace") + b"\n")
    return EXIT_EXCEPTION


def _report(error: BaseException) -> None:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != FILE_NAME:
        trace = trace.tb_next
    shown = "".join(traceback.format_exception(type(error), error, trace or None, limit=-20))
    os.write(2, shown.encode("utf-8", "backslashreplace")[-16384:])
