"""MBPP: `code` (the reference), `test_list`, `test_setup_code`, `challenge_test_list`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rewardsvc_verifiers.code.formats.errors import FormatError, field
from rewardsvc_verifiers.code.suite import Script, TestSuite

_DEFINITION = re.compile(r"(?:async +def|def|class) +([A-Za-z_]\w*)")
_WORD = re.compile(r"[A-Za-z_]\w*")


def from_mbpp(row: Mapping[str, Any], *, challenge: bool = False, **options: Any) -> TestSuite:
    """An MBPP row; each assert is a test.

    Entry points are what the reference defines and the tests mention. Modules that the
    reference imports are the tests' own, since some tests use them.

    Args:
        challenge: add the harder tests of `challenge_test_list`.

    Raises:
        FormatError: a field is missing or of the wrong type.
    """
    what = "from_mbpp"
    tests = list(field(row, "test_list", (list, tuple), what))
    if challenge:
        tests += list(row.get("challenge_test_list") or ())
    if not tests or not all(isinstance(test, str) for test in tests):
        raise FormatError(
            f"{what}: field 'test_list' must hold at least one text, got {tests!r:.80}"
        )
    # The sanitized edition calls the setup `test_imports`, a list.
    setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or ())
    source = "\n".join([setup, *tests]).replace("\r\n", "\n") + "\n"
    lines = str(row.get("code") or "").splitlines()
    defined = [found.group(1) for line in lines if (found := _DEFINITION.match(line))]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    mentioned = set(_WORD.findall(source))
    names = tuple(name for name in dict.fromkeys(defined) if name in mentioned)
    return TestSuite(Script(source, names, preamble="\n".join(imports)), **options)
