"""SandboxFusion's online-judge cases: [{"input": {"stdin": …}, "output": {"stdout": …}}]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewardsvc_verifiers.code.comparators import Comparator, Comparison
from rewardsvc_verifiers.code.formats.errors import FormatError, field, parsed
from rewardsvc_verifiers.code.suite import Stdio, StdioTest, TestSuite

SANDBOX_FUSION = Comparator(Comparison.DECIMAL, relative_tolerance=1e-5, ignore_case=True)
"""Its comparison: lines without regard to case, numbers within a relative 1e-5."""


def from_sandbox_fusion(
    cases: str | Sequence[Mapping[str, Any]], *, maximum_tests: int | None = None, **options: Any
) -> TestSuite:
    """The `test` (or `provided_data.test`) of a CommonOJ dataset.

    Raises:
        FormatError: it is not a list of such cases.
    """
    what = "from_sandbox_fusion"
    listed = parsed(cases, "test", what)
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        raise FormatError(f"{what}: cases must be a list of at least one case, got {listed!r:.80}")
    tests = []
    for case in listed[:maximum_tests]:
        given = field(case, "input", Mapping, what)
        output = field(case, "output", Mapping, what)
        tests.append(StdioTest(str(given.get("stdin", "")), field(output, "stdout", str, what)))
    return TestSuite(Stdio(tuple(tests), SANDBOX_FUSION), **options)
