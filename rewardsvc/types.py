"""The vocabulary of the service as plain immutable data: what is scored, and what comes back.

Nothing here knows protobuf, gRPC or torch; `rewardsvc.wire` turns these into messages and
back. Character offsets count code points of the response as sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from rewardsvc_verifiers.verdict import Outcome, TestOutcome, TestStatus, Verdict

__all__ = [
    "NO_TIMING",
    "Chat",
    "ChatMessage",
    "Component",
    "Confidence",
    "Criterion",
    "CriterionVerdict",
    "Detail",
    "Evidence",
    "Group",
    "GroupScores",
    "MemberScore",
    "Monitor",
    "Noise",
    "Outcome",
    "Prompt",
    "Reference",
    "Response",
    "Result",
    "RewardDescription",
    "Sample",
    "Score",
    "ScoreOptions",
    "ScorerDescription",
    "ShapingTerm",
    "Status",
    "Step",
    "TestOutcome",
    "TestStatus",
    "TestSuite",
    "Timing",
    "TokenIds",
    "Usage",
    "Verdict",
    "Vote",
]


class Status(StrEnum):
    """How scoring a sample ended. Only OK and TRUNCATED carry a reward."""

    OK = "ok"
    ABSTAINED = "abstained"
    """A scorer looked and declined to say."""
    TIMEOUT = "timeout"
    ERROR = "error"
    TRUNCATED = "truncated"
    """Scored after the input was cut to what the model takes."""

    @property
    def scored(self) -> bool:
        """Whether a sample with this status has a score."""
        return self is Status.OK or self is Status.TRUNCATED


class Detail(StrEnum):
    """How much a result carries."""

    FULL = "full"
    REWARD = "reward"
    """Identifiers, status, reward, score and confidence only."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation; `role` is system, user, assistant or tool."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation, oldest message first; the last one is what the response answers."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class TokenIds:
    """Token ids as little-endian int32 bytes, with the hash of the tokenizer that made them."""

    little_endian_int32: bytes
    tokenizer_hash: str

    def __len__(self) -> int:
        return len(self.little_endian_int32) // 4


Prompt: TypeAlias = str | Chat | TokenIds
"""What a response answers: plain text, a conversation, or token ids."""


@dataclass(frozen=True, slots=True)
class TestSuite:
    """Tests for code: a format's name and the suite in that format, as JSON."""

    __test__ = False  # the name is not a pytest class

    format: str
    json: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of a rubric; failing a hard rule fails the response."""

    name: str
    description: str
    weight: float = 1.0
    hard_rule: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """What a response is judged against; each scorer says which parts it needs."""

    answers: tuple[str, ...] = ()
    """Gold answers; agreeing with any one of them is correct."""
    response: str = ""
    """A full response known to be good."""
    tests: TestSuite | None = None
    rubric: tuple[Criterion, ...] = ()


# Response and Result are made for every sample of every request: a frozen dataclass takes
# five times as long to make, so these two are immutable by convention only.


@dataclass(slots=True)
class Response:
    """One response to a group's prompt. Not to be changed once made."""

    sample_id: str
    text: str | TokenIds
    reference: Reference | None = None
    """Takes the place of the group's reference for this response."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Finite numbers that only the caller knows, by name, e.g. `log_ratio`, `tokens`."""


@dataclass(frozen=True, slots=True)
class Group:
    """One prompt and the responses to it: the unit of the wire and of batching."""

    group_id: str
    prompt: Prompt
    responses: tuple[Response, ...]
    reference: Reference | None = None
    domain: str = ""
    size: int = 0
    """Responses that the complete group has; 0: as many as are here."""

    def reference_of(self, response: Response) -> Reference | None:
        """What `response` is judged against: its own reference, else the group's."""
        return self.reference if response.reference is None else response.reference


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt with one response: what a caller has before grouping.

    `reference` may be a gold answer as a plain string.
    """

    prompt: Prompt
    response: str | TokenIds
    reference: Reference | str | None = None
    sample_id: str = ""
    domain: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    """Finite numbers that only the caller knows, by name."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """Calibrated probability, in [0, 1], that the response is right, with a 90 % interval."""

    probability: float
    lower: float
    upper: float
    method: str
    """How it was made, e.g. `isotonic` or `verifier_rates`."""


@dataclass(frozen=True, slots=True)
class MemberScore:
    """One ensemble member's raw score, and the same standardised by frozen statistics."""

    name: str
    score: float | None
    standardised: float | None = None
    failure: str = ""
    """Why the member has no score; empty when it has one."""


@dataclass(frozen=True, slots=True)
class Step:
    """The judgement of the step at characters `start:end` of the response."""

    start: int
    end: int
    score: float | None = None
    outcome: Outcome | None = None
    critique: str = ""
    reward: float | None = None
    """What a trainer credits at the end of the step, for step-wise rewards."""


@dataclass(frozen=True, slots=True)
class CriterionVerdict:
    """What a judge said of one criterion of a rubric."""

    name: str
    outcome: Outcome
    score: float | None = None
    """How far the criterion is met, in [0, 1]; None when it was not judged."""
    weight: float = 1.0
    hard_rule: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """One of several judgements that a score was made of."""

    score: float | None
    """What it said, in the scorer's unit; None for a missing vote."""
    text: str = ""
    """The critique or judgement as the model wrote it."""
    failure: str = ""
    """Why the vote is missing; empty when it counts."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a score cost."""

    model_calls: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    completion_tokens: int = 0
    answers_from_cache: int = 0
    """Judgements taken from the service's own cache instead of a model call."""

    def __add__(self, other: Usage) -> Usage:
        """What both cost together."""
        return Usage(
            self.model_calls + other.model_calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_prompt_tokens + other.cached_prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.answers_from_cache + other.answers_from_cache,
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a score rests on, beyond verdict, members and steps."""

    attributes: Mapping[str, float] = field(default_factory=dict)
    """A multi-attribute model's raw outputs by name."""
    criteria: tuple[CriterionVerdict, ...] = ()
    votes: tuple[Vote, ...] = ()
    usage: Usage | None = None
    warnings: tuple[str, ...] = ()
    """What a person should look at, e.g. that the judge contradicts itself."""


@dataclass(frozen=True, slots=True)
class ShapingTerm:
    """One step of reward shaping: the reward before it, after it, and what it used."""

    name: str
    before: float | None
    after: float | None
    values: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where a sample's time went, in seconds."""

    queue_seconds: float = 0.0
    inference_seconds: float = 0.0


NO_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Score:
    """What one scorer says of one sample: a raw score, or why there is none.

    `value` is a finite number exactly when `status.scored`.
    """

    status: Status
    value: float | None = None
    reason: str = ""
    confidence: Confidence | None = None
    verdict: Verdict | None = None
    members: tuple[MemberScore, ...] = ()
    disagreement: float | None = None
    steps: tuple[Step, ...] = ()
    evidence: Evidence | None = None

    @staticmethod
    def unscored(status: Status, reason: str, verdict: Verdict | None = None) -> Score:
        """A score that says why there is none."""
        return Score(status, None, reason, verdict=verdict)


@dataclass(frozen=True, slots=True)
class GroupScores:
    """One scorer's scores of one group, in the order of its responses, and what they took."""

    scores: tuple[Score, ...]
    timing: Timing = NO_TIMING


@dataclass(frozen=True, slots=True)
class Component:
    """What one scorer of a combined reward said, and what was made of it."""

    name: str
    status: Status
    reason: str = ""
    score: float | None = None
    reward: float | None = None
    """The score after aggregation, calibration and correction: what is combined."""
    weight: float = 1.0
    confidence: Confidence | None = None
    timing: Timing = NO_TIMING
    verdict: Verdict | None = None
    members: tuple[MemberScore, ...] = ()
    disagreement: float | None = None
    steps: tuple[Step, ...] = ()
    evidence: Evidence | None = None
    shaping: tuple[ShapingTerm, ...] = ()
    noise: Noise | None = None


@dataclass(frozen=True, slots=True)
class Noise:
    """The verifier's asymmetric noise channel and the corrections that follow from it."""

    false_positive_rate: float
    false_negative_rate: float
    corrected_reward: float | None = None
    forward_weight: float | None = None
    version: str = ""


@dataclass(slots=True)
class Result:
    """The result of one sample: its reward, and everything needed to trust it.

    Not to be changed once made.

    `reward` is None unless `status.scored`: a sample that was not scored is never a 0.
    """

    sample_id: str
    status: Status
    reason: str = ""
    reward: float | None = None
    score: float | None = None
    confidence: Confidence | None = None
    verdict: Verdict | None = None
    members: tuple[MemberScore, ...] = ()
    disagreement: float | None = None
    steps: tuple[Step, ...] = ()
    components: tuple[Component, ...] = ()
    noise: Noise | None = None
    do_not_group_normalise: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    timing: Timing = NO_TIMING
    evidence: Evidence | None = None
    shaping: tuple[ShapingTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How to score a request."""

    tenant: str = ""
    """Whose work this is; tenants share the engines fairly. Empty: `default`."""
    attribute_weights: Mapping[str, float] = field(default_factory=dict)
    detail: Detail = Detail.FULL
    batch_id: str = ""
    """The training batch that the groups belong to, for shaping with a moving mean."""


@dataclass(frozen=True, slots=True)
class ScorerDescription:
    """One scorer of a reward, as `GetReward` shows it."""

    name: str
    kind: str
    version: str
    weight: float = 1.0
    members: tuple[str, ...] = ()
    objective: str = ""
    calibration: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, str]:
        """Kind, version and properties together."""
        return {"kind": self.kind, "version": self.version, **self.properties}


@dataclass(frozen=True, slots=True)
class Monitor:
    """One figure that is watched against reward hacking."""

    name: str
    value: float | None
    """None while there is too little data."""
    samples: int = 0
    threshold: float | None = None
    alarm: bool = False
    scorer: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RewardDescription:
    """A named reward: what it is made of and how to read it."""

    name: str
    description: str
    version: str
    scorers: tuple[ScorerDescription, ...]
    minimum: float | None = None
    maximum: float | None = None
    scale_id: str = ""
    calibrated: bool = False
    needs_reference: bool = False
    noise: Noise | None = None
    do_not_group_normalise: bool = False
    shaping: tuple[str, ...] = ()
    needs_whole_groups: bool = False
    monitors: tuple[Monitor, ...] = ()
    warnings: tuple[str, ...] = ()
