"""Deadlines, cancellation, full queues and fairness, over the wire."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from fixtures.messages import details, group, request
from fixtures.observing import eventually, metric, queue_depth
from fixtures.scripted import ScriptedScorer, config_for

from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.v1 import result_pb2

TIMEOUT = result_pb2.SCORE_STATUS_TIMEOUT


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(start_server, connect):
    scorer = ScriptedScorer(limits=BatchLimits(max_queue_samples=4), open_gate=False)
    server = await start_server(config_for(scorer))
    stub = connect(server)
    running = stub.Score(request("scripted", group("a")))
    await scorer.started.wait()
    queued = stub.Score(request("scripted", group("b", "c", "d", "e")))
    await eventually(lambda: queue_depth(server) == 4)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Score(request("scripted", group("f")))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    found = details(caught.value)
    assert found["ErrorInfo"].reason == "QUEUE_FULL"
    assert found["RetryInfo"].retry_delay.ToNanoseconds() > 0
    assert "4 of 4 responses" in found["QuotaFailure"].violations[0].description
    scorer.gate.set()
    assert len((await running).groups) == len((await queued).groups) == 1


async def test_what_is_not_done_by_the_deadline_times_out_and_the_rest_is_delivered(
    start_server, connect
):
    limits = BatchLimits(max_batch_samples=1)
    scorer = ScriptedScorer(limits=limits)
    server = await start_server(config_for(scorer))
    passed = asyncio.Event()

    async def score(groups, real=scorer.score):
        scores = await real(groups)
        if passed.is_set():
            await asyncio.Event().wait()
        passed.set()
        return scores

    for slot in server._slots.values():
        slot.batcher._score = score
    answer = await connect(server).Score(
        request("scripted", group("a", group_id="1"), group("b", group_id="2")), timeout=2.0
    )
    done, late = (g.results[0] for g in answer.groups)
    assert done.reward == 1.0
    assert late.status == TIMEOUT
    assert not late.HasField("reward")
    assert "being scored" in late.status_reason


async def test_expired_work_is_never_started(start_server, connect):
    scorer = ScriptedScorer(open_gate=False)
    server = await start_server(config_for(scorer))
    stub = connect(server)
    running = stub.Score(request("scripted", group("a", group_id="running")))
    await scorer.started.wait()
    answer = await stub.Score(request("scripted", group("b", group_id="late")), timeout=1.0)
    assert answer.groups[0].results[0].status == TIMEOUT
    scorer.gate.set()
    await running
    assert scorer.seen == ["running/0"]


async def test_a_caller_that_leaves_is_not_worked_for(start_server, connect):
    scorer = ScriptedScorer(open_gate=False)
    server = await start_server(config_for(scorer))
    stub = connect(server)
    running = stub.Score(request("scripted", group("a", group_id="running")))
    await scorer.started.wait()
    leaving = stub.Score(request("scripted", group(*"bcd", group_id="leaving")))
    await eventually(lambda: queue_depth(server) == 3)
    leaving.cancel()
    await eventually(lambda: queue_depth(server) == 0)
    scorer.gate.set()
    await running
    assert scorer.seen == ["running/0"]
    dropped = metric(
        server, "rewardsvc_dropped_samples_total", scorer="scripted", cause="cancelled"
    )
    assert dropped == 3
    await eventually(
        lambda: (
            metric(
                server,
                "grpc_server_handled_total",
                grpc_method="/rewardsvc.v1.RewardService/Score",
                grpc_code="CANCELLED",
            )
            == 1
        )
    )


async def test_one_tenants_flood_does_not_starve_anothers_sample(start_server, connect):
    scorer = ScriptedScorer(limits=BatchLimits(max_batch_samples=8), open_gate=False)
    server = await start_server(config_for(scorer))
    stub = connect(server)
    first = stub.Score(request("scripted", group("a", group_id="first")))
    await scorer.started.wait()
    flood = request(
        "scripted", *(group(*"xxxx", group_id=f"flood{number}") for number in range(100))
    )
    flood.options.tenant = "bulk"
    flooding = stub.Score(flood)
    await eventually(lambda: queue_depth(server) == 400)
    single = request("scripted", group("s", group_id="single"))
    single.options.tenant = "trainer"
    waiting = stub.Score(single)
    await eventually(lambda: queue_depth(server) == 401)
    scorer.gate.set()
    await asyncio.gather(first, flooding, waiting)
    assert scorer.seen.index("single/0") <= 1 + 2 * 8


async def test_a_deadline_that_cannot_be_met_is_refused_at_once(start_server, connect):
    scorer = ScriptedScorer(limits=BatchLimits(max_batch_samples=1))
    server = await start_server(config_for(scorer))
    stub = connect(server)
    [slot] = server._slots.values()
    for _ in range(20):
        slot.batcher._model.observe(2, 10.0)  # as if every batch had taken ten seconds
    scorer.gate.clear()
    running = stub.Score(request("scripted", group("a")))
    await eventually(lambda: slot.batcher.in_flight == 1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Score(request("scripted", group("b")), timeout=3.0)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    found = details(caught.value)
    assert found["ErrorInfo"].reason == "DEADLINE_UNREACHABLE"
    assert found["RetryInfo"].retry_delay.ToNanoseconds() > 0
    assert "the deadline is in" in caught.value.details()
    scorer.gate.set()
    await running
