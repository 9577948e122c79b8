"""The pairwise judge of groups, through the gRPC service."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import log

import pytest
from fixtures.messages import group, request
from fixtures.openai_server import Fails, Says, ScriptedModel, ScriptedRequest, token
from judgements import chosen, config, likely, quoted

from rewardsvc.judging.group_reference import choose_reference
from rewardsvc.v1 import result_pb2

OK = result_pb2.SCORE_STATUS_OK
ABSTAINED = result_pb2.SCORE_STATUS_ABSTAINED
ERROR = result_pb2.SCORE_STATUS_ERROR
PROMPT = "What is 6 times 7?"
QUALITY = {"It is 42.": 0.9, "About 40, maybe.": 0.5, "No idea at all.": 0.1}
TEXTS = tuple(QUALITY)


def by_quality(asked: ScriptedRequest) -> Says:
    """Prefers the better one by the difference in quality."""
    a, b = (QUALITY[quoted(asked, name)] for name in ("response_A", "response_B"))
    better = 0.5 + (a - b) / 2
    return likely("A", {"A": better, "B": 1 - better}, "I compared them. [RESULT] ")


def judged(model: ScriptedModel, **settings: object) -> str:
    return config(model, "pairwise_judge", **{"canaries": None, **settings})


async def test_every_response_is_compared_with_the_groups_reference(start_server, connect):
    reference = TEXTS[choose_reference(PROMPT, TEXTS) or 0]
    async with ScriptedModel(by_quality) as model:
        stub = connect(await start_server(judged(model)))
        answer = await stub.Score(request("judge", group(*TEXTS)))
        results = answer.groups[0].results
        assert model.calls == 4
    for text, result in zip(TEXTS, results, strict=True):
        assert result.reward == pytest.approx(0.5 + (QUALITY[text] - QUALITY[reference]) / 2)
        if text == reference:
            assert result.status_reason == "It is the group's reference response."
        else:
            assert result.confidence.probability == pytest.approx(result.reward)
            assert len(result.evidence.votes) == 2
            assert result.evidence.usage.model_calls == 2


async def test_the_order_of_the_group_does_not_matter(start_server, connect):
    async with ScriptedModel(by_quality) as model:
        stub = connect(await start_server(judged(model)))
        rewards = set()
        for order in permutations(TEXTS):
            answer = await stub.Score(request("judge", group(*order)))
            by_text = dict(zip(order, answer.groups[0].results, strict=True))
            rewards.add(tuple(round(by_text[text].reward, 9) for text in TEXTS))
        assert len(rewards) == 1


async def test_a_judge_that_prefers_a_place_makes_ties_and_a_warning(start_server, connect):
    async with ScriptedModel(likely("A", {"A": 0.9, "B": 0.1})) as model:
        stub = connect(await start_server(judged(model)))
        answer = await stub.Score(request("judge", group("one way", "other way")))
        compared = next(r for r in answer.groups[0].results if r.evidence.votes)
        assert compared.reward == pytest.approx(0.5)
        assert "as good as" in compared.status_reason
        assert "A person should look" in compared.evidence.warnings[0]
        assert "0.693 nats" in compared.evidence.warnings[0]
        one_order = connect(await start_server(judged(model, both_orders=False)))
        answer = await one_order.Score(request("judge", group("one way", "other way")))
        compared = next(r for r in answer.groups[0].results if r.evidence.votes)
        # The reference is shown first, so the candidate loses by its place alone.
        assert compared.reward == pytest.approx(0.1)
        assert model.requests[-1].body["messages"]


async def test_outcomes_and_ties_within_the_margin(start_server, connect):
    async with ScriptedModel(by_quality) as model:
        outcome = judged(model, value="outcome")
        stub = connect(await start_server(outcome))
        answer = await stub.Score(request("judge", group(*TEXTS)))
        assert {r.reward for r in answer.groups[0].results} <= {0.0, 0.5, 1.0}
        assert len({r.reward for r in answer.groups[0].results}) > 1
        stub = connect(await start_server(judged(model, value="outcome", tie_margin=1.0)))
        answer = await stub.Score(request("judge", group(*TEXTS)))
        assert [r.reward for r in answer.groups[0].results] == [0.5] * 3


async def test_votes_without_log_probabilities(start_server, connect):
    def answer(asked: ScriptedRequest) -> list[str]:
        first = quoted(asked, "response_A") == "right way"
        win, lose = ("A", "B") if first else ("B", "A")
        return [f"[RESULT] {verdict}" for verdict in (win, win, "TIE", lose, "garbled")]

    async with ScriptedModel(answer) as model:
        settings = {"votes": 5, "log_probabilities": False}
        stub = connect(await start_server(judged(model, **settings)))
        replied = await stub.Score(request("judge", group("right way", "wrong way")))
        compared = next(r for r in replied.groups[0].results if r.evidence.votes)
    right = replied.groups[0].results[0].evidence.votes
    assert compared.reward == pytest.approx(0.625 if right else 0.375)
    assert [vote.failure != "" for vote in compared.evidence.votes] == [False] * 4 + [True] + [
        False
    ] * 4 + [True]
    assert compared.confidence.method == "votes"
    # Eight votes, 2 : 1 : 1: log 2 · 3/2 nats.
    assert f"{1.5 * log(2):.3f} nats" in compared.evidence.warnings[0]


async def test_the_order_of_lower_perplexity_is_trusted(start_server, connect):
    reference = ("one way", "other way")[choose_reference(PROMPT, ("one way", "other way")) or 0]

    def answer(asked: ScriptedRequest) -> Says:
        # Always A; surer where the candidate stands first.
        sure = -0.1 if quoted(asked, "response_B") == reference else -1.0
        spoken = chosen("A", {"A": 0.9, "B": 0.1})
        return Says("Well, [RESULT] A", tokens=[token("Well, [RESULT] ", sure), spoken])

    async with ScriptedModel(answer) as model:
        stub = connect(await start_server(judged(model, aggregation="perplexity")))
        replied = await stub.Score(request("judge", group("one way", "other way")))
        compared = next(r for r in replied.groups[0].results if r.evidence.votes)
    assert compared.reward == 1
    async with ScriptedModel("[RESULT] A") as model:
        with pytest.raises(Exception, match="perplexity needs both_orders and log_probabilities"):
            await start_server(judged(model, aggregation="perplexity", both_orders=False))


async def test_scores_for_both_are_balanced_over_positions(start_server, connect):
    texts = ("one way", "other way")
    reference = texts[choose_reference(PROMPT, texts) or 0]

    def answer(asked: ScriptedRequest) -> list[str]:
        if quoted(asked, "response_A") == reference:
            return ["[RESULT] 8 6", "[RESULT] 8, 8", "[RESULT] 8"]
        return ["[RESULT] 9 6", "[RESULT] 9 5", "[RESULT] 11 5"]

    async with ScriptedModel(answer) as model:
        settings = {"form": "scores", "votes": 3, "reasoning": True}
        stub = connect(await start_server(judged(model, **settings)))
        replied = await stub.Score(request("judge", group(*texts)))
        compared = next(r for r in replied.groups[0].results if r.evidence.votes)
        asked = model.requests[0].last
        with pytest.raises(Exception, match="form: scores needs both_orders"):
            await start_server(judged(model, both_orders=False, **settings))
    # The candidate: (7 + 9) / 2; the reference: (8 + 5.5) / 2; 9 apart at most.
    assert compared.reward == pytest.approx(0.5 + (8 - 6.75) / 18)
    assert "better than" in compared.status_reason
    assert [bool(v.failure) for v in compared.evidence.votes] == [False, False, True] * 2
    # Win, win, lose, tie.
    assert "1.040 nats" in compared.evidence.warnings[0]
    assert "two whole numbers from 1 (worst) to 10 (best)" in asked


async def test_groups_that_cannot_be_compared(start_server, connect):
    async with ScriptedModel("[RESULT] A") as model:
        stub = connect(await start_server(judged(model)))
        answer = await stub.Score(request("judge", group("alone here")))
        [alone] = answer.groups[0].results
        assert alone.status == ABSTAINED
        assert "at least two responses" in alone.status_reason
        answer = await stub.Score(request("judge", group("alone here", "Solution", "")))
        alone, *refused = answer.groups[0].results
        assert alone.status == ABSTAINED
        assert [r.reward for r in refused] == [0, 0]
        answer = await stub.Score(request("judge", group("same text", "same text")))
        assert [r.reward for r in answer.groups[0].results] == [0.5, 0.5]
        assert model.calls == 0
        incomplete = replace(group("one way", "other way"), size=5)
        answer = await stub.Score(request("judge", incomplete))
        for result in answer.groups[0].results:
            assert "3 of the group's 5 responses are missing" in result.evidence.warnings[0]


async def test_trouble_concerns_one_response(start_server, connect):
    def answer(asked: ScriptedRequest) -> object:
        return Fails(400) if "trouble" in asked.last else "[RESULT] TIE"

    texts = ("fine one", "fine two", "fine three", "trouble", "fine four")
    async with ScriptedModel(answer) as model:
        seed = next(s for s in range(99) if choose_reference(PROMPT, texts, s) == 0)
        stub = connect(await start_server(judged(model, seed=seed)))
        replied = await stub.Score(request("judge", group(*texts)))
        statuses = [result.status for result in replied.groups[0].results]
    assert statuses == [OK, OK, OK, ERROR, OK]


async def test_one_order_missing_gives_no_reward(start_server, connect):
    reference = ("one way", "other way")[choose_reference(PROMPT, ("one way", "other way")) or 0]

    def answer(asked: ScriptedRequest) -> str:
        return "[RESULT] A" if quoted(asked, "response_A") == reference else "garbled"

    async with ScriptedModel(answer) as model:
        stub = connect(await start_server(judged(model)))
        replied = await stub.Score(request("judge", group("one way", "other way")))
        compared = next(r for r in replied.groups[0].results if r.evidence.votes)
        assert compared.status == ABSTAINED
        assert not compared.HasField("reward")


async def test_a_pairwise_judge_has_no_listener(start_server):
    async with ScriptedModel("") as model:
        with pytest.raises(Exception, match="second_listener: a pairwise judge has none"):
            await start_server(judged(model, second_listener={}))
