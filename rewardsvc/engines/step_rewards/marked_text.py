"""Tokenises a model's input and finds the tokens at which steps end.

Reading positions follow from where the format put its marks, never from searching the input
for a token: a response that spells a mark cannot add, move or hide a step. Special tokens
that a response spells are tokenised as plain text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rewardsvc.engines.conversation import ConversationEncoder
from rewardsvc.engines.step_rewards.step_format import Kind, Piece, StepFormat
from rewardsvc.errors import ConfigError

__all__ = ["MarkedText", "MarkerLost", "StepTokenizer", "single_token"]


class MarkerLost(ValueError):
    """The tokenizer merged a mark with its neighbours; the step's score has no place."""


@dataclass(frozen=True, slots=True)
class MarkedText:
    """Token ids, and for each step the position at which its score is read."""

    ids: list[int]
    reads: list[int]


def single_token(tokenizer: Any, text: str, what: str) -> int:
    """The id of the one token that `text` ends with as this tokenizer writes it in a text.

    A tokenizer that marks words by the space before them writes `+` with its own mark for
    that space; both are one token here.

    Raises:
        ConfigError: it takes several tokens, or is unknown.
    """
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    words = tokenizer.convert_ids_to_tokens(ids)
    if len(ids) == 2 and words[0] in ("▁", "Ġ"):
        ids = ids[1:]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise ConfigError(f"tokenizer: {what} {text!r} must be one token, not {words}")
    return int(ids[0])


class StepTokenizer:
    """Tokenises inputs of one format with one tokenizer (transformers, fast)."""

    def __init__(self, tokenizer: Any, step_format: StepFormat) -> None:
        self._tokenizer = tokenizer
        self._format = step_format
        self._encoder = ConversationEncoder(tokenizer)
        added = tokenizer.added_tokens_decoder.values()
        self._specials = {*tokenizer.all_special_tokens, *(t.content for t in added)} - {""}

    def encode(self, pieces: Sequence[Piece]) -> MarkedText:
        """Token ids of the pieces and the reading position of each mark that ends a step.

        Raises:
            MarkerLost: a mark did not become the format's token.
        """
        begun = bool(pieces) and pieces[0].text.startswith(self._tokenizer.bos_token or "\0")
        prefix = [] if begun else list(self._encoder.own_prefix)
        hostile = any(
            special in piece.text
            for piece in pieces
            if piece.kind is Kind.CONTENT
            for special in self._specials
        )
        structured = any(piece.kind is Kind.STRUCTURE for piece in pieces)
        if not self._format.joint or (hostile and structured):
            marked = self._apart(pieces, prefix)
        else:
            marked = self._joint(pieces, prefix, split_special_tokens=hostile)
        if not self._format.reads_before_mark:
            return marked
        return MarkedText(marked.ids, [position - 1 for position in marked.reads])

    def _joint(
        self, pieces: Sequence[Piece], prefix: list[int], *, split_special_tokens: bool
    ) -> MarkedText:
        encoded = self._tokenizer(
            "".join(piece.text for piece in pieces),
            add_special_tokens=False,
            split_special_tokens=split_special_tokens,
            return_offsets_mapping=True,
            return_attention_mask=False,
        )
        ids: list[int] = encoded["input_ids"]
        ending_at = {end: index for index, (_, end) in enumerate(encoded["offset_mapping"])}
        reads = []
        for end in _ends(pieces):
            index = ending_at.get(end)
            if index is None or ids[index] != self._format.mark_id:
                raise MarkerLost("the tokenizer merged a step's mark with the text around it")
            reads.append(len(prefix) + index)
        return MarkedText(prefix + ids, reads)

    def _apart(self, pieces: Sequence[Piece], prefix: list[int]) -> MarkedText:
        ids, reads = list(prefix), []
        for piece in pieces:
            if piece.kind is Kind.MARK:
                if piece.ends_step:
                    reads.append(len(ids))
                ids.append(self._format.mark_id)
            elif piece.kind is Kind.CONTENT:
                ids += self._encoder.encode_plain(piece.text)
            else:
                ids += self._tokenizer(piece.text, add_special_tokens=False)["input_ids"]
        return MarkedText(ids, reads)


def _ends(pieces: Sequence[Piece]) -> Iterator[int]:
    """Where each mark that ends a step ends, in characters."""
    at = 0
    for piece in pieces:
        at += len(piece.text)
        if piece.ends_step:
            yield at
