"""Dataset rows become suites as they are; what is not a row says which field is wrong."""

from __future__ import annotations

import base64
import json
import pickle
import zlib

import pytest
from rewardsvc_verifiers.code import TestSuite
from rewardsvc_verifiers.code.formats import FormatError
from rewardsvc_verifiers.code.formats.livecodebench import private_cases_text
from rewardsvc_verifiers.code.formats.registry import FORMATS, parse_suite
from rewardsvc_verifiers.code.suite import Function, FunctionTest, Script, Stdio


def test_humaneval_continues_the_prompt() -> None:
    row = {"prompt": "def f(x):\n", "entry_point": "f", "test": "def check(c):\n    assert c(1)\n"}
    suite = TestSuite.from_humaneval(row)
    assert isinstance(suite.kind, Script)
    assert suite.kind.source.endswith("check(f)\n")
    assert (suite.prefix, suite.completion_of) == (row["prompt"], "f")


def test_mbpp_names_what_the_reference_defines_and_the_tests_use() -> None:
    row = {
        "code": "import math\r\nclass P:\r\n  pass\r\ndef helper(): pass\r\ndef f(p): return 1\r\n",
        "test_list": ["assert f(P()) == 1", "assert math.floor(f(P())) == 1"],
        "test_setup_code": "x = 1",
        "challenge_test_list": ["assert f(None) == 1"],
    }
    kind = TestSuite.from_mbpp(row).kind
    assert isinstance(kind, Script)
    assert kind.entry_points == ("P", "f")
    assert kind.preamble == "import math"
    assert kind.source.count("assert") == 2
    assert TestSuite.from_mbpp(row, challenge=True).kind.source.count("assert") == 3


def test_apps_standard_input_and_calls() -> None:
    row = {"input_output": json.dumps({"inputs": ["1\n", ["2", "3"]], "outputs": ["1", ["5"]]})}
    kind = TestSuite.from_apps(row).kind
    assert isinstance(kind, Stdio)
    assert [(t.input, t.output) for t in kind.tests] == [("1\n", "1"), ("2\n3", "5")]
    calls = {"inputs": [[1, {"2": 3}]], "outputs": [[4]], "fn_name": "f"}
    kind = TestSuite.from_apps({"input_output": calls}).kind
    assert isinstance(kind, Function)
    assert kind.tests == (FunctionTest((1, {2: 3}), ([4], 4)),)


CASES = [{"input": "[1, 2]\n3", "output": "6", "testtype": "functional"}]


@pytest.mark.parametrize("private", [json.dumps(CASES), private_cases_text(CASES)])
def test_livecodebench_functional(private: str) -> None:
    row = {
        "public_test_cases": json.dumps(CASES), "private_test_cases": private,
        "metadata": json.dumps({"func_name": "f"}),
    }  # fmt: skip
    kind = TestSuite.from_livecodebench(row).kind
    assert isinstance(kind, Function)
    assert kind.tests == (FunctionTest(([1, 2], 3), (6,)),) * 2


class Opener:
    def __reduce__(self) -> object:
        return (print, ("owned",))


@pytest.mark.parametrize("value", [Opener(), print, {"a": 1}, [1], b"x"])
def test_livecodebench_refuses_pickles_of_anything_but_text(value: object, capsys) -> None:
    packed = base64.b64encode(zlib.compress(pickle.dumps(value))).decode()
    row = {"public_test_cases": json.dumps(CASES), "private_test_cases": packed}
    with pytest.raises(FormatError, match=r"private_test_cases|pickle"):
        TestSuite.from_livecodebench(row)
    assert "owned" not in capsys.readouterr().out


def test_prime_in_its_three_forms() -> None:
    stdio = TestSuite.from_prime(json.dumps({"inputs": ["1"], "outputs": ["2"]})).kind
    assert isinstance(stdio, Stdio)
    call = TestSuite.from_prime({"inputs": ["1\n[2]"], "outputs": ["[3]"], "fn_name": "f"}).kind
    assert isinstance(call, Function)
    assert call.tests == (FunctionTest((1, [2]), ([3], 3)),)
    asserts = TestSuite.from_prime({"assert_case": ["assert f(1) == 2"]}).kind
    assert isinstance(asserts, Script)


def test_sandbox_fusion() -> None:
    kind = TestSuite.from_sandbox_fusion(
        [{"input": {"stdin": "1"}, "output": {"stdout": "2"}}]
    ).kind
    assert isinstance(kind, Stdio)
    assert kind.comparator.ignore_case
    assert kind.comparator.relative_tolerance == 1e-5


def test_evalplus_takes_expected_values_from_the_canonical_solution() -> None:
    row = {
        "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n",
        "base_input": [[1]], "plus_input": [[2], [3]], "atol": 0,
    }  # fmt: skip
    kind = TestSuite.from_evalplus(row).kind
    assert isinstance(kind, Function)
    assert len(kind.tests) == 3
    assert kind.reference == "def f(x):\n    return x\n"
    assert len(TestSuite.from_evalplus(row, plus=False).kind.tests) == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("humaneval", {"prompt": "x"}, "'entry_point' is missing"),
        ("humaneval", {"prompt": 1, "entry_point": "f", "test": ""}, "'prompt' must be str"),
        ("mbpp", {"test_list": []}, "'test_list'"),
        ("apps", {"input_output": "{"}, "'input_output' is not JSON"),
        ("apps", {"input_output": {"inputs": [], "outputs": []}}, "'inputs' is empty"),
        ("apps", {"input_output": {"inputs": [1], "outputs": []}}, "1 inputs but 0 outputs"),
        ("livecodebench", {"public_test_cases": "[]"}, "no test case"),
        ("prime", [], "must hold an object"),
        ("prime", {"inputs": ["1"]}, "'outputs' is missing"),
        ("sandbox_fusion", [], "at least one case"),
        ("sandbox_fusion", [{"input": {}}], "'output' is missing"),
        ("stdio", {"tests": [], "comparison": "x"}, "'comparison' must be one of"),
        ("stdio", {"tests": []}, "at least one test"),
        ("function", {"name": "f", "tests": [{"arguments": 1}]}, "'arguments' must be list"),
        ("asserts", {"source": ""}, "'entry_points' is missing"),
        ("evalplus", {"prompt": "", "entry_point": "f"}, "must hold lists of arguments"),
        ("nonsense", {}, "'nonsense' is unknown"),
    ],
)
def test_bad_rows_name_the_field(name: str, value: object, message: str) -> None:
    with pytest.raises(FormatError, match=message.replace("[", r"\[")):
        parse_suite(name, json.dumps(value))


def test_every_format_of_the_wire_is_known() -> None:
    named = {"stdio", "function", "asserts", "humaneval", "mbpp", "evalplus", "apps",
             "livecodebench", "prime", "sandbox_fusion"}  # fmt: skip
    assert named <= set(FORMATS)
