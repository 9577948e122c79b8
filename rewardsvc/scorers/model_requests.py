"""From groups to what a model engine takes, keeping apart what it cannot take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rewardsvc.types import Chat, Group, Prompt, Reference, Response, Score, Status, TokenIds

__all__ = ["ModelRequest", "as_messages", "model_request", "reference_texts"]


@dataclass(slots=True)
class ModelRequest:
    """An engine's request, and where its samples stand among those that were asked for.

    Attributes:
        groups: What the engine takes.
        positions: For each sample of `groups`, its index among all samples.
        refusals: Why the other samples cannot be taken, by index.
    """

    groups: list[dict[str, Any]] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    refusals: dict[int, str] = field(default_factory=dict)

    def arrange(self, scores: Sequence[Score], groups: Sequence[Group]) -> list[list[Score]]:
        """The engine's scores and the refusals, group by group."""
        placed = dict(zip(self.positions, scores, strict=True))
        for index, reason in self.refusals.items():
            placed[index] = Score.unscored(Status.ERROR, reason)
        flat = iter(placed[index] for index in range(len(placed)))
        return [[next(flat) for _ in group.responses] for group in groups]


def model_request(
    groups: Sequence[Group], *, with_references: bool, answers_first: bool = False
) -> ModelRequest:
    """The request for some groups; with references, each response has those it is judged by."""
    request = ModelRequest()
    index = 0
    for group in groups:
        texts: list[tuple[int, str, list[str]]] = []
        ids: dict[str, list[tuple[int, bytes]]] = {}
        for response in group.responses:
            refusal = _refusal(group, response, with_references)
            if refusal:
                request.refusals[index] = refusal
            elif isinstance(response.text, TokenIds):
                by_hash = ids.setdefault(response.text.tokenizer_hash, [])
                by_hash.append((index, response.text.little_endian_int32))
            else:
                references = reference_texts(group.reference_of(response), answers_first)
                texts.append((index, response.text, references))
            index += 1
        if texts:
            entry: dict[str, Any] = {
                "messages": as_messages(group.prompt),
                "responses": [text for _, text, _ in texts],
            }
            if with_references:
                entry["references"] = [references for _, _, references in texts]
            request.groups.append(entry)
            request.positions += [position for position, _, _ in texts]
        for hash_, pairs in ids.items():
            assert isinstance(group.prompt, TokenIds)
            request.groups.append(
                {
                    "ids": group.prompt.little_endian_int32,
                    "hash": hash_,
                    "responses": [response for _, response in pairs],
                }
            )
            request.positions += [position for position, _ in pairs]
    return request


def as_messages(prompt: Prompt) -> list[list[str]]:
    """A prompt's messages as [role, content]; plain text is one user message."""
    if isinstance(prompt, Chat):
        return [[message.role, message.content] for message in prompt.messages]
    if isinstance(prompt, str):
        return [["user", prompt]]
    raise TypeError("token ids have no messages")


def reference_texts(reference: Reference | None, answers_first: bool = False) -> list[str]:
    """What a response is compared with: each answer, or the full response known to be good.

    Of a reference with both, `answers_first` takes the answers.
    """
    if reference is None:
        return []
    answers, full = list(reference.answers), [reference.response] if reference.response else []
    return (answers or full) if answers_first else (full or answers)


def _refusal(group: Group, response: Response, with_references: bool) -> str:
    prompt, text = group.prompt, response.text
    if isinstance(prompt, TokenIds) and isinstance(text, TokenIds):
        if with_references:
            return "needs text, not token ids, to compare it with a reference"
        if prompt.tokenizer_hash != text.tokenizer_hash:
            return "the tokenizer hashes of prompt and response differ"
    elif isinstance(prompt, TokenIds) or isinstance(text, TokenIds):
        return "prompt and response must both be text or both be token ids"
    elif with_references and not reference_texts(group.reference_of(response)):
        return "needs a reference: a full response, or answers"
    return ""
