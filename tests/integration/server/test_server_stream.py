"""ScoreStream: out of order, flow-controlled, failures a message, drained without loss."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from fixtures.messages import details, group, stream_request
from fixtures.observing import eventually, queue_depth
from fixtures.scripted import ScriptedScorer, config_for
from google.rpc import error_details_pb2

from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Score, Status


async def test_messages_are_answered_by_request_id_in_any_order(start_server, connect):
    server = await start_server(config_for(ScriptedScorer()))

    async def requests():
        for number in range(200):
            yield stream_request(str(number), "scripted", group("x" * number))

    rewards = {}
    async for answer in connect(server).ScoreStream(requests()):
        rewards[answer.request_id] = answer.groups[0].results[0].reward
        assert answer.versions["scorer/scripted"] == "scripted-1"
    assert rewards == {str(number): float(number) for number in range(200)}


async def test_a_fast_message_overtakes_a_slow_one(start_server, connect):
    scorer = ScriptedScorer(limits=BatchLimits(batches_in_flight=2, max_batch_samples=1))
    gate = asyncio.Event()

    async def score(groups, real=scorer.score):
        if groups[0].group_id == "slow":
            await gate.wait()
        return await real(groups)

    scorer.score = score
    server = await start_server(config_for(scorer))
    call = connect(server).ScoreStream()
    await call.write(stream_request("slow", "scripted", group("a", group_id="slow")))
    await call.write(stream_request("fast", "scripted", group("b", group_id="fast")))
    assert (await call.read()).request_id == "fast"
    gate.set()
    assert (await call.read()).request_id == "slow"
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_one_bad_message_fails_alone(start_server, connect):
    server = await start_server(config_for(ScriptedScorer()))

    async def requests():
        yield stream_request("good", "scripted", group("a"))
        yield stream_request("unknown", "helpful", group("a"))
        yield stream_request("empty", "scripted")
        yield stream_request("", "scripted", group("a"))
        yield stream_request("also good", "scripted", group("bb"))

    answers = {a.request_id: a async for a in connect(server).ScoreStream(requests())}
    assert answers["good"].groups[0].results[0].reward == 1.0
    assert answers["also good"].groups[0].results[0].reward == 2.0
    assert answers["unknown"].failure.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answers["empty"].failure.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "groups: is empty" in answers["empty"].failure.message
    assert "request_id: is empty" in answers[""].failure.message
    found = error_details_pb2.BadRequest()
    assert any(detail.Unpack(found) for detail in answers["empty"].failure.details)
    assert found.field_violations[0].field == "groups"


async def test_the_server_stops_reading_while_its_window_is_full(start_server, connect):
    scorer = ScriptedScorer(open_gate=False)
    server = await start_server(config_for(scorer, stream_messages_in_flight=4))
    big = "x" * 200_000
    sent = 0

    async def requests():
        nonlocal sent
        for number in range(100):
            sent = number
            yield stream_request(str(number), "scripted", group(big, group_id=str(number)))

    call = connect(server).ScoreStream(requests())
    await scorer.started.wait()
    await eventually(lambda: len(scorer.seen) + queue_depth(server) >= 4)
    for _ in range(200):
        await asyncio.sleep(0.001)
    assert len(scorer.seen) + queue_depth(server) <= 5
    assert sent < 99, "flow control holds the caller back"
    scorer.gate.set()
    assert len([answer async for answer in call]) == 100


async def test_a_stream_waits_for_room_where_a_call_would_be_refused(start_server, connect):
    scorer = ScriptedScorer(limits=BatchLimits(max_queue_samples=3, max_batch_samples=2))
    server = await start_server(config_for(scorer))

    async def requests():
        for number in range(50):
            yield stream_request(str(number), "scripted", group("a", "b", group_id=str(number)))

    answers = [answer async for answer in connect(server).ScoreStream(requests())]
    assert len(answers) == 50
    assert not any(answer.HasField("failure") for answer in answers)


async def test_draining_answers_what_was_read_and_sends_the_caller_away(start_server, connect):
    scorer = ScriptedScorer(open_gate=False)
    server = await start_server(config_for(scorer))
    call = connect(server).ScoreStream()
    for number in range(3):
        await call.write(stream_request(str(number), "scripted", group("a", group_id=str(number))))
    await eventually(lambda: len(scorer.seen) + queue_depth(server) == 3)
    draining = asyncio.create_task(server.drain())
    await eventually(lambda: server._servicer._streams == set() or _is_draining(server))
    scorer.gate.set()
    answered = {(await call.read()).request_id for _ in range(3)}
    assert answered == {"0", "1", "2"}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details(caught.value)["ErrorInfo"].reason == "UNAVAILABLE"
    await draining


def _is_draining(server) -> bool:
    return all(stream._draining for stream in server._servicer._streams)


async def test_a_caller_that_leaves_a_stream_is_not_worked_for(start_server, connect):
    scorer = ScriptedScorer(open_gate=False)
    server = await start_server(config_for(scorer))
    call = connect(server).ScoreStream()
    for number in range(5):
        await call.write(stream_request(str(number), "scripted", group("a", group_id=str(number))))
    await eventually(lambda: len(scorer.seen) + queue_depth(server) == 5)
    at_the_gate = len(scorer.seen)
    call.cancel()
    await eventually(lambda: queue_depth(server) == 0)
    scorer.gate.set()
    answer = connect(server).ScoreStream(iter([stream_request("n", "scripted", group("b"))]))
    assert [a.request_id async for a in answer] == ["n"]
    assert len(scorer.seen) == at_the_gate + 1


async def test_a_defect_fails_its_message_and_no_other(start_server, connect):
    server = await start_server(config_for(ScriptedScorer(lambda r: Score(Status.OK, 1.0))))
    pipeline = server._pipelines["scripted"]
    real = pipeline.score

    async def score(groups, *arguments, **keywords):
        if groups[0].group_id == "bad":
            raise RuntimeError("secret of the machine")
        return await real(groups, *arguments, **keywords)

    pipeline.score = score

    async def requests():
        yield stream_request("bad", "scripted", group("a", group_id="bad"))
        yield stream_request("good", "scripted", group("a", group_id="good"))

    answers = {a.request_id: a async for a in connect(server).ScoreStream(requests())}
    assert answers["bad"].failure.code == grpc.StatusCode.INTERNAL.value[0]
    assert "secret" not in answers["bad"].failure.message
    assert answers["good"].groups[0].results[0].reward == 1.0
