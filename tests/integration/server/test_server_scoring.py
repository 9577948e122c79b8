"""What a caller gets for good requests."""

from __future__ import annotations

import json
import struct

import pytest
from fixtures.messages import group, messages, request
from fixtures.observing import eventually, queue_depth
from fixtures.scripted import ScriptedScorer, config_for

from rewardsvc.types import Score, Status
from rewardsvc.v1 import result_pb2, reward_service_pb2, sample_pb2

TWO_SCORERS = """
server: {address: "127.0.0.1:0"}
scorers:
  half: {kind: constant, value: 0.5}
  boxed: {kind: format, boxed_answer: true}
rewards:
  plain: {description: Always a half., components: [{scorer: half}]}
  sum: {components: [{scorer: half}, {scorer: boxed, weight: 2}]}
  gated: {components: [{scorer: half, weight: 4}, {scorer: boxed}], combination: product}
"""


async def test_results_keep_the_order_and_ids_of_groups_and_samples(start_server, connect):
    server = await start_server(config_for(ScriptedScorer()))
    answer = await connect(server).Score(
        request("scripted", group("a", "bbb", group_id="x"), group("cc", group_id="y"))
    )
    assert [
        (g.group_id, [(r.sample_id, r.reward, r.status) for r in g.results]) for g in answer.groups
    ] == [
        ("x", [("x/0", 1.0, result_pb2.SCORE_STATUS_OK), ("x/1", 3.0, result_pb2.SCORE_STATUS_OK)]),
        ("y", [("y/0", 2.0, result_pb2.SCORE_STATUS_OK)]),
    ]
    assert answer.versions["scorer/scripted"] == "scripted-1"
    assert answer.versions["reward"].startswith("reward-")


async def test_components_are_weighted_summed_and_shown(start_server, connect):
    server = await start_server(TWO_SCORERS)
    answer = await connect(server).Score(request("sum", group(r"so \boxed{42}", "so 42")))
    boxed, unboxed = answer.groups[0].results
    assert (boxed.reward, unboxed.reward) == (2.5, 0.5)
    assert not boxed.HasField("score"), "there is no single raw score"
    assert [(c.name, c.score, c.weight) for c in boxed.components] == [
        ("half", 0.5, 1.0),
        ("boxed", 1.0, 2.0),
    ]
    assert unboxed.verdict.outcome == result_pb2.OUTCOME_INCORRECT
    assert "missing" in unboxed.verdict.reason


async def test_a_product_lets_one_component_gate_the_other(start_server, connect):
    server = await start_server(TWO_SCORERS)
    answer = await connect(server).Score(request("gated", group(r"so \boxed{42}", "so 42")))
    assert [result.reward for result in answer.groups[0].results] == [2.0, 0.0]


async def test_a_sample_without_a_score_has_a_status_and_a_reason_but_no_reward(
    start_server, connect
):
    def score(response):
        if "hard" in response.text:
            return Score.unscored(Status.ABSTAINED, "could not tell")
        return Score(Status.OK, 1.0)

    server = await start_server(config_for(ScriptedScorer(score)))
    answer = await connect(server).Score(request("scripted", group("easy", "hard", "easy")))
    first, middle, last = answer.groups[0].results
    assert first.reward == last.reward == 1.0
    assert middle.status == result_pb2.SCORE_STATUS_ABSTAINED
    assert middle.status_reason == "could not tell"
    assert not middle.HasField("reward")
    assert not middle.HasField("score")


async def test_the_gravest_component_decides_the_status(start_server, connect):
    server = await start_server(TWO_SCORERS)
    ids = sample_pb2.TokenIds(little_endian_int32=struct.pack("<2i", 1, 2), tokenizer_hash="h")
    tokens = sample_pb2.Group(
        prompt=sample_pb2.Prompt(text="p"), responses=[sample_pb2.Response(token_ids=ids)]
    )
    answer = await connect(server).Score(
        reward_service_pb2.ScoreRequest(reward="sum", groups=[tokens])
    )
    [result] = answer.groups[0].results
    assert result.status == result_pb2.SCORE_STATUS_ERROR
    assert result.status_reason == "boxed: The format scorer 'boxed' needs text, not token ids."
    assert not result.HasField("reward")
    assert [c.HasField("reward") for c in result.components] == [True, False]


async def test_calibrated_rewards_are_probabilities_with_confidence(
    start_server, connect, tmp_path
):
    labels = [{"score": i / 100, "label": int(i >= 50)} for i in range(100)]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)))
    server = await start_server("""
        server: {address: "127.0.0.1:0"}
        scorers: {high: {kind: constant, value: 0.9}, low: {kind: constant, value: 0.1}}
        rewards:
          high:
            components: [{scorer: high, calibration: {method: isotonic, labels: labels.jsonl}}]
          low:
            components: [{scorer: low, calibration: {method: isotonic, labels: labels.jsonl}}]
    """)
    stub = connect(server)
    for name, probability in (("high", 1.0), ("low", 0.0)):
        answer = await stub.Score(request(name, group("a")))
        [result] = answer.groups[0].results
        assert result.reward == pytest.approx(probability, abs=1e-5)
        assert result.score == {"high": 0.9, "low": 0.1}[name]
        confidence = result.confidence
        assert confidence.method == "isotonic"
        assert 0 <= confidence.lower <= confidence.probability <= confidence.upper <= 1
        assert confidence.upper - confidence.lower > 0
        assert answer.versions[f"calibrator/{name}"].startswith("isotonic-")
    reward = (await stub.GetReward(reward_service_pb2.GetRewardRequest(name="high"))).reward
    assert (reward.minimum, reward.maximum, reward.calibrated) == (0.0, 1.0, True)
    assert reward.scorers[0].calibration == "isotonic"


async def test_detail_reward_leaves_out_everything_else(start_server, connect):
    server = await start_server(TWO_SCORERS)
    short = request("sum", group("so 42"))
    short.options.detail = reward_service_pb2.DETAIL_REWARD
    [result] = (await connect(server).Score(short)).groups[0].results
    assert result.reward == 0.5
    assert not result.components
    assert not result.HasField("verdict")
    assert not result.HasField("timing")


async def test_rewards_describe_themselves(start_server, connect):
    stub = connect(await start_server(TWO_SCORERS))
    listed = await stub.ListRewards(reward_service_pb2.ListRewardsRequest())
    assert [reward.name for reward in listed.rewards] == ["gated", "plain", "sum"]
    reward = (await stub.GetReward(reward_service_pb2.GetRewardRequest(name="sum"))).reward
    assert (reward.minimum, reward.maximum) == (0.5, 2.5)
    assert [(s.name, s.kind, s.weight) for s in reward.scorers] == [
        ("half", "constant", 1.0),
        ("boxed", "format", 2.0),
    ]
    assert not reward.needs_reference
    assert listed.rewards[2] == reward
    assert listed.rewards[1].description == "Always a half."


async def test_ids_left_empty_are_numbered_by_place(start_server, connect):
    server = await start_server(config_for(ScriptedScorer()))
    bare = sample_pb2.Group(
        prompt=sample_pb2.Prompt(text="p"),
        responses=[sample_pb2.Response(text="a"), sample_pb2.Response(text="b")],
    )
    answer = await connect(server).Score(
        reward_service_pb2.ScoreRequest(reward="scripted", groups=[bare, bare])
    )
    assert [r.sample_id for g in answer.groups for r in g.results] == ["0/0", "0/1", "1/0", "1/1"]
    assert answer.request_id, "the server makes a request id"


async def test_callers_are_batched_together(start_server, connect):
    scorer = ScriptedScorer(open_gate=False)
    server = await start_server(config_for(scorer))
    stub = connect(server)
    first = stub.Score(request("scripted", group("first", group_id="0")))
    await scorer.started.wait()
    others = [
        stub.Score(request("scripted", group("other", group_id=str(number))))
        for number in range(1, 21)
    ]
    await eventually(lambda: queue_depth(server) == 20)
    scorer.gate.set()
    await first
    for other in others:
        await other
    assert scorer.batches == [1, 20]


async def test_a_chat_prompt_is_taken(start_server, connect):
    server = await start_server(config_for(ScriptedScorer()))
    chat = sample_pb2.Chat(messages=[sample_pb2.ChatMessage(role="user", content="hi")])
    [message] = messages(group("abcd"))
    message.prompt.chat.CopyFrom(chat)
    answer = await connect(server).Score(
        reward_service_pb2.ScoreRequest(reward="scripted", groups=[message])
    )
    assert answer.groups[0].results[0].reward == 4.0
