"""The verifier's interface: batches, several references, policies, the symbolic stage."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
from rewardsvc_verifiers.math import (
    MathPolicy,
    MathVerifier,
    SymbolicTask,
    policy_names,
    register_policy,
    verify,
)
from rewardsvc_verifiers.verdict import Outcome, Verdict
from rewardsvc_verifiers.workers import JobResult, JobStatus, WorkerPool

SYMBOLIC = (r"\boxed{\lim_{x\to 0}\frac{\sin x}{x}}", "1")


def boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def test_verify_uses_every_stage() -> None:
    assert verify(boxed("0.5"), "1/2").outcome is Outcome.CORRECT
    verdict = verify(*SYMBOLIC)
    assert (verdict.outcome, verdict.stage) == (Outcome.CORRECT, "symbolic")
    assert verify(boxed("25"), r"25\%", MathPolicy.named("strict")).outcome is Outcome.INCORRECT


def test_any_of_several_references() -> None:
    verdict = verify(boxed("0.5"), ["3", r"\frac12", "7"])
    assert verdict.outcome is Outcome.CORRECT
    assert verdict.reference == r"\frac12"
    assert verify(boxed("8"), ["3", "7"]).outcome is Outcome.INCORRECT
    # One reference that cannot be compared leaves the whole undecided.
    assert verify(boxed("8"), ["3", r"\text{a long text about something}"]).outcome is (
        Outcome.UNDECIDED
    )


@pytest.mark.parametrize("reference", ["", "   ", [], ["5", ""]])
def test_an_empty_reference_is_refused(reference: str | list[str]) -> None:
    with pytest.raises(ValueError, match="reference"):
        verify(boxed("5"), reference)
    verdicts = MathVerifier().verify_pairs([(boxed("5"), reference), (boxed("5"), "5")])
    assert [v.outcome for v in verdicts] == [Outcome.ERROR, Outcome.CORRECT]
    assert "reference" in verdicts[0].reason


def test_a_reference_is_parsed_once() -> None:
    verifier = MathVerifier()
    first = verifier.prepare(r"\frac{1}{2}")
    assert verifier.prepare(r"\frac{1}{2}") is first
    assert verifier.prepare(["1", "2"]) is verifier.prepare(("1", "2"))


def test_groups_and_pairs_keep_their_order() -> None:
    with WorkerPool(size=2, time_limit_seconds=20) as pool:
        verifier = MathVerifier(pool=pool)
        answers = ["1", "2", r"\lim_{x\to0}\frac{\sin x}{x}", "1.0", "", r"\lim_{x\to0}(1+x)"]
        outcomes = [str(v.outcome) for v in verifier.verify_group([boxed(a) for a in answers], "1")]
        assert outcomes == ["correct", "incorrect", "correct", "correct", "no_answer", "correct"]


def test_without_a_pool_the_symbolic_stage_is_left_undecided() -> None:
    verifier = MathVerifier()
    assert verifier.verify(*SYMBOLIC).outcome is Outcome.UNDECIDED
    task = verifier.attempt(SYMBOLIC[0], verifier.prepare(SYMBOLIC[1]))
    assert isinstance(task, SymbolicTask)
    assert json.loads(json.dumps(task.payload)) == json.loads(json.dumps(task.payload))


async def test_a_task_is_awaited_on_an_event_loop() -> None:
    verifier = MathVerifier()
    task = verifier.attempt(SYMBOLIC[0], verifier.prepare(SYMBOLIC[1]))
    assert isinstance(task, SymbolicTask)
    with WorkerPool(size=1, time_limit_seconds=20) as pool:
        verdict = task.resolve(await asyncio.wrap_future(task.submit(pool)))
    assert verdict.outcome is Outcome.CORRECT
    assert verdict.reference == "1"


def a_task() -> SymbolicTask:
    verifier = MathVerifier()
    task = verifier.attempt(SYMBOLIC[0], verifier.prepare(SYMBOLIC[1]))
    assert isinstance(task, SymbolicTask)
    return task


@pytest.mark.parametrize("status", [s for s in JobStatus if s is not JobStatus.OK])
def test_a_job_that_did_not_end_well_is_undecided_with_the_reason(status: JobStatus) -> None:
    verdict = a_task().resolve(JobResult(status, message="because"))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.stage == "symbolic"
    assert status in verdict.reason and "because" in verdict.reason


@pytest.mark.parametrize(
    "value",
    [None, 1, [], {}, {"results": None}, {"results": []}, {"results": [[True]]},
     {"results": [["yes", "why"]]}, {"results": [[True, 1]]}, {"results": [True]},
     {"results": [[1, "x"], [1, "x"]]}, "correct"],
)  # fmt: skip
def test_an_answer_of_another_shape_is_undecided(value: object) -> None:
    """A worker that handled hostile text is not believed."""
    assert a_task().resolve(JobResult(JobStatus.OK, value)).outcome is Outcome.UNDECIDED


def test_what_the_worker_shows_decides() -> None:
    for equal, outcome in (
        (True, Outcome.CORRECT), (False, Outcome.INCORRECT), (None, Outcome.UNDECIDED),
    ):  # fmt: skip
        result = JobResult(JobStatus.OK, {"results": [[equal, "shown so"]]})
        verdict = a_task().resolve(result)
        assert verdict.outcome is outcome
        assert "shown so" in verdict.reason


def test_different_for_one_reference_is_not_incorrect_while_another_is_open() -> None:
    verifier = MathVerifier()
    references = ["1", r"\text{a long text about something}"]
    task = verifier.attempt(SYMBOLIC[0], verifier.prepare(references))
    assert isinstance(task, SymbolicTask)
    result = JobResult(JobStatus.OK, {"results": [[False, "different"]]})
    assert task.resolve(result).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("policy", "reference", "answer", "expected"),
    [
        ("default", r"25\%", "25", "correct"), ("strict", r"25\%", "25", "incorrect"),
        ("math", "25", r"25\%", "correct"), ("default", "25", r"25\%", "incorrect"),
        ("strict", "15 cm", "15", "incorrect"), ("default", "15 cm", "15", "correct"),
        ("gsm8k", "15", r"\$15", "correct"), ("strict", "0.333", "1/3", "incorrect"),
        ("aime", "204.0", "204.01", "incorrect"), ("science", "2.5", "2.52", "correct"),
        ("default", "2.5", "2.52", "incorrect"), ("strict", r"90^\circ", "90", "incorrect"),
        ("strict", "1:2", "1/2", "undecided"), ("strict", "yes", "true", "incorrect"),
    ],
)  # fmt: skip
def test_policies_by_name(policy: str, reference: str, answer: str, expected: str) -> None:
    verdict = MathVerifier(MathPolicy.named(policy)).verify(boxed(answer), reference)
    assert str(verdict.outcome) == expected, verdict
    assert verdict.policy == policy


@pytest.mark.parametrize(
    ("change", "reference", "answer", "expected"),
    [
        ({"list_order": "as_reference"}, "1,2", "2,1", "incorrect"),
        ({"logarithm": "e"}, r"\log 100", "2", "incorrect"),
        ({"logarithm": "10"}, r"\log 100", "2", "correct"),
        ({"base": "value"}, "1011_2", "11", "correct"),
        ({"column_is_tuple": False}, r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", "undecided"),
        ({"labels": "required"}, "x=1,y=2", "(1,2)", "undecided"),
        ({"units": "ignore"}, "15 cm", "15 km", "correct"),
        ({"rounding_digits": 0, "rounding_digits_exact": 0}, "12.57", "12.566", "incorrect"),
        ({"response_digits": 0}, r"\pi", "3.14159", "incorrect"),
        ({"constant_of_integration": "optional"}, "x^2+C", "x^2", "correct"),
        ({"text": "exact"}, r"\text{DNE}", r"\text{does not exist}", "incorrect"),
        ({"choice_text": False}, r"\textbf{(B)}\ 12", "12", "incorrect"),
        ({"ratio_is_fraction": False}, "1:2", "1/2", "undecided"),
        ({"degrees": "required"}, r"90^\circ", "90", "incorrect"),
        ({"maximum_answer_characters": 5}, "123456", "123457", "undecided"),
        ({"maximum_answer_characters": 5}, "123456", "123456", "correct"),
        ({"tail_characters": 4}, "1", "1", "no_answer"),
    ],
)  # fmt: skip
def test_every_knob_turns_something(
    change: dict[str, object], reference: str, answer: str, expected: str
) -> None:
    policy = MathPolicy.named("default", name="changed", **change)
    verdict = MathVerifier(policy).verify(boxed(answer), reference)
    assert str(verdict.outcome) == expected, verdict


def test_wrong_policies_are_told() -> None:
    with pytest.raises(ValueError, match=r"MathPolicy.percent is 'maybe'; it must be one of"):
        MathPolicy(percent="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rounding_digits is -1"):
        MathPolicy(rounding_digits=-1)
    with pytest.raises(ValueError, match="tail_characters is 0"):
        MathPolicy(tail_characters=0)
    with pytest.raises(KeyError, match="gsm8k"):
        MathPolicy.named("nonsense")
    with pytest.raises(ValueError, match="already registered"):
        register_policy(MathPolicy(name="gsm8k"))
    assert {"default", "strict", "math", "gsm8k", "aime", "science"} <= set(policy_names())


def test_stages_are_stable_words() -> None:
    found = {
        MathVerifier().verify(response, reference).stage
        for response, reference in [
            ("", "1"), (boxed("1"), "1"), (boxed("1.0"), "1"), (boxed(r"\sqrt 2"), r"√2"),
            (boxed(r"\{2,1\}"), r"\{1,2\}"), (boxed("x+x"), "2x"),
        ]
    }  # fmt: skip
    assert found == {"extraction", "string", "numeric", "parse", "typed", "identity"}


def test_equal_huge_integers_need_no_arithmetic() -> None:
    assert verify(boxed("7" * 6000), "7" * 6000).outcome is Outcome.CORRECT
    assert verify(boxed("7" * 6000), "7" * 5999 + "8").outcome is Outcome.UNDECIDED


def test_importing_loads_no_sympy() -> None:
    code = (
        "import sys, rewardsvc_verifiers; assert 'flint' not in sys.modules;"
        "import rewardsvc_verifiers.math as m; m.verify(r'\\boxed{0.5}', '1/2');"
        "assert not {'sympy', 'torch', 'grpc', 'gmpy2', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_verdicts_do_not_depend_on_the_process() -> None:
    """Evaluation points are random per process; verdicts must not be."""
    code = (
        "from rewardsvc_verifiers.math import MathVerifier\n"
        "v = MathVerifier()\n"
        "pairs = [('x^2-1','(x-1)(x+1)'), ('\\\\sqrt{x^2}','x'), ('\\\\sin 2x',"
        " '2\\\\sin x\\\\cos x'), ('\\\\ln x^2', '2\\\\ln x'), ('y=2x', '2y=4x')]\n"
        "print([str(v.verify('\\\\boxed{'+a+'}', b).outcome) for a, b in pairs])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
        ).stdout
        for _ in range(3)
    }
    assert found == {"['correct', 'incorrect', 'correct', 'incorrect', 'correct']\n"}


def test_a_verdict_is_data() -> None:
    assert isinstance(verify("no answer here at all, sorry about that", "5"), Verdict)
