"""The critic through the gRPC service."""

from __future__ import annotations

import pytest
from critiques import critique, in_waves
from fixtures.messages import group, request
from fixtures.openai_server import Fails, ScriptedModel, ScriptedRequest

from rewardsvc.v1 import result_pb2

TEXT = "6 · 7 = 42\n\nso the answer is \\boxed{42}"


def config(model: ScriptedModel, **settings: object) -> str:
    values = "".join(f", {key}: {value}" for key, value in settings.items())
    engine = f"{{engine: openai, endpoint: '{model.endpoint}', model: scripted, retries: 0}}"
    return f"""
        server: {{address: "127.0.0.1:0"}}
        scorers: {{critic: {{kind: critic, model: {engine}{values}}}}}
        rewards: {{critic: {{components: [{{scorer: critic}}]}}}}
    """


async def test_steps_votes_and_confidence_reach_the_trainer(start_server, connect):
    async with ScriptedModel(critique(2)) as model:
        stub = connect(await start_server(config(model)))
        answer = await stub.Score(request("critic", group(TEXT, "", reference="42")))
        scored, blank = answer.groups[0].results
    assert scored.status == result_pb2.SCORE_STATUS_OK
    assert scored.reward == 1.5
    assert [step.reward for step in scored.steps] == [2, 1]
    assert [(step.start, step.end) for step in scored.steps] == [(0, 10), (12, len(TEXT))]
    assert scored.steps[1].critique == "step 2 is off"
    assert scored.verdict.outcome == result_pb2.OUTCOME_CORRECT
    assert scored.confidence.method == "votes"
    assert scored.confidence.probability == pytest.approx(3.5 / 4)
    assert [vote.score for vote in scored.evidence.votes] == [1.5] * 3
    assert scored.evidence.usage.model_calls == 1
    assert (blank.reward, blank.status_reason) == (-1, "The response is blank.")
    assert model.calls == 1


async def test_what_cannot_be_scored_has_no_reward(start_server, connect):
    def answer(asked: ScriptedRequest) -> object:
        if "hang" in asked.last:
            return Fails(hang=True)
        return Fails(400) if "refuse" in asked.last else "All steps are right: VERDICT correct"

    async with ScriptedModel(answer) as model:
        stub = connect(await start_server(config(model, seconds_per_sample=0.3)))
        replied = await stub.Score(request("critic", group("hang", "refuse", "garble")))
        results = replied.groups[0].results
    assert [result.status for result in results] == [
        result_pb2.SCORE_STATUS_TIMEOUT,
        result_pb2.SCORE_STATUS_ERROR,
        result_pb2.SCORE_STATUS_ABSTAINED,
    ]
    for result in results:
        assert not result.HasField("reward")
        assert "0 of 4 critiques could be read" in result.status_reason
        assert [bool(vote.failure) for vote in result.evidence.votes] == [True] * 3


async def test_the_outcome_of_the_math_verifier(start_server, connect):
    async with ScriptedModel(in_waves(*[critique(1, answer=None)] * 9)) as model:
        settings = {"outcome": "math", "math": "{symbolic: false}"}
        stub = connect(await start_server(config(model, **settings)))
        replied = await stub.Score(
            request("critic", group(TEXT, TEXT.replace("{42}", "{41}"), reference="42"))
        )
        right, wrong = replied.groups[0].results
    assert [step.reward for step in right.steps] == [1, 2]
    assert [step.reward for step in wrong.steps] == [-1, 0]
    assert wrong.verdict.outcome == result_pb2.OUTCOME_INCORRECT
    assert wrong.confidence.method == "verifier_rates"


async def test_a_wrong_configuration_names_the_key(start_server):
    async with ScriptedModel("") as model:
        with pytest.raises(Exception, match=r"scorers\.critic\.vote: is 'most'"):
            await start_server(config(model, vote="most"))
        with pytest.raises(Exception, match=r"scorers\.critic.*quorum is 9"):
            await start_server(config(model, quorum=9))
