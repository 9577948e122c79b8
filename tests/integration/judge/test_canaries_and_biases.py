"""What a judge measures of itself while it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fixtures.messages import group
from fixtures.openai_server import Fails, ScriptedModel, ScriptedRequest
from judgements import quoted, settings_of

from rewardsvc.judging.canaries import CANARIES, CanaryCounts
from rewardsvc.scorers.judge import AbsoluteJudge, AbsoluteJudgeConfig
from rewardsvc.scorers.judge_base import Judge
from rewardsvc.scorers.judge_pairwise import PairwiseJudge, PairwiseJudgeConfig
from rewardsvc.scorers.judge_reference import ReferenceJudge, ReferenceJudgeConfig
from rewardsvc.types import Status, TokenIds

OFTEN = {"every_samples": 1, "every_seconds": 0, "most_per_hour": 3600}


def absolute(model: ScriptedModel, **settings: object) -> AbsoluteJudge:
    config = AbsoluteJudgeConfig.model_validate(
        settings_of(model, **{"canaries": OFTEN, "log_probabilities": False, **settings})
    )
    return AbsoluteJudge("judge", config, Path())


def ticking(judge: Judge) -> None:
    """Gives the canaries' schedule a clock that moves a minute at every look."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 60.0
        return now

    judge._prober._clock = clock


async def test_canaries_count_what_the_judge_accepts() -> None:
    def answer(asked: ScriptedRequest) -> str:
        fooled = quoted(asked, "response") in (".", ":")
        return "[RESULT] 5" if fooled else "[RESULT] 1"

    async with ScriptedModel(answer) as model:
        judge = absolute(model)
        ticking(judge)
        await judge.start()
        for number in range(4):
            [[score]] = await judge.score([group(f"It is {number}.")])
            assert score.value == 0
            await judge._prober.idle()
        assert judge.canaries == CanaryCounts(4, 2)
        asked = [quoted(request, "response") for request in model.requests]
        assert asked[1::2] == list(CANARIES[:4])
        monitor = judge.monitors()[0]
        assert monitor.name == "canary_false_positive_rate"
        assert (monitor.value, monitor.samples) == (0.5, 4)
        assert monitor.alarm
        assert "2 of 4 worthless responses were accepted" in monitor.note
        assert judge.describe().properties["canaries"] == "on"
        await judge.close()


async def test_a_probe_never_holds_up_or_fails_a_sample() -> None:
    probing = asyncio.Event()

    def answer(asked: ScriptedRequest) -> object:
        if quoted(asked, "response") == CANARIES[0]:
            probing.set()
            return Fails(hang=True)
        return "[RESULT] 4"

    async with ScriptedModel(answer) as model:
        judge = absolute(model)
        ticking(judge)
        await judge.start()
        for number in range(5):
            [[score]] = await judge.score([group(f"It is {number}.")])
            assert score.value == 0.75
        await probing.wait()
        assert sum(quoted(r, "response") in CANARIES for r in model.requests) == 1
        assert judge.canaries == CanaryCounts()
        await judge.close()


async def test_a_failed_or_unreadable_probe_is_not_counted() -> None:
    def answer(asked: ScriptedRequest) -> object:
        said = quoted(asked, "response")
        if said == CANARIES[0]:
            return Fails(400)
        return "no verdict" if said == CANARIES[1] else "[RESULT] 1"

    async with ScriptedModel(answer) as model:
        judge = absolute(model)
        ticking(judge)
        await judge.start()
        for number in range(3):
            await judge.score([group(f"It is {number}.")])
            await judge._prober.idle()
        assert judge.canaries == CanaryCounts(1, 0)
        assert not judge.monitors()[0].alarm
        await judge.close()


async def test_canaries_of_a_judge_with_a_reference() -> None:
    async with ScriptedModel("[RESULT] CORRECT") as model:
        config = ReferenceJudgeConfig.model_validate(settings_of(model, canaries=OFTEN))
        judge = ReferenceJudge("judge", config, Path())
        ticking(judge)
        await judge.start()
        await judge.score([group("It is 42.", reference="42")])
        await judge._prober.idle()
        assert judge.canaries == CanaryCounts(1, 1)
        # A canary that is the gold answer is no canary.
        await judge.score([group("It is 42.", reference=CANARIES[1])])
        await judge._prober.idle()
        assert judge.canaries == CanaryCounts(1, 1)
        await judge.close()


@pytest.mark.parametrize(("says", "accepted"), [("[RESULT] TIE", 1), ("[RESULT] A", 1)])
async def test_canaries_of_a_pairwise_judge(says: str, accepted: int) -> None:
    async with ScriptedModel(says) as model:
        config = PairwiseJudgeConfig.model_validate(settings_of(model, canaries=OFTEN))
        judge = PairwiseJudge("judge", config, Path())
        await judge.start()
        await judge.score([group("one way", "other way")])
        await judge._prober.idle()
        assert judge.canaries == CanaryCounts(1, accepted)
        await judge.close()


async def test_canaries_can_be_off_and_token_ids_are_refused() -> None:
    async with ScriptedModel("[RESULT] 4") as model:
        judge = absolute(model, canaries=None)
        await judge.start()
        whole = group("It is 42.")
        whole.responses[0].text = TokenIds(b"\x01\x00\x00\x00", "hash")
        [[score]] = await judge.score([whole])
        assert score.status is Status.ERROR
        assert "needs text" in score.reason
        await judge.score([group("It is 42.")])
        assert judge.canaries == CanaryCounts()
        assert model.calls == 1
        await judge.close()


async def test_biases_are_reported() -> None:
    def answer(asked: ScriptedRequest) -> str:
        return f"[RESULT] {min(1 + len(quoted(asked, 'response')) // 40, 5)}"

    async with ScriptedModel(answer) as model:
        judge = absolute(model, canaries=None)
        await judge.start()
        await judge.score([group(*(f"{n} is " + "very " * n + "good" for n in range(40)))])
        figures = {monitor.name: monitor for monitor in judge.monitors()}
        await judge.close()
    correlation = figures["judge_length_correlation"]
    assert correlation.samples == 40
    assert correlation.value is not None and correlation.value > 0.8
    gained = figures["judge_score_per_length_doubling"].value
    assert gained is not None and gained > 0
    assert figures["judge_score_for_self_praise"].value is None
    assert figures["canary_false_positive_rate"].value is None


async def test_versions_change_with_what_may_change_scores() -> None:
    async with ScriptedModel("[RESULT] 4") as model:
        versions = set()
        for settings in ({}, {"votes": 3}, {"criteria": "Kind?"}, {"defences": False}):
            judge = absolute(model, **settings)
            await judge.start()
            versions.add(judge.describe().version)
            await judge.close()
        assert len(versions) == 4
