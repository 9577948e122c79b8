"""Judges of correctness and of rubrics, through the gRPC service."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fixtures.messages import group, request
from fixtures.openai_server import Fails, Says, ScriptedModel, token
from judgements import chosen, config, likely, quoted

from rewardsvc.types import Criterion, Group, Reference
from rewardsvc.v1 import result_pb2

OK = result_pb2.SCORE_STATUS_OK
ABSTAINED = result_pb2.SCORE_STATUS_ABSTAINED
ERROR = result_pb2.SCORE_STATUS_ERROR
CORRECT = result_pb2.OUTCOME_CORRECT
INCORRECT = result_pb2.OUTCOME_INCORRECT
UNDECIDED = result_pb2.OUTCOME_UNDECIDED

HARD = {"votes": 5, "log_probabilities": False, "canaries": None}


def with_reference(reference: Reference, *texts: str) -> Group:
    return replace(group(*texts), reference=reference)


async def test_correctness_against_gold_answers(start_server, connect):
    def answer(asked):
        assert quoted(asked, "reference_answer") == "42"
        assert "forty-two" in asked.text
        right = "42" in quoted(asked, "response")
        return likely("COR", {"COR": 0.9, "IN": 0.1}) if right else likely("IN", {"IN": 1.0})

    def whole(asked):
        says = answer(asked)
        rest = token("RECT" if says.text.endswith("COR") else "CORRECT")
        return Says(says.text + rest.text, tokens=[*says.tokens, rest])

    async with ScriptedModel(whole) as model:
        stub = connect(await start_server(config(model, "reference_judge", canaries=None)))
        gold = Reference(("42", "forty-two"))
        answered = await stub.Score(request("judge", with_reference(gold, "It is 42.", "41, no?")))
        right, wrong = answered.groups[0].results
    assert (right.reward, right.verdict.outcome) == (1, CORRECT)
    assert (wrong.reward, wrong.verdict.outcome) == (0, INCORRECT)
    assert right.confidence.probability == pytest.approx(0.9)
    assert wrong.confidence.probability == 0
    assert right.verdict.stage == "judge"


async def test_the_mean_probability_of_correct(start_server, connect):
    says = [
        Says("[RESULT] CORRECT", tokens=[token("[RESULT] "), chosen("CORRECT", p)])
        for p in ({"CORRECT": 0.9, "INCORRECT": 0.1}, {"CORRECT": 0.4, "INCORRECT": 0.4})
    ]
    async with ScriptedModel(says) as model:
        settings = {"votes": 2, "vote": "mean", "canaries": None}
        stub = connect(await start_server(config(model, "reference_judge", **settings)))
        answer = await stub.Score(request("judge", group("It is 42.", reference="42")))
        assert answer.groups[0].results[0].reward == pytest.approx((0.9 + 0.5) / 2)


async def test_a_majority_stops_when_it_is_settled(start_server, connect):
    waves = iter([["[RESULT] CORRECT"] * 3])
    async with ScriptedModel(lambda asked: next(waves)) as model:
        stub = connect(await start_server(config(model, "reference_judge", **HARD)))
        answer = await stub.Score(request("judge", group("It is 42.", reference="42")))
        [result] = answer.groups[0].results
    assert [asked.samples for asked in model.requests] == [3]
    assert result.reward == 1
    assert result.verdict.reason == "3 of 3 judgements say correct."
    assert result.confidence.probability == pytest.approx(3.5 / 4)


async def test_a_divided_majority_asks_on(start_server, connect):
    yes, no = "[RESULT] CORRECT", "[RESULT] INCORRECT"
    waves = iter([[yes, no, yes], [no], [no]])
    async with ScriptedModel(lambda asked: next(waves)) as model:
        stub = connect(await start_server(config(model, "reference_judge", **HARD)))
        answer = await stub.Score(request("judge", group("It is 42.", reference="42")))
        [result] = answer.groups[0].results
    assert [asked.samples for asked in model.requests] == [3, 1, 1]
    assert (result.reward, result.verdict.outcome) == (0, INCORRECT)
    assert [vote.score for vote in result.evidence.votes] == [1, 0, 1, 0, 0]


async def test_without_early_stop_all_votes_are_cast(start_server, connect):
    async with ScriptedModel("[RESULT] CORRECT") as model:
        settings = {**HARD, "stop_early": False}
        stub = connect(await start_server(config(model, "reference_judge", **settings)))
        await stub.Score(request("judge", group("It is 42.", reference="42")))
        assert [asked.samples for asked in model.requests] == [5]


async def test_a_tie_is_undecided(start_server, connect):
    async with ScriptedModel(["[RESULT] CORRECT", "[RESULT] INCORRECT"]) as model:
        settings = {**HARD, "votes": 2}
        stub = connect(await start_server(config(model, "reference_judge", **settings)))
        answer = await stub.Score(request("judge", group("It is 42.", reference="42")))
        [result] = answer.groups[0].results
    assert (result.status, result.verdict.outcome) == (ABSTAINED, UNDECIDED)
    assert result.status_reason == "The judgements tie."
    assert not result.HasField("reward")


async def test_a_reference_is_needed(start_server, connect):
    async with ScriptedModel("[RESULT] CORRECT") as model:
        stub = connect(await start_server(config(model, "reference_judge", canaries=None)))
        answer = await stub.Score(request("judge", group("It is 42.")))
        [result] = answer.groups[0].results
        assert result.status == ERROR
        assert "needs a reference" in result.status_reason
        whole = with_reference(Reference(response="6 · 7 = 42"), "It is 42.", "Solution")
        answer = await stub.Score(request("judge", whole))
        assert [r.reward for r in answer.groups[0].results] == [1, 0]
        assert quoted(model.requests[0], "reference_response") == "6 · 7 = 42"
        gold = await stub.Score(request("judge", group("Solution", reference="solution")))
        assert gold.groups[0].results[0].reward == 1
        assert model.calls == 2


RUBRIC = (
    Criterion("safe", "It does no harm.", 1, hard_rule=True),
    Criterion("short", "It has one sentence.", 2),
    Criterion("kind", "It is kind.", 1),
)


def says(*verdicts: str) -> str:
    return "I looked.\n" + "\n".join(f"[RESULT {i}] {v}" for i, v in enumerate(verdicts, 1))


async def test_every_criterion_has_a_verdict(start_server, connect):
    scripted = {
        "fine words": says("MET", "MET", "NOT_MET"),
        "bad words": says("NOT_MET", "MET", "MET"),
        "odd words": says("MET", "MET", "perhaps"),
        "no words": says("maybe", "MET", "MET"),
        "wrong words": "All are met.",
    }
    async with ScriptedModel(scripted) as model:
        stub = connect(await start_server(config(model, "rubric_judge", canaries=None)))
        answer = await stub.Score(
            request("judge", with_reference(Reference(rubric=RUBRIC), *scripted))
        )
        fine, bad, odd, no, wrong = answer.groups[0].results
        assert "2. (principle) short: It has one sentence." in model.requests[0].text
    assert fine.reward == pytest.approx(3 / 4)
    assert [c.name for c in fine.evidence.criteria] == ["safe", "short", "kind"]
    assert [c.outcome for c in fine.evidence.criteria] == [CORRECT, CORRECT, INCORRECT]
    assert [c.weight for c in fine.evidence.criteria] == [1, 2, 1]
    assert fine.evidence.criteria[0].hard_rule
    assert (bad.reward, bad.status_reason) == (0, "It breaks the hard rule 'safe'.")
    assert odd.reward == 1
    assert odd.evidence.criteria[2].outcome == UNDECIDED
    assert "'kind': the verdict 'perhaps'" in odd.evidence.warnings[0]
    assert no.status == ABSTAINED
    assert "'safe' could not be judged" in no.status_reason
    assert wrong.status == ABSTAINED
    assert "there is no verdict" in wrong.status_reason


async def test_votes_on_criteria(start_server, connect):
    votes = [says("MET", "MET"), says("MET", "NOT_MET"), says("NOT_MET", "MET")]
    rubric = [
        {"name": "safe", "description": "It does no harm.", "hard_rule": True, "weight": 0},
        {"name": "short", "description": "It has one sentence."},
    ]
    async with ScriptedModel(votes) as model:
        settings = {"votes": 3, "rubric": rubric, "canaries": None, "stop_early": False}
        stub = connect(await start_server(config(model, "rubric_judge", **settings)))
        answer = await stub.Score(request("judge", group("fine words")))
        [result] = answer.groups[0].results
    assert result.reward == pytest.approx(2 / 3)
    assert [c.score for c in result.evidence.criteria] == [pytest.approx(2 / 3)] * 2
    assert result.evidence.criteria[0].reason == "2 of 3 votes: met."
    assert [vote.score for vote in result.evidence.votes] == [1, 0, 0]


async def test_the_votes_stop_when_no_criterion_can_change(start_server, connect):
    waves = iter([[says("MET")] * 3])
    rubric = [{"name": "safe", "description": "It does no harm."}]
    async with ScriptedModel(lambda asked: next(waves)) as model:
        stub = connect(await start_server(config(model, "rubric_judge", rubric=rubric, **HARD)))
        answer = await stub.Score(request("judge", group("fine words")))
        assert answer.groups[0].results[0].reward == 1
        assert [asked.samples for asked in model.requests] == [3]


async def test_rubrics_that_cannot_be_used(start_server, connect):
    async with ScriptedModel(says("MET")) as model:
        stub = connect(await start_server(config(model, "rubric_judge", canaries=None)))
        for rubric, said in (
            ((), "it has no criteria"),
            ((Criterion("a", "x", 0),), "all weights are 0"),
        ):
            answer = await stub.Score(
                request("judge", with_reference(Reference(("42",), rubric=rubric), "fine words"))
            )
            [result] = answer.groups[0].results
            assert result.status == ERROR
            assert said in result.status_reason
        assert model.calls == 0
        for settings, fault in (
            ({"rubric": [{"name": "a", "weight": -1}]}, "weight: is -1"),
            ({"rubric": [{"name": "a"}, {"name": "a"}]}, "two criteria are named 'a'"),
            ({"reasoning": False}, "always judged with reasoning"),
        ):
            with pytest.raises(Exception, match=fault):
                await start_server(config(model, "rubric_judge", **settings))


async def test_an_engine_in_trouble_is_asked_once(start_server, connect):
    async with ScriptedModel(Fails(400)) as model:
        stub = connect(await start_server(config(model, "reference_judge", **HARD)))
        answer = await stub.Score(request("judge", group("It is 42.", reference="42")))
        assert answer.groups[0].results[0].status == ERROR
        assert model.calls == 1
