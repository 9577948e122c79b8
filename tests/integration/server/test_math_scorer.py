"""The math scorer over the wire: hostile answers, killed workers, missing references."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from fixtures.messages import group, request
from fixtures.observing import eventually

from rewardsvc.config import parse_config
from rewardsvc.errors import ConfigError
from rewardsvc.types import Group, Reference, Response
from rewardsvc.v1 import result_pb2

OK = result_pb2.SCORE_STATUS_OK
ABSTAINED = result_pb2.SCORE_STATUS_ABSTAINED
ERROR = result_pb2.SCORE_STATUS_ERROR
ENDLESS = r"\boxed{\int_0^1\sin(x^x)\ln(1+x^3)\sqrt{1+x^5}dx}"
"""Keeps a symbolic worker busy for many seconds."""


def config(**settings: object) -> str:
    values = ", ".join(f"{key}: {value}" for key, value in {"kind": "math", **settings}.items())
    return f"""
        server: {{address: "127.0.0.1:0"}}
        scorers: {{math: {{{values}}}}}
        rewards: {{math: {{components: [{{scorer: math}}]}}}}
    """


def pool_of(server):
    return server._slots["math"].scorer._pool


async def test_verdicts_become_rewards_and_say_why(start_server, connect):
    stub = connect(await start_server(config()))
    answer = await stub.Score(
        request("math", group(r"\boxed{0.5}", r"\boxed{1/3}", "I cannot say.", reference="1/2"))
    )
    right, wrong, none = answer.groups[0].results
    assert (right.status, right.reward) == (OK, 1.0)
    assert right.verdict.outcome == result_pb2.OUTCOME_CORRECT
    assert right.verdict.answer == "0.5"
    assert right.verdict.reason
    assert right.verdict.stage
    assert (wrong.status, wrong.reward) == (OK, 0.0)
    assert wrong.verdict.outcome == result_pb2.OUTCOME_INCORRECT
    assert (none.status, none.reward) == (OK, 0.0)
    assert none.verdict.outcome == result_pb2.OUTCOME_NO_ANSWER


async def test_several_references_are_any_of(start_server, connect):
    stub = connect(await start_server(config()))
    responses = (Response("a", r"\boxed{7}"), Response("b", r"\boxed{8}"))
    answer = await stub.Score(request("math", Group("g", "p", responses, Reference(("6", "7")))))
    assert [result.reward for result in answer.groups[0].results] == [1.0, 0.0]


async def test_a_missing_reference_is_that_samples_error(start_server, connect):
    stub = connect(await start_server(config()))
    responses = (
        Response("without", r"\boxed{7}"),
        Response("empty", r"\boxed{7}", Reference()),
        Response("blank", r"\boxed{7}", Reference((" ",))),
        Response("with", r"\boxed{7}", Reference(("7",))),
    )
    answer = await stub.Score(request("math", Group("g", "p", responses)))
    without, empty, blank, given = answer.groups[0].results
    assert "needs a reference" in without.status_reason
    assert "needs a reference" in empty.status_reason
    assert "cannot use this reference: reference: it is empty" in blank.status_reason
    for result in (without, empty, blank):
        assert result.status == ERROR
        assert not result.HasField("reward")
    assert given.reward == 1.0


@pytest.mark.parametrize(
    "hostile",
    [
        r"\boxed{9^{9^{9^{9}}}}",
        r"\boxed{(10^9)!}",
        r"\boxed{\binom{10^9}{5\cdot10^8}}",
        ENDLESS,
        "\\boxed{" * 20_000,
        "\\boxed{" + "(" * 5_000 + "}",
        "x" * 1_000_000,
    ],
)
async def test_a_hostile_answer_gets_a_status_and_the_others_their_rewards(
    start_server, connect, hostile
):
    stub = connect(await start_server(config(time_limit_seconds=0.5)))
    answer = await stub.Score(
        request("math", group(r"\boxed{5}", hostile, r"\boxed{6}", reference="5")), timeout=60
    )
    first, attacked, last = answer.groups[0].results
    assert (first.reward, last.reward) == (1.0, 0.0)
    assert attacked.verdict.outcome != result_pb2.OUTCOME_CORRECT
    if attacked.verdict.outcome == result_pb2.OUTCOME_UNDECIDED:
        assert attacked.status == ABSTAINED
        assert not attacked.HasField("reward")
        assert attacked.status_reason


async def test_a_worker_killed_in_mid_job_costs_only_that_sample(start_server, connect):
    server = await start_server(config(time_limit_seconds=30, patience_seconds=60))
    stub = connect(server)
    pending = stub.Score(request("math", group(r"\boxed{5}", ENDLESS, reference="5")))
    killed: set[int] = set()

    def kill_workers() -> bool:
        for worker in pool_of(server).processes()[1:]:
            if worker not in killed:
                killed.add(worker)
                os.kill(worker, signal.SIGKILL)
        return pending.done()

    await eventually(kill_workers)
    fine, lost = (await pending).groups[0].results
    assert fine.reward == 1.0
    assert lost.status == ABSTAINED
    assert not lost.HasField("reward")
    assert "died" in lost.status_reason
    assert len(killed) >= 2, "the job had a second worker before it was given up"
    answer = await stub.Score(request("math", group(r"\boxed{\int_0^1 x^2dx}", reference="1/3")))
    assert answer.groups[0].results[0].reward == 1.0


async def test_the_zygote_killed_is_replaced(start_server, connect):
    server = await start_server(config(time_limit_seconds=10))
    os.kill(pool_of(server).processes()[0], signal.SIGKILL)
    answer = await connect(server).Score(
        request("math", group(r"\boxed{\int_0^1 x^2dx}", reference="1/3"))
    )
    assert answer.groups[0].results[0].reward == 1.0


async def test_a_batch_waits_for_its_symbolic_comparisons_within_limits(start_server, connect):
    settings = {"time_limit_seconds": 30, "patience_seconds": 0.5}
    stub = connect(await start_server(config(**settings)))
    answer = await stub.Score(request("math", group(r"\boxed{5}", ENDLESS, reference="5")))
    fine, waiting = answer.groups[0].results
    assert fine.reward == 1.0
    assert waiting.status == ABSTAINED
    assert "within 0.5 s" in waiting.status_reason


async def test_hostile_answers_do_not_hold_up_the_event_loop_or_other_callers(
    start_server, connect
):
    server = await start_server(config(time_limit_seconds=20, patience_seconds=20))
    stub = connect(server)
    hostile = asyncio.ensure_future(
        stub.Score(request("math", group(*[ENDLESS] * 4, reference="5")), timeout=60)
    )
    for number in range(20):
        answer = await stub.Score(
            request("math", group(r"\boxed{5}", group_id=str(number), reference="5"))
        )
        assert answer.groups[0].results[0].reward == 1.0
    assert not hostile.done()
    hostile.cancel()
    await asyncio.wait([hostile])


async def test_without_the_symbolic_stage_what_it_would_decide_is_abstained_from(
    start_server, connect
):
    stub = connect(await start_server(config(symbolic="false")))
    answer = await stub.Score(request("math", group(ENDLESS, reference="5")))
    assert answer.groups[0].results[0].status == ABSTAINED


def test_an_unknown_policy_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match=r"scorers\.math\.policy: is 'nonsense'.*default"):
        parse_config(config(policy="nonsense"), source="t.yaml", base_path=tmp_path)
