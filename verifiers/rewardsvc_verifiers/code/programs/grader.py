"""The grader: runs the dataset's tests, with the candidate in another process.

Covers: the test source is split by its syntax tree, so that each `assert` has an outcome of its
own; names the tests do not define stand for the candidate's; the candidate's file is never on
this process's path. This process runs dataset code and sees only plain data of the candidate's,
so what it writes to RESULT is believed.
Does not cover: tests that are wrong, or that check less than they mean to.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import json
import os
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rewardsvc_verifiers.code.programs.remote import (
    Candidate,
    CandidateDiedError,
    CandidateError,
    UnsupportedTestError,
)
from rewardsvc_verifiers.sandbox.runner import LoadError

LINK, RESULT = 3, 4
_RECORDER = "__rewardsvc_tests__"


@dataclass(frozen=True)
class Prepared:
    """Tests ready to run: compiled, with what they need of the candidate.

    Attributes:
        code: the test program, instrumented unless pytest splits it.
        tests: the names of the asserts, in order of appearance.
        names: what to take from the candidate.
        module: the name under which tests import the candidate.
        overrides: the entry points, which must exist and shadow builtins of the same name.
    """

    code: types.CodeType
    tests: tuple[str, ...]
    names: tuple[str, ...]
    module: str
    overrides: tuple[str, ...]


class _Split(ast.NodeTransformer):
    """Wraps each assert so that its outcome is recorded and the ones after it still run."""

    def __init__(self) -> None:
        self.tests: list[str] = []

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        number = len(self.tests)
        self.tests.append(f"line {node.lineno}: {ast.unparse(node.test)[:120]}")
        wrapper = ast.parse(
            f"if {_RECORDER}.wants({number}):\n with {_RECORDER}.recording({number}): pass"
        ).body[0]
        assert isinstance(wrapper, ast.If)
        assert isinstance(wrapper.body[0], ast.With)
        wrapper.body[0].body = [node]
        return ast.copy_location(wrapper, node)


def prepare(text: str, arguments: dict[str, Any]) -> Prepared:
    """Parses and instruments tests; raises what parsing raises.

    Args:
        text: JSON of the tests' `source` and `preamble`; see `suite.Script`.
    """
    given = json.loads(text)
    tree = ast.parse(given["source"])
    preamble = ast.parse(given["preamble"])
    tree.body[:0] = [
        node
        for node in preamble.body
        if getattr(node, "name", None) not in arguments["entry_points"]
    ]
    names = _wanted(tree, arguments)
    tests: tuple[str, ...] = ()
    if arguments["grader"] == "asserts":
        split = _Split()
        tree = ast.fix_missing_locations(split.visit(tree))
        tests = tuple(split.tests)
    return Prepared(
        compile(tree, "tests.py", "exec", dont_inherit=True),
        tests,
        tuple(sorted(names)),
        arguments["module"],
        tuple(arguments["entry_points"]),
    )


def _wanted(tree: ast.Module, arguments: dict[str, Any]) -> set[str]:
    """What to take from the candidate: what the suite names, and nothing it could smuggle in.

    A helper that the tests use but nobody defines must not quietly be the candidate's own: a
    candidate would answer `isclose` as it likes. Modules of the standard library are the
    tests' own; other names are an error, unless the suite names no entry point at all.

    Raises:
        LoadError: the tests use names that neither they nor the suite's entry points define.
    """
    unresolved = _unresolved(tree)
    modules = sorted(unresolved & sys.stdlib_module_names)
    tree.body[:0] = [ast.Import([ast.alias(name)], lineno=1, col_offset=0) for name in modules]
    unresolved -= set(modules)
    named = set(arguments["entry_points"]) | _imported(tree, arguments["module"])
    stray = unresolved - named
    if stray and named and "*" not in named:
        raise LoadError(
            f"the tests use {', '.join(sorted(stray))}, which nobody defines; name what the"
            " candidate is to define as entry points"
        )
    return (named | unresolved) - {"*"}


def _unresolved(tree: ast.AST) -> set[str]:
    """Names read that neither the tests nor the builtins define, imports of the candidate too."""
    bound: set[str] = set()
    read: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return read - bound - set(dir(builtins)) - {"__file__"}


def _imported(tree: ast.AST, module: str) -> set[str]:
    """Names that the tests import from the candidate; `*` among them for a star import."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == module
        for alias in node.names
    }


class _CandidateModule(types.ModuleType):
    """What `import solution` gives: stand-ins, those not foreseen fetched when asked for."""

    def __init__(self, name: str, candidate: Candidate) -> None:
        super().__init__(name)
        self.__dict__["_candidate"] = candidate

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self.__dict__["_candidate"].names([name])
        if name not in found:
            raise AttributeError(f"the program does not define {name!r}")
        return found[name]


@dataclass
class Recorder:
    """Writes each test's outcome to RESULT as it is known: the round may end at any moment."""

    candidate: Candidate
    tests: tuple[str, ...]
    decided: set[int]
    failed: set[int] = field(default_factory=set)
    passed: set[int] = field(default_factory=set)
    died: bool = False
    """Whether the candidate died in a recorded assert."""
    _cpu: float = 0.0

    def wants(self, number: int) -> bool:
        """Whether this assert is still worth running."""
        return number not in self.decided and number not in self.failed

    @contextlib.contextmanager
    def recording(self, number: int) -> Iterator[None]:
        """Runs one assert; its failure is recorded and does not spread."""
        try:
            yield
        except BaseException as error:
            self.failed.add(number)
            self.write(number, status_of(error), message_of(error))
            self.died = self.died or isinstance(error, CandidateDiedError)
            if isinstance(error, CandidateDiedError | UnsupportedTestError):
                raise
        else:
            self.passed.add(number)

    def write(self, number: int, status: str, message: str) -> None:
        """Writes one outcome."""
        spent = self.candidate.cpu_seconds - self._cpu
        self._cpu = self.candidate.cpu_seconds
        write_result({"test": number, "status": status, "message": message[:500], "cpu": spent})


def status_of(error: BaseException) -> str:
    """The test status an exception in a test means."""
    if isinstance(error, AssertionError | CandidateError):
        return "wrong_answer"
    if isinstance(error, CandidateDiedError):
        return "candidate_died"
    if isinstance(error, UnsupportedTestError):
        return "sandbox_error"
    if isinstance(error, MemoryError):
        return "memory_limit"
    return "runtime_error"


def message_of(error: BaseException) -> str:
    """What to tell people about it."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def write_result(result: dict[str, Any]) -> None:
    """Appends one line to RESULT."""
    os.write(RESULT, json.dumps(result).encode() + b"\n")


def grade(prepared: Prepared, arguments: dict[str, Any]) -> None:
    """Runs the tests that are not decided yet, against the candidate behind LINK."""
    candidate = Candidate(LINK, arguments["seconds_per_call"])
    write_result({"tests": list(prepared.tests)})
    try:
        found = candidate.names(list(prepared.names))
    except (Exception, CandidateDiedError) as error:
        write_result({"program": status_of(error), "message": message_of(error)[:500]})
        return
    lacking = [name for name in prepared.overrides if name not in found]
    if lacking:
        message = f"the program does not define {', '.join(lacking)}"
        write_result({"program": "runtime_error", "message": message})
        return
    if arguments["grader"] == "pytest":
        from rewardsvc_verifiers.code.programs import pytest_grader

        pytest_grader.grade(prepared, candidate, found, arguments)
    else:
        _grade_asserts(prepared, candidate, found, set(arguments["decided"]))


def finish(candidate: Candidate) -> None:
    """Says that the tests ran to their end; a bare `except` may have hidden a death."""
    if candidate.died:
        write_result({"program": "candidate_died", "message": "the candidate ended its process"})
    else:
        write_result({"program": "finished"})


def install_module(prepared: Prepared, candidate: Candidate, found: dict[str, Any]) -> None:
    """Makes the candidate importable by the tests under its name, as stand-ins only."""
    module = _CandidateModule(prepared.module, candidate)
    module.__dict__.update(found)
    # A star import must not bring a candidate's own `isclose` or `sorted` over the test's.
    module.__dict__["__all__"] = [name for name in found if name in prepared.names]
    sys.modules[prepared.module] = module


def fill_namespace(names: Iterable[str], found: dict[str, Any]) -> dict[str, Any]:
    """The tests' globals to begin with: what they expect the candidate to have defined."""
    return {name: found[name] for name in names if name in found}


def _grade_asserts(
    prepared: Prepared, candidate: Candidate, found: dict[str, Any], decided: set[int]
) -> None:
    recorder = Recorder(candidate, prepared.tests, decided)
    install_module(prepared, candidate, found)
    namespace = fill_namespace(prepared.names, found)
    namespace |= {"__name__": "tests", _RECORDER: recorder}
    try:
        exec(prepared.code, namespace)  # noqa: S102 - the dataset's tests, in their own box
    except CandidateDiedError as error:
        # The assert it died in is written; asserts before it stand, the rest get a new round.
        _write_passed(recorder)
        if not recorder.died:
            write_result({"program": "candidate_died", "message": message_of(error)[:500]})
        return
    except BaseException as error:
        _write_passed(recorder)
        write_result({"program": status_of(error), "message": message_of(error)[:500]})
        return
    _write_passed(recorder)
    finish(candidate)


def _write_passed(recorder: Recorder) -> None:
    for number in sorted(recorder.passed - recorder.failed):
        recorder.write(number, "passed", "")
