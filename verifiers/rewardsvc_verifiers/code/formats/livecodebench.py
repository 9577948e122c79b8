"""LiveCodeBench: `public_test_cases`, `private_test_cases`, `metadata`.

Private cases come as JSON, or as base64 of zlib of a pickle of JSON text. The pickle is opened
by an unpickler that knows no class at all, after a bounded decompression: it can yield plain
values only, and anything but a text is refused.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Mapping
from typing import Any

from rewardsvc_verifiers.code.comparators import DECIMAL
from rewardsvc_verifiers.code.formats.errors import FormatError, field, pairs, parsed
from rewardsvc_verifiers.code.suite import Function, FunctionTest, Stdio, StdioTest, TestSuite

_WHAT = "from_livecodebench"
_LARGEST_COMPRESSED = 256 << 20
_LARGEST = 1 << 30


def from_livecodebench(
    row: Mapping[str, Any], *, private: bool = True, maximum_tests: int | None = None,
    **options: Any,
) -> TestSuite:  # fmt: skip
    """A LiveCodeBench row, or the evaluated form {"input_output": …}.

    Printed outputs are compared as the benchmark does: stripped lines, equal in number, words
    equal or equal as decimals. Calls take one JSON value a line.

    Args:
        private: add the private cases to the public ones.
        maximum_tests: only the first so many tests.

    Raises:
        FormatError: a field is missing, of the wrong type, or holds a pickle with classes.
    """
    if "input_output" in row:
        cases = parsed(row["input_output"], "input_output", _WHAT)
        given = pairs(cases, _WHAT, maximum_tests)
        return _suite(given, cases.get("fn_name"), options)
    listed = _cases(field(row, "public_test_cases", (str, list), _WHAT), "public_test_cases")
    if private:
        listed = listed + _private(row)
    listed = listed[:maximum_tests]
    if not listed:
        raise FormatError(f"{_WHAT}: the row holds no test case")
    functional = {case.get("testtype") == "functional" for case in listed}
    if len(functional) != 1:
        raise FormatError(f"{_WHAT}: the row mixes stdin and functional cases")
    given = [
        (field(case, "input", str, _WHAT), field(case, "output", str, _WHAT)) for case in listed
    ]
    name = None
    if functional.pop():
        metadata = parsed(row.get("metadata") or {}, "metadata", _WHAT)
        name = field(metadata, "func_name", str, f"{_WHAT}, metadata")
    return _suite(given, name, options)


def _suite(given: list[tuple[Any, Any]], name: str | None, options: dict[str, Any]) -> TestSuite:
    if name:
        tests = tuple(call(i, o, _WHAT) for i, o in given)
        return TestSuite(Function(name, tests, tuples_equal_lists=True), **options)
    return TestSuite(Stdio(tuple(StdioTest(i, o) for i, o in given), DECIMAL), **options)


def call(given: Any, output: Any, what: str) -> FunctionTest:
    """A call written as one JSON value a line, its output as JSON."""
    if isinstance(given, str):
        arguments = [parsed(line, "input", what) for line in given.split("\n") if line.strip()]
    else:
        arguments = list(given)
    return FunctionTest(tuple(arguments), (parsed(output, "output", what),))


def _cases(value: Any, name: str) -> list[Mapping[str, Any]]:
    cases = parsed(value, name, _WHAT)
    if not isinstance(cases, list) or not all(isinstance(case, Mapping) for case in cases):
        raise FormatError(f"{_WHAT}: field {name!r} must hold a list of objects")
    return cases


def _private(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    value = row.get("private_test_cases") or "[]"
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return _cases(value, "private_test_cases")
    return _cases(_unpacked(value), "private_test_cases")


def _unpacked(value: str) -> str:
    try:
        compressed = base64.b64decode(value.encode("ascii"), validate=False)
        if len(compressed) > _LARGEST_COMPRESSED:
            raise FormatError(f"{_WHAT}: 'private_test_cases' is longer than is read")
        decompressor = zlib.decompressobj()
        data = decompressor.decompress(compressed, _LARGEST)
    except (binascii.Error, zlib.error, UnicodeEncodeError) as error:
        raise FormatError(
            f"{_WHAT}: 'private_test_cases' is neither JSON nor base64 of zlib: {error}"
        ) from None
    if decompressor.unconsumed_tail:
        raise FormatError(f"{_WHAT}: 'private_test_cases' unpacks to more than {_LARGEST} bytes")
    try:
        text = _NoClasses(io.BytesIO(data)).load()
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(
            f"{_WHAT}: 'private_test_cases' holds a pickle that is refused: {error}"
        ) from None
    if type(text) is not str:
        raise FormatError(
            f"{_WHAT}: 'private_test_cases' must hold pickled JSON text, got {type(text).__name__}"
        )
    return text


class _NoClasses(pickle.Unpickler):
    """Opens pickles of plain values only: no class, function or persistent object is ever found."""

    def find_class(self, module: str, name: str) -> Any:
        raise FormatError(f"{_WHAT}: the pickle asks for {module}.{name}; only texts are allowed")

    def persistent_load(self, identity: Any) -> Any:
        raise FormatError(f"{_WHAT}: the pickle asks for a persistent object")


def private_cases_text(cases: list[dict[str, str]]) -> str:
    """Packs cases as the benchmark does; for tests and for writing such rows."""
    pickled = pickle.dumps(json.dumps(cases))
    return base64.b64encode(zlib.compress(pickled)).decode()
