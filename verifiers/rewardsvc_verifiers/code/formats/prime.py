"""verl and PRIME: `ground_truth`, JSON of {inputs, outputs, fn_name?, assert_case?}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsvc_verifiers.code.comparators import DECIMAL, Comparator
from rewardsvc_verifiers.code.formats.errors import FormatError, pairs, parsed
from rewardsvc_verifiers.code.formats.livecodebench import call
from rewardsvc_verifiers.code.suite import (
    Function,
    FunctionTest,
    Script,
    Stdio,
    StdioTest,
    TestSuite,
)


def from_prime(
    ground_truth: str | Mapping[str, Any], *, comparator: Comparator = DECIMAL,
    maximum_tests: int | None = None, **options: Any,
) -> TestSuite:  # fmt: skip
    """What verl calls `reward_model.ground_truth` for code.

    `assert_case` makes each assert a test; `fn_name` makes each input a call, one JSON value a
    line; otherwise each input is a run of the program.

    Raises:
        FormatError: it is not JSON of that form.
    """
    what = "from_prime"
    cases = parsed(ground_truth, "ground_truth", what)
    if not isinstance(cases, Mapping):
        raise FormatError(f"{what}: 'ground_truth' must hold an object, got {cases!r:.80}")
    name = cases.get("fn_name")
    asserts = cases.get("assert_case")
    if asserts:
        if not isinstance(asserts, list) or not all(isinstance(a, str) for a in asserts):
            raise FormatError(f"{what}: 'assert_case' must be a list of texts, got {asserts!r:.80}")
        source = "\n".join(asserts[:maximum_tests]) + "\n"
        return TestSuite(Script(source, (str(name),) if name else ()), **options)
    given = pairs(cases, what, maximum_tests)
    if name:
        tests = tuple(_call(i, o, what) for i, o in given)
        return TestSuite(Function(str(name), tests, tuples_equal_lists=True), **options)
    return TestSuite(
        Stdio(tuple(StdioTest(str(i), str(o)) for i, o in given), comparator), **options
    )


def _call(given: Any, output: Any, what: str) -> FunctionTest:
    test = call(given, output, what)
    (expected,) = test.expected
    # As in APPS, where these cases come from, the value may be wrapped in a list.
    unwrapped = (expected[0],) if isinstance(expected, list) and expected else ()
    return FunctionTest(test.arguments, (expected, *unwrapped))
