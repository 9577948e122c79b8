"""Evidence and shaping: domain types to messages on the server, and back on the client."""

from __future__ import annotations

from rewardsvc.types import CriterionVerdict, Evidence, Outcome, ShapingTerm, Usage, Vote
from rewardsvc.v1 import result_pb2
from rewardsvc.wire.outcomes import OUTCOME_NUMBERS, OUTCOMES


def evidence_message(evidence: Evidence) -> result_pb2.Evidence:
    """The message of a score's evidence."""
    usage = evidence.usage
    return result_pb2.Evidence(
        attributes=evidence.attributes,
        criteria=[
            result_pb2.CriterionVerdict(
                name=criterion.name,
                outcome=OUTCOME_NUMBERS[criterion.outcome],
                score=criterion.score,
                weight=criterion.weight,
                hard_rule=criterion.hard_rule,
                reason=criterion.reason,
            )
            for criterion in evidence.criteria
        ],
        votes=[
            result_pb2.Vote(score=vote.score, text=vote.text, failure=vote.failure)
            for vote in evidence.votes
        ],
        usage=None
        if usage is None
        else result_pb2.Usage(
            model_calls=usage.model_calls,
            prompt_tokens=usage.prompt_tokens,
            cached_prompt_tokens=usage.cached_prompt_tokens,
            completion_tokens=usage.completion_tokens,
            answers_from_cache=usage.answers_from_cache,
        ),
        warnings=evidence.warnings,
    )


def evidence_from_message(message: result_pb2.Evidence) -> Evidence:
    """A score's evidence."""
    usage = message.usage
    return Evidence(
        dict(message.attributes),
        tuple(
            CriterionVerdict(
                criterion.name,
                OUTCOMES.get(criterion.outcome, Outcome.ERROR),
                criterion.score if criterion.HasField("score") else None,
                criterion.weight,
                criterion.hard_rule,
                criterion.reason,
            )
            for criterion in message.criteria
        ),
        tuple(
            Vote(vote.score if vote.HasField("score") else None, vote.text, vote.failure)
            for vote in message.votes
        ),
        Usage(
            usage.model_calls,
            usage.prompt_tokens,
            usage.cached_prompt_tokens,
            usage.completion_tokens,
            usage.answers_from_cache,
        )
        if message.HasField("usage")
        else None,
        tuple(message.warnings),
    )


def shaping_message(term: ShapingTerm) -> result_pb2.ShapingTerm:
    """The message of one step of shaping."""
    return result_pb2.ShapingTerm(
        name=term.name, before=term.before, after=term.after, values=term.values, note=term.note
    )


def shaping_from_message(message: result_pb2.ShapingTerm) -> ShapingTerm:
    """One step of shaping."""
    return ShapingTerm(
        message.name,
        message.before if message.HasField("before") else None,
        message.after if message.HasField("after") else None,
        dict(message.values),
        message.note,
    )
