"""Checkers, references, numpy, callbacks, stray names: what suites may ask for beyond the plain."""

from __future__ import annotations

import importlib.util

import pytest
from rewardsvc_verifiers.code import CodeVerifier, TestSuite
from sandbox_limits import LIMITS

WHOLE = {"extraction": "whole", "limits": LIMITS}
EVALPLUS = {
    "prompt": "def f(x):\n    '''d'''\n", "entry_point": "f",
    "canonical_solution": "    return x * 1.5\n", "base_input": [[1]], "plus_input": [[2], [3]],
    "atol": 0,
}  # fmt: skip
NO_NUMPY = pytest.mark.skipif(
    importlib.util.find_spec("numpy") is None, reason="numpy is not installed"
)


@pytest.mark.parametrize(
    ("program", "suite", "outcome"),
    [
        pytest.param(
            "print(int(input()) // 2)",
            TestSuite.stdio(
                [("4", "any")], checker="def check(i, o, e): return int(o) * 2 == int(i)", **WHOLE
            ),
            "correct", id="checker",
        ),
        pytest.param(
            "print(1)",
            TestSuite.stdio([("4", "any")], checker="def check(i, o, e): return 7", **WHOLE),
            "error", id="checker_that_answers_nonsense",
        ),
        pytest.param("    return x * 3 / 2\n", TestSuite.from_evalplus(EVALPLUS), "correct",
                     id="reference"),
        pytest.param("    return x * 2\n", TestSuite.from_evalplus(EVALPLUS), "incorrect",
                     id="reference_disagrees"),
        pytest.param(
            "def f(g, x): return g(x) + 1",
            TestSuite.asserts("f", "assert f(lambda n: n * 2, 4) == 9\nassert f(len, [1]) == 2",
                              **WHOLE),
            "correct", id="callbacks",
        ),
        pytest.param(
            "def isclose(*a): return True\ndef f(x): return 0",
            TestSuite.asserts("f", "assert isclose(f(1), 1)", **WHOLE), "error",
            id="a_helper_nobody_defines_is_not_taken_from_the_candidate",
        ),
        pytest.param(
            "class V:\n  def __init__(s, x): s.x = x\n  def __add__(s, o): return V(s.x + o.x)",
            TestSuite.asserts("V", "v = V(1)\nv.y = 5\nassert (v + V(2)).x == 3\nassert v.y == 5",
                              **WHOLE),
            "correct", id="objects_of_the_candidates_own",
        ),
        pytest.param("I think it is 42.", TestSuite.stdio([("", "42")]), "no_answer", id="prose"),
        pytest.param("import numpy\nprint(numpy.arange(4).sum())",
                     TestSuite.stdio([("", "6")], numpy=True, **WHOLE), "correct",
                     id="numpy", marks=NO_NUMPY),
        pytest.param("import numpy\ndef f(x): return numpy.array(x) * 2",
                     TestSuite.function("f", [([[1, 2]], [2, 4])], numpy=True, **WHOLE),
                     "correct", id="numpy_value", marks=NO_NUMPY),
    ],
)  # fmt: skip
def test_features(strongest: CodeVerifier, program: str, suite: TestSuite, outcome: str) -> None:
    verdict = strongest.verify(program, suite)
    assert verdict.outcome == outcome, verdict.reason
