"""Results: domain types to messages on the server, and back on the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rewardsvc.types import (
    NO_TIMING,
    Component,
    Confidence,
    Detail,
    MemberScore,
    Noise,
    Outcome,
    Result,
    Status,
    Step,
    TestOutcome,
    TestStatus,
    Timing,
    Verdict,
)
from rewardsvc.v1 import result_pb2
from rewardsvc.wire.evidence import (
    evidence_from_message,
    evidence_message,
    shaping_from_message,
    shaping_message,
)
from rewardsvc.wire.outcomes import OUTCOME_NUMBERS, OUTCOMES

_STATUS_NUMBERS: dict[Status, result_pb2.ScoreStatus] = {
    status: getattr(result_pb2, f"SCORE_STATUS_{status.name}") for status in Status
}
_OK = _STATUS_NUMBERS[Status.OK]
_STATUSES = {int(number): status for status, number in _STATUS_NUMBERS.items()}
_TEST_STATUS_NUMBERS: dict[TestStatus, result_pb2.TestStatus] = {
    status: getattr(result_pb2, f"TEST_STATUS_{status.name}") for status in TestStatus
}
_TEST_STATUSES = {int(number): status for status, number in _TEST_STATUS_NUMBERS.items()}


# ── domain types to messages (server) ────────────────────────────────────────────────────


def fill_results(
    message: result_pb2.GroupResult, results: Sequence[Result], detail: Detail = Detail.FULL
) -> None:
    """Adds the results of one group to its message, as far as `detail` goes."""
    add = message.results.add
    full = detail is Detail.FULL
    for result in results:
        # Runs for every sample of every request. Hashing an enum member is dear, and so is
        # handing over a nested message.
        added = add(
            sample_id=result.sample_id,
            status=_OK if result.status is Status.OK else _STATUS_NUMBERS[result.status],
            reward=result.reward,
            score=result.score,
        )
        if result.reason:
            added.status_reason = result.reason
        if result.confidence is not None:
            added.confidence.CopyFrom(_confidence_message(result.confidence))
        if result.do_not_group_normalise:
            added.do_not_group_normalise = True
        if full:
            timing = result.timing
            if timing is not NO_TIMING:
                timing_message = added.timing
                timing_message.queue_seconds = timing.queue_seconds
                timing_message.inference_seconds = timing.inference_seconds
            if (
                result.verdict is not None
                or result.members
                or result.components
                or result.steps
                or result.noise is not None
                or result.disagreement is not None
                or result.evidence is not None
                or result.shaping
            ):
                _add_details(added, result)


def _add_details(message: result_pb2.Result, result: Result) -> None:
    if result.disagreement is not None:
        message.disagreement = result.disagreement
    if result.verdict is not None:
        message.verdict.CopyFrom(_verdict_message(result.verdict))
    if result.noise is not None:
        message.noise.CopyFrom(noise_message(result.noise))
    if result.members:
        message.members.extend(_member_message(member) for member in result.members)
    if result.steps:
        message.steps.extend(_step_message(step) for step in result.steps)
    if result.components:
        message.components.extend(_component_message(part) for part in result.components)
    if result.evidence is not None:
        message.evidence.CopyFrom(evidence_message(result.evidence))
    if result.shaping:
        message.shaping.extend(shaping_message(term) for term in result.shaping)


def noise_message(noise: Noise) -> result_pb2.Noise:
    """The message of noise rates and corrections."""
    return result_pb2.Noise(
        false_positive_rate=noise.false_positive_rate,
        false_negative_rate=noise.false_negative_rate,
        corrected_reward=noise.corrected_reward,
        forward_weight=noise.forward_weight,
        version=noise.version,
    )


def _timing_message(timing: Timing) -> result_pb2.Timing:
    return result_pb2.Timing(
        queue_seconds=timing.queue_seconds, inference_seconds=timing.inference_seconds
    )


def _confidence_message(confidence: Confidence) -> result_pb2.Confidence:
    return result_pb2.Confidence(
        probability=confidence.probability,
        lower=confidence.lower,
        upper=confidence.upper,
        method=confidence.method,
    )


def _verdict_message(verdict: Verdict) -> result_pb2.Verdict:
    return result_pb2.Verdict(
        outcome=OUTCOME_NUMBERS[verdict.outcome],
        reason=verdict.reason,
        stage=verdict.stage,
        answer=verdict.answer,
        reference=verdict.reference,
        answer_type=verdict.answer_type,
        policy=verdict.policy,
        tests=[
            result_pb2.TestOutcome(
                name=test.name,
                status=_TEST_STATUS_NUMBERS[test.status],
                cpu_seconds=test.cpu_seconds,
                peak_memory_bytes=test.peak_memory_bytes,
                message=test.message,
            )
            for test in verdict.tests
        ],
    )


def _member_message(member: MemberScore) -> result_pb2.MemberScore:
    return result_pb2.MemberScore(
        name=member.name,
        score=member.score,
        standardised=member.standardised,
        failure=member.failure,
    )


def _step_message(step: Step) -> result_pb2.Step:
    return result_pb2.Step(
        start=step.start,
        end=step.end,
        score=step.score,
        outcome=None if step.outcome is None else OUTCOME_NUMBERS[step.outcome],
        critique=step.critique,
        reward=step.reward,
    )


def _component_message(component: Component) -> result_pb2.Component:
    return result_pb2.Component(
        name=component.name,
        status=_STATUS_NUMBERS[component.status],
        status_reason=component.reason,
        score=component.score,
        reward=component.reward,
        weight=component.weight,
        confidence=None
        if component.confidence is None
        else _confidence_message(component.confidence),
        timing=_timing_message(component.timing),
        verdict=None if component.verdict is None else _verdict_message(component.verdict),
        members=[_member_message(member) for member in component.members],
        disagreement=component.disagreement,
        steps=[_step_message(step) for step in component.steps],
        evidence=None if component.evidence is None else evidence_message(component.evidence),
        shaping=[shaping_message(term) for term in component.shaping],
        noise=None if component.noise is None else noise_message(component.noise),
    )


# ── messages to domain types (client) ────────────────────────────────────────────────────


def result_from_message(message: result_pb2.Result, versions: Mapping[str, str]) -> Result:
    """The result of one sample; `versions` are those of the response it came in."""
    return Result(
        sample_id=message.sample_id,
        status=_STATUSES.get(message.status, Status.ERROR),
        reason=message.status_reason,
        reward=message.reward if message.HasField("reward") else None,
        score=message.score if message.HasField("score") else None,
        confidence=_confidence(message.confidence) if message.HasField("confidence") else None,
        verdict=_verdict(message.verdict) if message.HasField("verdict") else None,
        members=tuple(_member(member) for member in message.members),
        disagreement=message.disagreement if message.HasField("disagreement") else None,
        steps=tuple(_step(step) for step in message.steps),
        components=tuple(_component(component) for component in message.components),
        noise=noise_from_message(message.noise) if message.HasField("noise") else None,
        do_not_group_normalise=message.do_not_group_normalise,
        versions=versions,
        timing=_timing(message.timing) if message.HasField("timing") else NO_TIMING,
        evidence=evidence_from_message(message.evidence) if message.HasField("evidence") else None,
        shaping=tuple(shaping_from_message(term) for term in message.shaping),
    )


def noise_from_message(message: result_pb2.Noise) -> Noise:
    """Noise rates and corrections."""
    return Noise(
        message.false_positive_rate,
        message.false_negative_rate,
        message.corrected_reward if message.HasField("corrected_reward") else None,
        message.forward_weight if message.HasField("forward_weight") else None,
        message.version,
    )


def _timing(message: result_pb2.Timing) -> Timing:
    return Timing(message.queue_seconds, message.inference_seconds)


def _confidence(message: result_pb2.Confidence) -> Confidence:
    return Confidence(message.probability, message.lower, message.upper, message.method)


def _verdict(message: result_pb2.Verdict) -> Verdict:
    return Verdict(
        OUTCOMES.get(message.outcome, Outcome.ERROR),
        message.reason,
        message.stage,
        message.answer if message.HasField("answer") else None,
        message.reference if message.HasField("reference") else None,
        message.answer_type,
        message.policy,
        tuple(
            TestOutcome(
                test.name,
                _TEST_STATUSES.get(test.status, TestStatus.SANDBOX_ERROR),
                test.cpu_seconds,
                test.peak_memory_bytes,
                test.message,
            )
            for test in message.tests
        ),
    )


def _member(message: result_pb2.MemberScore) -> MemberScore:
    return MemberScore(
        message.name,
        message.score if message.HasField("score") else None,
        message.standardised if message.HasField("standardised") else None,
        message.failure,
    )


def _step(message: result_pb2.Step) -> Step:
    return Step(
        message.start,
        message.end,
        message.score if message.HasField("score") else None,
        OUTCOMES.get(message.outcome),
        message.critique,
        message.reward if message.HasField("reward") else None,
    )


def _component(message: result_pb2.Component) -> Component:
    return Component(
        message.name,
        _STATUSES.get(message.status, Status.ERROR),
        message.status_reason,
        message.score if message.HasField("score") else None,
        message.reward if message.HasField("reward") else None,
        message.weight,
        _confidence(message.confidence) if message.HasField("confidence") else None,
        _timing(message.timing),
        _verdict(message.verdict) if message.HasField("verdict") else None,
        tuple(_member(member) for member in message.members),
        message.disagreement if message.HasField("disagreement") else None,
        tuple(_step(step) for step in message.steps),
        evidence_from_message(message.evidence) if message.HasField("evidence") else None,
        tuple(shaping_from_message(term) for term in message.shaping),
        noise_from_message(message.noise) if message.HasField("noise") else None,
    )
