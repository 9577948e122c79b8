"""APPS and TACO: `input_output`, JSON of {inputs, outputs, fn_name?}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsvc_verifiers.code.comparators import DECIMAL, Comparator
from rewardsvc_verifiers.code.formats.errors import FormatError, field, pairs, parsed
from rewardsvc_verifiers.code.suite import Function, FunctionTest, Stdio, StdioTest, TestSuite


def from_apps(
    row: Mapping[str, Any], *, comparator: Comparator = DECIMAL, checker: str | None = None,
    maximum_tests: int | None = None, **options: Any,
) -> TestSuite:  # fmt: skip
    """An APPS or TACO row.

    With `fn_name` each test is a call, whose result may equal the output or, as APPS wraps
    some, the output's only element; otherwise each is a run of the program, where inputs and
    outputs may be texts or lists of lines.

    Args:
        comparator: of printed outputs.
        checker: for TACO's problems with several right answers; see `Stdio.checker`.
        maximum_tests: only the first so many tests.

    Raises:
        FormatError: a field is missing or of the wrong type.
    """
    what = "from_apps"
    cases = parsed(field(row, "input_output", (str, Mapping), what), "input_output", what)
    if not isinstance(cases, Mapping):
        raise FormatError(f"{what}: 'input_output' must hold an object, got {cases!r:.80}")
    given = pairs(cases, what, maximum_tests)
    name = cases.get("fn_name")
    if name:
        return TestSuite(
            Function(str(name), tuple(_call(*pair, what) for pair in given),
                     tuples_equal_lists=True),
            **options,
        )  # fmt: skip
    tests = tuple(StdioTest(_text(i), _text(o)) for i, o in given)
    return TestSuite(Stdio(tests, comparator, checker), **options)


def _call(arguments: Any, output: Any, what: str) -> FunctionTest:
    if not isinstance(arguments, list | tuple):
        raise FormatError(f"{what}: arguments of a call must be a list, got {arguments!r:.80}")
    expected = [_restored(output)]
    if isinstance(output, list) and output:
        expected.append(_restored(output[0]))
    return FunctionTest(tuple(_restored(argument) for argument in arguments), tuple(expected))


def _restored(value: Any) -> Any:
    """JSON made the integer keys of a dict into texts; they are made integers again."""
    if isinstance(value, dict) and value:
        try:
            return {int(key): item for key, item in value.items()}
        except (ValueError, TypeError):
            return value
    return value


def _text(value: Any) -> str:
    """A text, or a list of lines as one."""
    if isinstance(value, list | tuple):
        return "\n".join(str(line) for line in value)
    return str(value)
