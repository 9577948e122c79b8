"""Every kind of bad input over the wire: a clear error or a per-sample status, never a 0."""

from __future__ import annotations

import math

import grpc
import pytest
from fixtures.messages import details, group, messages, request
from fixtures.scripted import ScriptedScorer, config_for

from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Score, Status
from rewardsvc.v1 import result_pb2, reward_service_pb2, reward_service_pb2_grpc, sample_pb2

ScoreRequest = reward_service_pb2.ScoreRequest
OK = result_pb2.SCORE_STATUS_OK
ERROR = result_pb2.SCORE_STATUS_ERROR


async def refusal(call) -> tuple[grpc.StatusCode, str, dict]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details(), details(caught.value)


@pytest.fixture
async def stub(start_server, connect):
    return connect(await start_server(config_for(ScriptedScorer())))


def with_response(**fields) -> list[sample_pb2.Group]:
    return [
        sample_pb2.Group(
            prompt=sample_pb2.Prompt(text="p"), responses=[sample_pb2.Response(**fields)]
        )
    ]


INVALID = {
    "no groups": ([], "groups", "is empty"),
    "no responses": (
        [sample_pb2.Group(prompt=sample_pb2.Prompt(text="p"))],
        "groups[0].responses",
        "is empty",
    ),
    "no prompt": (
        [sample_pb2.Group(responses=[sample_pb2.Response(text="r")])],
        "groups[0].prompt",
        "is missing; set text, chat or token_ids",
    ),
    "empty chat": (
        [
            sample_pb2.Group(
                prompt=sample_pb2.Prompt(chat=sample_pb2.Chat()),
                responses=[sample_pb2.Response(text="r")],
            )
        ],
        "groups[0].prompt.chat.messages",
        "is empty",
    ),
    "unknown role": (
        [
            sample_pb2.Group(
                prompt=sample_pb2.Prompt(
                    chat=sample_pb2.Chat(messages=[sample_pb2.ChatMessage(role="boss")])
                ),
                responses=[sample_pb2.Response(text="r")],
            )
        ],
        "groups[0].prompt.chat.messages[0].role",
        "is 'boss'; allowed are system, user, assistant, tool",
    ),
    "no content": (with_response(sample_id="a"), "groups[0].responses[0]", "has no content"),
    "torn token ids": (
        with_response(
            token_ids=sample_pb2.TokenIds(little_endian_int32=b"12345", tokenizer_hash="h")
        ),
        "groups[0].responses[0].token_ids.little_endian_int32",
        "has 5 bytes; must be a positive multiple of 4",
    ),
    "token ids of nobody": (
        with_response(token_ids=sample_pb2.TokenIds(little_endian_int32=b"1234")),
        "groups[0].responses[0].token_ids.tokenizer_hash",
        "is empty",
    ),
    "NaN weight": (
        with_response(
            text="r",
            reference=sample_pb2.Reference(rubric=[sample_pb2.Criterion(weight=math.nan)]),
        ),
        "groups[0].responses[0].reference.rubric[0].weight",
        "is nan; must be a finite number of at least 0",
    ),
    "repeated sample id": (
        with_response(sample_id="a", text="r") + with_response(sample_id="a", text="r"),
        "groups[].responses[].sample_id",
        "'a' occurs twice",
    ),
}


@pytest.mark.parametrize("case", INVALID)
async def test_a_wrong_request_names_its_field_and_value(stub, case):
    groups, field, description = INVALID[case]
    code, message, found = await refusal(stub.Score(ScoreRequest(reward="scripted", groups=groups)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    [violation] = found["BadRequest"].field_violations
    assert violation.field == field
    assert description in violation.description
    assert field in message
    assert found["ErrorInfo"].reason == "REQUEST_INVALID"
    assert found["RequestInfo"].request_id


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf])
async def test_non_finite_options_are_refused(stub, weight):
    asked = request("scripted", group("a"))
    asked.options.attribute_weights["helpfulness"] = weight
    code, _, found = await refusal(stub.Score(asked))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    [violation] = found["BadRequest"].field_violations
    assert violation.field == "options.attribute_weights['helpfulness']"


async def test_options_that_the_reward_does_not_take_are_refused_not_ignored(stub):
    asked = request("scripted", group("a"))
    asked.options.attribute_weights["helpfulness"] = 1.0
    code, message, _ = await refusal(stub.Score(asked))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "has no attributes" in message


async def test_an_unknown_reward_lists_those_there_are(stub):
    for call in (
        stub.Score(request("helpful", group("a"))),
        stub.GetReward(reward_service_pb2.GetRewardRequest(name="helpful")),
    ):
        code, message, found = await refusal(call)
        assert code is grpc.StatusCode.NOT_FOUND
        assert "'helpful' is not configured; there are: scripted" in message
        assert found["ErrorInfo"].reason == "REWARD_UNKNOWN"


async def test_bytes_that_are_no_message_are_refused(start_server):
    server = await start_server(config_for(ScriptedScorer()))
    invalid_utf8 = ScoreRequest(reward="scripted", groups=messages(group("XYZ")))
    torn = invalid_utf8.SerializeToString().replace(b"XYZ", b"\xff\xfe\xfd")
    async with grpc.aio.insecure_channel(server.address) as channel:
        score = channel.unary_unary("/rewardsvc.v1.RewardService/Score")
        for data in (torn, b"\xff" * 40):
            code, message, _ = await refusal(score(data))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert "not a valid message" in message
        good = reward_service_pb2_grpc.RewardServiceStub(channel)
        assert (await good.Score(request("scripted", group("a")))).groups


async def test_an_empty_response_is_scored_like_any_other(stub):
    answer = await stub.Score(request("scripted", group("", "a")))
    assert [(r.status, r.reward) for r in answer.groups[0].results] == [(OK, 0.0), (OK, 1.0)]


async def test_a_response_of_one_megabyte(stub):
    answer = await stub.Score(request("scripted", group("é" * 1_000_000, "a")))
    assert [result.reward for result in answer.groups[0].results] == [1_000_000.0, 1.0]


async def test_a_message_over_the_limit_names_the_limit_and_the_stream(start_server, connect):
    server = await start_server(config_for(ScriptedScorer(), max_message_bytes=100_000))
    stub = connect(server)
    code, message, found = await refusal(stub.Score(request("scripted", group("x" * 150_000))))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "limit is 100000" in message
    assert "ScoreStream" in message
    assert found["ErrorInfo"].reason == "MESSAGE_TOO_LARGE"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Score(request("scripted", group("x" * 250_000)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.Score(request("scripted", group("a")))).groups


@pytest.mark.parametrize("shape", [(10_000, 1), (1, 10_000), (100, 100)])
async def test_ten_thousand_samples_in_one_call(stub, shape):
    count, size = shape
    groups = [group(*["x" * (n % 7) for n in range(size)], group_id=str(g)) for g in range(count)]
    answer = await stub.Score(request("scripted", *groups))
    rewards = [r.reward for g in answer.groups for r in g.results]
    assert rewards == [float(n % 7) for _ in range(count) for n in range(size)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
async def test_a_scorer_that_gives_no_number_makes_an_error_not_a_reward(
    start_server, connect, value
):
    def score(response):
        return Score(Status.OK, value if response.text == "bad" else 1.0)

    stub = connect(await start_server(config_for(ScriptedScorer(score))))
    answer = await stub.Score(request("scripted", group("good", "bad")))
    good, bad = answer.groups[0].results
    assert (good.status, good.reward) == (OK, 1.0)
    assert bad.status == ERROR
    assert not bad.HasField("reward")
    assert str(value) in bad.status_reason


async def test_a_group_that_makes_the_scorer_raise_does_not_hurt_the_others(start_server, connect):
    def score(response):
        if response.text == "poison":
            raise ZeroDivisionError("poisoned")
        return Score(Status.OK, 1.0)

    stub = connect(await start_server(config_for(ScriptedScorer(score))))
    answer = await stub.Score(
        request("scripted", group("a", group_id="1"), group("poison", group_id="2"))
    )
    fine, poisoned = (g.results[0] for g in answer.groups)
    assert (fine.status, fine.reward) == (OK, 1.0)
    assert poisoned.status == ERROR
    assert "ZeroDivisionError: poisoned" in poisoned.status_reason
    assert not poisoned.HasField("reward")


async def test_more_than_the_queue_can_ever_hold_is_an_invalid_request(start_server, connect):
    scorer = ScriptedScorer(limits=BatchLimits(max_queue_samples=10))
    stub = connect(await start_server(config_for(scorer)))
    code, message, _ = await refusal(stub.Score(request("scripted", group(*"x" * 11))))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "ScoreStream" in message
