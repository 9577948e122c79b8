from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rewardsvc.v1 import result_pb2 as _result_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LabelSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_SOURCE_UNSPECIFIED: _ClassVar[LabelSource]
    LABEL_SOURCE_PERSON: _ClassVar[LabelSource]
    LABEL_SOURCE_ORACLE: _ClassVar[LabelSource]
    LABEL_SOURCE_JUDGE: _ClassVar[LabelSource]
LABEL_SOURCE_UNSPECIFIED: LabelSource
LABEL_SOURCE_PERSON: LabelSource
LABEL_SOURCE_ORACLE: LabelSource
LABEL_SOURCE_JUDGE: LabelSource

class Label(_message.Message):
    __slots__ = ("sample_id", "cluster_id", "value", "score", "outcome", "stage", "answer_type", "domain", "source", "inclusion_probability")
    SAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_TYPE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    sample_id: str
    cluster_id: str
    value: float
    score: float
    outcome: _result_pb2.Outcome
    stage: str
    answer_type: str
    domain: str
    source: LabelSource
    inclusion_probability: float
    def __init__(self, sample_id: _Optional[str] = ..., cluster_id: _Optional[str] = ..., value: _Optional[float] = ..., score: _Optional[float] = ..., outcome: _Optional[_Union[_result_pb2.Outcome, str]] = ..., stage: _Optional[str] = ..., answer_type: _Optional[str] = ..., domain: _Optional[str] = ..., source: _Optional[_Union[LabelSource, str]] = ..., inclusion_probability: _Optional[float] = ...) -> None: ...

class RecordLabelsRequest(_message.Message):
    __slots__ = ("reward", "scorer", "labels")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    SCORER_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    reward: str
    scorer: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    def __init__(self, reward: _Optional[str] = ..., scorer: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ...) -> None: ...

class RecordLabelsResponse(_message.Message):
    __slots__ = ("recorded", "replaced")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    recorded: int
    replaced: int
    def __init__(self, recorded: _Optional[int] = ..., replaced: _Optional[int] = ...) -> None: ...

class FitCalibratorRequest(_message.Message):
    __slots__ = ("reward", "scorer", "domain", "method")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    SCORER_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    reward: str
    scorer: str
    domain: str
    method: str
    def __init__(self, reward: _Optional[str] = ..., scorer: _Optional[str] = ..., domain: _Optional[str] = ..., method: _Optional[str] = ...) -> None: ...

class FitCalibratorResponse(_message.Message):
    __slots__ = ("calibration",)
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    calibration: Calibration
    def __init__(self, calibration: _Optional[_Union[Calibration, _Mapping]] = ...) -> None: ...

class GetCalibrationRequest(_message.Message):
    __slots__ = ("reward", "scorer", "domain", "version")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    SCORER_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    reward: str
    scorer: str
    domain: str
    version: str
    def __init__(self, reward: _Optional[str] = ..., scorer: _Optional[str] = ..., domain: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class GetCalibrationResponse(_message.Message):
    __slots__ = ("calibration",)
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    calibration: Calibration
    def __init__(self, calibration: _Optional[_Union[Calibration, _Mapping]] = ...) -> None: ...

class Calibration(_message.Message):
    __slots__ = ("version", "method", "domain", "curve", "metrics", "labels", "clusters", "fitted_at", "warnings")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    CURVE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    FITTED_AT_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    version: str
    method: str
    domain: str
    curve: _containers.RepeatedCompositeFieldContainer[CurvePoint]
    metrics: _containers.ScalarMap[str, float]
    labels: int
    clusters: int
    fitted_at: _timestamp_pb2.Timestamp
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., method: _Optional[str] = ..., domain: _Optional[str] = ..., curve: _Optional[_Iterable[_Union[CurvePoint, _Mapping]]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., labels: _Optional[int] = ..., clusters: _Optional[int] = ..., fitted_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class CurvePoint(_message.Message):
    __slots__ = ("score", "probability", "lower", "upper")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    score: float
    probability: float
    lower: float
    upper: float
    def __init__(self, score: _Optional[float] = ..., probability: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ...) -> None: ...

class GetNoiseRatesRequest(_message.Message):
    __slots__ = ("reward", "scorer", "domain")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    SCORER_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    reward: str
    scorer: str
    domain: str
    def __init__(self, reward: _Optional[str] = ..., scorer: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class GetNoiseRatesResponse(_message.Message):
    __slots__ = ("rates", "version")
    RATES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    rates: _containers.RepeatedCompositeFieldContainer[NoiseRate]
    version: str
    def __init__(self, rates: _Optional[_Iterable[_Union[NoiseRate, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...

class NoiseRate(_message.Message):
    __slots__ = ("stage", "answer_type", "domain", "false_positive_rate", "false_negative_rate")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_TYPE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    FALSE_POSITIVE_RATE_FIELD_NUMBER: _ClassVar[int]
    FALSE_NEGATIVE_RATE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    answer_type: str
    domain: str
    false_positive_rate: RateEstimate
    false_negative_rate: RateEstimate
    def __init__(self, stage: _Optional[str] = ..., answer_type: _Optional[str] = ..., domain: _Optional[str] = ..., false_positive_rate: _Optional[_Union[RateEstimate, _Mapping]] = ..., false_negative_rate: _Optional[_Union[RateEstimate, _Mapping]] = ...) -> None: ...

class RateEstimate(_message.Message):
    __slots__ = ("rate", "lower", "upper", "labels")
    RATE_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    rate: float
    lower: float
    upper: float
    labels: float
    def __init__(self, rate: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., labels: _Optional[float] = ...) -> None: ...
