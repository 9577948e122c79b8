"""Known pairs: no wrong accept, no wrong reject, no verdict where none can be shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from math_cases import DIFFERENT, EQUAL, NOT_CORRECT
from rewardsvc_verifiers.math import MathVerifier
from rewardsvc_verifiers.verdict import Outcome
from rewardsvc_verifiers.workers import WorkerPool


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    with WorkerPool(size=1, time_limit_seconds=20.0) as pool:
        yield MathVerifier(pool=pool)


def wrong(verifier: MathVerifier, pairs: list[tuple[str, str]], expected: Outcome) -> list[str]:
    verdicts = verifier.verify_pairs(
        (f"Therefore we get \\boxed{{{answer}}}.", reference) for reference, answer in pairs
    )
    return [
        f"{reference} <- {answer}: {verdict.outcome}, {verdict.reason}"
        for (reference, answer), verdict in zip(pairs, verdicts, strict=True)
        if verdict.outcome is not expected
    ]


@pytest.mark.parametrize("kind", EQUAL)
def test_equal_answers_are_correct(verifier: MathVerifier, kind: str) -> None:
    assert wrong(verifier, EQUAL[kind], Outcome.CORRECT) == []


@pytest.mark.parametrize("kind", DIFFERENT)
def test_nearly_equal_answers_are_incorrect(verifier: MathVerifier, kind: str) -> None:
    assert wrong(verifier, DIFFERENT[kind], Outcome.INCORRECT) == []


@pytest.mark.parametrize("pair", NOT_CORRECT, ids=str)
def test_what_cannot_be_shown_is_not_correct(verifier: MathVerifier, pair: tuple[str, str]) -> None:
    reference, answer = pair
    verdict = verifier.verify(f"\\boxed{{{answer}}}", reference)
    assert verdict.outcome in (Outcome.UNDECIDED, Outcome.INCORRECT), verdict


@pytest.mark.parametrize("kind", EQUAL)
def test_every_reason_names_both_sides(verifier: MathVerifier, kind: str) -> None:
    reference, answer = EQUAL[kind][0]
    verdict = verifier.verify(f"\\boxed{{{answer}}}", reference)
    assert verdict.reason.startswith(f"{' '.join(answer.split())} matches {reference}: ")
    assert verdict.answer == answer
    assert verdict.policy == "default"
    assert verdict.answer_type
