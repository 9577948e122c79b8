from google.rpc import status_pb2 as _status_pb2
from rewardsvc.v1 import result_pb2 as _result_pb2
from rewardsvc.v1 import sample_pb2 as _sample_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Detail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DETAIL_UNSPECIFIED: _ClassVar[Detail]
    DETAIL_FULL: _ClassVar[Detail]
    DETAIL_REWARD: _ClassVar[Detail]
DETAIL_UNSPECIFIED: Detail
DETAIL_FULL: Detail
DETAIL_REWARD: Detail

class ScoreRequest(_message.Message):
    __slots__ = ("reward", "groups", "options", "request_id")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    reward: str
    groups: _containers.RepeatedCompositeFieldContainer[_sample_pb2.Group]
    options: ScoreOptions
    request_id: str
    def __init__(self, reward: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[_sample_pb2.Group, _Mapping]]] = ..., options: _Optional[_Union[ScoreOptions, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("groups", "versions", "request_id")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[_result_pb2.GroupResult]
    versions: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, groups: _Optional[_Iterable[_Union[_result_pb2.GroupResult, _Mapping]]] = ..., versions: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ScoreStreamRequest(_message.Message):
    __slots__ = ("reward", "groups", "options", "request_id")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    reward: str
    groups: _containers.RepeatedCompositeFieldContainer[_sample_pb2.Group]
    options: ScoreOptions
    request_id: str
    def __init__(self, reward: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[_sample_pb2.Group, _Mapping]]] = ..., options: _Optional[_Union[ScoreOptions, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ScoreStreamResponse(_message.Message):
    __slots__ = ("request_id", "groups", "versions", "failure")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    groups: _containers.RepeatedCompositeFieldContainer[_result_pb2.GroupResult]
    versions: _containers.ScalarMap[str, str]
    failure: _status_pb2.Status
    def __init__(self, request_id: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[_result_pb2.GroupResult, _Mapping]]] = ..., versions: _Optional[_Mapping[str, str]] = ..., failure: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ScoreOptions(_message.Message):
    __slots__ = ("tenant", "attribute_weights", "detail", "batch_id")
    class AttributeWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    attribute_weights: _containers.ScalarMap[str, float]
    detail: Detail
    batch_id: str
    def __init__(self, tenant: _Optional[str] = ..., attribute_weights: _Optional[_Mapping[str, float]] = ..., detail: _Optional[_Union[Detail, str]] = ..., batch_id: _Optional[str] = ...) -> None: ...

class ListRewardsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRewardsResponse(_message.Message):
    __slots__ = ("rewards",)
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    rewards: _containers.RepeatedCompositeFieldContainer[Reward]
    def __init__(self, rewards: _Optional[_Iterable[_Union[Reward, _Mapping]]] = ...) -> None: ...

class GetRewardRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetRewardResponse(_message.Message):
    __slots__ = ("reward",)
    REWARD_FIELD_NUMBER: _ClassVar[int]
    reward: Reward
    def __init__(self, reward: _Optional[_Union[Reward, _Mapping]] = ...) -> None: ...

class Reward(_message.Message):
    __slots__ = ("name", "description", "version", "scorers", "minimum", "maximum", "scale_id", "calibrated", "needs_reference", "noise", "do_not_group_normalise", "shaping", "needs_whole_groups", "monitors", "warnings")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SCORERS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    SCALE_ID_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_FIELD_NUMBER: _ClassVar[int]
    NEEDS_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    DO_NOT_GROUP_NORMALISE_FIELD_NUMBER: _ClassVar[int]
    SHAPING_FIELD_NUMBER: _ClassVar[int]
    NEEDS_WHOLE_GROUPS_FIELD_NUMBER: _ClassVar[int]
    MONITORS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    version: str
    scorers: _containers.RepeatedCompositeFieldContainer[Scorer]
    minimum: float
    maximum: float
    scale_id: str
    calibrated: bool
    needs_reference: bool
    noise: _result_pb2.Noise
    do_not_group_normalise: bool
    shaping: _containers.RepeatedScalarFieldContainer[str]
    needs_whole_groups: bool
    monitors: _containers.RepeatedCompositeFieldContainer[Monitor]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., version: _Optional[str] = ..., scorers: _Optional[_Iterable[_Union[Scorer, _Mapping]]] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., scale_id: _Optional[str] = ..., calibrated: bool = ..., needs_reference: bool = ..., noise: _Optional[_Union[_result_pb2.Noise, _Mapping]] = ..., do_not_group_normalise: bool = ..., shaping: _Optional[_Iterable[str]] = ..., needs_whole_groups: bool = ..., monitors: _Optional[_Iterable[_Union[Monitor, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Monitor(_message.Message):
    __slots__ = ("scorer", "name", "value", "threshold", "alarm", "samples", "note")
    SCORER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ALARM_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    scorer: str
    name: str
    value: float
    threshold: float
    alarm: bool
    samples: int
    note: str
    def __init__(self, scorer: _Optional[str] = ..., name: _Optional[str] = ..., value: _Optional[float] = ..., threshold: _Optional[float] = ..., alarm: bool = ..., samples: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class Scorer(_message.Message):
    __slots__ = ("name", "kind", "version", "weight", "members", "objective", "calibration", "properties")
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    version: str
    weight: float
    members: _containers.RepeatedScalarFieldContainer[str]
    objective: str
    calibration: str
    properties: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., version: _Optional[str] = ..., weight: _Optional[float] = ..., members: _Optional[_Iterable[str]] = ..., objective: _Optional[str] = ..., calibration: _Optional[str] = ..., properties: _Optional[_Mapping[str, str]] = ...) -> None: ...
