from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_STATUS_UNSPECIFIED: _ClassVar[ScoreStatus]
    SCORE_STATUS_OK: _ClassVar[ScoreStatus]
    SCORE_STATUS_ABSTAINED: _ClassVar[ScoreStatus]
    SCORE_STATUS_TIMEOUT: _ClassVar[ScoreStatus]
    SCORE_STATUS_ERROR: _ClassVar[ScoreStatus]
    SCORE_STATUS_TRUNCATED: _ClassVar[ScoreStatus]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_CORRECT: _ClassVar[Outcome]
    OUTCOME_INCORRECT: _ClassVar[Outcome]
    OUTCOME_UNDECIDED: _ClassVar[Outcome]
    OUTCOME_NO_ANSWER: _ClassVar[Outcome]
    OUTCOME_ERROR: _ClassVar[Outcome]

class TestStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEST_STATUS_UNSPECIFIED: _ClassVar[TestStatus]
    TEST_STATUS_PASSED: _ClassVar[TestStatus]
    TEST_STATUS_WRONG_ANSWER: _ClassVar[TestStatus]
    TEST_STATUS_RUNTIME_ERROR: _ClassVar[TestStatus]
    TEST_STATUS_TIME_LIMIT: _ClassVar[TestStatus]
    TEST_STATUS_MEMORY_LIMIT: _ClassVar[TestStatus]
    TEST_STATUS_OUTPUT_LIMIT: _ClassVar[TestStatus]
    TEST_STATUS_COMPILE_ERROR: _ClassVar[TestStatus]
    TEST_STATUS_SANDBOX_ERROR: _ClassVar[TestStatus]
SCORE_STATUS_UNSPECIFIED: ScoreStatus
SCORE_STATUS_OK: ScoreStatus
SCORE_STATUS_ABSTAINED: ScoreStatus
SCORE_STATUS_TIMEOUT: ScoreStatus
SCORE_STATUS_ERROR: ScoreStatus
SCORE_STATUS_TRUNCATED: ScoreStatus
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_CORRECT: Outcome
OUTCOME_INCORRECT: Outcome
OUTCOME_UNDECIDED: Outcome
OUTCOME_NO_ANSWER: Outcome
OUTCOME_ERROR: Outcome
TEST_STATUS_UNSPECIFIED: TestStatus
TEST_STATUS_PASSED: TestStatus
TEST_STATUS_WRONG_ANSWER: TestStatus
TEST_STATUS_RUNTIME_ERROR: TestStatus
TEST_STATUS_TIME_LIMIT: TestStatus
TEST_STATUS_MEMORY_LIMIT: TestStatus
TEST_STATUS_OUTPUT_LIMIT: TestStatus
TEST_STATUS_COMPILE_ERROR: TestStatus
TEST_STATUS_SANDBOX_ERROR: TestStatus

class GroupResult(_message.Message):
    __slots__ = ("group_id", "results")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    results: _containers.RepeatedCompositeFieldContainer[Result]
    def __init__(self, group_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("sample_id", "status", "status_reason", "reward", "score", "confidence", "verdict", "members", "disagreement", "steps", "components", "noise", "do_not_group_normalise", "timing", "evidence", "shaping")
    SAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_REASON_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    DO_NOT_GROUP_NORMALISE_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    SHAPING_FIELD_NUMBER: _ClassVar[int]
    sample_id: str
    status: ScoreStatus
    status_reason: str
    reward: float
    score: float
    confidence: Confidence
    verdict: Verdict
    members: _containers.RepeatedCompositeFieldContainer[MemberScore]
    disagreement: float
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    components: _containers.RepeatedCompositeFieldContainer[Component]
    noise: Noise
    do_not_group_normalise: bool
    timing: Timing
    evidence: Evidence
    shaping: _containers.RepeatedCompositeFieldContainer[ShapingTerm]
    def __init__(self, sample_id: _Optional[str] = ..., status: _Optional[_Union[ScoreStatus, str]] = ..., status_reason: _Optional[str] = ..., reward: _Optional[float] = ..., score: _Optional[float] = ..., confidence: _Optional[_Union[Confidence, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., members: _Optional[_Iterable[_Union[MemberScore, _Mapping]]] = ..., disagreement: _Optional[float] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., components: _Optional[_Iterable[_Union[Component, _Mapping]]] = ..., noise: _Optional[_Union[Noise, _Mapping]] = ..., do_not_group_normalise: bool = ..., timing: _Optional[_Union[Timing, _Mapping]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ..., shaping: _Optional[_Iterable[_Union[ShapingTerm, _Mapping]]] = ...) -> None: ...

class Confidence(_message.Message):
    __slots__ = ("probability", "lower", "upper", "method")
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    probability: float
    lower: float
    upper: float
    method: str
    def __init__(self, probability: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., method: _Optional[str] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("outcome", "reason", "stage", "answer", "reference", "answer_type", "policy", "tests")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_TYPE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    TESTS_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    reason: str
    stage: str
    answer: str
    reference: str
    answer_type: str
    policy: str
    tests: _containers.RepeatedCompositeFieldContainer[TestOutcome]
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., reason: _Optional[str] = ..., stage: _Optional[str] = ..., answer: _Optional[str] = ..., reference: _Optional[str] = ..., answer_type: _Optional[str] = ..., policy: _Optional[str] = ..., tests: _Optional[_Iterable[_Union[TestOutcome, _Mapping]]] = ...) -> None: ...

class TestOutcome(_message.Message):
    __slots__ = ("name", "status", "cpu_seconds", "peak_memory_bytes", "message")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CPU_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    status: TestStatus
    cpu_seconds: float
    peak_memory_bytes: int
    message: str
    def __init__(self, name: _Optional[str] = ..., status: _Optional[_Union[TestStatus, str]] = ..., cpu_seconds: _Optional[float] = ..., peak_memory_bytes: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class MemberScore(_message.Message):
    __slots__ = ("name", "score", "standardised", "failure")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    STANDARDISED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    score: float
    standardised: float
    failure: str
    def __init__(self, name: _Optional[str] = ..., score: _Optional[float] = ..., standardised: _Optional[float] = ..., failure: _Optional[str] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("start", "end", "score", "outcome", "critique", "reward")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CRITIQUE_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    score: float
    outcome: Outcome
    critique: str
    reward: float
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ..., score: _Optional[float] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., critique: _Optional[str] = ..., reward: _Optional[float] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("attributes", "criteria", "votes", "usage", "warnings")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    attributes: _containers.ScalarMap[str, float]
    criteria: _containers.RepeatedCompositeFieldContainer[CriterionVerdict]
    votes: _containers.RepeatedCompositeFieldContainer[Vote]
    usage: Usage
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, attributes: _Optional[_Mapping[str, float]] = ..., criteria: _Optional[_Iterable[_Union[CriterionVerdict, _Mapping]]] = ..., votes: _Optional[_Iterable[_Union[Vote, _Mapping]]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class CriterionVerdict(_message.Message):
    __slots__ = ("name", "outcome", "score", "weight", "hard_rule", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    HARD_RULE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    outcome: Outcome
    score: float
    weight: float
    hard_rule: bool
    reason: str
    def __init__(self, name: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., score: _Optional[float] = ..., weight: _Optional[float] = ..., hard_rule: bool = ..., reason: _Optional[str] = ...) -> None: ...

class Vote(_message.Message):
    __slots__ = ("score", "text", "failure")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    score: float
    text: str
    failure: str
    def __init__(self, score: _Optional[float] = ..., text: _Optional[str] = ..., failure: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("model_calls", "prompt_tokens", "cached_prompt_tokens", "completion_tokens", "answers_from_cache")
    MODEL_CALLS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FROM_CACHE_FIELD_NUMBER: _ClassVar[int]
    model_calls: int
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int
    answers_from_cache: int
    def __init__(self, model_calls: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., cached_prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., answers_from_cache: _Optional[int] = ...) -> None: ...

class ShapingTerm(_message.Message):
    __slots__ = ("name", "before", "after", "values", "note")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    before: float
    after: float
    values: _containers.ScalarMap[str, float]
    note: str
    def __init__(self, name: _Optional[str] = ..., before: _Optional[float] = ..., after: _Optional[float] = ..., values: _Optional[_Mapping[str, float]] = ..., note: _Optional[str] = ...) -> None: ...

class Component(_message.Message):
    __slots__ = ("name", "status", "status_reason", "score", "reward", "weight", "confidence", "timing", "verdict", "members", "disagreement", "steps", "evidence", "shaping", "noise")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_REASON_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    SHAPING_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    name: str
    status: ScoreStatus
    status_reason: str
    score: float
    reward: float
    weight: float
    confidence: Confidence
    timing: Timing
    verdict: Verdict
    members: _containers.RepeatedCompositeFieldContainer[MemberScore]
    disagreement: float
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    evidence: Evidence
    shaping: _containers.RepeatedCompositeFieldContainer[ShapingTerm]
    noise: Noise
    def __init__(self, name: _Optional[str] = ..., status: _Optional[_Union[ScoreStatus, str]] = ..., status_reason: _Optional[str] = ..., score: _Optional[float] = ..., reward: _Optional[float] = ..., weight: _Optional[float] = ..., confidence: _Optional[_Union[Confidence, _Mapping]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., members: _Optional[_Iterable[_Union[MemberScore, _Mapping]]] = ..., disagreement: _Optional[float] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ..., shaping: _Optional[_Iterable[_Union[ShapingTerm, _Mapping]]] = ..., noise: _Optional[_Union[Noise, _Mapping]] = ...) -> None: ...

class Noise(_message.Message):
    __slots__ = ("false_positive_rate", "false_negative_rate", "corrected_reward", "forward_weight", "version")
    FALSE_POSITIVE_RATE_FIELD_NUMBER: _ClassVar[int]
    FALSE_NEGATIVE_RATE_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_REWARD_FIELD_NUMBER: _ClassVar[int]
    FORWARD_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    false_positive_rate: float
    false_negative_rate: float
    corrected_reward: float
    forward_weight: float
    version: str
    def __init__(self, false_positive_rate: _Optional[float] = ..., false_negative_rate: _Optional[float] = ..., corrected_reward: _Optional[float] = ..., forward_weight: _Optional[float] = ..., version: _Optional[str] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("queue_seconds", "inference_seconds")
    QUEUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    queue_seconds: float
    inference_seconds: float
    def __init__(self, queue_seconds: _Optional[float] = ..., inference_seconds: _Optional[float] = ...) -> None: ...
