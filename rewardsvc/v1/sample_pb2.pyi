from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Group(_message.Message):
    __slots__ = ("group_id", "prompt", "responses", "reference", "domain", "size")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    prompt: Prompt
    responses: _containers.RepeatedCompositeFieldContainer[Response]
    reference: Reference
    domain: str
    size: int
    def __init__(self, group_id: _Optional[str] = ..., prompt: _Optional[_Union[Prompt, _Mapping]] = ..., responses: _Optional[_Iterable[_Union[Response, _Mapping]]] = ..., reference: _Optional[_Union[Reference, _Mapping]] = ..., domain: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("text", "chat", "token_ids")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CHAT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    text: str
    chat: Chat
    token_ids: TokenIds
    def __init__(self, text: _Optional[str] = ..., chat: _Optional[_Union[Chat, _Mapping]] = ..., token_ids: _Optional[_Union[TokenIds, _Mapping]] = ...) -> None: ...

class Chat(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[ChatMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[ChatMessage, _Mapping]]] = ...) -> None: ...

class ChatMessage(_message.Message):
    __slots__ = ("role", "content")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    role: str
    content: str
    def __init__(self, role: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class TokenIds(_message.Message):
    __slots__ = ("little_endian_int32", "tokenizer_hash")
    LITTLE_ENDIAN_INT32_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_HASH_FIELD_NUMBER: _ClassVar[int]
    little_endian_int32: bytes
    tokenizer_hash: str
    def __init__(self, little_endian_int32: _Optional[bytes] = ..., tokenizer_hash: _Optional[str] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("sample_id", "text", "token_ids", "reference", "values")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    sample_id: str
    text: str
    token_ids: TokenIds
    reference: Reference
    values: _containers.ScalarMap[str, float]
    def __init__(self, sample_id: _Optional[str] = ..., text: _Optional[str] = ..., token_ids: _Optional[_Union[TokenIds, _Mapping]] = ..., reference: _Optional[_Union[Reference, _Mapping]] = ..., values: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("answers", "response", "tests", "rubric")
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    TESTS_FIELD_NUMBER: _ClassVar[int]
    RUBRIC_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedScalarFieldContainer[str]
    response: str
    tests: TestSuite
    rubric: _containers.RepeatedCompositeFieldContainer[Criterion]
    def __init__(self, answers: _Optional[_Iterable[str]] = ..., response: _Optional[str] = ..., tests: _Optional[_Union[TestSuite, _Mapping]] = ..., rubric: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ...) -> None: ...

class TestSuite(_message.Message):
    __slots__ = ("format", "json")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    format: str
    json: str
    def __init__(self, format: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class Criterion(_message.Message):
    __slots__ = ("name", "description", "weight", "hard_rule")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    HARD_RULE_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    weight: float
    hard_rule: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., weight: _Optional[float] = ..., hard_rule: bool = ...) -> None: ...
