"""Kinds of test by the type that describes them. Adding one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from rewardsvc_verifiers.code.kinds import function, script, stdio
from rewardsvc_verifiers.code.languages.base import Program
from rewardsvc_verifiers.code.suite import Function, Script, Stdio, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.verdict import TestOutcome

Runner = Callable[[Program, TestSuite, Toolbox], list[TestOutcome]]

KINDS: dict[type, Runner] = {Stdio: stdio.run, Function: function.run, Script: script.run}
