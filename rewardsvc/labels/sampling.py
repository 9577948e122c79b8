"""Which samples are audited: decided by the sample's content, with a known probability.

A sample is chosen when a hash of its content, read as a number in [0, 1), is below the
probability of its verdict. So every replica and every retry decides alike, a caller's order or
numbering of samples does not matter, and a sample that is chosen at one probability is also
chosen at every higher one. The hash says nothing about whether the verdict is right, so the
choice is as good as a random one; the probability is stored with the audit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rewardsvc.types import Chat, Group, Outcome, Prompt, Response, Result, TokenIds, Verdict

REJECTED = (Outcome.INCORRECT, Outcome.NO_ANSWER)
_DRAWS = 2.0**64


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Which verdicts of one scorer of a reward are looked at again, and by whom."""

    reward: str
    scorer: str
    judge: str
    """The scorer that looks again."""
    negatives: float = 0.1
    """Probability that a rejected response is chosen, in (0, 1]."""
    positives: float = 0.02
    """Probability that an accepted response is chosen, in (0, 1]."""
    seed: str = ""
    """Another seed chooses other samples."""

    def __post_init__(self) -> None:
        for name in ("negatives", "positives"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(f"{name} is {value}; must be in (0, 1]")


class Chosen(NamedTuple):
    """A sample to be audited."""

    group: Group
    response: Response
    verdict: Verdict
    fingerprint: str
    inclusion_probability: float


def chosen(
    plan: AuditPlan, groups: Sequence[Group], results: Sequence[Sequence[Result]]
) -> Iterator[Chosen]:
    """The samples to audit among some that were scored."""
    for group, of_group in zip(groups, results, strict=True):
        start = None
        for response, result in zip(group.responses, of_group, strict=True):
            verdict = _verdict(plan.scorer, result)
            if verdict is None:
                continue
            if verdict.outcome is Outcome.CORRECT:
                probability = plan.positives
            elif verdict.outcome in REJECTED:
                probability = plan.negatives
            else:
                continue
            start = start or _start(plan.seed, group.prompt)
            digest = start.copy()
            digest.update(_bytes(response.text))
            drawn = digest.digest()
            if int.from_bytes(drawn[:8], "big") / _DRAWS < probability:
                yield Chosen(group, response, verdict, drawn.hex(), probability)


def _verdict(scorer: str, result: Result) -> Verdict | None:
    """What the scorer concluded, also where it is one of several."""
    for component in result.components:
        if component.name == scorer:
            return component.verdict
    return result.verdict


def _start(seed: str, prompt: Prompt) -> hashlib.blake2b:
    start = hashlib.blake2b(_framed(seed.encode()), digest_size=16)
    if isinstance(prompt, Chat):
        for message in prompt.messages:
            start.update(_framed(message.role.encode()) + _framed(_bytes(message.content)))
    else:
        start.update(_framed(_bytes(prompt)))
    return start


def _bytes(text: str | TokenIds) -> bytes:
    if isinstance(text, TokenIds):
        return text.little_endian_int32
    return text.encode("utf-8", "surrogatepass")


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data
