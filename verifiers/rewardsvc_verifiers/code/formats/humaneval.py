"""HumanEval: `prompt`, `test` (a `check(candidate)` full of asserts), `entry_point`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsvc_verifiers.code.formats.errors import field
from rewardsvc_verifiers.code.suite import Script, TestSuite


def from_humaneval(row: Mapping[str, Any], **options: Any) -> TestSuite:
    """A HumanEval row; each assert in `check` is a test.

    The response may continue the prompt, as the benchmark means it, or define the function
    anew, as chat models do. Helpers that the prompt defines are the dataset's: the tests use
    their own copy of them.

    Raises:
        FormatError: a field is missing or of the wrong type.
    """
    what = "from_humaneval"
    prompt = field(row, "prompt", str, what)
    entry_point = field(row, "entry_point", str, what)
    test = field(row, "test", str, what)
    script = Script(f"{test}\n\ncheck({entry_point})\n", (entry_point,), preamble=prompt)
    return TestSuite(script, prefix=prompt, completion_of=entry_point, **options)
