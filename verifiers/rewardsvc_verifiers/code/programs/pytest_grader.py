"""The grader for pytest files: the real pytest, in the grader's process, from memory.

Covers: functions, classes, fixtures, parametrisation, `pytest.raises` and friends, and
unittest.TestCase; each collected item is a test. No conftest, ini file or plugin is looked for,
and nothing is read from the candidate's files, so those cannot take part in the verdict.
Does not cover: fixtures that need a writable directory at levels without one (`tmp_path`).
"""

from __future__ import annotations

import importlib
import os
import types
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import default_plugins

from rewardsvc_verifiers.code.programs.grader import (
    Prepared,
    fill_namespace,
    finish,
    install_module,
    message_of,
    status_of,
    write_result,
)
from rewardsvc_verifiers.code.programs.remote import (
    Candidate,
    CandidateDiedError,
    UnsupportedTestError,
)

# pytest imports its own plugins late; a job would pay for it, and may not be able to read them.
for _plugin in (*default_plugins, "_argcomplete"):
    importlib.import_module(f"_pytest.{_plugin}")
importlib.import_module("pdb")

_FILE = Path("/tests/test_solution.py")
_OPTIONS = (
    "-q", "-s", "--tb=no", "--no-header", "--no-summary", "--assert=plain", "--rootdir=/",
    "-c", "/dev/null", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:doctest",
)  # fmt: skip


class _InMemory(pytest.Module):
    """A test module that was never a file."""

    made: types.ModuleType

    def _getobj(self) -> types.ModuleType:
        return self.made


class _Plugin:
    """Collects the one module and writes each item's outcome as it is known."""

    def __init__(self, module: types.ModuleType, candidate: Candidate, decided: set[str]) -> None:
        self._module, self._candidate, self._decided = module, candidate, decided
        self._failures: dict[str, tuple[str, str]] = {}
        self._cpu = 0.0
        self.round_ends = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        node = _InMemory.from_parent(session, path=_FILE)
        node.made = self._module
        items = list(session.genitems(node))
        write_result({"tests": [_name(item.nodeid) for item in items]})
        session.items = [item for item in items if _name(item.nodeid) not in self._decided]
        session.testscollected = len(session.items)
        return True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        outcome = yield
        report = outcome.get_result()
        name = _name(item.nodeid)
        if call.excinfo is not None and report.outcome == "failed":
            error = call.excinfo.value
            failed = (status_of(error), message_of(error))
            if isinstance(error, pytest.fail.Exception):
                failed = ("wrong_answer", message_of(error))
            self._failures.setdefault(name, failed)
            if isinstance(error, CandidateDiedError | UnsupportedTestError):
                self.round_ends = True
                item.session.shouldfail = "the round ends"
        elif report.outcome == "failed":  # a strict xfail that passed
            self._failures.setdefault(name, ("wrong_answer", "a failure was expected"))
        if report.when == "call" and report.outcome == "skipped" and name not in self._failures:
            self._failures[name] = ("skipped", "")
        if report.when == "setup" and report.outcome == "skipped":
            self._failures[name] = ("skipped", "")
        if report.when == "teardown":
            status, message = self._failures.get(name, ("passed", ""))
            spent = self._candidate.cpu_seconds - self._cpu
            self._cpu = self._candidate.cpu_seconds
            write_result({"test": name, "status": status, "message": message[:500], "cpu": spent})


def _name(nodeid: str) -> str:
    return nodeid.partition("::")[2]


def grade(
    prepared: Prepared, candidate: Candidate, found: dict[str, Any], arguments: dict[str, Any]
) -> None:
    """Runs the items that are not decided yet."""
    install_module(prepared, candidate, found)
    module = types.ModuleType("test_solution")
    module.__dict__.update(fill_namespace(prepared.names, found))
    try:
        exec(prepared.code, module.__dict__)  # noqa: S102 - the dataset's tests
    except BaseException as error:
        write_result({"program": status_of(error), "message": message_of(error)[:500]})
        return
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugin = _Plugin(module, candidate, set(arguments["decided"]))
    code = pytest.main(list(_OPTIONS), plugins=[plugin])
    if plugin.round_ends:
        return
    if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED,
                pytest.ExitCode.NO_TESTS_COLLECTED):  # fmt: skip
        finish(candidate)
    else:
        write_result({"program": "runtime_error", "message": f"pytest ended with {code!r}"})
