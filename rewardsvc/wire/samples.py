"""Groups and options: messages to domain types on the server, and back on the client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from rewardsvc.errors import InvalidRequest
from rewardsvc.types import (
    Chat,
    ChatMessage,
    Criterion,
    Detail,
    Group,
    Prompt,
    Reference,
    Response,
    ScoreOptions,
    TestSuite,
    TokenIds,
)
from rewardsvc.v1 import reward_service_pb2, sample_pb2

if TYPE_CHECKING:
    from rewardsvc.v1.reward_service_pb2 import ScoreRequest, ScoreStreamRequest

ROLES = ("system", "user", "assistant", "tool")
_DEFAULT_OPTIONS = ScoreOptions()
_DETAILS = {
    reward_service_pb2.DETAIL_UNSPECIFIED: Detail.FULL,
    reward_service_pb2.DETAIL_FULL: Detail.FULL,
    reward_service_pb2.DETAIL_REWARD: Detail.REWARD,
}
_DETAIL_NUMBERS = {
    Detail.FULL: reward_service_pb2.DETAIL_FULL,
    Detail.REWARD: reward_service_pb2.DETAIL_REWARD,
}


# ── messages to domain types (server) ────────────────────────────────────────────────────


def groups_from_message(request: ScoreRequest | ScoreStreamRequest) -> list[Group]:
    """The groups of a request, checked; raises InvalidRequest naming the field's path.

    Empty group and sample ids are numbered by their place, e.g. `0` and `0/3`.
    """
    if not request.groups:
        raise InvalidRequest.field("groups", "is empty; send at least one group")
    groups = [_group(message, index) for index, message in enumerate(request.groups)]
    _refuse_repeated([group.group_id for group in groups], "groups[].group_id")
    _refuse_repeated(
        [response.sample_id for group in groups for response in group.responses],
        "groups[].responses[].sample_id",
    )
    return groups


def options_from_message(request: ScoreRequest | ScoreStreamRequest) -> ScoreOptions:
    """The options of a request, checked; raises InvalidRequest naming the field's path."""
    if not request.HasField("options"):
        return _DEFAULT_OPTIONS
    message = request.options
    detail = _DETAILS.get(message.detail)
    if detail is None:
        raise InvalidRequest.field(
            "options.detail", f"is {message.detail}; allowed are DETAIL_FULL and DETAIL_REWARD"
        )
    weights = dict(message.attribute_weights)
    for name, weight in weights.items():
        if not isfinite(weight):
            raise InvalidRequest.field(
                f"options.attribute_weights[{name!r}]", f"is {weight}; must be a finite number"
            )
    return ScoreOptions(message.tenant, weights, detail, message.batch_id)


def _group(message: sample_pb2.Group, index: int) -> Group:
    group_id = message.group_id or str(index)
    # Runs for every sample of every request: the plain case is one pass without a call.
    responses = tuple(
        [
            Response(response.sample_id, text, None)
            if (text := response.text)
            and response.sample_id
            and not response.HasField("reference")
            and not response.values
            else _response(response, group_id, index, place)
            for place, response in enumerate(message.responses)
        ]
    )
    if not responses:
        raise InvalidRequest.field(
            f"groups[{index}].responses", "is empty; send at least one response"
        )
    if message.size and len(responses) > message.size:
        raise InvalidRequest.field(
            f"groups[{index}].size",
            f"is {message.size}, but the group holds {len(responses)} responses",
        )
    return Group(
        group_id,
        message.prompt.text or _prompt(message.prompt, f"groups[{index}].prompt"),
        responses,
        _reference(message.reference, f"groups[{index}].reference")
        if message.HasField("reference")
        else None,
        message.domain,
        message.size,
    )


def _response(message: sample_pb2.Response, group_id: str, index: int, place: int) -> Response:
    path = f"groups[{index}].responses[{place}]"
    kind = message.WhichOneof("content")
    if kind is None:
        raise InvalidRequest.field(path, "has no content; set text (may be empty) or token_ids")
    return Response(
        message.sample_id or f"{group_id}/{place}",
        message.text if kind == "text" else _token_ids(message.token_ids, f"{path}.token_ids"),
        _reference(message.reference, f"{path}.reference")
        if message.HasField("reference")
        else None,
        _values(message, path),
    )


def _values(message: sample_pb2.Response, path: str) -> dict[str, float]:
    values = dict(message.values)
    for name, value in values.items():
        if not isfinite(value):
            raise InvalidRequest.field(
                f"{path}.values[{name!r}]", f"is {value}; must be a finite number"
            )
    return values


def _prompt(message: sample_pb2.Prompt, path: str) -> Prompt:
    kind = message.WhichOneof("content")
    if kind == "text":
        return message.text
    if kind == "token_ids":
        return _token_ids(message.token_ids, f"{path}.token_ids")
    if kind is None:
        raise InvalidRequest.field(path, "is missing; set text, chat or token_ids")
    messages = tuple(ChatMessage(m.role, m.content) for m in message.chat.messages)
    if not messages:
        raise InvalidRequest.field(f"{path}.chat.messages", "is empty; send at least one message")
    for index, chat_message in enumerate(messages):
        if chat_message.role not in ROLES:
            raise InvalidRequest.field(
                f"{path}.chat.messages[{index}].role",
                f"is {chat_message.role!r}; allowed are {', '.join(ROLES)}",
            )
    return Chat(messages)


def _token_ids(message: sample_pb2.TokenIds, path: str) -> TokenIds:
    ids = message.little_endian_int32
    if not ids or len(ids) % 4:
        raise InvalidRequest.field(
            f"{path}.little_endian_int32",
            f"has {len(ids)} bytes; must be a positive multiple of 4",
        )
    if not message.tokenizer_hash:
        raise InvalidRequest.field(f"{path}.tokenizer_hash", "is empty; token ids need it")
    return TokenIds(ids, message.tokenizer_hash)


def _reference(message: sample_pb2.Reference, path: str) -> Reference:
    for index, criterion in enumerate(message.rubric):
        if not (isfinite(criterion.weight) and criterion.weight >= 0):
            raise InvalidRequest.field(
                f"{path}.rubric[{index}].weight",
                f"is {criterion.weight}; must be a finite number of at least 0",
            )
    return Reference(
        tuple(message.answers),
        message.response,
        TestSuite(message.tests.format, message.tests.json) if message.HasField("tests") else None,
        tuple(Criterion(c.name, c.description, c.weight, c.hard_rule) for c in message.rubric),
    )


def _refuse_repeated(ids: list[str], path: str) -> None:
    if len(set(ids)) < len(ids):
        repeated = next(identifier for identifier, count in Counter(ids).items() if count > 1)
        raise InvalidRequest.field(path, f"{repeated!r} occurs twice; ids must be unique")


# ── domain types to messages (client) ────────────────────────────────────────────────────


def groups_to_messages(groups: Sequence[Group]) -> list[sample_pb2.Group]:
    """The messages of some groups; raises InvalidRequest for text that is not valid Unicode."""
    return [_group_message(group, f"groups[{index}]") for index, group in enumerate(groups)]


def options_to_message(options: ScoreOptions) -> reward_service_pb2.ScoreOptions:
    """The message of some options."""
    return reward_service_pb2.ScoreOptions(
        tenant=options.tenant,
        attribute_weights=options.attribute_weights,
        detail=_DETAIL_NUMBERS[options.detail],
        batch_id=options.batch_id,
    )


def _group_message(group: Group, path: str) -> sample_pb2.Group:
    try:
        message = sample_pb2.Group(group_id=group.group_id, domain=group.domain, size=group.size)
        _fill_prompt(message.prompt, group.prompt)
        if group.reference is not None:
            _fill_reference(message.reference, group.reference)
        for response in group.responses:
            added = message.responses.add(sample_id=response.sample_id)
            if isinstance(response.text, TokenIds):
                _fill_token_ids(added.token_ids, response.text)
            else:
                added.text = response.text
            if response.reference is not None:
                _fill_reference(added.reference, response.reference)
            if response.values:
                added.values.update(response.values)
    except UnicodeEncodeError as error:
        raise InvalidRequest.field(
            path, f"holds text that is not valid Unicode: {error.reason} at {error.start}"
        ) from error
    return message


def _fill_prompt(message: sample_pb2.Prompt, prompt: Prompt) -> None:
    if isinstance(prompt, str):
        message.text = prompt
    elif isinstance(prompt, TokenIds):
        _fill_token_ids(message.token_ids, prompt)
    else:
        for chat_message in prompt.messages:
            message.chat.messages.add(role=chat_message.role, content=chat_message.content)


def _fill_token_ids(message: sample_pb2.TokenIds, ids: TokenIds) -> None:
    message.little_endian_int32 = ids.little_endian_int32
    message.tokenizer_hash = ids.tokenizer_hash


def _fill_reference(message: sample_pb2.Reference, reference: Reference) -> None:
    message.SetInParent()
    message.answers.extend(reference.answers)
    message.response = reference.response
    if reference.tests is not None:
        message.tests.format = reference.tests.format
        message.tests.json = reference.tests.json
    for criterion in reference.rubric:
        message.rubric.add(
            name=criterion.name,
            description=criterion.description,
            weight=criterion.weight,
            hard_rule=criterion.hard_rule,
        )
