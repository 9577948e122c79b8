"""Samples to messages: grouped by prompt, packed to a useful size, and results put back.

A parcel is what one message carries. Groups stay whole, so that a prompt travels once and
rewards that look at whole groups see them; 32 to 64 responses a message is the sweet spot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from rewardsvc.client.channel import MESSAGE_LIMIT_BYTES
from rewardsvc.errors import FieldViolation, InternalError, InvalidRequest, MessageTooLarge
from rewardsvc.types import (
    Chat,
    Group,
    Prompt,
    Reference,
    Response,
    Result,
    Sample,
    Status,
    TokenIds,
)
from rewardsvc.v1 import result_pb2, sample_pb2
from rewardsvc.wire.results import result_from_message
from rewardsvc.wire.samples import groups_to_messages

SAMPLES_PER_MESSAGE = 64
"""Responses after which a message is full; one group may go beyond it."""
BYTES_PER_MESSAGE = 3_500_000
"""Bytes after which a message is full; below gRPC's default limit of 4 MiB, so that a proxy
that was never configured lets it pass. One group may go beyond it."""
BYTES_PER_GROUP = MESSAGE_LIMIT_BYTES - 1_000_000
"""Bytes beyond which a group cannot be one message."""
_OVERHEAD = 64
"""Upper estimate of what a message adds to a piece of text: ids, tags and lengths."""


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A group and where its samples stand in the caller's list."""

    group: Group
    positions: tuple[int, ...]
    size: int
    """Upper estimate of its bytes on the wire."""


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """The groups of one message."""

    bundles: tuple[Bundle, ...]

    @property
    def samples(self) -> int:
        """How many samples it carries."""
        return sum(len(bundle.positions) for bundle in self.bundles)

    @property
    def size(self) -> int:
        """Upper estimate of its bytes on the wire."""
        return sum(bundle.size for bundle in self.bundles)

    def singly(self) -> Iterator[Parcel]:
        """The same samples, one a parcel."""
        for bundle in self.bundles:
            for response, position in zip(bundle.group.responses, bundle.positions, strict=True):
                group = replace(bundle.group, responses=(response,))
                yield Parcel((Bundle(group, (position,), bundle.size),))


# ── samples to parcels ───────────────────────────────────────────────────────────────────


def bundles_of(samples: Sequence[Sample], first_position: int = 0) -> list[Bundle]:
    """Groups samples by prompt and domain, in the order in which prompts first occur.

    Groups that would not fit a message are cut. Raises MessageTooLarge for a sample that
    does not fit one alone.
    """
    together: dict[tuple[Prompt, str], list[int]] = {}
    for index, sample in enumerate(samples):
        together.setdefault((sample.prompt, sample.domain), []).append(index)
    bundles = []
    for (prompt, _), indices in together.items():
        prompt_size = _prompt_size(prompt)
        piece: list[int] = []
        size = prompt_size
        for index in indices:
            added = response_size(samples[index])
            if prompt_size + added > BYTES_PER_GROUP:
                raise too_large(f"sample {samples[index].sample_id!r}", prompt_size + added)
            if size + added > BYTES_PER_GROUP:
                bundles.append(_bundle(samples, piece, size, first_position))
                piece, size = [], prompt_size
            piece.append(index)
            size += added
        bundles.append(_bundle(samples, piece, size, first_position))
    return bundles


def bundle_of_group(group: Group, first_position: int) -> Bundle:
    """A group that the caller made: never cut; raises MessageTooLarge when it does not fit."""
    size = _prompt_size(group.prompt) + _reference_size(group.reference)
    size += sum(
        _text_size(response.text) + _reference_size(response.reference) + _OVERHEAD
        for response in group.responses
    )
    if size > BYTES_PER_GROUP:
        raise too_large(f"group {group.group_id!r}", size)
    positions = range(first_position, first_position + len(group.responses))
    return Bundle(group, tuple(positions), size)


def packed(bundles: Iterable[Bundle]) -> Iterator[Parcel]:
    """Parcels of about a message's size each, in order."""
    piece: list[Bundle] = []
    samples = size = 0
    for bundle in bundles:
        added = len(bundle.positions)
        if piece and (
            samples + added > SAMPLES_PER_MESSAGE or size + bundle.size > BYTES_PER_MESSAGE
        ):
            yield Parcel(tuple(piece))
            piece, samples, size = [], 0, 0
        piece.append(bundle)
        samples += added
        size += bundle.size
    if piece:
        yield Parcel(tuple(piece))


def too_large(what: str, size: int) -> MessageTooLarge:
    """The error for something that cannot be one message."""
    return MessageTooLarge(
        f"{what} takes about {size:,} bytes; one message, also of ScoreStream, holds at most "
        f"{MESSAGE_LIMIT_BYTES:,}"
    )


def response_size(sample: Sample) -> int:
    """Upper estimate of the bytes that a sample adds to its group."""
    reference = sample.reference
    return (
        _text_size(sample.response)
        + _text_size(sample.sample_id)
        + (_text_size(reference) if isinstance(reference, str) else _reference_size(reference))
        + _OVERHEAD
    )


def _bundle(
    samples: Sequence[Sample], indices: Sequence[int], size: int, first_position: int
) -> Bundle:
    chosen = [samples[index] for index in indices]
    references = [
        Reference(answers=(sample.reference,))
        if isinstance(sample.reference, str)
        else sample.reference
        for sample in chosen
    ]
    # A group's reference holds for responses without one, so it is set only where all agree.
    shared = references[0]
    if any(reference != shared for reference in references):
        shared = None
    group = Group(
        group_id="",
        prompt=chosen[0].prompt,
        responses=tuple(
            Response(
                sample.sample_id,
                sample.response,
                None if shared is not None else reference,
                sample.values,
            )
            for sample, reference in zip(chosen, references, strict=True)
        ),
        reference=shared,
        domain=chosen[0].domain,
    )
    return Bundle(group, tuple(first_position + index for index in indices), size)


def _prompt_size(prompt: Prompt) -> int:
    if isinstance(prompt, Chat):
        return sum(_text_size(m.content) + _OVERHEAD for m in prompt.messages) + _OVERHEAD
    return _text_size(prompt) + _OVERHEAD


def _reference_size(reference: Reference | None) -> int:
    if reference is None:
        return 0
    size = sum(_text_size(answer) + 8 for answer in reference.answers)
    size += _text_size(reference.response) + _OVERHEAD
    if reference.tests is not None:
        size += _text_size(reference.tests.json) + _OVERHEAD
    return size + sum(
        _text_size(criterion.name) + _text_size(criterion.description) + _OVERHEAD
        for criterion in reference.rubric
    )


def _text_size(text: str | TokenIds) -> int:
    if isinstance(text, TokenIds):
        return len(text.little_endian_int32) + len(text.tokenizer_hash) + 8
    return len(text) if text.isascii() else len(text.encode())


# ── parcels to messages and back ─────────────────────────────────────────────────────────


def messages_of(parcel: Parcel) -> list[sample_pb2.Group]:
    """The messages of a parcel's groups; ids are made unique where callers' ids clash."""
    taken: set[str] = set()
    groups = []
    for number, bundle in enumerate(parcel.bundles):
        responses = bundle.group.responses
        ids = [response.sample_id for response in responses]
        if len(set(ids)) < len(ids) or not taken.isdisjoint(ids):
            responses = tuple(
                replace(response, sample_id=_unique(response.sample_id, number, place, taken))
                for place, response in enumerate(responses)
            )
            ids = [response.sample_id for response in responses]
        taken.update(ids)
        groups.append(replace(bundle.group, group_id=str(number), responses=responses))
    return groups_to_messages(groups)


def _unique(sample_id: str, number: int, place: int, taken: set[str]) -> str:
    candidate = f"{sample_id}~{number}.{place}"
    while candidate in taken:
        candidate += "~"
    return candidate


def results_of(
    parcel: Parcel, answers: Sequence[result_pb2.GroupResult], versions: Mapping[str, str]
) -> list[Result]:
    """A parcel's results in the order of its samples, with the callers' ids.

    Raises InternalError when the server answered for other samples than those sent.
    """
    counts = [len(answer.results) for answer in answers]
    sent = [len(bundle.positions) for bundle in parcel.bundles]
    if counts != sent:
        raise InternalError(
            f"the server answered {counts} results for groups of {sent} responses; none is used"
        )
    shared = dict(versions)
    return [
        _checked(result_from_message(message, shared), response.sample_id)
        for bundle, answer in zip(parcel.bundles, answers, strict=True)
        for response, message in zip(bundle.group.responses, answer.results, strict=True)
    ]


def _checked(result: Result, sample_id: str) -> Result:
    """The result under the caller's id; a number that is none makes it an error."""
    wrong = ""
    if result.status.scored and result.reward is None:
        wrong = f"the server answered status {result.status} without a reward"
    elif not result.status.scored and result.reward is not None:
        wrong = f"the server answered a reward with status {result.status}"
    else:
        confidence = result.confidence
        numbers = {
            "reward": result.reward,
            "score": result.score,
            "disagreement": result.disagreement,
            "confidence": None if confidence is None else confidence.probability,
        }
        for name, number in numbers.items():
            if number is not None and not isfinite(number):
                wrong = f"the server answered {name} {number}, which is not a finite number"
    if wrong:
        return Result(sample_id, Status.ERROR, wrong, versions=result.versions)
    return result if result.sample_id == sample_id else replace(result, sample_id=sample_id)


def naming_samples(error: InvalidRequest, parcel: Parcel) -> InvalidRequest:
    """The error with the callers' sample ids beside field paths, which speak of groups."""
    violations = tuple(
        FieldViolation(violation.field, violation.description + _whose(violation.field, parcel))
        for violation in error.violations
    )
    return InvalidRequest(*violations) if violations else error


def _whose(path: str, parcel: Parcel) -> str:
    """` (sample 'id')` for a path such as `groups[3].responses[2].text`; else empty."""
    numbers = []
    for part, name in zip(path.split("."), ("groups", "responses"), strict=False):
        opened, _, rest = part.partition("[")
        number, closed, _ = rest.partition("]")
        if opened != name or not closed or not number.isascii() or not number.isdigit():
            break
        numbers.append(int(number))
    if not numbers or numbers[0] >= len(parcel.bundles):
        return ""
    responses = parcel.bundles[numbers[0]].group.responses
    if len(numbers) == 2 and numbers[1] < len(responses):
        return f" (sample {responses[numbers[1]].sample_id!r})"
    return f" (sample {responses[0].sample_id!r} and others of its prompt)"
