"""What callers hand in, checked: samples as objects or as mappings with the same keys.

Every complaint names the sample and the field, so that one wrong row of a dataset is found.
Checked here, before anything is sent, because a request's field paths speak of groups that
the caller never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, TypeAlias

from rewardsvc.errors import InvalidRequest
from rewardsvc.types import (
    Chat,
    ChatMessage,
    Criterion,
    Group,
    Prompt,
    Reference,
    Response,
    Sample,
    TestSuite,
    TokenIds,
)
from rewardsvc.wire.samples import ROLES

SampleLike: TypeAlias = Sample | Mapping[str, Any]
"""A Sample, or a mapping with its keys; there, chats are lists of {role, content}, and a
reference may be a string, a list of strings, or a mapping with the keys of Reference."""

_SAMPLE_KEYS = ("prompt", "response", "reference", "sample_id", "domain", "values")
_REFERENCE_KEYS = ("answers", "response", "tests", "rubric")
_CRITERION_KEYS = ("name", "description", "weight", "hard_rule")


def sample_of(value: SampleLike, where: str) -> Sample:
    """The sample that `value` stands for; raises InvalidRequest naming `where` and the field."""
    if isinstance(value, Sample):
        prompt, response, reference = value.prompt, value.response, value.reference
        sample_id, domain, values = value.sample_id, value.domain, value.values
    elif isinstance(value, Mapping):
        _refuse_unknown(value, _SAMPLE_KEYS, where)
        for key in ("prompt", "response"):
            if key not in value:
                raise InvalidRequest.field(f"{where}.{key}", "is missing; every sample needs it")
        prompt, response, reference = value["prompt"], value["response"], value.get("reference")
        sample_id, domain = value.get("sample_id", ""), value.get("domain", "")
        values = value.get("values", {})
    else:
        raise InvalidRequest.field(
            where, f"is {_shown(value)}; must be a Sample or a mapping with its keys"
        )
    return Sample(
        prompt=_prompt(prompt, f"{where}.prompt"),
        response=response
        if isinstance(response, TokenIds)
        else _text(response, f"{where}.response"),
        reference=_reference(reference, f"{where}.reference"),
        sample_id=_text(sample_id, f"{where}.sample_id"),
        domain=_text(domain, f"{where}.domain"),
        values=_values(values, f"{where}.values"),
    )


def samples_of(values: Iterable[SampleLike]) -> list[Sample]:
    """The samples of one call, each with an id of its own; empty ids are numbered by place.

    Raises InvalidRequest for anything wrong, also an id that occurs twice.
    """
    samples = [sample_of(value, f"samples[{index}]") for index, value in enumerate(values)]
    places: dict[str, int] = {}
    for index, sample in enumerate(samples):
        if sample.sample_id and places.setdefault(sample.sample_id, index) != index:
            raise InvalidRequest.field(
                f"samples[{index}].sample_id",
                f"{sample.sample_id!r} is also the id of samples[{places[sample.sample_id]}]; "
                "ids must be unique within a call",
            )
    for index, sample in enumerate(samples):
        if not sample.sample_id:
            number = _free_number(index, places.__contains__)
            places[number] = index
            samples[index] = replace(sample, sample_id=number)
    return samples


def _free_number(index: int, taken: Callable[[str], bool]) -> str:
    number, attempt = str(index), 0
    while taken(number):
        attempt += 1
        number = f"{index}-{attempt}"
    return number


def _prompt(value: Any, path: str) -> Prompt:
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, TokenIds):
        return value
    if isinstance(value, Chat):
        messages: Sequence[Any] = value.messages
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        messages = value
    else:
        raise InvalidRequest.field(
            path,
            f"is {_shown(value)}; must be a string, a list of {{role, content}}, Chat or TokenIds",
        )
    if not messages:
        raise InvalidRequest.field(path, "is an empty chat; send at least one message")
    return Chat(tuple(_message(m, f"{path}[{index}]") for index, m in enumerate(messages)))


def _message(value: Any, path: str) -> ChatMessage:
    role: Any
    content: Any
    if isinstance(value, ChatMessage):
        role, content = value.role, value.content
    elif isinstance(value, Mapping):
        _refuse_unknown(value, ("role", "content"), path)
        role, content = value.get("role"), value.get("content")
    else:
        raise InvalidRequest.field(path, f"is {_shown(value)}; must be {{role, content}}")
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidRequest.field(
            f"{path}.role", f"is {_shown(role)}; allowed are {', '.join(ROLES)}"
        )
    return ChatMessage(role, _text(content, f"{path}.content"))


def _reference(value: Any, path: str) -> Reference | None:
    if value is None or isinstance(value, Reference):
        return value
    if isinstance(value, str) or _is_integer(value):
        return Reference(answers=(_answer(value, path),))
    if isinstance(value, Mapping):
        return _reference_of_mapping(value, path)
    if isinstance(value, list | tuple) and value:
        return Reference(answers=_answers(value, path))
    raise InvalidRequest.field(
        path,
        f"is {_shown(value)}; must be a gold answer as a string, a non-empty list of them, or "
        f"a mapping with some of {', '.join(_REFERENCE_KEYS)}",
    )


def _reference_of_mapping(value: Mapping[str, Any], path: str) -> Reference:
    _refuse_unknown(value, _REFERENCE_KEYS, path)
    answers = value.get("answers", ())
    if isinstance(answers, str) or not isinstance(answers, Sequence):
        raise InvalidRequest.field(
            f"{path}.answers", f"is {_shown(answers)}; must be a list of strings"
        )
    tests = value.get("tests")
    if isinstance(tests, Mapping):
        _refuse_unknown(tests, ("format", "json"), f"{path}.tests")
        tests = TestSuite(
            *(_text(tests.get(key), f"{path}.tests.{key}") for key in ("format", "json"))
        )
    elif tests is not None and not isinstance(tests, TestSuite):
        raise InvalidRequest.field(f"{path}.tests", f"is {_shown(tests)}; must be {{format, json}}")
    rubric = value.get("rubric", ())
    if isinstance(rubric, str) or not isinstance(rubric, Sequence):
        raise InvalidRequest.field(f"{path}.rubric", f"is {_shown(rubric)}; must be a list")
    return Reference(
        _answers(answers, f"{path}.answers"),
        _text(value.get("response", ""), f"{path}.response"),
        tests,
        tuple(_criterion(c, f"{path}.rubric[{index}]") for index, c in enumerate(rubric)),
    )


def _criterion(value: Any, path: str) -> Criterion:
    if isinstance(value, Criterion):
        return value
    if not isinstance(value, Mapping):
        raise InvalidRequest.field(
            path, f"is {_shown(value)}; must be a mapping with {', '.join(_CRITERION_KEYS)}"
        )
    _refuse_unknown(value, _CRITERION_KEYS, path)
    weight, hard_rule = value.get("weight", 1.0), value.get("hard_rule", False)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0:
        raise InvalidRequest.field(f"{path}.weight", f"is {_shown(weight)}; must be at least 0")
    if not isfinite(weight):
        raise InvalidRequest.field(f"{path}.weight", f"is {weight}; must be finite")
    if not isinstance(hard_rule, bool):
        raise InvalidRequest.field(
            f"{path}.hard_rule", f"is {_shown(hard_rule)}; must be true or false"
        )
    return Criterion(
        _text(value.get("name"), f"{path}.name"),
        _text(value.get("description", ""), f"{path}.description"),
        float(weight),
        hard_rule,
    )


def _answers(values: Sequence[Any], path: str) -> tuple[str, ...]:
    return tuple(_answer(value, f"{path}[{index}]") for index, value in enumerate(values))


def _answer(value: Any, path: str) -> str:
    """A gold answer; whole numbers, as datasets hold them, have exactly one spelling."""
    return str(value) if _is_integer(value) else _text(value, path)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest.field(path, f"is {_shown(value)}; must be a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest.field(
                path, f"is not valid Unicode: {error.reason} at character {error.start}"
            ) from None
    return value


def _refuse_unknown(value: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    for key in value:
        if key not in known:
            raise InvalidRequest.field(
                f"{path}.{key}", f"is not a known key; allowed are {', '.join(known)}"
            )


def _shown(value: Any) -> str:
    """A value and its type, short enough for an error message."""
    if value is None:
        return "null"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def groups_of(values: Iterable[Group]) -> list[Group]:
    """The groups of one call, checked as samples are; empty sample ids are numbered.

    Raises InvalidRequest for anything wrong, also an id that occurs twice in the call.
    """
    groups = []
    ids: dict[str, str] = {}
    for index, group in enumerate(values):
        where = f"groups[{index}]"
        if not isinstance(group, Group):
            raise InvalidRequest.field(where, f"is {_shown(group)}; must be a Group")
        if not group.responses:
            raise InvalidRequest.field(f"{where}.responses", "is empty; send at least one")
        responses = []
        for place, response in enumerate(group.responses):
            path = f"{where}.responses[{place}]"
            sample_id = _text(response.sample_id, f"{path}.sample_id") or f"{index}/{place}"
            if ids.setdefault(sample_id, path) != path:
                raise InvalidRequest.field(
                    f"{path}.sample_id",
                    f"{sample_id!r} is also the id of {ids[sample_id]}; "
                    "ids must be unique within a call",
                )
            text = response.text
            responses.append(
                Response(
                    sample_id,
                    text if isinstance(text, TokenIds) else _text(text, f"{path}.text"),
                    _reference(response.reference, f"{path}.reference"),
                    _values(response.values, f"{path}.values"),
                )
            )
        groups.append(
            Group(
                _text(group.group_id, f"{where}.group_id"),
                _prompt(group.prompt, f"{where}.prompt"),
                tuple(responses),
                _reference(group.reference, f"{where}.reference"),
                _text(group.domain, f"{where}.domain"),
                group.size,
            )
        )
    return groups


def _values(values: object, where: str) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise InvalidRequest.field(where, f"is {_shown(values)}; must map names to numbers")
    for name, value in values.items():
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not (isinstance(name, str) and plain and isfinite(value)):
            raise InvalidRequest.field(
                f"{where}[{name!r}]", f"is {_shown(value)}; must be a finite number"
            )
    return {name: float(value) for name, value in values.items()}
