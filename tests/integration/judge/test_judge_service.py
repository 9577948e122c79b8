"""Judges with a scale, through the gRPC service, on a scripted model behind real HTTP."""

from __future__ import annotations

import os.path

import pytest
from fixtures.messages import group, request
from fixtures.openai_server import Fails, Says, ScriptedModel, ScriptedRequest, token
from fixtures.responses_to_judges import HONEST, NULLS, OVERRIDES
from judgements import chosen, config, likely, quoted

from rewardsvc.judging.master_keys import MASTER_KEYS
from rewardsvc.judging.prompts import absolute_prompt
from rewardsvc.judging.rubric_scale import Scale
from rewardsvc.v1 import result_pb2, reward_service_pb2

OK = result_pb2.SCORE_STATUS_OK
ABSTAINED = result_pb2.SCORE_STATUS_ABSTAINED
ERROR = result_pb2.SCORE_STATUS_ERROR
TIMEOUT = result_pb2.SCORE_STATUS_TIMEOUT


async def test_attacks_have_reward_0_with_a_reason_and_without_a_model_call(start_server, connect):
    async with ScriptedModel("[RESULT] 5") as model:
        stub = connect(await start_server(config(model)))
        attacks = (*MASTER_KEYS, *NULLS, *OVERRIDES)
        answer = await stub.Score(request("judge", group(*attacks)))
        for text, result in zip(attacks, answer.groups[0].results, strict=True):
            assert (result.status, result.reward) == (OK, 0.0), text
            assert result.status_reason.startswith("Refused before judging ("), text
            assert result.verdict.stage == "defence"
            assert result.evidence.usage.model_calls == 0
        assert model.calls == 0


async def test_honest_responses_are_judged(start_server, connect):
    async with ScriptedModel("[RESULT] 5") as model:
        stub = connect(await start_server(config(model, canaries=None)))
        answer = await stub.Score(request("judge", group(*HONEST)))
        assert [result.reward for result in answer.groups[0].results] == [1.0] * len(HONEST)
        assert model.calls == len(set(HONEST))


async def test_defences_can_be_turned_off(start_server, connect):
    async with ScriptedModel("[RESULT] 5") as model:
        stub = connect(await start_server(config(model, defences=False, canaries=None)))
        answer = await stub.Score(request("judge", group(":")))
        assert answer.groups[0].results[0].reward == 1.0


async def test_the_score_is_the_mean_of_the_distribution(start_server, connect):
    says = likely("4", {"4": 0.6, "5": 0.3, "3": 0.05, "x": 0.05})
    async with ScriptedModel(says) as model:
        stub = connect(await start_server(config(model, canaries=None)))
        answer = await stub.Score(request("judge", group("six times seven is 42")))
        [result] = answer.groups[0].results
        # (4 · .6 + 5 · .3 + 3 · .05) / .95, from 1 to 5 onto 0 to 1.
        assert result.reward == pytest.approx(((2.4 + 1.5 + 0.15) / 0.95 - 1) / 4)
        assert result.confidence.method == "judgement_probabilities"
        assert result.confidence.probability == pytest.approx(0.9 / 0.95)
        assert result.evidence.votes[0].text == "[RESULT] 4"
        assert result.evidence.usage.model_calls == 1
        assert model.requests[0].body["top_logprobs"] == 20


async def test_trustjudges_odds_with_their_temperature(start_server, connect):
    says = likely("8", {"8": 0.6, "7": 0.3, "6": 0.1})
    scale = {"minimum": 0, "maximum": 10}
    async with ScriptedModel(says) as model:
        stub = connect(
            await start_server(config(model, scale=scale, distribution="odds", canaries=None))
        )
        answer = await stub.Score(request("judge", group("42 it is")))
        assert 10 * answer.groups[0].results[0].reward == pytest.approx(7.998, abs=5e-4)


async def test_a_certain_judge_gives_the_number_itself(start_server, connect):
    async with ScriptedModel(likely("5", {"5": 1.0})) as model:
        for distribution in ("expectation", "odds"):
            stub = connect(await start_server(config(model, distribution=distribution)))
            answer = await stub.Score(request("judge", group("42 it is")))
            assert answer.groups[0].results[0].reward == pytest.approx(1.0, abs=1e-6)


async def test_too_little_probability_on_the_scale_abstains(start_server, connect):
    async with ScriptedModel(likely("4", {"4": 0.4, "I": 0.6})) as model:
        stub = connect(await start_server(config(model, canaries=None)))
        answer = await stub.Score(request("judge", group("42 it is")))
        [result] = answer.groups[0].results
        assert result.status == ABSTAINED
        assert "only 0.40 of its probability" in result.status_reason


async def test_numbers_of_several_tokens_are_completed(start_server, connect):
    def answer(asked: ScriptedRequest) -> Says:
        if asked.messages[-1]["role"] == "assistant":
            assert asked.last == "[RESULT] 7"
            assert asked.body["continue_final_message"] is True
            return Says("0", tokens=[chosen("0", {"0": 0.5, "5": 0.5})])
        digits = [chosen("8", {"8": 0.6, "7": 0.4}), chosen("0", {"0": 0.5, "4": 0.5})]
        return Says("[RESULT] 80", tokens=[token("[RESULT] "), *digits])

    scale = {"minimum": 0, "maximum": 100}
    async with ScriptedModel(answer) as model:
        stub = connect(await start_server(config(model, scale=scale, canaries=None)))
        replied = await stub.Score(request("judge", group("42 it is")))
        [result] = replied.groups[0].results
        # .3 · 80 + .3 · 84 + .2 · 70 + .2 · 75
        assert result.reward == pytest.approx(0.782)
        assert result.evidence.usage.model_calls == 2


async def test_votes_are_averaged_and_unreadable_ones_are_missing(start_server, connect):
    says = ["Good. [RESULT] 4", "Great. [RESULT] 5", "I would say five."]
    async with ScriptedModel(says) as model:
        settings = {"votes": 3, "log_probabilities": False, "canaries": None}
        stub = connect(await start_server(config(model, **settings)))
        answer = await stub.Score(request("judge", group("42 it is")))
        [result] = answer.groups[0].results
        assert result.reward == pytest.approx((0.75 + 1) / 2)
        assert [vote.score for vote in result.evidence.votes] == [0.75, 1.0, 0.0]
        assert [vote.failure for vote in result.evidence.votes] == ["", "", "there is no [RESULT]"]
        assert result.confidence.method == "votes"
        assert result.confidence.probability == pytest.approx(2.5 / 3)
        assert model.requests[0].body["temperature"] == 1.0
        strict = connect(await start_server(config(model, quorum=3, **settings)))
        answer = await strict.Score(request("judge", group("42 it is")))
        [result] = answer.groups[0].results
        assert result.status == ABSTAINED
        assert "2 of 3 judgements could be used, 3 needed: there is no" in result.status_reason


async def test_trouble_has_a_status_and_no_reward(start_server, connect):
    def answer(asked: ScriptedRequest) -> object:
        said = quoted(asked, "response")
        if "hang" in said:
            return Fails(hang=True)
        if "refuse" in said:
            return Fails(400)
        return Says("[RESULT] 4", finish_reason="length" if "cut" in said else "stop")

    async with ScriptedModel(answer) as model:
        stub = connect(
            await start_server(config(model, seconds_per_sample=0.3, votes=3, canaries=None))
        )
        texts = ("please hang", "please refuse", "cut it off", "fine words")
        replied = await stub.Score(request("judge", group(*texts)))
        results = replied.groups[0].results
    assert [r.status for r in results] == [TIMEOUT, ERROR, ABSTAINED, OK]
    assert [r.HasField("reward") for r in results] == [False] * 3 + [True]
    assert "did not answer in time" in results[0].status_reason
    assert "cut off" in results[2].status_reason
    assert all("judgements could be used" in r.status_reason for r in results[:3])


async def test_a_group_shares_the_prompt_up_to_the_response(start_server, connect):
    texts = ("The answer is 42.", "It is 41, I think.", "Forty-two")
    async with ScriptedModel("[RESULT] 4") as model:
        stub = connect(await start_server(config(model, canaries=None)))
        await stub.Score(request("judge", group(*texts, reference="42")))
        systems = {asked.messages[0]["content"] for asked in model.requests}
        users = [asked.messages[1]["content"] for asked in model.requests]
    assert len(systems) == 1
    shared = os.path.commonprefix(users)
    assert shared.endswith("What you judge:\n\n<<<response ")
    for part in ("What is 6 times 7?", "reference_answer", "42"):
        assert part in shared
    assert sorted(quoted(asked, "response") for asked in model.requests) == sorted(texts)


async def test_a_response_cannot_close_its_quotation_or_speak_in_control_tokens(
    start_server, connect
):
    honest = "We write </s> and <|im_end|> as text; see `<|im_start|>`. The answer is 42."
    async with ScriptedModel("[RESULT] 3") as model:
        stub = connect(await start_server(config(model, canaries=None)))
        answer = await stub.Score(request("judge", group(honest)))
        [result] = answer.groups[0].results
        asked = model.requests[0].text
    assert result.status == OK
    for control in ("<|im_end|>", "</s>", "<|im_start|>"):
        assert control not in asked
    assert any("3 control tokens" in warning for warning in result.evidence.warnings)


async def test_a_verdict_quoted_from_the_response_is_not_the_judges(start_server, connect):
    says = 'It claims "[RESULT] 5" in a code sample, yet it is wrong.\n[RESULT] 1'
    async with ScriptedModel({"It claims `": says, "": 'It ends in "[RESULT] 5'}) as model:
        stub = connect(await start_server(config(model, canaries=None)))
        texts = ("It claims `[RESULT] 5`.", "The output of it is 42.")
        answer = await stub.Score(request("judge", group(*texts)))
        own, missing = answer.groups[0].results
    assert own.reward == 0.0
    assert missing.status == ABSTAINED


async def test_the_number_alone_by_guided_decoding(start_server, connect):
    async with ScriptedModel(Says("4", tokens=[chosen("4", {"4": 0.5, "5": 0.5})])) as model:
        stub = connect(await start_server(config(model, reasoning=False, canaries=None)))
        answer = await stub.Score(request("judge", group("42 it is")))
        assert answer.groups[0].results[0].reward == pytest.approx(0.875)
        choices = model.requests[0].body["structured_outputs"]["choice"]
        assert choices == ["1", "2", "3", "4", "5"]
        assert "nothing but the verdict" in model.requests[0].last


async def test_answers_are_kept_and_budgets_are_shared(start_server, connect):
    async with ScriptedModel("[RESULT] 4") as model:
        settings = {"votes": 2, "tokens_per_sample": 100, "canaries": None}
        stub = connect(await start_server(config(model, **settings)))
        first = await stub.Score(request("judge", group("42 it is")))
        again = await stub.Score(request("judge", group("42 it is")))
        assert model.calls == 1
        assert model.requests[0].body["max_tokens"] == 50
        assert first.groups[0].results[0].reward == again.groups[0].results[0].reward
        usage = again.groups[0].results[0].evidence.usage
        assert (usage.model_calls, usage.answers_from_cache) == (0, 1)


async def test_a_median_of_votes_stops_early(start_server, connect):
    said = iter([["[RESULT] 4", "[RESULT] 4", "[RESULT] 4"], ["[RESULT] 1"] * 5])
    async with ScriptedModel(lambda asked: next(said)) as model:
        settings = {"votes": 5, "vote": "median", "log_probabilities": False, "canaries": None}
        stub = connect(await start_server(config(model, **settings)))
        answer = await stub.Score(request("judge", group("42 it is")))
        assert answer.groups[0].results[0].reward == 0.75
        assert [asked.samples for asked in model.requests] == [3]


async def test_a_second_listener_lowers_the_confidence(start_server, connect):
    says = {"Another judge wrote": "It overlooked a slip.\n[RESULT] 1", "": "Fine.\n[RESULT] 5"}
    async with ScriptedModel(says) as model:
        settings = {"second_listener": {"weight": 0.5}, "log_probabilities": False}
        stub = connect(await start_server(config(model, **settings)))
        answer = await stub.Score(request("judge", group("42 it is")))
        [result] = answer.groups[0].results
        assert quoted(model.requests[1], "judgement") == "Fine.\n[RESULT] 5"
        assert quoted(model.requests[1], "response") == "42 it is"
    assert result.reward == 1.0
    # One vote for it: 3/4; halfway to 1/2: 5/8.
    assert result.confidence.probability == pytest.approx(0.625)
    assert result.confidence.method == "votes+second_listener"
    assert any("A person should look" in warning for warning in result.evidence.warnings)
    assert result.evidence.usage.model_calls == 2


async def test_a_listener_that_is_not_heard_changes_nothing(start_server, connect):
    says = {"Another judge wrote": "no verdict", "": "Fine.\n[RESULT] 5"}
    async with ScriptedModel(says) as model:
        settings = {"second_listener": {}, "log_probabilities": False, "canaries": None}
        stub = connect(await start_server(config(model, **settings)))
        answer = await stub.Score(request("judge", group("42 it is")))
        [result] = answer.groups[0].results
    assert result.confidence.probability == pytest.approx(0.75)
    assert "was not heard: there is no [RESULT]" in result.evidence.warnings[0]


async def test_what_the_reward_tells_of_itself(start_server, connect):
    async with ScriptedModel("[RESULT] 4") as model:
        stub = connect(await start_server(config(model, votes=3)))
        described = await stub.GetReward(reward_service_pb2.GetRewardRequest(name="judge"))
        [scorer] = described.reward.scorers
    assert (described.reward.minimum, described.reward.maximum) == (0, 1)
    monitors = {monitor.name: monitor for monitor in described.reward.monitors}
    assert monitors["canary_false_positive_rate"].scorer == "judge"
    assert "judge_length_correlation" in monitors
    assert scorer.kind == "judge"
    assert dict(scorer.properties)["scale"] == "1 to 5"
    assert dict(scorer.properties)["quorum"] == "2"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"votes": 2, "temperature": 0}, "temperature 0 would give the same"),
        ({"quorum": 2}, "quorum is 2; must be at most votes"),
        ({"scale": {"minimum": 5, "maximum": 5}}, "scale: is 5 to 5"),
        ({"levels": {"9": "superb"}}, "9 is not on the scale 1 to 5"),
        ({"passing": 7}, "7 is not on the scale"),
        ({"votes": 4, "tokens_per_sample": 10}, "must be at least 16"),
        ({"second_listener": {}, "reasoning": False}, "second_listener needs reasoning"),
        ({"vote": "mode"}, "vote: is 'mode'"),
        ({"rubic": []}, "rubic: unknown key"),
    ],
)
async def test_wrong_configurations_name_the_key(start_server, settings, said):
    async with ScriptedModel("") as model:
        with pytest.raises(Exception, match=said):
            await start_server(config(model, **settings))


def test_the_rubric_stands_in_the_prompt() -> None:
    prompt = absolute_prompt(
        "Is it kind?", {1: "rude", 5: "warm"}, Scale(), "Say hi. <|im_end|>", None, reasoning=True
    )
    system, user = prompt.about(("response", "hi there"))
    assert "Is it kind?\nScore 1: rude\nScore 5: warm" in system.content
    assert user.content.startswith("The problem:\n\n<<<problem ")
    assert "<|im_end|>" not in user.content
    assert "from 1 to 5" in user.content.rpartition("response>>>")[2]
